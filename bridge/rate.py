"""How many messages a device may send: a token bucket each. Pure."""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

_DEVICES_MAX = 100_000
"""Past this, the device that was quiet longest is forgotten: its bucket is full anyway."""


class Bucket(NamedTuple):
    """What a device has left."""

    tokens: float
    at_s: float


class RateLimit:
    """A token bucket per device.

    Args:
        per_s: Messages a second that a device may send in the long run.
        burst: Messages that it may send at once after a pause.
    """

    def __init__(self, per_s: float, burst: int) -> None:
        self.per_s = per_s
        self.burst = burst
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()
        self._changed: set[str] = set()

    def take(self, device: str, now_s: float) -> float | None:
        """Take one message from ``device``'s bucket.

        Returns:
            Nothing where there was one to take, otherwise the seconds until there is.
        """
        tokens = self.left(device, now_s)
        admitted = tokens >= 1
        self._buckets[device] = Bucket(tokens - 1 if admitted else tokens, now_s)
        self._buckets.move_to_end(device)
        self._changed.add(device)
        if len(self._buckets) > _DEVICES_MAX:
            self._buckets.popitem(last=False)
        return None if admitted else (1 - tokens) / self.per_s

    def left(self, device: str, now_s: float) -> float:
        """Return how many messages ``device`` may send right now."""
        bucket = self._buckets.get(device)
        if bucket is None:
            return float(self.burst)
        return min(float(self.burst), bucket.tokens + (now_s - bucket.at_s) * self.per_s)

    def quota(self, device: str, now_s: float) -> dict[str, float]:
        """Return what is told to ``device`` about its rate."""
        left = int(self.left(device, now_s))
        return {"left": left, "burst": self.burst, "per_s": self.per_s}

    def take_changed(self) -> set[str]:
        """Return the devices that sent something since the last time this was asked."""
        changed, self._changed = self._changed, set()
        return changed
