"""Rows of the journal as writes to Cassandra, and writes as batches. Pure.

Times are written as the numbers that they are: Unix milliseconds. A datetime would know nothing
before the year 1, where a device's clock may well be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from operator import attrgetter
from typing import NamedTuple

from pydantic_core import from_json

from bridge.ports import CallRow
from bridge.storage.cassandra.statements import WRITE_CALL, WRITE_HOUR, WRITE_VERDICT

HOUR_MS = 3_600_000
EVERY_DEVICE = "*"
"""Stands for all devices in ``hours_by_device``; no device can have this id."""

_ROWS_MAX = 32
"""Rows of a batch: 35 to 50 us each on the client, with 128 they cost more (measured)."""
_BYTES_MAX = 40_000
"""Bytes of a batch: the server refuses 50 KiB, and would do so for ever."""
_ROW_OVERHEAD_BYTES = 300


class Write(NamedTuple):
    """One row for one table."""

    statement: str
    values: Sequence[object]
    routing_key: bytes
    size_bytes: int
    number: int
    """The journal's number of the call it comes from."""


def call(number: int, row: CallRow, *, keep_key: bool) -> Write:
    """Write a call to its device's hour.

    Args:
        number: Its number in the journal.
        row: The call.
        keep_key: Whether the log may keep what stands for the text.
    """
    values = (
        row.device,
        hour_of(row.called_at_ms),
        row.called_at_ms,
        row.message_id,
        row.outcome,
        row.label,
        row.score,
        from_json(row.scores) if row.scores else None,
        row.model,
        row.cached,
        row.problem,
        row.device_ts_ms,
        row.fingerprint if keep_key and row.outcome == "verdict" else None,
        row.text,
    )
    size_bytes = _ROW_OVERHEAD_BYTES + sum(len(part or "") * 4 for part in (row.text, row.problem))
    return Write(WRITE_CALL, values, _routing_key(row), size_bytes, number)


def hour(number: int, device: str, hour_ms: int) -> Write:
    """Take note that ``device`` (or ``EVERY_DEVICE``) has calls in an hour."""
    return Write(WRITE_HOUR, (device, hour_ms), device.encode(), _ROW_OVERHEAD_BYTES, number)


def verdict(number: int, row: CallRow) -> Write:
    """Share what a model said of a text."""
    model = row.model or ""
    values = (
        model,
        row.fingerprint,
        row.label,
        row.score,
        from_json(row.scores or "{}"),
        row.called_at_ms,
    )
    routing_key = composite(model.encode(), row.fingerprint)
    return Write(WRITE_VERDICT, values, routing_key, _ROW_OVERHEAD_BYTES, number)


def batches(writes: Iterable[Write], replica: Callable[[bytes], object]) -> Iterator[list[Write]]:
    """Group writes by replica, within the bounds on rows and bytes; a larger one goes alone.

    Rows of one partition come one after the other, in the order given: those of a batch are one
    mutation to the server, with one entry in its commit log.
    """
    open_: dict[object, list[Write]] = {}
    sizes: dict[object, int] = {}
    for write in sorted(writes, key=attrgetter("routing_key")):
        group = replica(write.routing_key)
        batch = open_.setdefault(group, [])
        size_bytes = sizes.get(group, 0) + write.size_bytes
        if batch and (len(batch) == _ROWS_MAX or size_bytes > _BYTES_MAX):
            yield batch
            open_[group] = batch = []
            size_bytes = write.size_bytes
        batch.append(write)
        sizes[group] = size_bytes
    yield from open_.values()


def composite(*parts: bytes) -> bytes:
    """Write a partition key of several columns as the native protocol does."""
    return b"".join(len(part).to_bytes(2, "big") + part + b"\0" for part in parts)


def hour_of(called_at_ms: int) -> int:
    """Cut (not round) to the hour: Unix milliseconds, UTC."""
    return called_at_ms - called_at_ms % HOUR_MS


def unix_ms(moment: datetime) -> int:
    """Return Unix milliseconds of what the driver gives: a naive time, in UTC."""
    return round(moment.replace(tzinfo=UTC).timestamp() * 1000)


def _routing_key(row: CallRow) -> bytes:
    hour_ms = hour_of(row.called_at_ms)
    return composite(row.device.encode(), hour_ms.to_bytes(8, "big", signed=True))
