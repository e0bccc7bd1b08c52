"""The repeat window: the recorded calls of the last hour, found by their keys."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bridge.ports import CallRow
from bridge.storage.journal.repeats import Repeats
from bridge.storage.journal.segments import COLUMNS, Segment

_FIND = f"SELECT {COLUMNS} FROM calls WHERE number = ?"  # noqa: S608 - column names
_KEYS = "SELECT first_number, keys FROM keys ORDER BY first_number"
_LARGEST_BATCH = 4096
_SEGMENTS_MAX = 512
"""Tiny segments would make a table of their own each: here the window is cut short instead."""

_LAST = "SELECT called_at_ms FROM calls ORDER BY number DESC LIMIT 1"


class RepeatWindow:
    """The segments whose calls are still known by their keys.

    Args:
        window_ms: For how long a key is known at least (unless ``repeats_max`` cuts it short).
        repeats_max: Keys held in memory at the most, besides the open segment's.
        segment_rows: Rows that a segment may have.
    """

    def __init__(self, window_ms: int, repeats_max: int, segment_rows: int) -> None:
        self._window_ms = window_ms
        self._capacity = min(1 + -(-repeats_max // segment_rows), _SEGMENTS_MAX)
        # An empty segment takes a whole batch, however few rows a segment may have.
        self._repeats = Repeats(self._capacity, max(segment_rows, _LARGEST_BATCH))
        self._known: dict[int, Segment] = {}  # by first number, oldest first; the last is open
        self._readers: dict[int, sqlite3.Connection] = {}

    def load(self, segments: Sequence[Segment], now_ms: int) -> None:
        """Read the keys of the segments that are inside the window, at start.

        Args:
            segments: All of the journal's, oldest first.
            now_ms: Unix milliseconds.
        """
        for segment in segments[-self._capacity :]:
            reader = segment.read()
            try:
                if segment is segments[-1] or self._is_recent(reader, now_ms):
                    self.open(segment)
                    self._load_keys(reader)
            finally:
                reader.close()

    def open(self, segment: Segment) -> None:
        """Make ``segment`` the one whose rows are added from now on."""
        evicted = self._repeats.open(segment.first_number)
        if evicted is not None:
            self._drop(evicted)
        self._known[segment.first_number] = segment

    def add(self, first_number: int, keys: NDArray[np.int64]) -> None:
        """Remember rows just written to the open segment.

        Args:
            first_number: The first row's; the others follow.
            keys: Shape (n,), 0 where the device gave no id.
        """
        (keyed,) = np.nonzero(keys)
        if keyed.size:
            open_ = next(reversed(self._known))
            self._repeats.add(open_, first_number + keyed, keys[keyed])

    def find(self, keys: Sequence[int]) -> list[CallRow | None]:
        """Return the recorded call of each key, in order; nothing for what is new."""
        if not keys:
            return []
        numbers = self._repeats.find(np.array(keys, np.int64))
        if not numbers.any():
            return [None] * len(keys)
        return [self._row(number) if number else None for number in numbers.tolist()]

    def expire(self, now_ms: int) -> None:
        """Forget closed segments whose last call has left the window."""
        # All of them: after a clock set back, a later one may be past before an earlier one.
        for first_number, segment in list(self._known.items())[:-1]:
            if segment.path.exists() and self._is_recent(self._reader(first_number), now_ms):
                continue
            self._repeats.forget(first_number)
            self._drop(first_number)

    def close(self) -> None:
        """Close every file."""
        for reader in self._readers.values():
            reader.close()

    def _load_keys(self, reader: sqlite3.Connection) -> None:
        """Remember the rows of the segment opened last, which follow one another."""
        batches = reader.execute(_KEYS).fetchall()
        if batches:
            keys = np.frombuffer(b"".join(batch for _, batch in batches), np.int64)
            self.add(batches[0][0], keys)

    def _is_recent(self, reader: sqlite3.Connection, now_ms: int) -> bool:
        last = reader.execute(_LAST).fetchone()
        return last is not None and last[0] >= now_ms - self._window_ms

    def _row(self, number: int) -> CallRow | None:
        first_number = max(first for first in self._known if first <= number)
        if not self._known[first_number].path.exists():
            return None  # the clerk has expired it, or somebody has deleted it: not known
        row = self._reader(first_number).execute(_FIND, (number,)).fetchone()
        return CallRow(*row) if row else None

    def _reader(self, first_number: int) -> sqlite3.Connection:
        if first_number not in self._readers:
            self._readers[first_number] = self._known[first_number].read()
        return self._readers[first_number]

    def _drop(self, first_number: int) -> None:
        self._known.pop(first_number, None)
        reader = self._readers.pop(first_number, None)
        if reader:
            reader.close()
