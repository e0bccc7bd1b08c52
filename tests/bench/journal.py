"""A journal that has seen a lot: built with the bridge's own writer, before all else."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

from bridge.ports import CallRow
from bridge.storage.journal.segments import segments
from bridge.storage.journal.writer import SegmentedJournal
from bridge.storage.log.keeper import index
from tests.bench.messages import device
from tests.bench.texts import dataset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

BUSY_DEVICE = "dev-busy"
"""Has every other call of the journal: the one that questions are asked about."""

_ROWS_AT_ONCE = 10_000
_AGE_MS = 30 * 60_000
"""The oldest call is so old: all of them lie in the repeat window for the whole benchmark."""


class _Now:
    """The machine's clock, as the journal wants it."""

    def now_ms(self) -> int:
        """Unix milliseconds, UTC."""
        return time.time_ns() // 1_000_000

    def monotonic_s(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()


def build(folder: Path, calls: int, advance: Callable[[int], None]) -> None:
    """Fill ``folder`` with ``calls`` verdicts under random ids, closed segments indexed.

    Args:
        folder: The journal's, new.
        calls: How many.
        advance: Told how many calls have been written.
    """
    journal = SegmentedJournal(folder, _Now())
    rows = _rows(calls)
    for _ in range(0, calls, _ROWS_AT_ONCE):
        batch = [row for row, _ in zip(rows, range(_ROWS_AT_ONCE), strict=False)]
        journal.count("received", len(batch))
        journal.record(batch, {"verdicts": len(batch)})
        advance(len(batch))
    journal.close()
    for segment in segments(folder)[:-1]:
        index(segment)  # as the clerk had done long ago


def _rows(calls: int) -> Iterator[CallRow]:
    texts, chance = dataset(), random.Random(1)
    oldest_ms = time.time_ns() // 1_000_000 - _AGE_MS
    for number in range(calls):
        yield CallRow(
            key=chance.getrandbits(63) + 1,
            fingerprint=chance.randbytes(16),
            requested_model=None,
            device=BUSY_DEVICE if number % 2 else device(number // 2),
            message_id=f"{chance.getrandbits(96):024x}",
            called_at_ms=oldest_ms + number * _AGE_MS // calls,
            device_ts_ms=None,
            outcome="verdict",
            label="ham",
            score=0.017,
            scores='{"ham":0.983,"spam":0.017}',
            model="spam@1",
            cached="no",
            problem=None,
            text=texts[number % len(texts)],
        )
