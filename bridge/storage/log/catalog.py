"""What the clerk knows of the journal's segments: which are closed, and when their calls were."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from bridge.errors import Unavailable
from bridge.storage.journal.segments import Segment, segments
from bridge.storage.log.call_log import END_OF_TIME_MS, Span

INDEX = "calls_by_device"

_FIRST_CALL = "SELECT called_at_ms FROM calls ORDER BY number LIMIT 1"
_IS_INDEXED = f"SELECT count(*) FROM sqlite_master WHERE name = '{INDEX}'"  # noqa: S608 - a name
_SPAN_KEPT = "SELECT first_ms, last_ms FROM span"
_SPAN_SCANNED = "SELECT min(called_at_ms), max(called_at_ms) FROM calls"


@contextmanager
def reading(segment: Segment) -> Iterator[sqlite3.Connection]:
    """Open ``segment`` for reading, and close it again.

    Raises:
        Unavailable: It cannot be read.
    """
    try:
        with closing(segment.read()) as connection:
            yield connection
    except sqlite3.Error as error:
        raise Unavailable(f"{segment.path.name} cannot be read: {error}") from None


@dataclass(frozen=True, slots=True)
class Closed:
    """A segment that the loop has let go of: no call is added to it any more."""

    segment: Segment
    first_ms: int
    last_ms: int
    is_indexed: bool

    def overlaps(self, span: Span) -> bool:
        """Say whether calls of its may lie in ``span``."""
        return self.first_ms < span.to_ms and self.last_ms >= span.from_ms


@dataclass(frozen=True, slots=True)
class Open:
    """The segment that the loop writes: others read it in short pages, and leave it alone."""

    segment: Segment
    first_ms: int

    last_ms: ClassVar[int] = END_OF_TIME_MS


@dataclass(frozen=True, slots=True)
class Survey:
    """The journal's segments at one moment."""

    closed: list[Closed]
    """Oldest first."""
    open: Open | None
    """Nothing before the very first call."""

    @property
    def segments(self) -> list[Segment]:
        """Return those that hold calls, oldest first."""
        newest = [self.open.segment] if self.open else []
        return [*(closed.segment for closed in self.closed), *newest]

    def overlapping(self, span: Span, after: int = 0) -> list[Closed | Open]:
        """Return what may hold calls in ``span``, by its last call, latest first.

        Args:
            span: When.
            after: Only calls with a greater number are of interest.
        """
        first = max(
            (segment.first_number for segment in self.segments if segment.first_number <= after),
            default=0,
        )
        closed = sorted(
            (
                closed
                for closed in self.closed
                if closed.overlaps(span) and closed.segment.first_number >= first
            ),
            key=lambda closed: closed.last_ms,
            reverse=True,
        )
        return [self.open, *closed] if self.open else list(closed)


class Catalog:
    """Remembers what does not change any more.

    Args:
        folder: The journal's.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._closed: dict[int, Closed] = {}
        self._open: Open | None = None

    def survey(self) -> Survey:
        """Look at the folder.

        A segment counts as closed once a later one holds a call: the loop lets go of it between
        making the next one and writing there, so that a file never has two writers.

        Raises:
            Unavailable: A segment cannot be read.
        """
        known = segments(self._folder)
        self._open = self._newest_with_calls(known)
        if self._open is None:
            return Survey([], None)
        older = [segment for segment in known if segment < self._open.segment]
        self._closed = {segment.first_number: self._look_at(segment) for segment in older}
        return Survey(list(self._closed.values()), self._open)

    def forget(self, segment: Segment) -> None:
        """Look at ``segment`` anew the next time: it was changed."""
        self._closed.pop(segment.first_number, None)

    def _newest_with_calls(self, known: list[Segment]) -> Open | None:
        for segment in reversed(known):
            if self._open and self._open.segment == segment:
                return self._open
            with reading(segment) as connection:
                first = connection.execute(_FIRST_CALL).fetchone()
            if first:
                return Open(segment, first[0])
        return None

    def _look_at(self, segment: Segment) -> Closed:
        known = self._closed.get(segment.first_number)
        return known or _closed(segment)


def _closed(segment: Segment) -> Closed:
    with reading(segment) as connection:
        is_indexed = bool(connection.execute(_IS_INDEXED).fetchone()[0])
        first_ms, last_ms = connection.execute(
            _SPAN_KEPT if is_indexed else _SPAN_SCANNED
        ).fetchone()
    return Closed(segment, first_ms or 0, last_ms or 0, is_indexed)
