"""The nearest level of the verdict cache: least recently used goes first, and all expire."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence

from bridge.ports import CacheKey, Classification, Clock
from bridge.requests import Cached


class MemoryCache:
    """Verdicts in memory.

    Args:
        entries: How many are kept.
        ttl_s: For how long one is good.
        clock: The time.
    """

    name: Cached = "memory"

    def __init__(self, entries: int, ttl_s: float, clock: Clock) -> None:
        self._max = entries
        self._ttl_s = ttl_s
        self._clock = clock
        self._hits = self._misses = 0
        self._entries: OrderedDict[CacheKey, tuple[Classification, float]] = OrderedDict()

    def figures(self) -> dict[str, int]:
        """Return how full it is and how often it knew, since the start."""
        return {"entries": len(self._entries), "hits": self._hits, "misses": self._misses}

    def get_many(
        self,
        keys: Sequence[CacheKey],
        deadline_s: float,  # noqa: ARG002 - memory answers at once
    ) -> dict[CacheKey, Classification]:
        """Return what is known of ``keys``."""
        now_s = self._clock.monotonic_s()
        found = {}
        for key in keys:
            entry = self._entries.get(key)
            if entry is None:
                continue
            if entry[1] <= now_s:
                del self._entries[key]
                continue
            self._entries.move_to_end(key)
            found[key] = entry[0]
        self._hits += len(found)
        self._misses += len(keys) - len(found)
        return found

    def put_many(self, entries: Mapping[CacheKey, Classification]) -> None:
        """Keep ``entries``; the least recently used make room."""
        expires_at_s = self._clock.monotonic_s() + self._ttl_s
        for key, classification in entries.items():
            self._entries[key] = (classification, expires_at_s)
            self._entries.move_to_end(key)
        while len(self._entries) > self._max:
            self._entries.popitem(last=False)
