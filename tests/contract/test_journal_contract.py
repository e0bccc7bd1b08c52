"""What the path relies on in every journal, the fake one and the one on disk."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes import FakeClock, FakeJournal, call_row

from bridge.errors import JournalUnavailable
from bridge.storage.journal.writer import SegmentedJournal


class Segmented(SegmentedJournal):
    """The journal on disk, with the fake's switch for a full one."""

    @property
    def is_full(self) -> bool:
        """Whether nothing more can be written."""
        return bool(self._writer.execute("PRAGMA query_only").fetchone()[0])

    @is_full.setter
    def is_full(self, is_full: bool) -> None:
        self._writer.execute(f"PRAGMA query_only = {is_full}")


@pytest.fixture(params=["fake", "segmented"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FakeJournal | Segmented]:
    """One journal after the other, empty; segments of a few rows, so that there are several."""
    if request.param == "fake":
        yield FakeJournal()
        return
    segmented = Segmented(tmp_path, FakeClock(), segment_rows=4, repeats_max=100)
    yield segmented
    segmented.close()


def test_a_recorded_call_is_found_by_its_key(journal):
    """At once, column by column; what is new is not found, in the order asked."""
    journal.record([call_row(1), call_row(-2)], {"verdicts": 2})
    assert journal.find([3, -2, 1, 3]) == [None, call_row(-2), call_row(1), None]


def test_one_question_about_many(journal):
    """Keys of several batches, each found."""
    for number in range(1, 31, 3):
        rows = [call_row(number + more) for more in range(3)]
        journal.record(rows, {"verdicts": 3})
    assert journal.find(range(1, 31)) == [call_row(number) for number in range(1, 31)]
    assert journal.find([]) == []


def test_a_key_asked_twice_is_found_twice(journal):
    """A batch may hold a repeat of a repeat."""
    journal.record([call_row(1)], {"verdicts": 1})
    assert journal.find([1, 1]) == [call_row(1), call_row(1)]


def test_calls_without_an_id_never_meet(journal):
    """Key 0 stands for "gave none", as often as needed."""
    journal.record([call_row(1, key=0), call_row(2, key=0)], {"verdicts": 2})
    journal.record([call_row(3, key=0)], {"verdicts": 1})
    assert journal.totals["verdicts"] == 3


def test_counts_need_no_rows(journal):
    """Repeats, ignored and transient messages are counted all the same."""
    journal.record([], {"repeats": 2, "ignored": 1})
    journal.record([], {"repeats": 1})
    assert (journal.totals["repeats"], journal.totals["ignored"]) == (3, 1)


def test_what_cannot_be_written_is_neither_found_nor_counted(journal):
    """All or nothing, and the same batch again once there is room."""
    journal.record([call_row(1)], {"verdicts": 1})
    journal.is_full = True
    with pytest.raises(JournalUnavailable):
        journal.record([call_row(2)], {"verdicts": 1})
    assert journal.find([1, 2]) == [call_row(1), None]
    assert journal.totals["verdicts"] == 1
    journal.is_full = False
    journal.record([call_row(2)], {"verdicts": 1})
    assert journal.find([1, 2]) == [call_row(1), call_row(2)]
