"""The shipper between a real journal and a real server: in order, idempotent, resumable."""

import json
from collections import Counter

import psutil
import pytest
from fakes import call_row
from fleets import NOON_MS, Member

from bridge.errors import Unavailable
from bridge.storage.log.call_log import HOUR_MS, Span

NOON = NOON_MS // HOUR_MS


class Crash(BaseException):
    """What stops a process between two steps: nothing catches it."""


class Faulty:
    """A session whose n-th call goes wrong, before or after the server has it."""

    def __init__(self, session):
        self._session = session
        self.calls_left = None
        self.is_after = False
        self.fault = Unavailable("down")

    def __getattr__(self, name):
        return getattr(self._session, name)

    def send(self, *arguments, **options):
        """Send a statement."""
        return self._guard(lambda: self._session.send(*arguments, **options))

    def send_batch(self, *arguments, **options):
        """Send a batch."""
        return self._guard(lambda: self._session.send_batch(*arguments, **options))

    def _guard(self, send):
        if self.calls_left is None:
            return send()
        self.calls_left -= 1
        if self.calls_left >= 0:
            return send()
        if self.is_after:
            send().result()
        raise self.fault


@pytest.fixture
def member(keyspace, connect, tmp_path):
    """A bridge's journal, and a clerk with a session that may fail."""
    member = Member(tmp_path / "journal", Faulty(connect(keyspace)), segment_rows=40)
    yield member
    member.close()


def rows(count, first=0, **fields):
    """Calls of three devices over three hours; some rejected, some known before."""
    for number in range(first, first + count):
        row = call_row(number + 1, **fields)._replace(
            device=f"gw-{number % 3}", called_at_ms=NOON_MS + number * HOUR_MS // 50
        )
        if number % 5 == 0:
            nothing = dict.fromkeys(("label", "score", "scores", "model", "cached", "text"))
            row = row._replace(outcome="rejected", problem='{"status":422}', **nothing)
        yield row._replace(cached="memory") if number % 7 == 0 and row.label else row


def stored_ids(cql):
    """How often each id is in the table."""
    return Counter(row.message_id for row in cql("SELECT message_id FROM calls_by_device_hour"))


def counted(cql):
    """All sums in the table, by hour, device and label."""
    return {
        (row.hour, row.device_id, row.label): row.calls
        for row in cql("SELECT hour, device_id, label, calls FROM counts_by_hour")
    }


def test_every_row_arrives_once_and_whole(member, cql):
    """Calls, hours, counts and verdicts are what was recorded."""
    sent = list(rows(120))
    member.record(*sent)
    assert member.ship() == 120
    assert stored_ids(cql) == {row.message_id: 1 for row in sent}
    assert sum(counted(cql).values()) == 120
    assert member.unshipped == 0
    first = next(row for row in sent if row.label)
    stored = cql(
        f"SELECT * FROM calls_by_device_hour WHERE device_id = '{first.device}'"  # noqa: S608
        f" AND hour = {NOON_MS} AND called_at = {first.called_at_ms}"
    )[0]
    assert (stored.message_id, stored.label, stored.score) == (
        first.message_id,
        first.label,
        first.score,
    )
    assert dict(stored.scores) == json.loads(first.scores)
    assert (stored.text, stored.text_key) == (first.text, first.fingerprint)
    new = {row.fingerprint for row in sent if row.cached == "no"}
    assert {row.text_key for row in cql("SELECT text_key FROM verdict_cache")} == new


def test_a_second_shipping_writes_the_same_rows(member, cql):
    """A clerk that has forgotten how far it was ships all again: nothing is doubled."""
    member.record(*rows(90))
    member.ship()
    before = cql("SELECT * FROM calls_by_device_hour"), counted(cql)
    with member.notebook._transaction():
        member.notebook._file.execute("UPDATE journal SET shipped = 0")
        member.notebook._file.execute("DELETE FROM counts")
    member.ship()
    assert (cql("SELECT * FROM calls_by_device_hour"), counted(cql)) == before


@pytest.mark.parametrize("is_after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("fault", [Unavailable("down"), Crash()], ids=["down", "killed"])
def test_whichever_call_fails_nothing_is_lost_or_doubled(member, cql, fault, is_after):
    """One more call succeeds each time, until all have; a killed clerk starts anew."""
    session = member.session
    session.fault, session.is_after = fault, is_after
    sent = list(rows(60))
    member.record(*sent)
    for calls in range(200):
        session.calls_left = calls
        try:
            while member.shipper.ship():
                pass
        except Unavailable:
            continue
        except Crash:
            member.notebook.close()
            member.restart()
            continue
        break
    else:
        pytest.fail("it never comes to an end")
    assert calls > 3
    assert stored_ids(cql) == {row.message_id: 1 for row in sent}
    assert sum(counted(cql).values()) == 60
    assert member.unshipped == 0


def test_a_crash_between_the_rows_and_the_notebook_counts_once(member, cql, monkeypatch):
    """The page goes again; its counts are added with its end, all or nothing."""
    member.record(*rows(30))
    with monkeypatch.context() as patch:
        patch.setattr(member.notebook, "advance", _crash)
        with pytest.raises(Crash):
            member.ship()
    member.notebook.close()
    member.restart()
    member.ship()
    assert sum(counted(cql).values()) == 30


def test_counts_that_were_not_sent_are_sent_later(member, cql, monkeypatch):
    """Also where no call comes any more."""
    member.record(*rows(30))
    with monkeypatch.context() as patch:
        patch.setattr(member.shipper, "_send_counts", _crash)
        with pytest.raises(Crash):
            member.ship()
    assert not counted(cql)
    assert member.log.hours(None, Span())[NOON]
    member.ship()
    assert sum(counted(cql).values()) == 30


def test_counts_are_absolute_over_many_pages(member, cql):
    """Every page adds to the sums; each is one row."""
    for page in range(5):
        member.record(*rows(20, first=page * 20))
        member.ship()
    assert sum(counted(cql).values()) == 100
    assert sum(sum(counts.values()) for counts in member.log.hours(None, Span()).values()) == 100


def test_a_row_that_the_server_refuses_is_set_aside(member, cql):
    """The rest of its batch arrives; the row is kept with the reason, and asked for no more."""
    sent = [*rows(40), call_row(99)._replace(message_id="x" * 70_000, device="gw-0")]
    member.record(*sent[:20], sent[-1], *sent[20:40])
    assert member.ship() == 41
    assert stored_ids(cql) == {row.message_id: 1 for row in sent[:40]}
    assert member.notebook.dead_letters == 1
    [(device, reason, call)] = member.notebook._file.execute(
        "SELECT device, reason, call FROM dead_letters"
    )
    assert (device, reason) == ("gw-0", "Cassandra refuses: InvalidRequest")
    assert json.loads(call)["message_id"] == "x" * 70_000
    assert member.unshipped == 0


@pytest.mark.parametrize("keep_key", [True, False])
def test_a_row_set_aside_has_no_more_than_the_log_may(keep_key, keyspace, connect, tmp_path):
    """Where the log keeps nothing of a text, the notebook has not even what stands for it."""
    member = Member(tmp_path / "a", connect(keyspace), keep_key=keep_key)
    row = call_row(99)._replace(message_id="x" * 70_000, text=None, fingerprint=b"canary" * 3)
    member.record(row)
    member.ship()
    assert member.notebook.dead_letters == 1
    kept = b"".join(path.read_bytes() for path in (tmp_path / "a").glob("clerk.sqlite*"))
    assert (row.fingerprint.hex().encode() in kept) == keep_key
    assert row.fingerprint not in kept
    member.close()


def test_a_table_that_is_missing_sets_nothing_aside(member, cql):
    """The rows wait until somebody has mended the schema."""
    member.record(*rows(20))
    cql("DROP TABLE calls_by_device_hour")
    with pytest.raises(Unavailable, match="lacks a table"):
        member.ship()
    assert member.notebook.dead_letters == 0
    assert member.unshipped == 20


def test_large_texts_arrive(member, cql):
    """A batch of many large rows is split; one that is larger than any batch goes alone."""
    texts = ["ä" * 10_000, *("🎁" * 3_000 for _ in range(20)), "x" * 250_000]
    member.record(*(call_row(n)._replace(text=text) for n, text in enumerate(texts, 1)))
    assert member.ship() == len(texts)
    stored = cql("SELECT text FROM calls_by_device_hour")
    assert sorted(row.text for row in stored) == sorted(texts)
    assert member.notebook.dead_letters == 0


@pytest.mark.parametrize("device_ts_ms", [-62_135_647_200_000, 0, 253_402_300_799_999])
def test_whatever_a_device_s_clock_says_is_kept(member, cql, device_ts_ms):
    """From the year 1 (and a time zone before it) to 9999; it decides nothing."""
    member.record(call_row(1)._replace(device_ts_ms=device_ts_ms, called_at_ms=NOON_MS))
    assert member.ship() == 1
    [row] = cql(
        "SELECT toUnixTimestamp(device_ts) AS ts, toUnixTimestamp(hour) AS hour"
        " FROM calls_by_device_hour"
    )
    assert (row.ts, row.hour) == (device_ts_ms, NOON_MS)


def test_the_hour_is_cut_in_utc_from_when_it_was_called(member, cql):
    """59:59.999 and 00:00.000 are two hours, also after the bridge's clock was set back."""
    moments = [NOON_MS, NOON_MS - 1, NOON_MS + HOUR_MS - 1, NOON_MS + HOUR_MS, NOON_MS - HOUR_MS]
    member.record(*(call_row(n)._replace(called_at_ms=ms) for n, ms in enumerate(moments, 1)))
    member.ship()
    found = {
        row.called_at: row.hour
        for row in cql(
            "SELECT toUnixTimestamp(called_at) AS called_at, toUnixTimestamp(hour) AS"
            " hour FROM calls_by_device_hour"
        )
    }
    assert found == {ms: ms - ms % HOUR_MS for ms in moments}
    assert [call.position.called_at_ms for call in member.told("gw-7")] == sorted(
        moments, reverse=True
    )
    assert member.log.hours("gw-7", Span()) == {
        NOON - 1: {"ham": 2},
        NOON: {"ham": 2},
        NOON + 1: {"ham": 1},
    }


@pytest.mark.slow
def test_a_hundred_thousand_calls_are_told_in_flat_memory(keyspace, connect, tmp_path):
    """Most from the tables, the last tenth from the journal; each once, newest first."""
    member = Member(tmp_path / "journal", connect(keyspace))
    try:
        for start in range(0, 100_000, 1_000):
            page = [
                call_row(n)._replace(called_at_ms=NOON_MS + n * 100, text="x" * 1_000)
                for n in range(start, start + 1_000)
            ]
            member.journal.record(page, {})
            if start == 90_000:
                member.ship()
        process = psutil.Process()
        told = member.log.calls("gw-7", Span(), before=None, limit=1_000_000)
        last_ms = next(told).position.called_at_ms
        before_bytes, count = process.memory_info().rss, 1
        for call in told:
            count += 1
            assert call.position.called_at_ms < last_ms
            last_ms = call.position.called_at_ms
        assert count == 100_000 == member.log.count("gw-7", Span())
        assert process.memory_info().rss - before_bytes < 50_000_000
    finally:
        member.close()


def _crash(*_):
    raise Crash
