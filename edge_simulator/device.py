"""A device as it should behave: whatever it says is answered, whoever fails in between.

    send -> outbox -> publish -> (again after a while, again after a reconnect) -> answer -> forget

A verdict is an answer, and so is a final rejection (404, 409, 413, 422). After 429 and 503 the
message is sent again: after ``retry_after_s`` where the bridge names it, else with a backoff.
"""

from __future__ import annotations

import random
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import structlog
from pydantic import ValidationError

from bridge.errors import ConnectionLost
from bridge.requests import Rejection, Verdict
from bridge.topics import Topics
from edge_simulator.connection import Connection, Doorbell
from edge_simulator.outbox import Message, Outbox

_TICK_S: Final = 0.25  # how precisely a message is sent again
_RECONNECT_S: Final = (0.5, 15.0)
_RETRY_S: Final = (1.0, 60.0)

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Answer:
    """What the bridge said to a message."""

    device: str
    message_id: str
    said: Verdict | Rejection
    was_pending: bool
    """Whether the message was still unanswered; otherwise this answer is not the first."""
    latency_ms: float | None
    """Since the message was first published; nothing where that was not by this process."""

    @property
    def is_final(self) -> bool:
        """Whether the message is done with."""
        return isinstance(self.said, Verdict) or self.said.is_final


@dataclass(slots=True)
class _Flight:
    """A published message that waits for its answer."""

    message: Message
    published_at_s: float | None = None
    due_s: float = 0.0
    not_before_s: float = 0.0
    attempts: int = 0


@dataclass(eq=False)
class Device:
    """One MQTT 5 client with an outbox. Every method may be called from any thread.

    Args:
        id: ``[A-Za-z0-9_-]{1,64}``; client id, place in the topics and, by default, username.
        host: The broker.
        port: The broker's.
        topics: Where the topics stand.
        outbox: What is unanswered, from earlier lives too.
        answers: Called in the device's thread with everything that the bridge says. What it
            raises ends the connection, and the broker delivers that answer again.
        username: Who logs in, where the broker asks; a password alone is the device's own.
        password: Its password.
        resend_s: After how long an unanswered message is published again.
        window: How many messages may wait for their answers at a time; others wait in the outbox.
        session_expiry_interval_s: For how long the broker keeps answers for an absent device.

    Attributes:
        trouble: What keeps the device from its answers, for people; empty when all is well.
        reconnects: How many connections followed the first.
        resends: How many publishes were repetitions.
        unreadable: How many answers were no verdict and no rejection.
        largest_payload_bytes: What the broker takes at most; known once the device was online.
    """

    id: str
    host: str
    port: int
    topics: Topics
    outbox: Outbox
    answers: Callable[[Answer], None] = lambda _answer: None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    resend_s: float = 10.0
    window: int = 100
    session_expiry_interval_s: int = 3600
    trouble: str = field(default="", init=False)
    reconnects: int = field(default=0, init=False)
    resends: int = field(default=0, init=False)
    unreadable: int = field(default=0, init=False)
    largest_payload_bytes: int | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting = {message.id: message for message in self.outbox.pending()}
        self._in_flight: dict[str, _Flight] = {}
        # A device that remembers nothing must not inherit the answers of an earlier life.
        self._clean_start = self.outbox.is_new
        self._doorbell: Doorbell | None = None
        self._online = threading.Event()
        self._leaving = threading.Event()
        self._says_goodbye = True
        self._thread: threading.Thread | None = None

    @property
    def pending(self) -> int:
        """How many messages are unanswered."""
        with self._lock:
            return len(self._waiting) + len(self._in_flight)

    @property
    def is_started(self) -> bool:
        """Whether the device tries to be online."""
        return self._thread is not None

    @property
    def is_online(self) -> bool:
        """Whether the broker has accepted the connection, and it stands."""
        return self._online.is_set()

    def start(self) -> None:
        """Go online, and stay so until ``stop`` or ``abort``; after those it may start again."""
        if self._thread is not None:
            raise RuntimeError(f"device {self.id} runs already")
        self._leaving.clear()
        doorbell = Doorbell()
        with self._lock:
            self._doorbell = doorbell
        self._thread = threading.Thread(target=self._live, args=(doorbell,), daemon=True)
        self._thread.start()

    def wait_online(self, timeout_s: float) -> bool:
        """Say whether the device is online within ``timeout_s``."""
        return self._online.wait(timeout_s)

    def send(self, message: Message) -> None:
        """Keep ``message`` until it is answered, and publish it as soon as may be.

        A message whose id is unanswered already is not taken twice.

        Raises:
            ValueError: The broker takes no payload so large.
        """
        largest = self.largest_payload_bytes
        if largest is not None and len(message.payload) > largest:
            raise ValueError(f"the broker takes at most {largest} bytes")
        with self._lock:  # both memories or none: an answer may come for the same id meanwhile
            self.outbox.put(message)
            if message.id not in self._in_flight:
                self._waiting.setdefault(message.id, message)
            if self._doorbell is not None:
                self._doorbell.ring()

    def stop(self) -> None:
        """Say ``offline`` and disconnect; what is unanswered stays in the outbox."""
        self._says_goodbye = True
        self._leave()

    def abort(self) -> None:
        """End without a word, as a power cut does: the broker publishes the will."""
        self._says_goodbye = False
        self._leave()

    def _leave(self) -> None:
        self._leaving.set()
        with self._lock:
            doorbell, self._doorbell = self._doorbell, None
        if doorbell is None or self._thread is None:
            return
        doorbell.ring()
        self._thread.join()
        self._thread = None
        doorbell.close()

    def _live(self, doorbell: Doorbell) -> None:
        """Connect again and again, until told to leave."""
        failures = 0
        while not self._leaving.is_set():
            try:
                self._be_connected(doorbell)
            except (OSError, ConnectionLost) as error:
                self.trouble = str(error)
            except Exception as error:  # noqa: BLE001 - whatever `answers` raised: we live on
                # Without its PUBACK the answer comes again.
                self.trouble = "the callback failed"
                _log.error("device.callback_failed", device=self.id, error=_place(error))
            failures = 0 if self._online.is_set() else failures + 1
            self._online.clear()
            self._leaving.wait(_backoff_s(failures, *_RECONNECT_S))

    def _be_connected(self, doorbell: Doorbell) -> None:
        connection = Connection(self.id, self.topics, self._on_answer, doorbell)
        try:
            self._open(connection)
            while not self._leaving.is_set():
                self._publish_due(connection)
                connection.serve(_TICK_S)
                self.trouble = connection.trouble
            if self._says_goodbye:
                connection.disconnect()
        finally:
            connection.release()

    def _open(self, connection: Connection) -> None:
        if self.password is not None or self.username is not None:
            connection.log_in(self.username or self.id, self.password)
        connection.open(
            (self.host, self.port),
            clean_start=self._clean_start,
            session_expiry_interval_s=self.session_expiry_interval_s,
        )
        self._clean_start = False
        self.reconnects += self.largest_payload_bytes is not None
        self.largest_payload_bytes = connection.largest_payload_bytes
        self._make_all_due()
        self._online.set()

    def _make_all_due(self) -> None:
        """What an earlier connection took along may be lost: publish all of it again."""
        with self._lock:
            for flight in self._in_flight.values():
                flight.due_s = flight.not_before_s

    def _publish_due(self, connection: Connection) -> None:
        now_s = time.monotonic()
        for flight in self._due(now_s):
            connection.publish(flight.message)
            self.resends += flight.published_at_s is not None
            flight.published_at_s = flight.published_at_s or now_s
            flight.due_s = now_s + self.resend_s

    def _due(self, now_s: float) -> list[_Flight]:
        """Fill the window from what waits, and return what is to be published now."""
        with self._lock:
            while self._waiting and len(self._in_flight) < self.window:
                message_id = next(iter(self._waiting))
                self._in_flight[message_id] = _Flight(self._waiting.pop(message_id))
            return [flight for flight in self._in_flight.values() if flight.due_s <= now_s]

    def _on_answer(self, topic: str, payload: bytes, correlation: bytes | None) -> None:
        kind = Verdict if topic == self.topics.output(self.id) else Rejection
        try:
            said = kind.model_validate_json(payload)
        except ValidationError:
            self.unreadable += 1
            return
        message_id = correlation.decode(errors="replace") if correlation else said.id
        self._take(message_id, said)

    def _take(self, message_id: str, said: Verdict | Rejection) -> None:
        with self._lock:
            flight = self._in_flight.get(message_id)
            was_pending = flight is not None or message_id in self._waiting
        started_s = flight.published_at_s if flight else None
        latency_ms = (time.monotonic() - started_s) * 1000 if started_s else None
        answer = Answer(self.id, message_id, said, was_pending, latency_ms)
        if answer.is_final:
            self._forget(message_id)
        elif flight is not None and isinstance(said, Rejection):
            _postpone(flight, said.retry_after_s)
        self.answers(answer)

    def _forget(self, message_id: str) -> None:
        # Safe before the callback: the broker holds the answer until `answers` has returned.
        with self._lock:
            self.outbox.remove(message_id)
            self._in_flight.pop(message_id, None)
            self._waiting.pop(message_id, None)


def _place(error: Exception) -> str:
    """Name an error and where it was raised; its message and variables may hold a text."""
    raised = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {raised.filename}:{raised.lineno}"


def _postpone(flight: _Flight, retry_after_s: float | None) -> None:
    flight.attempts += 1
    wait_s = retry_after_s or _backoff_s(flight.attempts, *_RETRY_S)
    flight.due_s = flight.not_before_s = time.monotonic() + wait_s


def _backoff_s(failures: int, first_s: float, longest_s: float) -> float:
    """Double with each failure, with jitter: devices must not all come back at once."""
    return random.uniform(0.5, 1.0) * min(longest_s, first_s * 2.0 ** min(failures, 16))
