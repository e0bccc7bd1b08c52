"""The connection to the broker, kept up: connect, verify, subscribe, reconnect with backoff."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from enum import Enum

import structlog

from bridge.errors import ConfigurationError, ConnectionLost
from bridge.mqtt.packets import Refused, Subscription
from bridge.mqtt.session import Connected, Event, Session, Subscribed
from bridge.mqtt.transport import Transport
from bridge.ports import Clock, Delivery
from bridge.settings import Mqtt

_BACKOFF_S = (1.0, 15.0)
_FAREWELL_S = 1.0
_UNGUARANTEED_MAX = 10_000
"""QoS 0 deliveries that may wait: nothing else bounds them, and no guarantee covers them."""

_BRIEF_S = 10.0
_BRIEF_MAX = 3
"""Connections in a row that end so soon: brokers give no reason when a client id is taken over."""

_log = structlog.get_logger()


class Stage(Enum):
    """How far a connection has come."""

    CLOSED = "closed"
    CONNECTING = "connecting"
    VERIFYING = "verifying"
    ONLINE = "online"


class Link:
    """A session on a socket. Inputs wait in `deliveries`; all else that comes is a note.

    Args:
        settings: The broker.
        session: The protocol.
        inputs: The filter that devices' inputs match.
        notes: What else is wanted; subscribed first, so that what is retained there is known
            before the first input is answered.
        on_note: Told of each message that is no device's input.
        clock: The time.
        expects_session: Whether the broker should have kept a session from before.
    """

    def __init__(  # noqa: PLR0913 - what it joins, each once
        self,
        settings: Mqtt,
        session: Session,
        *,
        inputs: Subscription,
        notes: list[Subscription],
        on_note: Callable[[Delivery], None],
        clock: Clock,
        expects_session: bool,
    ) -> None:
        self._settings = settings
        self._session = session
        self._inputs = inputs
        self._notes = notes
        self._on_note = on_note
        self._clock = clock
        self._transport: Transport | None = None
        self._attempts = 0
        self._due_s = 0.0
        self._online_since_s = 0.0
        self._brief = 0
        self._expects_session = expects_session
        self._received = self._returned = 0
        self.stage = Stage.CLOSED
        self.connections = 0
        """How often the broker has taken us in."""
        self.sessions_lost = 0
        """How often a session was expected at the broker and was not there."""
        self.takes_inputs = True
        """Whether inputs that come are still to be answered."""
        self.deliveries: deque[Delivery] = deque()

    @property
    def transport(self) -> Transport | None:
        """The open socket, for a selector."""
        return self._transport

    @property
    def is_online(self) -> bool:
        """Whether inputs may be answered."""
        return self.stage is Stage.ONLINE

    @property
    def is_busy(self) -> bool:
        """Whether the broker has yet to take something that we said."""
        has_unsent = self._transport is not None and self._transport.has_unsent
        return has_unsent or self._session.unanswered > 0

    def take_counts(self) -> tuple[int, int]:
        """Return how many inputs were read, and read and forgotten, since this was asked last."""
        counts = self._received, self._returned
        self._received = self._returned = 0
        return counts

    def due_in_s(self) -> float:
        """Seconds until the next attempt to connect, 0 where it is due."""
        return max(0.0, self._due_s - self._clock.monotonic_s())

    def open(self) -> None:
        """Try to connect, where that is due.

        Raises:
            ConfigurationError: The TLS files do not work.
        """
        if self._transport or self.due_in_s():
            return
        try:
            self._transport = Transport(self._settings)
        except ConnectionLost as error:
            self.lose(error)
            return
        self.stage = Stage.CONNECTING
        self._session.connect(self._clock.monotonic_s())
        self.flush()

    def read(self) -> None:
        """Take in what has arrived.

        Raises:
            ConfigurationError: The login was refused at the first connect.
            SessionTakenOver: By `on_note`.
        """
        if self._transport is None:
            return
        try:
            data = self._transport.read()
            if data:
                self._handle(self._session.receive(data, self._clock.monotonic_s()))
        except ConnectionLost as error:
            self.lose(error)

    def flush(self) -> None:
        """Send what the session has to say."""
        if self._transport is None:
            return
        try:
            now_s = self._clock.monotonic_s()
            self._session.tick(now_s)
            self._transport.write(self._session.outgoing(now_s))
        except ConnectionLost as error:
            self.lose(error)

    def lose(self, error: ConnectionLost) -> None:
        """Close, forget what was pending (the broker delivers it again), and try again later."""
        was_connected = self.stage is not Stage.CLOSED
        if self.is_online:
            self._wonder_who_else()
        self.close()
        first, last = _BACKOFF_S
        delay_s = min(last, first * 2**self._attempts) * random.uniform(1.0, 1.5)  # noqa: S311
        self._attempts += 1
        self._due_s = self._clock.monotonic_s() + min(last, delay_s)
        event = "broker.connection_lost" if was_connected else "broker.unreachable"
        _log.warning(event, reason=str(error), retry_in_s=round(delay_s, 1))

    def _wonder_who_else(self) -> None:
        lived_s = self._clock.monotonic_s() - self._online_since_s
        self._brief = self._brief + 1 if lived_s < _BRIEF_S else 0
        if self._brief >= _BRIEF_MAX:
            hint = "is another bridge running under this BRIDGE_INSTANCE, on any root?"
            _log.warning("broker.connections_brief", in_a_row=self._brief, hint=hint)

    def leave(self) -> None:
        """Disconnect: the will is not published, and the session stays for the next start."""
        if self.is_online:
            self._session.disconnect()
            self.flush()
        if self._transport:
            self._transport.finish(_FAREWELL_S)
        self.close()

    def close(self) -> None:
        """Close the socket and forget what was pending."""
        if self._transport:
            self._transport.close()
            self._transport = None
        self.stage = Stage.CLOSED
        self._returned += len(self.deliveries)
        self.deliveries.clear()

    def _handle(self, events: list[Event]) -> None:
        for event in events:
            if type(event) is Delivery:
                self._take(event)
            else:
                self._advance(event)

    def _take(self, delivery: Delivery) -> None:
        if not delivery.topic.endswith("/in"):
            self._on_note(delivery)
            self._session.settle(delivery)
            return
        self._received += 1
        is_flood = not delivery.qos and len(self.deliveries) >= _UNGUARANTEED_MAX
        if is_flood or not self.takes_inputs:
            self._returned += 1
        else:
            self.deliveries.append(delivery)

    def _advance(self, event: Event) -> None:
        match event:
            case Connected(session_present):
                self._greet(session_present=session_present)
            case Refused(reason, is_login):
                refusal = f"the broker refuses the connection: {reason}"
                self._refuse(refusal, _LOGIN if is_login else None)
            case Subscribed(granted, refused):
                self._subscribed(granted, refused)

    def _greet(self, *, session_present: bool) -> None:
        if self._expects_session and not session_present:
            self.sessions_lost += 1
            _log.warning(
                "broker.session_lost",
                consequence="what the broker had queued for this bridge may be gone",
            )
        self._expects_session = True
        self.stage = Stage.VERIFYING
        # The broker answers in order: when it grants the inputs, all that is retained is known.
        self._session.subscribe(self._notes)
        self._session.subscribe([self._inputs])

    def _subscribed(self, granted: tuple[str, ...], refused: tuple[str, ...]) -> None:
        inputs = self._inputs.pattern
        if inputs in refused:
            refusal = f"the broker does not let this account read {inputs}"
            self._refuse(refusal, "BRIDGE_MQTT__USERNAME needs that right")
        elif refused:
            _log.warning("broker.subscription_refused", topics=list(refused))
        if inputs in granted:
            self.stage = Stage.ONLINE
            self.connections += 1
            self._attempts = 0
            self._online_since_s = self._clock.monotonic_s()

    def _refuse(self, refusal: str, mend: str | None) -> None:
        """Give up where nobody has ever been let in: waiting would not mend a wrong setting."""
        if mend and not self.connections:
            raise ConfigurationError(f"{refusal}: {mend}")
        raise ConnectionLost(refusal)


_LOGIN = "check BRIDGE_MQTT__USERNAME, BRIDGE_MQTT__PASSWORD and BRIDGE_INSTANCE"
