"""The call log as who asks sees it: calls of a device, newest first, and counts by hour."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple, Protocol

from bridge.errors import Unavailable

HOUR_MS = 3_600_000
END_OF_TIME_MS = 1 << 62

Counts = Mapping[str, int]
"""How many calls have which label; those without one count as ``rejected``."""


class Span(NamedTuple):
    """A stretch of time in Unix milliseconds: from ``from_ms`` on, before ``to_ms``."""

    from_ms: int = 0
    to_ms: int = END_OF_TIME_MS


class Position(NamedTuple):
    """A call's place in the order of answers; no two calls have the same."""

    called_at_ms: int
    tie: int | str
    """Tells calls of one millisecond apart: their number in one journal, else the message id."""


class Call(NamedTuple):
    """What the log tells of one call."""

    position: Position
    message_id: str
    outcome: str
    """``verdict`` or ``rejected``."""
    label: str | None
    score: float | None
    model: str | None
    cached: str | None
    text: str | None


class CallLog(Protocol):
    """Where calls are found again."""

    def calls(
        self, device: str, span: Span, *, before: Position | None, limit: int
    ) -> Iterator[Call]:
        """Yield calls of ``device`` by the time they were recorded with, newest first.

        Args:
            device: Whose.
            span: When.
            before: The last call of the page before; what was recorded when that page was made
                comes exactly once, whatever has been recorded since.
            limit: At most so many.

        Raises:
            Unavailable: The log cannot be read.
        """

    def count(self, device: str, span: Span) -> int:
        """Return exactly how many calls of ``device`` there are now.

        Raises:
            Unavailable: The log cannot be read.
        """

    def hours(self, device: str | None, span: Span) -> Mapping[int, Counts]:
        """Count calls by hour since 1970, UTC, in order; hours without calls are left out.

        Args:
            device: Whose, or nothing for all devices.
            span: Hours that begin in it; its start is cut to the hour.

        Raises:
            Unavailable: The log cannot be read.
        """


def check_tie(before: Position | None, kind: type) -> None:
    """Make sure that a position was given by this kind of log.

    Raises:
        Unavailable: The bridge was given another log between two pages.
    """
    if before is not None and not isinstance(before.tie, kind):
        raise Unavailable("the bridge has another call log now: ask for the first page again")
