"""When the clerk stands aside: the journal grows faster than it ships. Nothing connects."""

import pytest
from fakes import FakeClock, call_row

from bridge.settings import load
from bridge.storage.cassandra.fleet import CassandraFleet
from bridge.storage.desk.notebook import Notebook
from bridge.storage.journal.writer import SegmentedJournal
from bridge.storage.log.catalog import Catalog
from bridge.storage.log.segment_log import SegmentLog


@pytest.fixture
def journal(tmp_path):
    """A journal that is still empty."""
    journal = SegmentedJournal(tmp_path, FakeClock(), segment_rows=1_000, repeats_max=1_000)
    yield journal
    journal.close()


def test_a_clerk_stands_aside_while_the_journal_outgrows_it(journal, tmp_path):
    """And goes at full speed again as soon as it ships more than is recorded."""
    notebook = Notebook(tmp_path)
    settings = load(
        {
            "BRIDGE_JOURNAL__PATH": str(tmp_path),
            "BRIDGE_CASSANDRA__CONTACT_POINTS": "10.0.0.1",
            "BRIDGE_STORE__KEY": "0123456789abcdef",
        }
    )
    segments = SegmentLog(Catalog(tmp_path))
    fleet = CassandraFleet(settings, notebook, segments, lambda _: None, FakeClock())
    assert not fleet._falls_behind()
    journal.record([call_row(number) for number in range(1, 31)], {})
    assert fleet._falls_behind()
    notebook.advance(20, {}, [])
    journal.record([call_row(number) for number in range(31, 61)], {})
    assert fleet._falls_behind()
    notebook.advance(50, {}, [])
    journal.record([call_row(number) for number in range(61, 71)], {})
    assert not fleet._falls_behind()
    notebook.close()
