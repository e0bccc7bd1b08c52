"""The clerk, the second process: it answers questions about the call log and keeps the journal.

Whatever is slow lives here, where it cannot hold a verdict. The daemon starts it and hears from
it through a pipe; at that pipe's end it ends itself, so that a killed daemon leaves no orphan.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import select
import signal
import socket
import sys
import threading
import time
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Full, Queue
from typing import IO

import structlog

from bridge import logs, settings
from bridge.doors import REFUSED, Door, Message
from bridge.errors import ConfigurationError, Unavailable
from bridge.settings import Settings
from bridge.storage.answers import QUESTION_BYTES, Answers
from bridge.storage.catalog import Catalog
from bridge.storage.journal import lock
from bridge.storage.keeper import Keeper, Keeping, Kept
from bridge.storage.segment_log import SegmentLog
from bridge.topics import Topics, is_device_id

_NICENESS = 19
_LOCK_S = 5.0  # a predecessor may be on its way out
_REPORT_S = 1.0
_KEEP_S = 5.0
_LEAVE_S = 2.0
_PUBACK_S = 10.0
_OFFLINE_S = 5.0
_QUESTIONS_WAITING = 100  # of at most 16 KB: a flood takes no more memory than this
_ANSWER_EXPIRY_S = 60  # who asked has given up by then
_CORRELATION_BYTES = 64
_DAY_MS = 86_400_000

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Question:
    """One request as it came in."""

    verb: str
    payload: bytes
    correlation_data: bytes | None


class Inbox:
    """Questions that wait; what does not fit in is dropped and counted."""

    def __init__(self, topics: Topics) -> None:
        self._topics = topics
        self._waiting: Queue[Question | None] = Queue(_QUESTIONS_WAITING)
        self.dropped = 0

    def put(self, message: Message) -> None:
        """Take a request in; quick, for it runs in the network's thread."""
        verb = self._topics.verb_of_request(message.topic)
        if message.retain or verb is None or not is_device_id(verb):
            return  # a retained question was asked long ago, and by nobody who waits
        correlation_data = message.correlation_data
        if correlation_data and len(correlation_data) > _CORRELATION_BYTES:
            correlation_data = None
        # One byte too many is as wrong as a megabyte, and takes less room.
        question = Question(verb, message.payload[: QUESTION_BYTES + 1], correlation_data)
        try:
            self._waiting.put_nowait(question)
        except Full:
            self.dropped += 1

    def get(self, timeout_s: float) -> Question | None:
        """Return the next question, or nothing when it is time to look after other things."""
        try:
            return self._waiting.get(timeout=max(0.0, timeout_s))
        except Empty:
            return None

    def wake(self) -> None:
        """Have ``get`` return soon."""
        with contextlib.suppress(Full):  # then it returns anyway
            self._waiting.put_nowait(None)


class Desk:
    """Answers one question after the other, and keeps the journal in between; one thread."""

    def __init__(
        self, inbox: Inbox, answers: Answers, keeper: Keeper, door: Door, topics: Topics
    ) -> None:
        self._inbox = inbox
        self._answers = answers
        self._keeper = keeper
        self._door = door
        self._topics = topics
        self._ended = threading.Event()
        self._keep_due_s = 0.0
        self.kept: Kept | None = None
        self.answered = 0

    def work(self) -> None:
        """Go on until ``end``."""
        while not self._ended.is_set():
            question = self._inbox.get(self._keep_due_s - time.monotonic())
            if question:
                self._answer(question)
            if time.monotonic() >= self._keep_due_s and not self._ended.is_set():
                self._keep()

    def end(self) -> None:
        """Answer nothing more."""
        self._ended.set()
        self._inbox.wake()

    def _answer(self, question: Question) -> None:
        answer = self._answers.to(question.verb, question.payload)
        # The PUBACK is waited for: answers pile up nowhere.
        try:
            code = self._door.publish(
                self._topics.response(question.verb),
                answer,
                correlation_data=question.correlation_data,
                message_expiry_interval_s=_ANSWER_EXPIRY_S,
            ).result(_PUBACK_S)
        except (Unavailable, FutureTimeoutError) as error:
            _log.warning("clerk.answer_late", verb=question.verb, error=type(error).__name__)
            return
        self.answered += 1
        if code >= REFUSED:
            _log.warning("clerk.answer_refused", verb=question.verb, reason_code=code)

    def _keep(self) -> None:
        self.kept = self._keeper.keep(time.time_ns() // 1_000_000)
        self._keep_due_s = time.monotonic() + (_KEEP_S if self.kept.is_done else 0.0)


class Line:
    """Whether there is a connection to the broker, and since when there is none."""

    def __init__(self) -> None:
        self._state: tuple[float, str] | None = (time.monotonic(), "not connected yet")

    def changed(self, is_connected: bool, why: str) -> None:  # noqa: FBT001 - the door's own call
        """Take note; runs in the network's thread."""
        since_s = self._state[0] if self._state else time.monotonic()
        self._state = None if is_connected else (since_s, why)

    @property
    def why(self) -> str | None:
        """Why questions are not answered; a short interruption is none."""
        state = self._state
        if state is None or time.monotonic() - state[0] < _OFFLINE_S:
            return None
        return f"the clerk has no connection to the broker, so nobody answers questions: {state[1]}"


class Clerk:
    """The second process, composed.

    Args:
        configuration: The daemon's settings.
        pipe: Where reports go; its end is the clerk's.
    """

    def __init__(self, configuration: Settings, pipe: socket.socket) -> None:
        self._pipe = pipe
        self._line = Line()
        topics = Topics(configuration.topics.root)
        self._inbox = Inbox(topics)
        self._door = Door(
            configuration.mqtt,
            configuration.login(configuration.clerk),
            f"bridge-{configuration.instance}-clerk",
            self._line.changed,
        )
        self._door.subscribe(topics.request("+"), self._inbox.put)
        journal = configuration.journal
        catalog = Catalog(journal.path)
        keeping = Keeping(int(journal.keep_days * _DAY_MS), configuration.repeats.window_s * 1000)
        self._desk = Desk(
            self._inbox,
            Answers(SegmentLog(catalog), configuration.instance),
            Keeper(journal.path, catalog, keeping, journal.max_bytes),
            self._door,
            topics,
        )

    def run(self) -> int:
        """Work until the pipe's end.

        Returns:
            0, or 1 where the desk has failed.
        """
        # A daemon thread: a query that is under way does not hold the process back.
        desk = threading.Thread(target=self._desk.work, name="desk", daemon=True)
        desk.start()
        self._door.start()
        try:
            self._report_while(desk)
            return int(not desk.is_alive())
        finally:
            self._desk.end()
            # In a thread too: a broker that does not answer would hold it for longer.
            leaving = threading.Thread(target=self._door.close, daemon=True)
            leaving.start()
            for thread in (leaving, desk):
                thread.join(_LEAVE_S)

    def _report_while(self, desk: threading.Thread) -> None:
        while desk.is_alive():
            if not _send(self._pipe, self._report()):
                return
            readable, _, _ = select.select([self._pipe], [], [], _REPORT_S)
            if readable and not self._pipe.recv(4096):
                return

    def _report(self) -> dict[str, object]:
        kept = self._desk.kept
        why = [*(kept.why if kept else []), *filter(None, [self._line.why])]
        return {
            "event": "report",
            "outbox": {"rows": 0, "age_s": 0},
            "segments": kept.segments if kept else 0,
            "bytes": kept.bytes if kept else 0,
            "questions": {"answered": self._desk.answered, "dropped": self._inbox.dropped},
            "why": why,
            "ready": self._door.is_connected and kept is not None,
        }


def _send(pipe: socket.socket, report: dict[str, object]) -> bool:
    """Send a report, unless the daemon is too busy to take it; say whether it is still there."""
    _, writable, _ = select.select([], [pipe], [], 0)
    if not writable:
        return True
    try:
        pipe.sendall(json.dumps(report).encode() + b"\n")
    except OSError:
        return False
    return True


def main() -> int:
    """Run the clerk; exit code 1 is a failure that a new start may mend, 2 a wrong setting."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pipe", type=int, required=True, help="descriptor of the daemon's pipe")
    arguments = parser.parse_args()
    os.nice(_NICENESS)
    # Ctrl-C reaches the whole group: the daemon ends first, and the clerk with its pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(fileno=arguments.pipe) as pipe:
        # Ends the pipe from this side: one way to leave, whoever asks for it.
        signal.signal(signal.SIGTERM, lambda *_: pipe.shutdown(socket.SHUT_RD))
        try:
            return _run(pipe)
        except ConfigurationError as error:
            sys.stderr.write(f"{error}\n")
            return 2


def _run(pipe: socket.socket) -> int:
    configuration = settings.load()
    logs.configure(configuration.log.level)
    threading.excepthook = lambda failed: _log.error("clerk.failed", exc_info=failed.exc_value)
    folder = configuration.journal.path
    with _locked(folder):
        _log.info("clerk.started", pid=os.getpid(), journal=str(folder))
        exit_code = Clerk(configuration, pipe).run()
    _log.info("clerk.stopped", exit_code=exit_code)
    return exit_code


def _locked(folder: Path) -> IO[bytes]:
    until_s = time.monotonic() + _LOCK_S
    while True:
        try:
            return lock(folder, "clerk")
        except ConfigurationError:
            if time.monotonic() >= until_s:
                raise
            time.sleep(0.05)


if __name__ == "__main__":
    sys.exit(main())
