"""The call log of the embedded default: the journal's segments, the open one included."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from itertools import groupby
from operator import itemgetter

from bridge.storage.journal.segments import Segment
from bridge.storage.log.call_log import END_OF_TIME_MS, HOUR_MS, Call, Position, Span, check_tie
from bridge.storage.log.catalog import Catalog, Closed, Open, reading
from bridge.storage.log.keeper import EVERY_DEVICE
from bridge.storage.log.tail import Tail

# With an index these never leave it: it ends with the row's number.
_POSITIONS = """
SELECT called_at_ms, number FROM calls
WHERE device = ? AND called_at_ms >= ? AND (called_at_ms, number) < (?, ?) AND number > ?
ORDER BY called_at_ms DESC, number DESC LIMIT ?
"""
_COUNT = "SELECT count(*) FROM calls WHERE device = ? AND called_at_ms >= ? AND called_at_ms < ?"
_CALL = "SELECT message_id, outcome, label, score, model, cached, text FROM calls WHERE number = ?"
_HOURS = "SELECT hour, label, calls FROM hours WHERE device = ? AND hour >= ? AND hour < ?"
_HOURS_SCANNED = f"""
SELECT called_at_ms / {HOUR_MS} AS hour, coalesce(label, outcome), count(*) FROM calls
WHERE ? IN (device, '{EVERY_DEVICE}') AND hour >= ? AND hour < ? GROUP BY 1, 2
"""  # noqa: S608 - names
_HOURS_FOLLOWING = f"""
SELECT called_at_ms / {HOUR_MS} AS hour, coalesce(label, outcome), count(*) FROM calls
WHERE number > ? AND number <= ? AND ? IN (device, '{EVERY_DEVICE}') AND hour >= ? AND hour < ?
GROUP BY 1, 2
"""  # noqa: S608 - names
_LAST = "SELECT max(number) FROM calls"
_COUNTS_KEPT = 1_024  # answers of a few hundred bytes
_PAGE = 5_000  # a read that lasts keeps the loop's WAL from starting over

_Found = tuple[Position, Segment]
_Asked = tuple[str, int, int]
"""Device, first hour, hour to stop before."""
_Counted = tuple[int, str, int]
"""Hour, label, calls."""


class SegmentLog:
    """Questions to one journal, a ``CallLog``.

    Args:
        catalog: The journal's segments.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._tail = Tail()
        # What is closed and indexed does not change any more: a dashboard asks for it again.
        self._counted_once = lru_cache(_COUNTS_KEPT)(_counts)

    def calls(
        self, device: str, span: Span, *, before: Position | None, limit: int, after: int = 0
    ) -> Iterator[Call]:
        """Yield calls of ``device``, newest first: see ``CallLog``.

        ``after`` leaves out what the journal has numbered up to there.
        """
        check_tie(before, int)
        end = min(before or Position(END_OF_TIME_MS, 0), Position(span.to_ms, 0))
        # All positions first (they are small), then one call after the other (a text may not be).
        span = Span(span.from_ms, end.called_at_ms + 1)
        found = self._find(device, span, end, limit, after)
        for segment, run in groupby(found, itemgetter(1)):
            with reading(segment) as connection:
                for position, _ in run:
                    row = connection.execute(_CALL, (position.tie,)).fetchone()
                    yield Call(position, *row)

    def count(self, device: str, span: Span) -> int:
        """Return how many calls of ``device`` there are: see ``CallLog``.

        Whole hours are counted already; only what is left at either end is counted now.
        """
        whole = Span(-(-span.from_ms // HOUR_MS) * HOUR_MS, span.to_ms // HOUR_MS * HOUR_MS)
        if whole.from_ms >= whole.to_ms:
            return self._count_calls(device, span)
        hours = self.hours(device, whole).values()
        ends = Span(span.from_ms, whole.from_ms), Span(whole.to_ms, span.to_ms)
        return sum(sum(counts.values()) for counts in hours) + sum(
            self._count_calls(device, end) for end in ends if end.from_ms < end.to_ms
        )

    def _count_calls(self, device: str, span: Span) -> int:
        calls = 0
        for part in self._catalog.survey().overlapping(span):
            with self._index_of(part) as connection:
                calls += connection.execute(_COUNT, (device, *span)).fetchone()[0]
        return calls

    def hours(self, device: str | None, span: Span, *, after: int = 0) -> dict[int, dict[str, int]]:
        """Count calls by hour: see ``CallLog``, and ``calls`` for ``after``."""
        first, end = span.from_ms // HOUR_MS, -(-span.to_ms // HOUR_MS)
        hours: dict[int, dict[str, int]] = {}
        asked = (device or EVERY_DEVICE, first, end)
        for part in self._catalog.survey().overlapping(Span(first * HOUR_MS, end * HOUR_MS), after):
            is_whole = part.segment.first_number > after
            for hour, label, calls in (
                self._counted(part, asked) if is_whole else _following(part.segment, after, asked)
            ):
                counts = hours.setdefault(hour, {})
                counts[label] = counts.get(label, 0) + calls
        return dict(sorted(hours.items()))

    def _counted(self, part: Open | Closed, asked: _Asked) -> list[_Counted]:
        if isinstance(part, Open):
            return self._tail.follow(part.segment).execute(_HOURS, asked).fetchall()
        if part.is_indexed:
            return self._counted_once(part.segment, asked)
        return _counts(part.segment, asked, _HOURS_SCANNED)

    def _find(self, device: str, span: Span, end: Position, limit: int, after: int) -> list[_Found]:
        found: list[_Found] = []
        for part in self._catalog.survey().overlapping(span, after):
            if len(found) == limit and found[-1][0].called_at_ms > part.last_ms:
                break  # neither this part nor any after it has a later call
            with self._index_of(part) as connection:
                rows = connection.execute(_POSITIONS, (device, span.from_ms, *end, after, limit))
                found += [(Position(*row), part.segment) for row in rows]
            found = sorted(found, reverse=True)[:limit]
        return found

    @contextmanager
    def _index_of(self, part: Open | Closed) -> Iterator[sqlite3.Connection]:
        if isinstance(part, Open):
            yield self._tail.follow(part.segment)
            return
        with reading(part.segment) as connection:
            yield connection


def _counts(segment: Segment, asked: _Asked, query: str = _HOURS) -> list[_Counted]:
    with reading(segment) as connection:
        return connection.execute(query, asked).fetchall()


def _following(segment: Segment, after: int, asked: _Asked) -> Iterator[_Counted]:
    """Count those calls of a segment that have a number greater than ``after``."""
    with reading(segment) as connection:
        last = connection.execute(_LAST).fetchone()[0] or 0
        for number in range(after, last, _PAGE):
            yield from connection.execute(
                _HOURS_FOLLOWING, (number, min(last, number + _PAGE), *asked)
            ).fetchall()
