"""The open segment's index: in the clerk's memory, for the file is the loop's."""

from __future__ import annotations

import sqlite3

from bridge.errors import Unavailable
from bridge.storage.journal.segments import Segment
from bridge.storage.log.keeper import EVERY_DEVICE, HOURS

# The index alone, as a table: 40 to 90 bytes a call, for at most one segment.
_SCHEMA = f"""
CREATE TABLE calls (
  device TEXT NOT NULL,
  called_at_ms INTEGER NOT NULL,
  number INTEGER NOT NULL,
  PRIMARY KEY (device, called_at_ms, number)
) STRICT, WITHOUT ROWID;
{HOURS}
"""
_LAST = "SELECT coalesce(max(number), 0) FROM open.calls"
_CALLS = """
INSERT INTO main.calls
SELECT device, called_at_ms, number FROM open.calls WHERE number > ? AND number <= ?
"""
_HOURS = """
INSERT INTO main.hours
SELECT {device}, called_at_ms / 3600000, coalesce(label, outcome), count(*)
FROM open.calls WHERE number > ? AND number <= ? GROUP BY 1, 2, 3
ON CONFLICT DO UPDATE SET calls = calls + excluded.calls
"""
_ADD = (
    _CALLS,
    _HOURS.format(device="device"),
    _HOURS.format(device=f"'{EVERY_DEVICE}'"),
)

# A read that lasts keeps the loop's WAL from starting over, and on idle time all lasts long.
_PAGE = 5_000


class Tail:
    """Follows the open segment, a short page at a time, when somebody asks."""

    def __init__(self) -> None:
        self._segment: Segment | None = None
        self._memory: sqlite3.Connection | None = None  # made by the thread that will use it
        self._seen = 0

    def follow(self, segment: Segment) -> sqlite3.Connection:
        """Take in what was added to ``segment``, and return the index of all of it.

        Raises:
            Unavailable: It cannot be read.
        """
        if self._memory is None or segment != self._segment:
            self._memory = self._start_over(segment)
        try:
            self._memory.execute("ATTACH ? AS open", (_read_only(segment),))
            self._take_in(self._memory)
            self._memory.execute("DETACH open")
        except sqlite3.Error as error:
            self._segment = None  # a page may be half taken in
            raise Unavailable(f"{segment.path.name} cannot be read: {error}") from None
        return self._memory

    def _start_over(self, segment: Segment) -> sqlite3.Connection:
        if self._memory:
            self._memory.close()
        self._segment, self._seen = segment, segment.first_number - 1
        return _empty()

    def _take_in(self, memory: sqlite3.Connection) -> None:
        last = memory.execute(_LAST).fetchone()[0]
        while self._seen < last:
            upto = min(last, self._seen + _PAGE)
            for statement in _ADD:
                memory.execute(statement, (self._seen, upto))
            self._seen = upto


def _empty() -> sqlite3.Connection:
    memory = sqlite3.connect(":memory:", uri=True, isolation_level=None, timeout=1)
    memory.executescript(_SCHEMA)
    return memory


def _read_only(segment: Segment) -> str:
    return f"{segment.path.absolute().as_uri()}?mode=ro"
