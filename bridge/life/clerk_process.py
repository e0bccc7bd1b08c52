"""The clerk as the daemon sees it: a child that is started, heard, and started again."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import structlog

from bridge.ports import Clock

_RESTART_S = (0.5, 15.0)
_STOP_S = 5.0

_log = structlog.get_logger()


class ClerkProcess:
    """The second process: questions, expiry, and (with Cassandra) shipping.

    It ends itself when its end of the pipe does: a killed daemon leaves no orphan.

    Args:
        on_report: Told of each line that it reports.
        clock: The time.
    """

    def __init__(self, on_report: Callable[[dict[str, Any]], None], clock: Clock) -> None:
        self._on_report = on_report
        self._clock = clock
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: socket.socket | None = None
        self._partial = b""
        self._due_s = 0.0
        self._failures = 0
        self.restarts = -1

    @property
    def pipe(self) -> socket.socket | None:
        """The daemon's end, for a selector."""
        return self._pipe

    @property
    def why(self) -> str | None:
        """What is wrong with it; that it was started once more is nothing yet."""
        return "the clerk keeps dying; its log says why" if self._failures > 1 else None

    @property
    def pid(self) -> int | None:
        """The child's process id, while it runs."""
        return self._process.pid if self._process else None

    def keep_running(self) -> None:
        """Start the clerk where it is not running and the next attempt is due."""
        if self._process or self._clock.monotonic_s() < self._due_s:
            return
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        command = [sys.executable, "-m", "bridge.clerk", "--pipe", str(theirs.fileno())]
        self._process = subprocess.Popen(
            command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL
        )
        theirs.close()
        self._pipe = ours
        self._partial = b""  # half a line that the one before died over
        self.restarts += 1

    def read(self) -> None:
        """Take in what the clerk has reported, or that it has died."""
        if self._pipe is None:
            return
        try:
            data = self._pipe.recv(65_536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._bury()
            return
        *lines, self._partial = (self._partial + data).split(b"\n")
        for line in lines:
            self._failures = 0
            self._on_report(json.loads(line))

    def stop(self) -> None:
        """End the clerk, politely first."""
        if self._process is None or self._pipe is None:
            return
        self._pipe.close()
        self._pipe = None
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            _log.warning("clerk.killed", pid=self._process.pid)
            self._process.kill()
            self._process.wait()
        self._process = None

    def _bury(self) -> None:
        process = self._process
        if process is None:
            return
        process.kill()  # its pipe has ended: whatever it still does, nobody hears of it
        self.stop()
        first, last = _RESTART_S
        delay_s = min(last, first * 2**self._failures)
        self._failures += 1
        self._due_s = self._clock.monotonic_s() + delay_s
        _log.warning("clerk.died", exit_code=process.returncode, restart_in_s=delay_s)
