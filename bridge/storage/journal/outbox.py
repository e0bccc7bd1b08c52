"""The journal read as an outbox: what has been recorded and not yet shipped, in order."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from bridge.errors import Unavailable
from bridge.ports import CallRow
from bridge.storage.journal.segments import COLUMNS, Segment, segments

_PAGE = f"SELECT number, {COLUMNS} FROM calls WHERE number > ? ORDER BY number LIMIT ?"  # noqa: S608 - names
_LAST = "SELECT max(number) FROM calls"
_NEXT = "SELECT called_at_ms FROM calls WHERE number > ? ORDER BY number LIMIT 1"


class Numbered(NamedTuple):
    """A call and its number in the journal."""

    number: int
    row: CallRow


class Backlog(NamedTuple):
    """How much there is to ship."""

    rows: int
    age_s: float
    """How long the oldest has waited."""


class Outbox:
    """The rows of all segments as one row of rows.

    Args:
        folder: The journal's.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def page(self, after: int, limit: int) -> list[Numbered]:
        """Return the calls that follow number ``after``, oldest first.

        A page ends with its segment, so it may be short, and is empty only at the journal's end.

        Raises:
            Unavailable: A segment cannot be read.
        """
        for segment in self._following(after):
            with closing(segment.read()) as file:
                rows = self._read(file, _PAGE, (after, limit))
            if rows:
                return [Numbered(number, CallRow(*row)) for number, *row in rows]
        return []

    def backlog(self, after: int, now_ms: int) -> Backlog:
        """Say how much follows number ``after``.

        Raises:
            Unavailable: A segment cannot be read.
        """
        following = self._following(after)
        oldest_ms, last = None, after
        for segment in following:
            with closing(segment.read()) as file:
                if oldest_ms is None:
                    oldest = self._read(file, _NEXT, (after,))
                    oldest_ms = oldest[0][0] if oldest else None
                last = self._read(file, _LAST, ())[0][0] or last
        age_s = max(0.0, (now_ms - oldest_ms) / 1000) if oldest_ms is not None else 0.0
        return Backlog(last - after, round(age_s, 1))

    def _following(self, after: int) -> list[Segment]:
        """Return the segments that may hold calls after a number, oldest first."""
        known = segments(self._folder)
        begun = [index for index, segment in enumerate(known) if segment.first_number <= after + 1]
        return known[begun[-1] if begun else 0 :]

    @staticmethod
    def _read(
        file: sqlite3.Connection, query: str, values: tuple[int, ...]
    ) -> list[tuple[Any, ...]]:
        try:
            return file.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise Unavailable(f"the journal cannot be read: {error}") from None
