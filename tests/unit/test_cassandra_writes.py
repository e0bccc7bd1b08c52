"""Rows as writes, writes as batches: pure."""

from collections import Counter
from datetime import UTC, datetime

from cassandra.cqltypes import DateType
from fakes import call_row
from hypothesis import given
from hypothesis import strategies as st

from bridge.storage.cassandra import writes
from bridge.storage.cassandra.writes import HOUR_MS, Write, batches, composite, hour_of, unix_ms

DAY_MS = 86_400_000
WRITES = st.lists(
    st.builds(
        Write,
        st.just("INSERT"),
        st.just(()),
        st.sampled_from([b"a", b"b", b"c"]),
        st.integers(1, 60_000),
        st.integers(1, 1_000),
    ),
    max_size=200,
)


@given(WRITES)
def test_batches_hold_every_write_once_within_the_bounds(made):
    """At most 32 rows and 40,000 bytes, of one replica; what is larger goes alone."""
    cut = list(batches(made, lambda key: key))
    assert Counter(write for batch in cut for write in batch) == Counter(made)
    for batch in cut:
        assert batch
        assert len(batch) <= 32
        assert len({write.routing_key for write in batch}) == 1
        assert len(batch) == 1 or sum(write.size_bytes for write in batch) <= 40_000


@given(WRITES)
def test_batches_keep_the_order_of_each_replica(made):
    """What is written last of a row is what stays."""
    cut = list(batches(made, lambda key: key))
    for key in (b"a", b"b", b"c"):
        sent = [write for batch in cut for write in batch if write.routing_key == key]
        assert sent == [write for write in made if write.routing_key == key]


@given(st.text(max_size=3_000), st.text(max_size=300))
def test_a_write_is_never_larger_than_it_says(text, problem):
    """Whatever script a text is in: its bytes are bounded by four a character."""
    row = call_row(1)._replace(text=text, problem=problem)
    said = writes.call(1, row, keep_key=True).size_bytes
    assert said >= len(text.encode("utf-8", "surrogatepass")) + len(problem.encode()) + 200


@given(st.integers(-62_135_596_800_000, 253_402_300_799_999))
def test_a_moment_is_the_same_on_its_way_back(ms):
    """To the millisecond, from the year 1 to 9999."""
    stored = DateType.serialize(ms, 5)
    assert unix_ms(DateType.deserialize(stored, 5)) == ms


@given(st.integers(0, 4_102_444_800_000))
def test_hours_are_cut_and_never_rounded(ms):
    """As a calendar in UTC cuts them."""
    cut = datetime.fromtimestamp(ms // 1000, UTC).replace(minute=0, second=0)
    assert hour_of(ms) == int(cut.timestamp()) * 1000
    assert 0 <= ms - hour_of(ms) < HOUR_MS


def test_a_machine_s_time_zone_changes_nothing(monkeypatch):
    """Kathmandu is 5:45 ahead: no hour of its clock is one of ours."""
    import time  # noqa: PLC0415 - beside its use

    try:
        monkeypatch.setenv("TZ", "Asia/Kathmandu")
        time.tzset()
        row = call_row(1)._replace(called_at_ms=DAY_MS + HOUR_MS - 1)
        _, hour, called_at, *_ = writes.call(1, row, keep_key=True).values
        assert (hour, called_at) == (DAY_MS, DAY_MS + HOUR_MS - 1)
        assert unix_ms(datetime(1970, 1, 2)) == DAY_MS  # noqa: DTZ001 - as the driver gives it
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_text_s_key_is_written_only_where_the_log_may_keep_it():
    """And never for what had no valid text."""
    row = call_row(7)
    key = writes.call(1, row, keep_key=True).values.index(row.fingerprint)
    assert writes.call(1, row, keep_key=False).values[key] is None
    rejected = row._replace(outcome="rejected", scores=None)
    assert writes.call(1, rejected, keep_key=True).values[key] is None


def test_a_composite_key_is_what_the_server_hashes():
    """Each part with its length before and a zero behind (native protocol, section 2.6)."""
    assert composite(b"ab", b"c") == b"\0\2ab\0\0\1c\0"
