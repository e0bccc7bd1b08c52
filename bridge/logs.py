"""The program's own log: events with fields on stderr, and never a text that a device sent."""

import sys
import traceback
from collections.abc import MutableMapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Literal, TextIO, cast

import structlog

from bridge.errors import BridgeError

Level = Literal["debug", "info", "warning", "error"]
Event = MutableMapping[str, object]

_WITHHELD = frozenset({"text", "payload", "raw"})
_FRAMES_SHOWN = 8


def configure(level: Level) -> None:
    """Send events from ``level`` up to stderr: readable on a terminal, else one JSON a line."""
    readable = sys.stderr.isatty()
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(pad_event_to=24)
        if readable
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            withhold_texts,
            explain_exception,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=cast("TextIO", _Unfailing(sys.stderr))),
        cache_logger_on_first_use=False,
    )


def withhold_texts(_logger: object, _method: str, event: Event) -> Event:
    """Drop what may be a device's: a belt beside the braces of never logging it."""
    for name in _WITHHELD & event.keys():
        event[name] = "<withheld>"
    return event


def explain_exception(_logger: object, _method: str, event: Event) -> Event:
    """Replace an exception by its kind and where it arose.

    Its message stays out unless it is one of ours: a driver's may quote the input.
    """
    error = _exception(event.pop("exc_info", None))
    if error is not None:
        event["error"] = type(error).__name__
        event["frames"] = _frames(error.__traceback__)
        if isinstance(error, BridgeError):
            event["reason"] = str(error)
    return event


def _exception(exc_info: object) -> BaseException | None:
    if isinstance(exc_info, BaseException):
        return exc_info
    if isinstance(exc_info, tuple):
        return exc_info[1] if isinstance(exc_info[1], BaseException) else None
    return sys.exc_info()[1] if exc_info else None


def _frames(trace: TracebackType | None) -> list[str]:
    """Return the innermost frames as ``file:line function``, without any value."""
    frames = traceback.extract_tb(trace)[-_FRAMES_SHOWN:]
    return [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]


class _Unfailing:
    """A stream whose reader may go away: a log that nobody takes must not stop a verdict."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, line: str) -> None:
        with suppress(OSError, ValueError):  # a broken pipe, a full disk, a closed stream
            self._stream.write(line)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()
