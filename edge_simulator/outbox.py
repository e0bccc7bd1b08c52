"""What a device has said and has had no answer to, on its disk.

The verdict is the end-to-end acknowledgement: a PUBACK only says that the broker has a message.
So a message stays here, under its id, until its verdict or its final rejection has come, and
outlives a restart of the device.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

_CREATE = """
CREATE TABLE IF NOT EXISTS outbox (
    place INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    payload BLOB NOT NULL,
    correlated INTEGER NOT NULL
) STRICT
"""
_PUT = "INSERT OR IGNORE INTO outbox (id, payload, correlated) VALUES (?, ?, ?)"
_REMOVE = "DELETE FROM outbox WHERE id = ?"
_PENDING = "SELECT id, payload, correlated FROM outbox ORDER BY place"


@dataclass(frozen=True, slots=True)
class Message:
    """One publish of a device.

    Args:
        id: Its name in the outbox, ``[A-Za-z0-9_.:-]{1,64}``; unique among the device's messages.
        payload: What is published.
        correlated: The payload gives the bridge no id, so that the answer is matched by the
            Correlation Data (MQTT 5, section 3.3.2.3.6), which then is ``id``.
    """

    id: str
    payload: bytes
    correlated: bool

    @classmethod
    def in_json(cls, text: str, message_id: str | None = None) -> Message:
        """Write a text as a JSON request with an id: sent again, it gets the same answer."""
        name = message_id or uuid.uuid4().hex
        payload = json.dumps({"id": name, "text": text}, ensure_ascii=False)
        return cls(name, payload.encode(), correlated=False)

    @classmethod
    def in_plain_text(cls, text: str, message_id: str | None = None) -> Message:
        """Write a text as it stands.

        Raises:
            ValueError: The text starts with ``{`` and would be read as JSON.
        """
        if text.startswith("{"):
            raise ValueError("a text that starts with { must be sent in JSON")
        return cls(message_id or uuid.uuid4().hex, text.encode(), correlated=True)


class Outbox:
    """The unanswered messages of one device, in the order sent; safe to share between threads.

    Args:
        path: The SQLite file; made where there is none.
        synchronous: ``FULL`` survives a power cut; ``NORMAL`` survives only the end of the
            process, and spares the disk a sync for every message.

    Attributes:
        is_new: Whether the file was made just now: a device that remembers nothing.
    """

    def __init__(self, path: Path, synchronous: Literal["FULL", "NORMAL"] = "FULL") -> None:
        self.is_new = not path.exists()
        self._lock = threading.Lock()
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute(f"PRAGMA synchronous = {synchronous}")
        self._database.execute(_CREATE)

    def put(self, message: Message) -> None:
        """Keep ``message`` until it is removed; one that is kept already stays as it is."""
        with self._lock:
            self._database.execute(_PUT, (message.id, message.payload, message.correlated))

    def remove(self, message_id: str) -> None:
        """Forget a message: it was answered."""
        with self._lock:
            self._database.execute(_REMOVE, (message_id,))

    def pending(self) -> list[Message]:
        """Return what was not answered, oldest first."""
        with self._lock:
            rows = self._database.execute(_PENDING).fetchall()
        return [Message(name, payload, bool(correlated)) for name, payload, correlated in rows]

    def close(self) -> None:
        """Close the file; what is pending stays in it."""
        with self._lock:
            self._database.close()
