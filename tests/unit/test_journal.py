"""The journal on disk: what was recorded is found again, whatever happened in between."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeClock, call_row
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.errors import ConfigurationError, JournalUnavailable
from bridge.storage.journal.segments import segments
from bridge.storage.journal.writer import SegmentedJournal

HOUR_S = 3600
Open = Callable[..., SegmentedJournal]


@pytest.fixture
def clock() -> FakeClock:
    """A clock at the start of an hour."""
    return FakeClock()


@pytest.fixture
def open_journal(tmp_path: Path, clock: FakeClock) -> Iterator[Open]:
    """Open journals that are closed at the end."""
    opened: list[SegmentedJournal] = []

    def open_(folder: Path = tmp_path / "journal", **settings: Any) -> SegmentedJournal:
        journal = SegmentedJournal(folder, clock, **settings)
        opened.append(journal)
        return journal

    yield open_
    for journal in opened:
        if not journal._lock.closed:
            journal.close()


def record(journal: SegmentedJournal, *numbers: int, **fields: Any) -> None:
    """Record verdicts as the path does: received, then written."""
    journal.count("received", len(numbers))
    rows = [call_row(number, **fields) for number in numbers]
    journal.record(rows, {"verdicts": len(numbers)})


def known(journal: SegmentedJournal, *numbers: int) -> list[int]:
    """Return which of the messages are known."""
    return [row.key for row in journal.find(numbers) if row]


def after_kill(folder: Path, copy: Path) -> Path:
    """Return the journal as a killed process leaves it: every file as it is right now."""
    shutil.copytree(folder, copy)
    return copy


def stored_keys(folder: Path) -> list[int]:
    """Return the key of every row on disk, by number."""
    keys = []
    for segment in segments(folder):
        reader = segment.read()
        keys += [key for (key,) in reader.execute("SELECT key FROM calls ORDER BY number")]
        reader.close()
    return keys


def test_a_row_comes_back_as_it_was_recorded(open_journal: Open):
    """Every column, of verdicts and rejections."""
    journal = open_journal()
    rejected = call_row(
        -5,
        outcome="rejected",
        requested_model="spam@9",
        device_ts_ms=17,
        problem='{"status":404}',
        **dict.fromkeys(("label", "score", "scores", "model", "cached", "text")),
    )
    journal.record([call_row(1), rejected], {"verdicts": 1, "rejections": 1})
    assert journal.find([-5, 1, 2]) == [rejected, call_row(1), None]


def test_a_row_without_a_key_is_kept_and_never_found(open_journal: Open, tmp_path: Path):
    """A message without an id of its own is logged, and repeats nothing."""
    journal = open_journal()
    journal.record([call_row(3, key=0), call_row(4, key=0)], {"verdicts": 2})
    assert stored_keys(tmp_path / "journal") == [0, 0]


def test_what_was_recorded_outlives_the_process(open_journal: Open):
    """Rows and totals are there at the next start."""
    journal = open_journal()
    record(journal, 1, 2)
    journal.close()
    again = open_journal()
    assert known(again, 1, 2, 3) == [1, 2]
    assert (again.totals["received"], again.totals["verdicts"]) == (2, 2)


def test_what_was_recorded_outlives_a_kill(open_journal: Open, tmp_path: Path):
    """A transaction that returned is on disk, before any checkpoint or close."""
    record(open_journal(), 1, 2)
    survivor = open_journal(after_kill(tmp_path / "journal", tmp_path / "copy"))
    assert known(survivor, 1, 2, 3) == [1, 2]


def test_what_a_killed_process_had_read_counts_as_returned(open_journal: Open, tmp_path: Path):
    """The broker delivers it again, so the ledger adds up again at the next start."""
    journal = open_journal()
    journal.count("received", 3)
    record(journal, 1)
    survivor = open_journal(after_kill(tmp_path / "journal", tmp_path / "copy"))
    assert survivor.totals["received"] == 4
    assert survivor.totals["returned"] == 3


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(cut=st.integers(0, 60_000))
def test_a_torn_write_loses_whole_batches_and_no_half_one(
    cut: int, tmp_path_factory: pytest.TempPathFactory
):
    """A power cut anywhere in the write-ahead log: rows and totals agree, in whole batches."""
    folder = tmp_path_factory.mktemp("torn")
    journal = SegmentedJournal(folder / "journal", FakeClock())
    for batch in range(5):
        record(journal, *range(10 * batch + 1, 10 * batch + 11))
    copy = after_kill(folder / "journal", folder / "copy")
    journal.close()
    (log,) = copy.glob("*-wal")
    log.write_bytes(log.read_bytes()[:cut])
    survivor = SegmentedJournal(copy, FakeClock())
    keys = stored_keys(copy)
    assert keys == list(range(1, len(keys) + 1))
    assert len(keys) % 10 == 0
    assert survivor.totals["verdicts"] == len(keys)
    survivor.close()


def test_a_segment_is_closed_when_it_is_full(open_journal: Open, tmp_path: Path):
    """No segment has more rows than it may; numbers and totals go on, older keys stay known."""
    journal = open_journal(segment_rows=10)
    for batch in range(4):
        record(journal, *range(4 * batch + 1, 4 * batch + 5))
    assert [segment.first_number for segment in segments(tmp_path / "journal")] == [1, 9]
    assert journal.totals["verdicts"] == 16
    assert known(journal, *range(1, 20)) == list(range(1, 17))
    journal.close()
    again = open_journal(segment_rows=10)
    assert again.totals["verdicts"] == 16
    assert known(again, *range(1, 20)) == list(range(1, 17))


def test_a_segment_is_closed_when_its_hour_ends(
    open_journal: Open, clock: FakeClock, tmp_path: Path
):
    """Only with the next row: a quiet hour makes no file."""
    journal = open_journal(window_s=10 * HOUR_S)
    record(journal, 1, called_at_ms=clock.now_ms())
    clock.go_on(3 * HOUR_S)
    journal.record([], {"ignored": 1})
    assert len(segments(tmp_path / "journal")) == 1
    record(journal, 2, called_at_ms=clock.now_ms())
    record(journal, 3, called_at_ms=clock.now_ms())
    assert [segment.first_number for segment in segments(tmp_path / "journal")] == [1, 2]
    assert known(journal, 1, 2, 3) == [1, 2, 3]


def test_a_batch_larger_than_a_segment_stays_whole(open_journal: Open, tmp_path: Path):
    """One transaction is never torn, and every key of it is known."""
    journal = open_journal(segment_rows=5, repeats_max=10)
    record(journal, *range(1, 301))
    record(journal, 301)
    assert [segment.first_number for segment in segments(tmp_path / "journal")] == [1, 301]
    assert known(journal, *range(1, 303)) == list(range(1, 302))


def test_a_key_is_new_again_once_its_window_is_over(open_journal: Open, clock: FakeClock):
    """Whole segments leave: a key is known for the window at least."""
    journal = open_journal(window_s=HOUR_S)
    record(journal, 1, called_at_ms=clock.now_ms())
    clock.go_on(HOUR_S)
    record(journal, 2, called_at_ms=clock.now_ms())
    assert known(journal, 1, 2) == [1, 2]
    clock.go_on(HOUR_S)
    record(journal, 3, called_at_ms=clock.now_ms())
    assert known(journal, 1, 2, 3) == [2, 3]


def test_what_left_the_window_is_not_loaded_at_the_next_start(open_journal: Open, clock: FakeClock):
    """A start costs the window and not the whole history; the open segment is always known."""
    journal = open_journal()
    for number in (1, 2, 3):
        record(journal, number, called_at_ms=clock.now_ms())
        clock.go_on(2 * HOUR_S)
    journal.close()
    assert known(open_journal(), 1, 2, 3) == [3]


def test_more_keys_than_may_be_held_push_out_the_oldest(open_journal: Open):
    """Memory is fixed; the newest `repeats_max` keys at least stay known."""
    journal = open_journal(segment_rows=10, repeats_max=20)
    for number in range(1, 101):
        record(journal, number)
    found = known(journal, *range(1, 101))
    assert found == list(range(found[0], 101))
    assert 20 <= len(found) <= 30


def test_a_full_disk_writes_nothing_and_counts_nothing(open_journal: Open, tmp_path: Path):
    """What could not be written was not recorded; with room again, all goes on."""
    journal = open_journal()
    record(journal, 1)
    pages = journal._writer.execute("PRAGMA page_count").fetchone()[0]
    journal._writer.execute(f"PRAGMA max_page_count = {pages}")
    totals = dict(journal.totals)
    with pytest.raises(JournalUnavailable, match="cannot be written"):
        journal.record([call_row(n, text="x" * 5000) for n in range(2, 50)], {"verdicts": 48})
    assert journal.totals == totals
    assert (known(journal, *range(1, 50)), stored_keys(tmp_path / "journal")) == ([1], [1])
    journal._writer.execute("PRAGMA max_page_count = 1000000")
    record(journal, 2)
    assert stored_keys(tmp_path / "journal") == [1, 2]


def test_a_segment_that_was_not_finished_is_made_again(open_journal: Open, tmp_path: Path):
    """A kill while the next segment was being made leaves a file that is no segment."""
    record(open_journal(segment_rows=1), 1)
    copy = after_kill(tmp_path / "journal", tmp_path / "copy")
    (copy / "next.sqlite").write_bytes(b"half a file")
    survivor = open_journal(copy, segment_rows=1)
    record(survivor, 2)
    assert stored_keys(copy) == [1, 2]


def test_a_new_segment_without_rows_is_gone_on_with(open_journal: Open, tmp_path: Path):
    """A kill between a segment's making and its first row loses neither totals nor numbers."""
    journal = open_journal(segment_rows=2)
    record(journal, 1, 2)
    journal._make_room(1)
    survivor = open_journal(after_kill(tmp_path / "journal", tmp_path / "copy"), segment_rows=2)
    record(survivor, 3)
    assert stored_keys(tmp_path / "copy") == [1, 2, 3]
    assert known(survivor, 1, 2, 3) == [1, 2, 3]
    assert survivor.totals["verdicts"] == 3


def test_two_bridges_never_write_one_journal(open_journal: Open):
    """The second is told which setting to change."""
    open_journal()
    with pytest.raises(ConfigurationError, match="BRIDGE_JOURNAL__PATH: another bridge"):
        open_journal()


def test_a_folder_that_cannot_be_made_names_its_setting(open_journal: Open, tmp_path: Path):
    """A file stands where the folder should be."""
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match=r"BRIDGE_JOURNAL__PATH: .* cannot be written"):
        open_journal(tmp_path / "file" / "journal")


def test_a_file_that_is_no_segment_names_its_setting(open_journal: Open, tmp_path: Path):
    """A damaged journal is said at the start, and its lock given back."""
    folder = tmp_path / "journal"
    folder.mkdir()
    damaged = folder / "calls-000000000000001.sqlite"
    damaged.write_bytes(b"not a database" * 100)
    with pytest.raises(ConfigurationError, match="BRIDGE_JOURNAL__PATH"):
        open_journal()
    damaged.unlink()
    record(open_journal(), 1)


def test_readers_see_the_open_segment_while_it_is_written(open_journal: Open, tmp_path: Path):
    """The clerk reads what was recorded a moment ago, and never holds the loop up."""
    journal = open_journal()
    record(journal, 1)
    reader = segments(tmp_path / "journal")[0].read()
    reader.execute("BEGIN")
    assert reader.execute("SELECT count(*) FROM calls").fetchone() == (1,)
    record(journal, 2)
    assert reader.execute("SELECT count(*) FROM calls").fetchone() == (1,)
    reader.execute("COMMIT")
    assert reader.execute("SELECT count(*) FROM calls").fetchone() == (2,)
    with pytest.raises(sqlite3.OperationalError):
        reader.execute("DELETE FROM calls")
    reader.close()
