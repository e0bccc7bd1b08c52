"""A circuit breaker: what keeps failing is left alone for a while. Pure."""

from __future__ import annotations

from bridge.ports import Clock


class Breaker:
    """Opens after some failures in a row; lets one attempt through when its time is over.

    Args:
        failures_max: Failures in a row that open it.
        open_s: For how long.
        clock: The time.
    """

    def __init__(self, failures_max: int, open_s: float, clock: Clock) -> None:
        self._failures_max = failures_max
        self._open_s = open_s
        self._clock = clock
        self._failures = 0
        self._failed_s = float("-inf")
        self._open_until_s = 0.0

    @property
    def is_open(self) -> bool:
        """Whether an attempt would not be worth its wait."""
        if self._failures < self._failures_max:
            return False
        now_s = self._clock.monotonic_s()
        if now_s < self._open_until_s:
            return True
        self._open_until_s = now_s + self._open_s  # this one may try; the next ones wait for it
        return False

    def succeeded(self) -> None:
        """Close it."""
        self._failures = 0

    def failed(self, sent_s: float) -> None:
        """Take note of a failure; the last one that is borne opens it.

        Args:
            sent_s: When the attempt was made. What was already on its way at the last failure tells
                nothing new: a batch that is late as a whole has failed once.
        """
        if sent_s < self._failed_s:
            return
        self._failed_s = now_s = self._clock.monotonic_s()
        self._failures += 1
        if self._failures == self._failures_max:
            self._open_until_s = now_s + self._open_s
