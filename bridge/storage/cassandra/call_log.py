"""The call log of the whole installation: the tables, and what this journal has yet to ship.

A call may be found in both, while it is on its way: its place in the order of answers is the same
in both (its time and its message id), so it is told once.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from heapq import merge
from itertools import groupby, islice
from operator import attrgetter

from bridge.storage.cassandra import stored
from bridge.storage.cassandra.session import CassandraSession
from bridge.storage.cassandra.stored import Stored, StoredCalls
from bridge.storage.desk.notebook import HourCount, Notebook
from bridge.storage.log.call_log import END_OF_TIME_MS, HOUR_MS, Call, Position, Span, check_tie
from bridge.storage.log.segment_log import SegmentLog

STATEMENTS = stored.STATEMENTS

_PAGE = 200
_PLACE = attrgetter("position")

_Sums = dict[tuple[str, str], int]
"""Calls by device and label."""


class FleetLog:
    """Questions to all journals of an installation, a ``CallLog``.

    Args:
        session: Where shipped calls are.
        segments: This journal's own calls, shipped or not.
        notebook: How far it has been shipped, and what it has counted until there.
        journal: What stands for it in the counts.
    """

    def __init__(
        self, session: CassandraSession, segments: SegmentLog, notebook: Notebook, *, journal: str
    ) -> None:
        self._stored = StoredCalls(session)
        self._segments = segments
        self._notebook = notebook
        self._journal = journal

    def calls(
        self, device: str, span: Span, *, before: Position | None, limit: int
    ) -> Iterator[Call]:
        """Yield calls of ``device``, newest first: see ``CallLog``."""
        check_tie(before, str)
        from_ms = max(span.from_ms, self._forgotten_before_ms(device))
        end = min(before or Position(END_OF_TIME_MS, ""), Position(span.to_ms, ""))
        # Asked before the tables are: what is shipped meanwhile is found twice, and not never.
        shipped = self._notebook.shipped
        newest_first = merge(
            self._unshipped(device, from_ms, end, shipped),
            self._stored.calls(device, from_ms, end),
            key=_PLACE,
            reverse=True,
        )
        distinct = (next(same) for _, same in groupby(newest_first, _PLACE))
        yield from islice(distinct, limit)

    def count(self, device: str, span: Span) -> int:
        """Return how many calls of ``device`` there are: see ``CallLog``.

        Whole hours are summed up; what a span has of its first and last hour is walked through.
        """
        from_ms = max(span.from_ms, self._forgotten_before_ms(device))
        first_ms, end_ms = _next_hour(from_ms), span.to_ms - span.to_ms % HOUR_MS
        if first_ms >= end_ms:
            return self._walk(device, Span(from_ms, span.to_ms))
        whole = self.hours(device, Span(first_ms, end_ms)).values()
        edges = (Span(from_ms, first_ms), Span(end_ms, span.to_ms))
        return sum(sum(counts.values()) for counts in whole) + sum(
            self._walk(device, edge) for edge in edges
        )

    def hours(self, device: str | None, span: Span) -> dict[int, dict[str, int]]:
        """Count calls by hour: see ``CallLog``."""
        forgotten = self._forgotten(device)
        from_ms = max(span.from_ms, forgotten.get(device or "", 0))
        hours = Span(from_ms - from_ms % HOUR_MS, _next_hour(span.to_ms))
        shipped, sums = self._notebook.counted(*hours, device)
        if self._is_news(forgotten):
            sums = []  # of a time that is forgotten; the clerk drops them with the next page
        counted = self._shipped_hours(device, hours, sums)
        for hour, counts in self._unshipped_hours(device, hours, shipped, forgotten).items():
            counted.setdefault(hour, Counter()).update(counts)
        return {hour: dict(+counts) for hour, counts in sorted(counted.items()) if +counts}

    def _shipped_hours(
        self, device: str | None, span: Span, sums: Iterable[HourCount]
    ) -> dict[int, Counter[str]]:
        """Count what was shipped: other journals' sums from the tables, our own at first hand."""
        ours: dict[int, _Sums] = {}
        for hour_ms, name, label, calls in sums:
            ours.setdefault(hour_ms, {})[name, label] = calls
        told = {
            hour_ms: self._added(sums, ours.pop(hour_ms, {}))
            for hour_ms, sums in self._stored.counts(device, span)
        }
        told |= {hour_ms: self._added([], own) for hour_ms, own in ours.items()}
        return {hour_ms // HOUR_MS: counts for hour_ms, counts in told.items()}

    def _added(self, sums: Iterable[Stored], ours: _Sums) -> Counter[str]:
        """Add up an hour; what the tables hold of our own is older than what we know."""
        counts: Counter[str] = Counter()
        for journal, device, label, calls in sums:
            if journal != self._journal or (device, label) not in ours:
                counts[label] += calls
        for (_, label), calls in ours.items():
            counts[label] += calls
        return counts

    def _unshipped_hours(
        self, device: str | None, span: Span, shipped: int, forgotten: Mapping[str, int]
    ) -> dict[int, Counter[str]]:
        counted = self._segments.hours(device, span, after=shipped)
        hours = {hour: Counter(counts) for hour, counts in counted.items()}
        for name, before_ms in forgotten.items():
            until = Span(span.from_ms, min(span.to_ms, before_ms))
            for call in self._following(name, until, shipped):
                hours[call.position.called_at_ms // HOUR_MS][call.label or call.outcome] -= 1
        return hours

    def _unshipped(self, device: str, from_ms: int, end: Position, shipped: int) -> Iterator[Call]:
        """Yield what the journal holds beyond ``shipped``, in the fleet's order."""
        found = self._following(device, Span(from_ms, end.called_at_ms + 1), shipped)
        for called_at_ms, same in groupby(found, lambda call: call.position.called_at_ms):
            placed = (
                call._replace(position=Position(called_at_ms, call.message_id)) for call in same
            )
            yield from (
                call for call in sorted(placed, key=_PLACE, reverse=True) if call.position < end
            )

    def _following(self, device: str, span: Span, shipped: int) -> Iterator[Call]:
        before: Position | None = None
        while True:
            last = before
            for call in self._segments.calls(
                device, span, before=before, limit=_PAGE, after=shipped
            ):
                yield call
                last = call.position
            if last == before:
                return
            before = last

    def _walk(self, device: str, span: Span) -> int:
        return sum(1 for _ in self.calls(device, span, before=None, limit=sys.maxsize))

    def _forgotten(self, device: str | None) -> dict[str, int]:
        """Return whose unshipped calls must not be told: of one device, as all bridges know it."""
        if device is None:
            return self._notebook.forgotten()
        before_ms = self._forgotten_before_ms(device)
        return {device: before_ms} if before_ms else {}

    def _forgotten_before_ms(self, device: str) -> int:
        known = self._notebook.forgotten().get(device, 0)
        return max(known, self._stored.forgotten_before_ms(device))

    def _is_news(self, forgotten: Mapping[str, int]) -> bool:
        return not forgotten.items() <= self._notebook.forgotten().items()


def _next_hour(ms: int) -> int:
    """Return the first full hour from a time on."""
    return -(-ms // HOUR_MS) * HOUR_MS
