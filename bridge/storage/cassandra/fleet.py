"""The clerk's side of Cassandra, composed: it ships, it is asked, it keeps what people said."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import structlog

from bridge.errors import Unavailable
from bridge.ports import Clock
from bridge.settings import Settings
from bridge.storage.cassandra import call_log, forgetting, shipper
from bridge.storage.cassandra.call_log import FleetLog
from bridge.storage.cassandra.forgetting import Forgetting
from bridge.storage.cassandra.session import CassandraSession
from bridge.storage.cassandra.shipper import Shipper
from bridge.storage.cassandra.statements import ALL_CORRECTIONS, WRITE_CORRECTION
from bridge.storage.cassandra.writes import unix_ms
from bridge.storage.desk.notebook import Correction, Notebook
from bridge.storage.journal.outbox import Outbox
from bridge.storage.log.segment_log import SegmentLog

_IDLE_S = 0.2
"""How long a new call may wait before it is looked for: what one bridge learns, all know soon."""
_PAUSE_S = 1.0
_CORRECTIONS_S = 10.0
"""How often corrections are looked for that were told on another root."""
_DEADLINE_S = 5.0

_log = structlog.get_logger()


class CassandraFleet:
    """The installation's memory, as one clerk uses it.

    Args:
        settings: All of the bridge's.
        notebook: How far this journal has been shipped.
        segments: Its calls, shipped or not.
        on_corrections: Told what other bridges of the installation have corrected.
        clock: The time.
    """

    def __init__(
        self,
        settings: Settings,
        notebook: Notebook,
        segments: SegmentLog,
        on_corrections: Callable[[list[Correction]], None],
        clock: Clock,
    ) -> None:
        statements = {
            *shipper.STATEMENTS,
            *forgetting.STATEMENTS,
            *call_log.STATEMENTS,
            WRITE_CORRECTION,
            ALL_CORRECTIONS,
        }
        self._session = CassandraSession(settings.cassandra, sorted(statements), clock)
        self._forgetting = Forgetting(notebook, self._session)
        self._notebook = notebook
        self._outbox = outbox = Outbox(Path(settings.journal.path))
        self._backlog = 0
        journal = f"{settings.instance}/{notebook.journal_id}"
        self._shipper = Shipper(
            outbox,
            notebook,
            self._session,
            self._forgetting,
            journal=journal,
            keep_key=settings.log.text != "none",
        )
        self.log = FleetLog(self._session, segments, notebook, journal=journal)
        self._clock = clock
        self._on_corrections = on_corrections
        self._corrections_known: set[Correction] = set()
        self._corrections_due_s = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._ship, name="shipper", daemon=True)

    @property
    def why(self) -> str | None:
        """Why it cannot be used just now; nothing where it can."""
        return self._session.why

    def start(self) -> None:
        """Connect and ship, in the background."""
        self._session.start()
        self._thread.start()

    def close(self) -> None:
        """Stop shipping and disconnect; what is left waits in the journal."""
        self._ended.set()
        self._thread.join(_DEADLINE_S)
        self._session.close()

    def correct(self, correction: Correction) -> None:
        """Keep a correction for every bridge: see ``Fleet``."""
        text_key, label, by, at_ms, text = correction
        values = [text_key, label, by, at_ms, text]
        self._session.send(WRITE_CORRECTION, values, timeout_s=_DEADLINE_S).result()

    def corrections(self) -> Iterator[Correction]:
        """Yield every bridge's corrections, oldest first: see ``Fleet``."""
        rows = self._session.send(ALL_CORRECTIONS, [], timeout_s=_DEADLINE_S).result()
        kept = (
            Correction(row.text_key, row.label, row.by, unix_ms(row.at), row.text) for row in rows
        )
        yield from sorted(kept, key=lambda correction: correction.at_ms)

    def forget(self, device: str, before_ms: int) -> None:
        """Delete what every bridge has logged of ``device``: see ``Fleet``."""
        self._forgetting.forget(device, before_ms)

    def _ship(self) -> None:
        while not self._ended.is_set():
            begun_s = self._clock.monotonic_s()
            try:
                self._hear_corrections()
                shipped = self._shipper.ship()
                is_behind = self._falls_behind()
            except Unavailable:
                self._ended.wait(_PAUSE_S)  # said by `why`; the same page is due again
                continue
            if not shipped:
                self._ended.wait(_IDLE_S)
            elif is_behind:
                self._ended.wait(self._clock.monotonic_s() - begun_s)

    def _falls_behind(self) -> bool:
        """Say whether the journal has grown by more than was shipped.

        Then the path is at full load, on the same machine perhaps, and verdicts come first: half of
        the time is theirs alone. What waits is on disk, and goes at full speed once they are fewer.
        """
        before = self._backlog
        self._backlog = self._outbox.backlog(self._notebook.shipped, now_ms=0).rows
        return self._backlog > before

    def _hear_corrections(self) -> None:
        """Tell what was corrected on other roots since the last time."""
        now_s = self._clock.monotonic_s()
        if now_s < self._corrections_due_s:
            return
        new = [one for one in self.corrections() if one not in self._corrections_known]
        self._corrections_known.update(new)
        self._corrections_due_s = now_s + _CORRECTIONS_S
        if new:
            self._on_corrections(new)
