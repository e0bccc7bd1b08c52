"""Keeps the closed segments: each is indexed once, and unlinked when its time is over."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from bridge.errors import Unavailable
from bridge.storage.call_log import END_OF_TIME_MS
from bridge.storage.catalog import INDEX, Catalog, Closed, Survey
from bridge.storage.segments import Segment

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


class Keeper:
    """Does one thing at a time, so that questions do not wait for long.

    Args:
        catalog: The segments.
        keeping: For how long.
    """

    def __init__(self, catalog: Catalog, keeping: Keeping) -> None:
        self._catalog = catalog
        self._keeping = keeping

    def expire(self, survey: Survey, now_ms: int) -> list[Segment]:
        """Unlink the closed segments whose time is over, and return them.

        Raises:
            Unavailable: One could not be unlinked.
        """
        opened_ms = survey.open.first_ms if survey.open else END_OF_TIME_MS
        over = [
            closed.segment
            for closed in survey.closed
            if self._keeping.is_over(closed, opened_ms, now_ms)
        ]
        for segment in over:
            try:
                segment.unlink()
            except OSError as error:
                raise Unavailable(
                    f"{segment.path.name} cannot be deleted ({error.strerror})"
                ) from None
        return over

    def index_next(self, survey: Survey) -> Segment | None:
        """Index the newest closed segment that is not yet, and return it.

        Raises:
            Unavailable: It could not be indexed, and is as it was.
        """
        for closed in reversed(survey.closed):
            if not closed.is_indexed:
                index(closed.segment)
                self._catalog.forget(closed.segment)
                return closed.segment
        return None


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


def size_bytes(folder: Path) -> int:
    """Return what the segments in ``folder`` take on disk, with what SQLite keeps beside them."""
    return sum(_file_bytes(file) for file in folder.glob("calls-*"))


def _file_bytes(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:  # SQLite's own come and go
        return 0
