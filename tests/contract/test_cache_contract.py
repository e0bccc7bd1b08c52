"""What the path relies on in every level of the verdict cache.

A level joins with one line in `LEVELS`; one that needs a server, with a fixture of its own.
"""

from collections.abc import Callable

import pytest
from fakes import FakeCache, FakeClock

from bridge.inference.memory_cache import MemoryCache
from bridge.ports import Cache, Classification

LEVELS: dict[str, Callable[[], Cache]] = {
    "fake": FakeCache,
    "memory": lambda: MemoryCache(1_000, 60, FakeClock()),
}
DEADLINE_S = 1.0
SPAM = Classification("spam", 0.900001, {"ham": 0.099999, "spam": 0.900001}, "spam@1")
HAM = Classification("ham", 0.1, {"ham": 0.9, "spam": 0.1}, "spam@1")


def key(number: int, model: str = "spam@1") -> tuple[str, bytes]:
    """Return the key of one of many texts."""
    return model, number.to_bytes(16, "big")


@pytest.fixture(params=LEVELS)
def cache(request: pytest.FixtureRequest) -> Cache:
    """One level after the other, empty."""
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
