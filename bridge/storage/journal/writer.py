"""The journal's writer: one fsynced transaction a batch, repeats recognised (the loop's side)."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bridge.errors import ConfigurationError, JournalUnavailable
from bridge.ports import OUTCOMES, CallRow, Clock
from bridge.storage.journal.lock import lock
from bridge.storage.journal.segments import COUNTERS, Segment, create, segments
from bridge.storage.journal.window import RepeatWindow

_INSERT = f"INSERT INTO calls VALUES ({', '.join('?' * (1 + len(CallRow._fields)))})"  # noqa: S608 - placeholders
_INSERT_KEYS = "INSERT INTO keys VALUES (?, ?)"
_COUNT = f"UPDATE ledger SET {', '.join(f'{name} = ?' for name in COUNTERS)}"  # noqa: S608 - names
_HOUR_MS = 3_600_000


class SegmentedJournal:
    """Calls on disk, in segments; the newest is written, older ones only read.

    Args:
        folder: Made where it is missing; locked, so that it has one writer.
        clock: The time.
        segment_rows: A segment is closed at this many rows, or when its hour ends.
        window_s: For how long a key is known.
        repeats_max: Keys held in memory at the most.

    Raises:
        ConfigurationError: The folder cannot be used, or another process writes it.
    """

    _next: int

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        *,
        segment_rows: int = 250_000,
        window_s: float = 3600,
        repeats_max: int = 2_000_000,
    ) -> None:
        self._folder = folder
        self._clock = clock
        self._segment_rows = segment_rows
        self._window = RepeatWindow(int(window_s * 1000), repeats_max, segment_rows)
        self.totals = dict.fromkeys(COUNTERS, 0)
        self._lock = lock(folder, "loop")
        try:
            self._resume()
        except (sqlite3.Error, OSError) as error:
            self._lock.close()
            raise ConfigurationError(f"BRIDGE_JOURNAL__PATH: {folder}: {error}") from None

    def count(self, counter: str, messages: int = 1) -> None:
        """Count outside of a batch; it becomes durable with the next one."""
        self.totals[counter] += messages

    def find(self, keys: Sequence[int]) -> list[CallRow | None]:
        """Return the recorded call of each key, in order; nothing for what is new."""
        try:
            return self._window.find(keys)
        except sqlite3.Error as error:
            raise JournalUnavailable(f"the journal cannot be read: {error}") from None

    def record(self, rows: Sequence[CallRow], tally: Mapping[str, int]) -> None:
        """Write rows and counters in one transaction; they are durable on return.

        Raises:
            JournalUnavailable: Nothing was written.
        """
        totals = self.totals | {name: self.totals[name] + n for name, n in tally.items()}
        try:
            if rows:
                self._make_room(len(rows))
            numbers = range(self._next, self._next + len(rows))
            keys = np.array([row.key for row in rows], np.int64)
            self._commit([(n, *row) for n, row in zip(numbers, rows, strict=True)], keys, totals)
        except (sqlite3.Error, OSError) as error:
            raise JournalUnavailable(f"the journal cannot be written: {error}") from None
        self.totals = totals
        self._next = numbers.stop
        self._window.add(numbers.start, keys)

    def close(self) -> None:
        """Write what was counted since the last batch, and let the next writer in."""
        # A full disk must not spoil a goodbye: counts without rows are whole without this one too.
        with suppress(sqlite3.Error):
            self._commit([], np.empty(0, np.int64), self.totals)
        self._window.close()
        self._writer.close()
        self._lock.close()

    def _resume(self) -> None:
        known = segments(self._folder) or [create(self._folder, 1, self.totals)]
        self._open(known[-1])
        counters = self._writer.execute("SELECT * FROM ledger").fetchone()
        self.totals = dict(zip(COUNTERS, counters, strict=True))
        # What a killed process had read and not recorded: the broker delivers it again.
        self.totals["returned"] += self.totals["received"] - sum(
            self.totals[outcome] for outcome in OUTCOMES
        )
        self._window.load(known, self._clock.now_ms())

    def _open(self, segment: Segment) -> None:
        self._segment = segment
        self._writer = segment.write()
        first_ms = self._writer.execute("SELECT called_at_ms FROM calls LIMIT 1").fetchone()
        last = self._writer.execute("SELECT max(number) FROM calls").fetchone()[0]
        self._next = segment.first_number if last is None else last + 1
        self._hour = (first_ms[0] if first_ms else self._clock.now_ms()) // _HOUR_MS

    def _make_room(self, rows: int) -> None:
        """Close the open segment where it is full or its hour has ended."""
        now_ms = self._clock.now_ms()
        is_empty = self._next == self._segment.first_number
        is_full = self._next + rows - self._segment.first_number > self._segment_rows
        if is_empty or not (is_full or now_ms // _HOUR_MS != self._hour):
            return
        segment = create(self._folder, self._next, self.totals)
        self._writer.close()  # checkpoints, so that the clerk takes over one whole file
        self._open(segment)
        self._window.open(segment)
        self._window.expire(now_ms)

    def _commit(
        self,
        rows: Sequence[tuple[object, ...]],
        keys: NDArray[np.int64],
        totals: Mapping[str, int],
    ) -> None:
        self._writer.execute("BEGIN IMMEDIATE")
        try:
            if rows:
                self._writer.executemany(_INSERT, rows)
                self._writer.execute(_INSERT_KEYS, (rows[0][0], keys.tobytes()))
            self._writer.execute(_COUNT, list(totals.values()))
            self._writer.execute("COMMIT")
        except BaseException:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
            raise
