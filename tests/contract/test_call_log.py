"""What any call log answers: the fake's, the segments' in whatever state they are, the fleet's."""

from collections import Counter
from itertools import count

import pytest
from fakes import FakeClock
from fleets import NOON_MS, Member

from bridge.ports import CallRow
from bridge.storage.journal.writer import SegmentedJournal
from bridge.storage.log.call_log import HOUR_MS, Call, Position, Span
from bridge.storage.log.catalog import Catalog
from bridge.storage.log.keeper import Keeper, Keeping
from bridge.storage.log.segment_log import SegmentLog

NUMBERS = count(1)
NOON = NOON_MS // HOUR_MS


def call_row(device="gw-7", called_at_ms=NOON_MS, label="ham", text="hello"):
    """A call; without a label a rejected one."""
    if label is None:
        outcome = ("rejected", None, None, None, None, None, "{}", None)
    else:
        outcome = ("verdict", label, 0.25, '{"ham":0.75}', "spam@1", "no", None, text)
    message_id = f"m-{called_at_ms}-{next(NUMBERS):06d}"
    return CallRow(0, b"f" * 16, None, device, message_id, called_at_ms, None, *outcome)


class FakeCallLog:
    """A list."""

    def __init__(self):
        self.rows = []

    def record(self, *rows):
        """Take calls in."""
        self.rows += rows

    def calls(self, device, span, *, before, limit):
        """Yield calls, newest first."""
        placed = [(Position(row.called_at_ms, n), row) for n, row in enumerate(self.rows, 1)]
        wanted = [(p, row) for p, row in placed if row.device == device and self._is_in(row, span)]
        for p, row in sorted(wanted, reverse=True)[: None if before else limit]:
            if (before is None or p < before) and limit > 0:
                limit -= 1
                told = (row.message_id, row.outcome, row.label, row.score)
                yield Call(p, *told, row.model, row.cached, row.text)

    def count(self, device, span):
        """Count."""
        return sum(row.device == device and self._is_in(row, span) for row in self.rows)

    def hours(self, device, span):
        """Count by hour."""
        hours = {}
        for row in sorted(self.rows, key=lambda row: row.called_at_ms):
            hour = row.called_at_ms // HOUR_MS
            in_span = span.from_ms // HOUR_MS <= hour and hour * HOUR_MS < span.to_ms
            if in_span and device in (None, row.device):
                hours.setdefault(hour, Counter())[row.label or row.outcome] += 1
        return hours

    def _is_in(self, row, span):
        return span.from_ms <= row.called_at_ms < span.to_ms


class Segments(SegmentLog):
    """Segments as the loop writes them."""

    def __init__(self, folder, *, segment_rows, is_indexed):
        catalog = Catalog(folder)
        super().__init__(catalog)
        self._clock = FakeClock(NOON_MS)
        self._journal = SegmentedJournal(
            folder, self._clock, segment_rows=segment_rows, repeats_max=segment_rows
        )
        self._keeper = Keeper(folder, catalog, Keeping(1 << 60, 0)) if is_indexed else None

    def record(self, *rows):
        """Take calls in, each with the clock as it was then."""
        for row in rows:
            self._clock.ms = row.called_at_ms
            self._journal.record([row], {})
            while self._keeper and not self._keeper.keep(0).is_done:
                pass

    def close(self):
        """Let go of the files."""
        self._journal.close()


class Fleet:
    """Two bridges' journals; half of what each records is in Cassandra, the other half on its way.

    What the other one has not shipped, nobody but itself can know: so it has shipped all.
    """

    def __init__(self, folder, session):
        self._me = Member(folder / "me", session, segment_rows=3)
        self._other = Member(folder / "other", session)
        self.calls, self.count, self.hours = (
            getattr(self._me.log, name) for name in ("calls", "count", "hours")
        )

    def record(self, *rows):
        """Take calls in: a third by the other bridge, some shipped, some indexed, some neither."""
        self._other.record(*rows[::3])
        self._other.ship()
        mine = [row for n, row in enumerate(rows) if n % 3]
        half = len(mine) // 2
        self._me.record(*mine[:half])
        self._me.ship()
        self._me.record(*mine[half:-1])
        self._me.index()
        self._me.record(*mine[half:][-1:])

    def close(self):
        """Let go of the files."""
        self._me.close()
        self._other.close()


@pytest.fixture
def fleet(request, tmp_path):
    """A fleet, where the test is about it."""
    keyspace, connect = (request.getfixturevalue(name) for name in ("keyspace", "connect"))
    fleet = Fleet(tmp_path, connect(keyspace))
    yield fleet
    fleet.close()


@pytest.fixture(params=["fake", "open", "closed", "indexed", "fleet"])
def log(request, tmp_path):
    """A call log: a list, one open segment, many closed ones, many indexed ones, a fleet."""
    if request.param == "fake":
        yield FakeCallLog()
        return
    if request.param == "fleet":
        yield request.getfixturevalue("fleet")
        return
    is_open = request.param == "open"
    segments = Segments(
        tmp_path, segment_rows=1000 if is_open else 3, is_indexed=request.param == "indexed"
    )
    yield segments
    segments.close()


def times(calls):
    """When they were made."""
    return [call.position.called_at_ms - NOON_MS for call in calls]


def pages(log, device, span, limit, between=lambda: None):
    """All pages, one after the other; ``between`` happens after each."""
    before, found = None, []
    while page := list(log.calls(device, span, before=before, limit=limit)):
        found += page
        before = page[-1].position
        between()
    return found


def test_an_empty_log_knows_nothing(log):
    """Nothing was called: no calls, no hours, a count of 0."""
    assert list(log.calls("gw-7", Span(), before=None, limit=5)) == []
    assert log.count("gw-7", Span()) == 0
    assert log.hours(None, Span()) == {}


def test_calls_come_newest_first_and_whole(log):
    """A verdict and a rejection are told with all that was recorded."""
    spam, last = call_row(label="spam"), call_row(called_at_ms=NOON_MS + 2, label=None)
    log.record(spam, call_row(called_at_ms=NOON_MS + 1))
    log.record(last)
    rejected, _, verdict = log.calls("gw-7", Span(), before=None, limit=5)
    assert verdict[1:] == (spam.message_id, "verdict", "spam", 0.25, "spam@1", "no", "hello")
    assert rejected[1:] == (last.message_id, "rejected", None, None, None, None, None)


def test_only_the_device_asked_about_is_told(log):
    """Another device's calls stay out, a longer name with the same start included."""
    log.record(call_row("gw-7"), call_row("gw-70"), call_row("gw-8"), call_row("gw-7"))
    assert log.count("gw-7", Span()) == 2
    assert len(list(log.calls("gw-7", Span(), before=None, limit=9))) == 2
    assert log.hours("gw-70", Span()) == {NOON: {"ham": 1}}


def test_a_span_has_its_start_and_not_its_end(log):
    """One millisecond decides."""
    log.record(*(call_row(called_at_ms=NOON_MS + ms) for ms in range(6)))
    span = Span(NOON_MS + 1, NOON_MS + 4)
    assert times(log.calls("gw-7", span, before=None, limit=9)) == [3, 2, 1]
    assert log.count("gw-7", span) == 3


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
def test_pages_are_complete_and_without_duplicates(log, limit):
    """Whatever the page's size, calls of one millisecond included."""
    log.record(*(call_row(f"gw-{n % 3}", NOON_MS + n // 8) for n in range(60)))
    found = pages(log, "gw-1", Span(), limit)
    assert len(found) == len(set(found)) == 20
    assert found == sorted(found, reverse=True)


def test_pages_are_complete_while_calls_come_in(log):
    """What was there at the first page comes exactly once; what came later does not shift it."""
    log.record(*(call_row(called_at_ms=NOON_MS + n) for n in range(20)))
    added = iter(range(20, 60))
    found = pages(
        log, "gw-7", Span(), 3, lambda: log.record(call_row(called_at_ms=NOON_MS + next(added)))
    )
    assert times(found) == list(range(19, -1, -1))


def test_a_clock_set_back_loses_and_doubles_nothing(log):
    """Order is by the recorded time, whatever the order of recording."""
    jumps = [0, 5, 9, 3, 4, 8, 1, 7, 2, 6]
    log.record(*(call_row(called_at_ms=NOON_MS + jump * HOUR_MS // 2) for jump in jumps))
    found = pages(log, "gw-7", Span(), 2)
    assert times(found) == [jump * HOUR_MS // 2 for jump in range(9, -1, -1)]
    assert log.hours("gw-7", Span()) == {NOON + hour: {"ham": 2} for hour in range(5)}
    assert log.count("gw-7", Span(NOON_MS + HOUR_MS, NOON_MS + 2 * HOUR_MS)) == 2


def test_hours_are_cut_in_utc(log):
    """The last millisecond of an hour and the first of the next are two hours' calls."""
    log.record(call_row(called_at_ms=NOON_MS - 1), call_row(called_at_ms=NOON_MS))
    assert log.hours(None, Span()) == {NOON - 1: {"ham": 1}, NOON: {"ham": 1}}


def test_hours_count_labels_and_rejections_of_one_device_or_all(log):
    """A call without a label counts as rejected; hours come in order."""
    log.record(
        *(call_row("gw-1", NOON_MS + n, "spam") for n in range(4)),
        *(call_row("gw-2", NOON_MS + n, None) for n in range(4)),
        call_row("gw-2", NOON_MS + HOUR_MS),
    )
    assert log.hours("gw-2", Span()) == {NOON: {"rejected": 4}, NOON + 1: {"ham": 1}}
    assert log.hours(None, Span()) == {NOON: {"spam": 4, "rejected": 4}, NOON + 1: {"ham": 1}}
    assert list(log.hours(None, Span())) == [NOON, NOON + 1]


def test_hours_of_a_span_are_whole(log):
    """A span that starts or ends within an hour counts all of that hour."""
    log.record(*(call_row(called_at_ms=NOON_MS + n * HOUR_MS // 2) for n in range(8)))
    half_past = NOON_MS + HOUR_MS * 3 // 2
    assert log.hours(None, Span(half_past, half_past + HOUR_MS)) == {
        NOON + 1: {"ham": 2},
        NOON + 2: {"ham": 2},
    }
    assert list(log.hours(None, Span(NOON_MS + HOUR_MS, NOON_MS + 2 * HOUR_MS))) == [NOON + 1]
