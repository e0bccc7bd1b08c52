"""The journal's files: append-only SQLite segments, named by the number of their first row.

The newest is open and belongs to the loop; every other is closed and belongs to the clerk.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bridge.ports import CallRow

COUNTERS = (
    "received",
    "verdicts",
    "rejections",
    "transient",
    "repeats",
    "expired",
    "ignored",
    "returned",
    "undeliverable",
)

# `keys` holds a batch's column `key` once more, as one array of 64-bit integers: two million are
# read at start in a tenth of the time that as many rows take.
_SCHEMA = f"""
CREATE TABLE calls (
  number INTEGER PRIMARY KEY,
  key INTEGER NOT NULL,
  fingerprint BLOB NOT NULL,
  requested_model TEXT,
  device TEXT NOT NULL,
  message_id TEXT NOT NULL,
  called_at_ms INTEGER NOT NULL,
  device_ts_ms INTEGER,
  outcome TEXT NOT NULL,
  label TEXT,
  score REAL,
  scores TEXT,
  model TEXT,
  cached TEXT,
  problem TEXT,
  text TEXT
) STRICT;
CREATE TABLE keys (first_number INTEGER PRIMARY KEY, keys BLOB NOT NULL) STRICT;
CREATE TABLE ledger ({", ".join(f"{name} INTEGER NOT NULL" for name in COUNTERS)}) STRICT;
"""

COLUMNS = ", ".join(CallRow._fields)


@dataclass(frozen=True, slots=True, order=True)
class Segment:
    """One file of the journal."""

    first_number: int
    path: Path

    def read(self) -> sqlite3.Connection:
        """Open it for reading; a reader never keeps the loop from writing (WAL)."""
        # `mode=ro` and never `immutable`: the open one grows while it is read.
        return sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=1
        )

    def write(self) -> sqlite3.Connection:
        """Open it for its one writer."""
        connection = sqlite3.connect(self.path, isolation_level=None, timeout=1)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            # 32 MB: a page that many batches change goes to the file once. 8 us a batch less.
            connection.execute("PRAGMA wal_autocheckpoint = 8000")
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def unlink(self) -> None:
        """Delete the file and what SQLite keeps beside it."""
        for suffix in ("-wal", "-shm", ""):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)


def segments(folder: Path) -> list[Segment]:
    """Return the segments of a journal, oldest first; the last is the open one."""
    return sorted(
        Segment(int(path.stem.removeprefix("calls-")), path)
        for path in folder.glob("calls-*.sqlite")
    )


def create(folder: Path, first_number: int, totals: Mapping[str, int]) -> Segment:
    """Make the next segment, carrying the ledger's totals on.

    Made under another name first: a segment that is there is whole.
    """
    unfinished = folder / "next.sqlite"
    unfinished.unlink(missing_ok=True)
    connection = sqlite3.connect(unfinished, isolation_level=None)
    try:
        # Now, while nobody else can have it open: a reader would hold the change up.
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(_SCHEMA)
        values = [totals[name] for name in COUNTERS]
        connection.execute(f"INSERT INTO ledger VALUES ({', '.join('?' * len(values))})", values)  # noqa: S608 - placeholders
    finally:
        connection.close()
    path = folder / f"calls-{first_number:015d}.sqlite"
    unfinished.rename(path)
    return Segment(first_number, path)
