"""What the clerk must not forget: how far it has shipped, what it has counted, what people said.

One small SQLite file beside the segments, and the clerk is the only one who opens it.
"""

from __future__ import annotations

import secrets
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

_NAME = "clerk.sqlite"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS journal (id TEXT NOT NULL, shipped INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS counts (
  hour_ms INTEGER NOT NULL,
  device TEXT NOT NULL,
  label TEXT NOT NULL,
  calls INTEGER NOT NULL,
  is_sent INTEGER NOT NULL,
  PRIMARY KEY (hour_ms, device, label)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS unsent ON counts (is_sent) WHERE NOT is_sent;
CREATE TABLE IF NOT EXISTS dead_letters (
  number INTEGER PRIMARY KEY, device TEXT NOT NULL, reason TEXT NOT NULL, call TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS corrections (
  text_key BLOB PRIMARY KEY,
  label TEXT NOT NULL,
  by TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  text TEXT
) STRICT;
CREATE TABLE IF NOT EXISTS forgotten (device TEXT PRIMARY KEY, before_ms INTEGER NOT NULL) STRICT;
"""

_ADD = """
INSERT INTO counts VALUES (?, ?, ?, ?, 0)
ON CONFLICT DO UPDATE SET calls = calls + excluded.calls, is_sent = 0
"""
_HEAR = """
INSERT INTO corrections VALUES (?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET label = excluded.label, by = excluded.by, at_ms = excluded.at_ms
"""
_COUNTED = """
SELECT hour_ms, device, label, calls FROM counts
WHERE hour_ms >= ? AND hour_ms < ? AND (device = ? OR ? IS NULL)
"""


class HourCount(NamedTuple):
    """Calls of one device with one label in one hour, as this journal has counted them."""

    hour_ms: int
    device: str
    label: str
    calls: int


class DeadLetter(NamedTuple):
    """A call that the database refuses for good."""

    number: int
    device: str
    reason: str
    call: str
    """The row as JSON; with a text only where the log keeps texts."""


class Correction(NamedTuple):
    """What a person said of a text."""

    text_key: bytes
    label: str
    by: str
    at_ms: int
    text: str | None


def set_aside(folder: Path) -> list[DeadLetter]:
    """Return what the database has refused for good, as the notebook of a journal has it.

    For another process than the clerk: it only reads, and a clerk that has not made its notebook
    yet has set nothing aside.

    Args:
        folder: The journal's.
    """
    path = folder / _NAME
    if not path.exists():
        return []
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as file:
        try:
            rows = file.execute("SELECT * FROM dead_letters ORDER BY number")
            return [DeadLetter(*row) for row in rows]
        except sqlite3.OperationalError:
            return []


class Notebook:
    """The clerk's own file.

    Args:
        folder: The journal's.
    """

    def __init__(self, folder: Path) -> None:
        # Two threads of the clerk use it. sqlite3 serialises their statements, and no more: the
        # lock keeps one out of the other's transaction.
        self._lock = threading.Lock()
        self._file = sqlite3.connect(folder / _NAME, isolation_level=None, check_same_thread=False)
        self._file.execute("PRAGMA journal_mode = WAL")
        self._file.execute("PRAGMA synchronous = FULL")
        self._file.executescript(_SCHEMA)
        if not self._file.execute("SELECT count(*) FROM journal").fetchone()[0]:
            self._file.execute("INSERT INTO journal VALUES (?, 0)", (secrets.token_hex(8),))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    # shipping

    @property
    def journal_id(self) -> str:
        """What tells this journal from any other of the installation."""
        return str(self._file.execute("SELECT id FROM journal").fetchone()[0])

    @property
    def shipped(self) -> int:
        """The number of the last call that is in the database."""
        return int(self._file.execute("SELECT shipped FROM journal").fetchone()[0])

    def advance(
        self,
        shipped: int,
        counts: Mapping[tuple[int, str, str], int],
        dead_letters: Iterable[DeadLetter],
    ) -> None:
        """Take note of a page: its end, its counts and what was set aside, all or nothing.

        Args:
            shipped: The number of its last call.
            counts: Calls by hour (Unix milliseconds), device and label.
            dead_letters: What the database refuses for good.
        """
        with self._transaction():
            self._file.execute("UPDATE journal SET shipped = ?", (shipped,))
            self._file.executemany(_ADD, [(*key, calls) for key, calls in counts.items()])
            self._file.executemany(
                "INSERT OR REPLACE INTO dead_letters VALUES (?, ?, ?, ?)", dead_letters
            )

    def unsent_counts(self) -> list[HourCount]:
        """Return the sums that have changed since they were sent."""
        rows = self._file.execute(
            "SELECT hour_ms, device, label, calls FROM counts WHERE NOT is_sent"
        )
        return [HourCount(*row) for row in rows]

    def counted(self, from_ms: int, to_ms: int, device: str | None) -> tuple[int, list[HourCount]]:
        """Return what was shipped last, and the sums of hours until exactly there.

        Args:
            from_ms: The first hour, Unix milliseconds.
            to_ms: The hour to stop before.
            device: Whose, or nothing for all devices.
        """
        with self._lock:
            rows = self._file.execute(_COUNTED, (from_ms, to_ms, device, device))
            return self.shipped, [HourCount(*row) for row in rows]

    def counts_sent(self, counts: Sequence[HourCount]) -> None:
        """Take note that the database has these sums, unless they have changed meanwhile."""
        with self._transaction():
            self._file.executemany(
                "UPDATE counts SET is_sent = 1"
                " WHERE hour_ms = ? AND device = ? AND label = ? AND calls = ?",
                counts,
            )

    def forget_counts_before(self, hour_ms: int) -> None:
        """Drop sums of hours that the log does not keep any more."""
        self._file.execute("DELETE FROM counts WHERE is_sent AND hour_ms < ?", (hour_ms,))

    @property
    def dead_letters(self) -> int:
        """How many calls were set aside."""
        return int(self._file.execute("SELECT count(*) FROM dead_letters").fetchone()[0])

    # what people said

    def correct(self, correction: Correction) -> None:
        """Keep a correction; a later one of the same text replaces it."""
        self._file.execute("INSERT OR REPLACE INTO corrections VALUES (?, ?, ?, ?, ?)", correction)

    def hear(self, correction: Correction) -> None:
        """Keep a correction that another bridge tells; the text, where it is known, stays."""
        self._file.execute(_HEAR, correction)

    def corrections(self) -> list[Correction]:
        """Return all corrections, oldest first."""
        rows = self._file.execute("SELECT * FROM corrections ORDER BY at_ms")
        return [Correction(*row) for row in rows]

    def forget(self, device: str, before_ms: int) -> None:
        """Keep that calls of ``device`` before a time must never be told again."""
        with self._transaction():
            self._file.execute(
                "INSERT OR REPLACE INTO forgotten VALUES (?, ?)", (device, before_ms)
            )
            self._file.execute("DELETE FROM counts WHERE device = ?", (device,))
            self._file.execute("DELETE FROM dead_letters WHERE device = ?", (device,))

    def forgotten(self) -> dict[str, int]:
        """Return before when each forgotten device is forgotten, in Unix milliseconds."""
        return dict(self._file.execute("SELECT device, before_ms FROM forgotten"))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock, self._file:
            self._file.execute("BEGIN IMMEDIATE")
            yield
