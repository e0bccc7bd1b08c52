"""What the processes cost: memory, and messages a second."""

from __future__ import annotations

from typing import Any

import psutil

from bridge.ports import Clock


class Meter:
    """Figures about this process and the clerk."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._started_s = self._measured_s = clock.monotonic_s()
        self._received: int | None = None

    def uptime_s(self) -> float:
        """Return the seconds since the start."""
        return self._clock.monotonic_s() - self._started_s

    def measure(self, received: int, clerk_pid: int | None) -> dict[str, Any]:
        """Return memory and rate since the last measurement.

        Args:
            received: Messages received in all.
            clerk_pid: The clerk's process id, while it runs.
        """
        now_s = self._clock.monotonic_s()
        elapsed_s = max(now_s - self._measured_s, 1e-9)
        more = 0 if self._received is None else received - self._received
        self._received, self._measured_s = received, now_s
        return {
            "received_per_s": round(more / elapsed_s, 1),
            "memory_bytes": {"loop": _resident(None), "clerk": _resident(clerk_pid)},
            "uptime_s": round(self.uptime_s(), 1),
        }


def _resident(pid: int | None) -> int | None:
    """Return a process's resident set, or nothing where it has just gone."""
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return None
