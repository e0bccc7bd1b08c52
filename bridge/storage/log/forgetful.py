"""A call log that does not tell what was forgotten, whatever the files still hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from bridge.storage.log.call_log import Call, CallLog, Position, Span


class ForgetfulLog:
    """A ``CallLog`` in front of another.

    Args:
        log: Who knows.
        forgotten: Returns before when each forgotten device is forgotten, in Unix milliseconds.
    """

    def __init__(self, log: CallLog, forgotten: Callable[[], Mapping[str, int]]) -> None:
        self._log = log
        self._forgotten = forgotten

    def calls(
        self, device: str, span: Span, *, before: Position | None, limit: int
    ) -> Iterator[Call]:
        """Yield calls of ``device``, newest first: see ``CallLog``."""
        return self._log.calls(device, self._remembered(device, span), before=before, limit=limit)

    def count(self, device: str, span: Span) -> int:
        """Return how many calls of ``device`` there are: see ``CallLog``."""
        return self._log.count(device, self._remembered(device, span))

    def hours(self, device: str | None, span: Span) -> Mapping[int, Mapping[str, int]]:
        """Count calls by hour: see ``CallLog``."""
        devices = [device] if device is not None else list(self._forgotten())
        told = {hour: dict(counts) for hour, counts in self._log.hours(device, span).items()}
        for name in devices:
            self._take_away(name, span, told)
        return {hour: counts for hour, counts in told.items() if counts}

    def _take_away(self, device: str, span: Span, told: dict[int, dict[str, int]]) -> None:
        """Subtract, by hours, what is counted of a forgotten device."""
        before_ms = self._forgotten().get(device)
        if before_ms is None:
            return
        until = Span(span.from_ms, min(span.to_ms, before_ms))
        if until.from_ms >= until.to_ms:
            return
        for hour, counts in self._log.hours(device, until).items():
            for label, calls in counts.items():
                left = told[hour][label] - calls
                told[hour][label] = left
                if left <= 0:
                    del told[hour][label]

    def _remembered(self, device: str, span: Span) -> Span:
        from_ms = max(span.from_ms, self._forgotten().get(device, 0))
        return Span(from_ms, max(span.to_ms, from_ms))
