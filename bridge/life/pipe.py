"""The clerk's end of the pipe to the daemon: one JSON document a line."""

from __future__ import annotations

import json
import select
import socket
import threading
from collections.abc import Mapping
from typing import Any


class Pipe:
    """Says things to the daemon, from any thread, and notices when it is gone.

    Args:
        end: The clerk's end.
    """

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._turn = threading.Lock()

    def say(self, document: Mapping[str, Any]) -> bool:
        """Send a document; say whether the daemon is still there.

        It waits for a daemon that is too busy to listen: nothing here is more urgent.
        """
        try:
            with self._turn:
                self._end.sendall(json.dumps(document).encode() + b"\n")
        except OSError:
            return False
        return True

    def has_ended(self, timeout_s: float) -> bool:
        """Wait for the daemon to end, at most for ``timeout_s`` seconds."""
        readable, _, _ = select.select([self._end], [], [], timeout_s)
        return bool(readable) and not self._end.recv(4096)
