"""Where the clerk is asked: an inbox of questions, and a desk that answers one after the other."""

from __future__ import annotations

import contextlib
import threading
import time
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from queue import Empty, Full, Queue

import structlog

from bridge.doors import REFUSED, Door, Message
from bridge.errors import Unavailable
from bridge.storage.desk.answers import QUESTION_BYTES, Answers
from bridge.storage.log.keeper import Keeper, Kept
from bridge.topics import Topics, is_device_id

_KEEP_S = 5.0
_PUBACK_S = 10.0
_OFFLINE_S = 5.0
_QUESTIONS_WAITING = 100  # of at most 16 KB: a flood takes no more memory than this
_ANSWER_EXPIRY_S = 60  # who asked has given up by then
_CORRELATION_BYTES = 64

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
        if answer is None:
            return  # asked of another bridge
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
