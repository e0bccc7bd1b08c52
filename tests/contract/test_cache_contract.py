"""What the path relies on in every level of the verdict cache.

A level joins with one line in `LEVELS`; one that needs a server, with a fixture of its own.
"""

from collections.abc import Callable

import pytest
from fakes import FakeCache, FakeClock, call_row

from bridge.inference.memory_cache import MemoryCache
from bridge.ports import Cache, Classification
from bridge.storage.cassandra import writes
from bridge.storage.cassandra.cache import CassandraCache

LEVELS: dict[str, Callable[[], Cache]] = {
    "fake": FakeCache,
    "memory": lambda: MemoryCache(1_000, 60, FakeClock()),
}
DEADLINE_S = 1.0
SPAM = Classification("spam", 0.900001, '{"ham":0.099999,"spam":0.900001}', "spam@1")
HAM = Classification("ham", 0.1, '{"ham":0.9,"spam":0.1}', "spam@1")


def key(number: int, model: str = "spam@1") -> tuple[str, bytes]:
    """Return the key of one of many texts."""
    return model, number.to_bytes(16, "big")


class ShippedCache(CassandraCache):
    """Verdicts come into it as they do in the clerk: as rows of the journal."""

    def put_many(self, entries):
        """Ship what the loop would have recorded."""
        for (model, text_key), said in entries.items():
            row = call_row(1, label=said.label, score=said.score, model=model)
            row = row._replace(fingerprint=text_key, scores=said.scores)
            write = writes.verdict(1, row)
            self._session.send(write.statement, write.values, timeout_s=5).result()


@pytest.fixture
def store(request: pytest.FixtureRequest) -> Cache:
    """The level in Cassandra."""
    keyspace, connect = (request.getfixturevalue(name) for name in ("keyspace", "connect"))
    return ShippedCache(connect(keyspace))


@pytest.fixture(params=[*LEVELS, "store"])
def cache(request: pytest.FixtureRequest) -> Cache:
    """One level after the other, empty."""
    if request.param == "store":
        return request.getfixturevalue("store")
    return LEVELS[request.param]()


def test_what_was_put_is_found_exactly(cache):
    """Label, every score, model: no digit is lost."""
    cache.put_many({key(1): SPAM, key(2): HAM})
    assert cache.get_many([key(1), key(2)], DEADLINE_S) == {key(1): SPAM, key(2): HAM}


def test_what_is_unknown_is_left_out(cache):
    """Not found is no error, and nothing stands for it."""
    cache.put_many({key(1): SPAM})
    assert cache.get_many([key(1), key(2)], DEADLINE_S) == {key(1): SPAM}
    assert cache.get_many([key(3)], DEADLINE_S) == {}


def test_a_later_verdict_replaces_an_earlier(cache):
    """Who skips the cache renews it for others."""
    cache.put_many({key(1): SPAM})
    cache.put_many({key(1): HAM})
    assert cache.get_many([key(1)], DEADLINE_S) == {key(1): HAM}


def test_a_text_has_a_verdict_for_each_model(cache):
    """Model versions never see each other's."""
    other = SPAM._replace(model="spam@2")
    cache.put_many({key(1): HAM, key(1, "spam@2"): other})
    found = cache.get_many([key(1), key(1, "spam@2")], DEADLINE_S)
    assert found == {key(1): HAM, key(1, "spam@2"): other}


def test_a_whole_batch_is_one_question(cache):
    """As many keys as a batch may have, asked for twice among them."""
    entries = {key(number): HAM for number in range(256)}
    cache.put_many(entries)
    assert cache.get_many([*entries, *entries], DEADLINE_S) == entries


def test_nothing_is_a_question_too(cache):
    """Empty in, empty out."""
    cache.put_many({})
    assert cache.get_many([], DEADLINE_S) == {}
