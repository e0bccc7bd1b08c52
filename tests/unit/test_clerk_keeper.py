"""How the clerk keeps segments: which it may touch, what it makes of them, when they go."""

import sqlite3
from contextlib import closing

import pytest
from fakes import FakeClock

from bridge.errors import Unavailable
from bridge.ports import CallRow
from bridge.storage.journal.segments import segments
from bridge.storage.journal.writer import SegmentedJournal
from bridge.storage.log.call_log import HOUR_MS, Span
from bridge.storage.log.catalog import INDEX, Catalog
from bridge.storage.log.keeper import Keeper, Keeping, Kept
from bridge.storage.log.segment_log import SegmentLog

DAY_MS = 24 * HOUR_MS
KEEPING = Keeping(keep_ms=DAY_MS, window_ms=HOUR_MS)


class Journal:
    """A loop that records one call an hour, so that each hour closes a segment."""

    def __init__(self, folder):
        self.folder = folder
        self.clock = FakeClock()
        self.catalog = Catalog(folder)
        self.loop = SegmentedJournal(folder, self.clock, segment_rows=100, repeats_max=1000)
        self.keys = 0

    def call(self, hours=1):
        """Let hours pass, then record a call."""
        self.clock.go_on(hours * 3600)
        self.keys += 1
        origin = (self.keys, b"f" * 16, None, "gw-7", f"m{self.keys}", self.clock.ms, None)
        verdict = ("verdict", "ham", 0.1, "{}", "spam@1", "no", None, "hi")
        self.loop.record([CallRow(*origin, *verdict)], {})

    def keep(self, keeping=KEEPING, max_bytes=None) -> list[Kept]:
        """Keep the journal until nothing is left to do."""
        keeper = Keeper(self.folder, self.catalog, keeping, max_bytes)
        rounds = [keeper.keep(self.clock.ms)]
        while not rounds[-1].is_done:
            rounds.append(keeper.keep(self.clock.ms))
        return rounds

    def names(self, segment):
        """The names of tables and indexes in a segment."""
        with closing(segment.read()) as connection:
            return {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}


@pytest.fixture
def journal(tmp_path):
    """A journal with a loop that writes it."""
    journal = Journal(tmp_path)
    yield journal
    journal.loop.close()


def test_a_journal_without_calls_is_kept_as_it_is(journal):
    """Its one segment belongs to the loop."""
    assert journal.catalog.survey().open is None
    (kept,) = journal.keep()
    assert (kept.segments, kept.why) == (0, [])
    assert INDEX not in journal.names(segments(journal.folder)[0])


def test_closed_segments_are_indexed_once_and_the_open_one_never(journal):
    """One a round, the newest first: it is asked about the most."""
    for _ in range(4):
        journal.call()
    *closed, newest = segments(journal.folder)
    keeper = Keeper(journal.folder, journal.catalog, KEEPING)
    keeper.keep(journal.clock.ms)
    assert [INDEX in journal.names(segment) for segment in closed] == [False, False, True]
    assert len(journal.keep()) == 3, "two were left; the third round found nothing to do"
    assert all(INDEX in journal.names(segment) for segment in closed)
    assert INDEX not in journal.names(newest)
    assert Catalog(journal.folder).survey() == journal.catalog.survey(), "a new clerk sees the same"


def test_a_segment_is_the_loop_s_until_the_next_one_holds_a_call(journal):
    """The loop lets go of a file after it has made the next: its being there says too little."""
    journal.call()
    (only,) = segments(journal.folder)
    only.path.with_name("calls-000000000000002.sqlite").write_bytes(b"")
    with closing(sqlite3.connect(only.path.with_name("calls-000000000000002.sqlite"))) as following:
        following.execute("CREATE TABLE calls (number INTEGER PRIMARY KEY, called_at_ms INTEGER)")
    survey = journal.catalog.survey()
    assert (survey.closed, survey.open.segment) == ([], only)


def test_an_indexed_segment_answers_from_its_index(journal):
    """No question about a device scans it, and hours are read, not counted."""
    journal.call()
    journal.call()
    journal.keep()
    (closed,) = journal.catalog.survey().closed
    with closing(closed.segment.read()) as connection:
        plan = connection.execute(
            "EXPLAIN QUERY PLAN SELECT called_at_ms, number FROM calls WHERE device = ?"
            " AND called_at_ms >= ? AND (called_at_ms, number) < (?, ?)"
            " ORDER BY called_at_ms DESC, number DESC LIMIT ?",
            ("gw-7", 0, 1, 1, 1),
        ).fetchall()
    assert "USING COVERING INDEX" in plan[0][-1]
    assert len(plan) == 1, "no sorting either"


def test_calls_are_unlinked_when_their_days_are_over(journal):
    """A whole segment at a time, by its last call; what is left still answers."""
    for _ in range(30):
        journal.call()
    kept = journal.keep()[-1]
    assert kept.segments == len(segments(journal.folder)) == 25
    log = SegmentLog(journal.catalog)
    assert log.count("gw-7", Span()) == 25
    assert min(log.hours(None, Span())) == journal.clock.ms // HOUR_MS - 24
    left = {path.name.split(".")[0] for path in journal.folder.glob("calls-*")}
    assert len(left) == 25, "SQLite's own files went with them"


def test_segments_that_are_not_indexed_expire_too(journal):
    """A full disk allows no index: room must be made all the same."""
    for _ in range(3):
        journal.call()
    journal.call(hours=100)
    first_round = Keeper(journal.folder, journal.catalog, KEEPING).keep(journal.clock.ms)
    assert first_round.segments == 1


def test_the_open_segment_stays_however_old_it_is(journal):
    """It belongs to the loop, which goes on writing it."""
    journal.call()
    journal.clock.go_on(1000 * 86_400)
    assert journal.keep()[-1].segments == 1


def test_what_the_loop_may_look_up_stays(journal):
    """A repeat of a call in the window needs its row, however few days calls are kept."""
    journal.call()
    journal.call()  # within the first one's hour, so the loop keeps both
    journal.clock.go_on(1000 * 86_400)
    assert journal.keep(Keeping(keep_ms=1, window_ms=HOUR_MS))[-1].segments == 2
    assert journal.loop.find([1])[0].message_id == "m1"


def test_a_segment_cannot_be_indexed(journal, monkeypatch):
    """The reason is told, and questions are answered without an index."""
    journal.call()
    journal.call()

    def refuse(_):
        raise Unavailable("calls-1 cannot be indexed: disk is full")

    monkeypatch.setattr("bridge.storage.log.keeper.index", refuse)
    assert journal.keep()[-1].why == ["calls-1 cannot be indexed: disk is full"]
    log = SegmentLog(journal.catalog)
    assert log.count("gw-7", Span()) == 2
    assert sum(counts["ham"] for counts in log.hours("gw-7", Span()).values()) == 2


def test_a_journal_that_is_too_large_says_which_settings_help(journal):
    """Its size is that of all its files."""
    journal.call()
    kept = journal.keep(max_bytes=10)[-1]
    assert kept.bytes == sum(file.stat().st_size for file in journal.folder.glob("calls-*"))
    assert f"takes {kept.bytes} bytes: raise BRIDGE_JOURNAL__MAX_BYTES (10)" in kept.why[0]
    assert journal.keep(max_bytes=kept.bytes + 1)[-1].why == []


def test_a_damaged_segment_is_named(journal):
    """In the reasons, and to who asks."""
    journal.call()
    journal.call()
    path = segments(journal.folder)[0].path
    for file in journal.folder.glob(f"{path.name}-*"):
        file.unlink()
    path.write_bytes(b"no database at all, and long enough to be looked at" * 100)
    (kept,) = journal.keep()
    assert f"{path.name} cannot be read: file is not a database" in kept.why[0]
    with pytest.raises(Unavailable, match=path.name):
        SegmentLog(journal.catalog).count("gw-7", Span())
