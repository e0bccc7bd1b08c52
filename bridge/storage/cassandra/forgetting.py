"""Devices whose calls must not come back, whoever ships them and however late.

Who forgets writes ``forgotten`` first and deletes afterwards; who ships looks at ``forgotten``
once more after writing. Whichever comes second deletes what the other has written.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bridge.ports import CallRow
from bridge.storage.cassandra.session import CassandraSession
from bridge.storage.cassandra.statements import (
    ALL_FORGOTTEN,
    DELETE_CALLS,
    DELETE_COUNTS,
    READ_COUNTS,
    READ_FORGOTTEN,
    READ_HOURS,
    WRITE_FORGOTTEN,
)
from bridge.storage.cassandra.writes import hour_of, moment, unix_ms
from bridge.storage.notebook import Notebook
from bridge.storage.outbox import Numbered

STATEMENTS = (
    ALL_FORGOTTEN,
    DELETE_CALLS,
    DELETE_COUNTS,
    READ_COUNTS,
    READ_FORGOTTEN,
    READ_HOURS,
    WRITE_FORGOTTEN,
)

_DEADLINE_S = 5.0
_DEVICES_MAX = 64


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

    def covers(self, row: CallRow) -> bool:
        """Say whether ``row`` is of a device, and a time, that was forgotten."""
        return row.called_at_ms < self._before_ms.get(row.device, 0)

    def forget(self, device: str, before_ms: int) -> None:
        """Delete what the database holds of ``device`` from before a time, for ever.

        Raises:
            Unavailable: It is not done yet; ask again.
        """
        values = [device, moment(before_ms)]
        self._session.send(WRITE_FORGOTTEN, values, timeout_s=_DEADLINE_S).result()
        self._learn(device, before_ms)
        hours = self._session.send(
            READ_HOURS, [device, moment(0), moment(before_ms)], timeout_s=_DEADLINE_S
        ).result()
        for row in hours:
            self._delete(device, row.hour, before_ms)

    def check_again(self, rows: Sequence[Numbered]) -> None:
        """Delete what was written of devices that somebody has forgotten meanwhile.

        Raises:
            Unavailable: The page must be shipped again.
        """
        devices = sorted({one.row.device for one in rows})
        for start in range(0, len(devices), _DEVICES_MAX):
            some = devices[start : start + _DEVICES_MAX]
            for found in self._session.send(
                READ_FORGOTTEN, [some], timeout_s=_DEADLINE_S, near=some[0].encode()
            ).result():
                self._learn(found.device_id, unix_ms(found.before))
        covered = {
            (one.row.device, hour_of(one.row.called_at_ms)) for one in rows if self.covers(one.row)
        }
        for device, hour_ms in covered:
            self._delete(device, moment(hour_ms), self._before_ms[device])

    def _delete(self, device: str, hour: datetime, before_ms: int) -> None:
        values = [device, hour, moment(before_ms)]
        self._session.send(DELETE_CALLS, values, timeout_s=_DEADLINE_S).result()
        counted = self._session.send(READ_COUNTS, [hour], timeout_s=_DEADLINE_S).result()
        for journal in {row.journal for row in counted if row.device_id == device}:
            values = [hour, journal, device]
            self._session.send(DELETE_COUNTS, values, timeout_s=_DEADLINE_S).result()

    def _learn(self, device: str, before_ms: int) -> None:
        if self._before_ms.get(device, 0) < before_ms:
            self._before_ms[device] = before_ms
            self._notebook.forget(device, before_ms)
