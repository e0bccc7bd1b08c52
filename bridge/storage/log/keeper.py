"""Keeps the closed segments: each is indexed once, and unlinked when its time is over."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import structlog

from bridge.errors import Unavailable
from bridge.storage.journal.segments import Segment
from bridge.storage.log.call_log import END_OF_TIME_MS
from bridge.storage.log.catalog import INDEX, Catalog, Closed

_log = structlog.get_logger()

EVERY_DEVICE = ""
"""Stands for all devices together in ``hours``; no device can have this id."""

HOURS = """
CREATE TABLE hours (
  device TEXT NOT NULL,
  hour INTEGER NOT NULL,
  label TEXT NOT NULL,
  calls INTEGER NOT NULL,
  PRIMARY KEY (device, hour, label)
) STRICT, WITHOUT ROWID;
"""

_INDEX = f"""
BEGIN IMMEDIATE;
CREATE INDEX {INDEX} ON calls (device, called_at_ms);
{HOURS}
INSERT INTO hours
  SELECT device, called_at_ms / 3600000, coalesce(label, outcome), count(*)
  FROM calls GROUP BY 1, 2, 3;
INSERT INTO hours
  SELECT '{EVERY_DEVICE}', hour, label, sum(calls) FROM hours GROUP BY hour, label;
CREATE TABLE span AS SELECT min(called_at_ms) AS first_ms, max(called_at_ms) AS last_ms FROM calls;
COMMIT;
"""  # noqa: S608 - names


@dataclass(frozen=True, slots=True)
class Keeping:
    """For how long calls are kept.

    Args:
        keep_ms: After its last call, a closed segment is kept for so long.
        window_ms: What the loop may still look up as repeats is kept in any case.
    """

    keep_ms: int
    window_ms: int

    def is_over(self, closed: Closed, opened_ms: int, now_ms: int) -> bool:
        """Say whether a closed segment's time is over.

        Args:
            closed: The segment.
            opened_ms: When the open segment's first call was made: what lay in the repeat window
                then is known to the loop until it opens the next one, however long that takes.
            now_ms: Unix milliseconds.
        """
        before_ms = min(now_ms - self.keep_ms, opened_ms - self.window_ms, now_ms - self.window_ms)
        return closed.last_ms < before_ms


@dataclass(frozen=True, slots=True)
class Kept:
    """How the journal is after a round of keeping."""

    segments: int
    bytes: int
    why: list[str]
    """What is wrong with it."""
    is_done: bool
    """Whether nothing was left to do."""


class Keeper:
    """Does one thing a round, so that questions do not wait for long.

    Args:
        folder: The journal's.
        catalog: Its segments.
        keeping: For how long they are kept.
        max_bytes: The size from which something is wrong.
        shipped: Returns the number of the last call that is in the database, where there is one:
            what is not there yet is kept however long it takes.
    """

    def __init__(
        self,
        folder: Path,
        catalog: Catalog,
        keeping: Keeping,
        max_bytes: int | None = None,
        shipped: Callable[[], int] | None = None,
    ) -> None:
        self._folder = folder
        self._catalog = catalog
        self._keeping = keeping
        self._max_bytes = max_bytes
        self._shipped = shipped

    def keep(self, now_ms: int) -> Kept:
        """Unlink what is over, or else index one segment.

        Args:
            now_ms: Unix milliseconds.
        """
        kept: list[Segment] = []
        why: list[str] = []
        did_something = False
        try:
            did_something = self._expire(now_ms) or self._index_next()
            kept = self._catalog.survey().segments
        except Unavailable as error:
            why.append(str(error))
        size_bytes = sum(_file_bytes(file) for file in self._folder.glob("calls-*"))
        if self._max_bytes is not None and size_bytes >= self._max_bytes:
            why.append(
                f"the journal takes {size_bytes} bytes: raise BRIDGE_JOURNAL__MAX_BYTES"
                f" ({self._max_bytes}), or lower BRIDGE_JOURNAL__KEEP_DAYS"
            )
        return Kept(len(kept), size_bytes, why, is_done=not did_something)

    def _expire(self, now_ms: int) -> bool:
        survey = self._catalog.survey()
        opened_ms = survey.open.first_ms if survey.open else END_OF_TIME_MS
        following = survey.segments[1:]
        over = [
            closed.segment
            for closed, later in zip(survey.closed, following, strict=False)
            if self._keeping.is_over(closed, opened_ms, now_ms) and self._is_shipped(later)
        ]
        for segment in over:
            _unlink(segment)
        return bool(over)

    def _is_shipped(self, later: Segment) -> bool:
        """Say whether all that was recorded before ``later`` is in the database, or needs not."""
        return self._shipped is None or self._shipped() >= later.first_number - 1

    def _index_next(self) -> bool:
        # The newest first: it is asked about the most.
        for closed in reversed(self._catalog.survey().closed):
            if not closed.is_indexed:
                index(closed.segment)
                self._catalog.forget(closed.segment)
                return True
        return False


def index(segment: Segment) -> None:
    """Make questions about a device in ``segment``, which is closed, quick.

    Raises:
        Unavailable: It could not be written, and is as it was.
    """
    try:
        with closing(segment.write()) as connection:
            # Calls are durable already: should the index be lost, it is made again.
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.executescript(_INDEX)
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.Error as error:
        raise Unavailable(f"{segment.path.name} cannot be indexed: {error}") from None
    _log.info("clerk.segment_indexed", segment=segment.path.name)


def _unlink(segment: Segment) -> None:
    try:
        segment.unlink()
    except OSError as error:
        raise Unavailable(f"{segment.path.name} cannot be deleted ({error.strerror})") from None
    _log.info("clerk.segment_expired", segment=segment.path.name)


def _file_bytes(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:  # SQLite's own come and go
        return 0
