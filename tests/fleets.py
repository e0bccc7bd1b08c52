"""Bridges of an installation as their clerks see Cassandra: journals, shippers, logs."""

from pathlib import Path

from fakes import FakeClock

from bridge.ports import CallRow
from bridge.storage.cassandra.call_log import FleetLog
from bridge.storage.cassandra.forgetting import Forgetting
from bridge.storage.cassandra.session import CassandraSession
from bridge.storage.cassandra.shipper import Shipper
from bridge.storage.desk.notebook import Notebook
from bridge.storage.journal.outbox import Outbox
from bridge.storage.journal.writer import SegmentedJournal
from bridge.storage.log.call_log import Call, Span
from bridge.storage.log.catalog import Catalog
from bridge.storage.log.keeper import index
from bridge.storage.log.segment_log import SegmentLog

NOON_MS = 1_767_268_800_000  # 2026-01-01T12:00:00Z


class Member:
    """One bridge's journal, and what its clerk does with it.

    Args:
        folder: Its journal's.
        session: A connected session.
        segment_rows: A segment is closed at this many rows.
        keep_key: Whether the log may keep what stands for a text.
    """

    def __init__(
        self,
        folder: Path,
        session: CassandraSession,
        *,
        segment_rows: int = 250_000,
        keep_key: bool = True,
    ) -> None:
        self.clock = FakeClock(NOON_MS)
        self.journal = SegmentedJournal(
            folder, self.clock, segment_rows=segment_rows, repeats_max=segment_rows
        )
        self.folder = folder
        self.session = session
        self._keep_key = keep_key
        self.restart()

    def restart(self) -> None:
        """Be a new clerk on the same files."""
        self.notebook = Notebook(self.folder)
        self.outbox = Outbox(self.folder)
        self.forgetting = Forgetting(self.notebook, self.session)
        name = f"{self.folder.name}/{self.notebook.journal_id}"
        self.shipper = Shipper(
            self.outbox,
            self.notebook,
            self.session,
            self.forgetting,
            journal=name,
            keep_key=self._keep_key,
        )
        self.catalog = Catalog(self.folder)
        self.log = FleetLog(self.session, SegmentLog(self.catalog), self.notebook, journal=name)

    def record(self, *rows: CallRow) -> None:
        """Take calls in, each with the clock as it was then."""
        for row in rows:
            self.clock.ms = row.called_at_ms
            self.journal.record([row], {})

    def ship(self) -> int:
        """Ship all that there is."""
        shipped = 0
        while page := self.shipper.ship():
            shipped += page
        return shipped

    def index(self) -> None:
        """Index every closed segment."""
        for closed in self.catalog.survey().closed:
            if not closed.is_indexed:
                index(closed.segment)
                self.catalog.forget(closed.segment)

    @property
    def unshipped(self) -> int:
        """How many calls wait."""
        return self.outbox.backlog(self.notebook.shipped, 0).rows

    def told(self, device: str) -> list[Call]:
        """Return all calls of a device, as this bridge tells them."""
        return list(self.log.calls(device, Span(), before=None, limit=1_000_000))

    def close(self) -> None:
        """Let go of the files."""
        self.journal.close()
        self.notebook.close()
