"""Moves the journal's rows to Cassandra: in order, idempotently, resumable at any kill."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence

import structlog
from pydantic_core import to_json

from bridge.ports import CallRow
from bridge.storage.cassandra import writes
from bridge.storage.cassandra.forgetting import DeviceHour, Forgetting
from bridge.storage.cassandra.session import CassandraSession, Pending, Refused
from bridge.storage.cassandra.statements import (
    WRITE_CALL,
    WRITE_COUNT,
    WRITE_HOUR,
    WRITE_VERDICT,
)
from bridge.storage.cassandra.writes import EVERY_DEVICE, Write, hour_of
from bridge.storage.desk.notebook import DeadLetter, HourCount, Notebook
from bridge.storage.journal.outbox import Numbered, Outbox

STATEMENTS = (WRITE_CALL, WRITE_HOUR, WRITE_VERDICT, WRITE_COUNT)

_PAGE_ROWS = 2_000
_IN_FLIGHT_MAX = 8
"""Batches on their way at once: enough to keep one node busy, few enough to lose little."""
_DEADLINE_S = 2.0
_HOURS_KNOWN_MAX = 100_000

_log = structlog.get_logger()


class Shipper:
    """Ships page by page; every write is an upsert of absolute values, so a page may go twice.

    Args:
        outbox: What is to be shipped.
        notebook: How far it has come.
        session: Where to.
        forgetting: Whose calls must not come back.
        journal: What stands for this journal in the counts.
        keep_key: Whether the log may keep what stands for a text.
    """

    def __init__(  # noqa: PLR0913 - what it joins, each once
        self,
        outbox: Outbox,
        notebook: Notebook,
        session: CassandraSession,
        forgetting: Forgetting,
        *,
        journal: str,
        keep_key: bool,
    ) -> None:
        self._outbox = outbox
        self._notebook = notebook
        self._session = session
        self._forgetting = forgetting
        self._journal = journal
        self._keep_key = keep_key
        self._hours_known: set[tuple[str, int]] = set()

    def ship(self) -> int:
        """Ship one page.

        Returns:
            How many rows the page had; 0 when there is nothing to ship.

        Raises:
            Unavailable: Cassandra did not take all of it; the same page is due again.
        """
        with self._forgetting.held():
            page = self._outbox.page(self._notebook.shipped, _PAGE_ROWS)
            if page:
                self._ship_page(page)
            self._send_counts()
        return len(page)

    def _ship_page(self, page: Sequence[Numbered]) -> None:
        rows = self._remembered(page)
        self._write_hours(rows)  # first, so that whoever forgets a device finds them all
        dead_letters = self._write_calls(rows)
        self._forgetting.check_again({_device_hour(one.row) for one in rows})
        rows = self._remembered(rows)
        kept = {one.number for one in rows}
        self._notebook.advance(
            page[-1].number,
            _counts(rows),
            [letter for letter in dead_letters if letter.number in kept],
        )

    def _remembered(self, rows: Sequence[Numbered]) -> list[Numbered]:
        return [one for one in rows if not self._forgetting.covers(one.row)]

    def _write_hours(self, rows: Sequence[Numbered]) -> None:
        seen: dict[DeviceHour, int] = {}
        for number, row in rows:
            seen.setdefault(_device_hour(row), number)
            seen.setdefault((EVERY_DEVICE, hour_of(row.called_at_ms)), number)
        new = {key: number for key, number in seen.items() if key not in self._hours_known}
        self._write(writes.hour(number, *key) for key, number in new.items())
        self._hours_known |= new.keys()
        if len(self._hours_known) > _HOURS_KNOWN_MAX:
            self._hours_known.clear()  # they are written once more: harmless

    def _write_calls(self, rows: Sequence[Numbered]) -> list[DeadLetter]:
        new = (one for one in rows if one.row.cached == "no")
        self._write(writes.verdict(one.number, one.row) for one in new)
        refused = self._write(
            writes.call(one.number, one.row, keep_key=self._keep_key) for one in rows
        )
        by_number = {one.number: one for one in rows} if refused else {}
        return [self._dead_letter(by_number[number], why) for number, why in refused.items()]

    def _send_counts(self) -> None:
        counts = self._notebook.unsent_counts()
        self._write(_count(count, self._journal) for count in counts)
        if counts:
            self._forgetting.check_again({(count.device, count.hour_ms) for count in counts})
            self._notebook.counts_sent(counts)

    def _write(self, rows: Iterable[Write]) -> dict[int, str]:
        """Write in batches by replica.

        Returns:
            What the server refuses for good: why, by the call's number.
        """
        refused: dict[int, str] = {}
        sent: deque[tuple[Sequence[Write], Pending]] = deque()
        for batch in writes.batches(rows, self._session.replica):
            if len(sent) == _IN_FLIGHT_MAX:
                self._settle(*sent.popleft(), refused)
            self._send(batch, sent, refused)
        while sent:
            self._settle(*sent.popleft(), refused)
        return refused

    def _send(
        self,
        batch: Sequence[Write],
        sent: deque[tuple[Sequence[Write], Pending]],
        refused: dict[int, str],
    ) -> None:
        rows = [(write.statement, write.values) for write in batch]
        try:
            sent.append((batch, self._session.send_batch(rows, timeout_s=_DEADLINE_S)))
        except Refused as error:
            self._set_aside(batch, str(error), refused)

    def _settle(self, batch: Sequence[Write], pending: Pending, refused: dict[int, str]) -> None:
        try:
            pending.result()
        except Refused as error:
            self._set_aside(batch, str(error), refused)

    def _set_aside(self, batch: Sequence[Write], reason: str, refused: dict[int, str]) -> None:
        """Find out by single writes which row it is that the server refuses."""
        if len(batch) == 1:
            refused[batch[0].number] = reason
            return
        for write in batch:
            refused.update(self._write([write]))

    def _dead_letter(self, one: Numbered, reason: str) -> DeadLetter:
        _log.warning("cassandra.refused", number=one.number, reason=reason)
        row = one.row if self._keep_key else one.row._replace(fingerprint=b"")
        call = to_json(row._asdict(), bytes_mode="hex").decode()
        return DeadLetter(one.number, row.device, reason, call)


def _counts(rows: Iterable[Numbered]) -> Counter[tuple[int, str, str]]:
    return Counter(
        (hour_of(row.called_at_ms), row.device, row.label or row.outcome) for _, row in rows
    )


def _count(count: HourCount, journal: str) -> Write:
    values = (count.hour_ms, journal, count.device, count.label, count.calls)
    routing_key = count.hour_ms.to_bytes(8, "big", signed=True)
    return Write(WRITE_COUNT, values, routing_key, 200, 0)


def _device_hour(row: CallRow) -> DeviceHour:
    return row.device, hour_of(row.called_at_ms)
