"""Devices whose calls must not come back, whoever ships them and however late.

Who forgets writes ``forgotten`` first and deletes afterwards; who ships looks at ``forgotten``
once more after writing. Whichever comes second deletes what the other has written.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from bridge.ports import CallRow
from bridge.storage.cassandra.session import CassandraSession
from bridge.storage.cassandra.statements import (
    DELETE_CALLS,
    DELETE_COUNTS,
    DELETE_HOUR,
    READ_DEVICE_COUNTS,
    READ_FORGOTTEN,
    READ_HOURS,
    WRITE_FORGOTTEN,
)
from bridge.storage.cassandra.writes import HOUR_MS, unix_ms
from bridge.storage.desk.notebook import Notebook

STATEMENTS = (
    DELETE_CALLS,
    DELETE_COUNTS,
    DELETE_HOUR,
    READ_DEVICE_COUNTS,
    READ_FORGOTTEN,
    READ_HOURS,
    WRITE_FORGOTTEN,
)

_DEADLINE_S = 5.0
_DEVICES_MAX = 64

DeviceHour = tuple[str, int]
"""A device, and an hour's beginning in Unix milliseconds."""


class Forgetting:
    """What was forgotten, as the notebook and the database know it.

    Args:
        notebook: Where this clerk keeps it.
        session: Where the installation does.
    """

    def __init__(self, notebook: Notebook, session: CassandraSession) -> None:
        self._notebook = notebook
        self._session = session
        self._before_ms = notebook.forgotten()
        self._lock = threading.Lock()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep this process from forgetting while it ships: a sum on its way would come back."""
        with self._lock:
            yield

    def covers(self, row: CallRow) -> bool:
        """Say whether ``row`` is of a device, and a time, that was forgotten."""
        return row.called_at_ms < self._before_ms.get(row.device, 0)

    def forget(self, device: str, before_ms: int) -> None:
        """Delete what the database holds of ``device`` from before a time, for ever.

        Raises:
            Unavailable: It is not done yet; ask again.
        """
        with self._lock:
            self._learn(device, before_ms)
            self._send(WRITE_FORGOTTEN, device, before_ms)
            for row in self._session.stream(
                READ_HOURS, [device, 0, before_ms], timeout_s=_DEADLINE_S
            ):
                self._delete(device, unix_ms(row.hour), before_ms)

    def check_again(self, written: Collection[DeviceHour]) -> None:
        """Delete what was just written of devices that somebody has forgotten meanwhile.

        Args:
            written: The hours, by device, of which calls or counts were written.

        Raises:
            Unavailable: It must be written, and checked, again.
        """
        for device, before_ms in self._news({device for device, _ in written}):
            for hour_ms in {hour_ms for name, hour_ms in written if name == device}:
                if hour_ms < before_ms:
                    self._delete(device, hour_ms, before_ms, self._notebook.journal_id)
            # At the end: what is known is not written again, and so not deleted again either.
            self._learn(device, before_ms)

    def _news(self, devices: Collection[str]) -> list[tuple[str, int]]:
        """Return which of ``devices`` were forgotten without this clerk knowing, and when."""
        names = sorted(devices)
        found = [
            (row.device_id, unix_ms(row.before))
            for start in range(0, len(names), _DEVICES_MAX)
            for row in self._session.send(
                READ_FORGOTTEN,
                [names[start : start + _DEVICES_MAX]],
                timeout_s=_DEADLINE_S,
                near=names[start].encode(),
            ).result()
        ]
        return [one for one in found if self._before_ms.get(one[0], 0) < one[1]]

    def _delete(self, device: str, hour_ms: int, before_ms: int, journal_id: str = "") -> None:
        """Delete an hour, with the sums of one journal or of all: others see to theirs."""
        self._send(DELETE_CALLS, device, hour_ms, before_ms)
        counted = self._session.stream(READ_DEVICE_COUNTS, [hour_ms, device], timeout_s=_DEADLINE_S)
        for journal in {row.journal for row in counted}:
            if journal.endswith(journal_id):
                self._send(DELETE_COUNTS, hour_ms, journal, device)
        if hour_ms + HOUR_MS <= before_ms:  # the running hour stays known: calls may follow in it
            self._send(DELETE_HOUR, device, hour_ms)

    def _send(self, statement: str, *values: object) -> None:
        self._session.send(statement, values, timeout_s=_DEADLINE_S).result()

    def _learn(self, device: str, before_ms: int) -> None:
        if self._before_ms.get(device, 0) < before_ms:
            self._before_ms[device] = before_ms
            self._notebook.forget(device, before_ms)
