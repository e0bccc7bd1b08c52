"""What the tables hold of the call log: calls by device and hour, and counts by hour."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from bridge.storage.cassandra.session import CassandraSession
from bridge.storage.cassandra.statements import (
    READ_CALLS,
    READ_COUNTS,
    READ_DEVICE_COUNTS,
    READ_FORGOTTEN,
    READ_HOURS,
)
from bridge.storage.cassandra.writes import EVERY_DEVICE, hour_of, unix_ms
from bridge.storage.log.call_log import Call, Position, Span

STATEMENTS = (READ_CALLS, READ_COUNTS, READ_DEVICE_COUNTS, READ_FORGOTTEN, READ_HOURS)

_DEADLINE_S = 5.0
"""For each page of rows: who asks the log waits for it, no device does."""
_CALLS_PAGE = 100
"""Calls held at once: with the longest texts, 4 MB."""


class Stored(NamedTuple):
    """A sum as one journal has sent it."""

    journal: str
    device: str
    label: str
    calls: int


class StoredCalls:
    """Questions to the tables.

    Args:
        session: Where they are.
    """

    def __init__(self, session: CassandraSession) -> None:
        self._session = session

    def calls(self, device: str, from_ms: int, end: Position) -> Iterator[Call]:
        """Yield calls of ``device`` from a time on and before a position, newest first.

        Raises:
            Unavailable: The rest cannot be read.
        """
        for hour_ms in self._hours(device, hour_of(from_ms), end.called_at_ms + 1):
            values = [device, hour_ms, from_ms, "", *end]
            for row in self._stream(READ_CALLS, values, page_rows=_CALLS_PAGE):
                yield _call(row)

    def counts(self, device: str | None, span: Span) -> Iterator[tuple[int, list[Stored]]]:
        """Yield hours that begin in ``span``, with the sums of all journals.

        Raises:
            Unavailable: The rest cannot be read.
        """
        for hour_ms in self._hours(device or EVERY_DEVICE, *span):
            if device is None:
                rows = self._stream(READ_COUNTS, [hour_ms])
            else:
                rows = self._stream(READ_DEVICE_COUNTS, [hour_ms, device])
            yield (
                hour_ms,
                [Stored(row.journal, row.device_id, row.label, row.calls) for row in rows],
            )

    def forgotten_before_ms(self, device: str) -> int:
        """Return before when ``device`` is forgotten; 0 where it is not.

        Raises:
            Unavailable: It cannot be read.
        """
        rows = self._session.send(
            READ_FORGOTTEN, [[device]], timeout_s=_DEADLINE_S, near=device.encode()
        ).result()
        return max((unix_ms(row.before) for row in rows), default=0)

    def _hours(self, device: str, from_ms: int, to_ms: int) -> Iterator[int]:
        for row in self._stream(READ_HOURS, [device, from_ms, to_ms]):
            yield unix_ms(row.hour)

    def _stream(
        self, statement: str, values: Sequence[object], page_rows: int = 1_000
    ) -> Iterator[Any]:
        return self._session.stream(statement, values, timeout_s=_DEADLINE_S, page_rows=page_rows)


def _call(row: Any) -> Call:
    return Call(
        position=Position(unix_ms(row.called_at), row.message_id),
        message_id=row.message_id,
        outcome=row.outcome,
        label=row.label,
        score=row.score,
        model=row.model_version,
        cached=row.cached,
        text=row.text,
    )
