"""An MQTT 5 session: windows both ways, acknowledgements in order, limits honoured.

No socket, no clock, no thread: bytes go in, deliveries come out, bytes to send pile up. Section
numbers are those of the MQTT 5.0 specification.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

import mqtt5

from bridge.errors import ConnectionLost, SessionTakenOver
from bridge.mqtt import packets
from bridge.mqtt.packets import Identity, Outgoing, Refused, Subscription
from bridge.ports import Delivery

_PUBLISH_OVERHEAD_BYTES = 160
"""More than the fixed header and the properties of an answer take, beside topic and correlation."""
_CORRELATION_BYTES = 64


class Connected(NamedTuple):
    """The broker took us in (CONNACK, 3.2)."""

    session_present: bool


class Subscribed(NamedTuple):
    """The broker's answer to SUBSCRIBE (3.9)."""

    granted: tuple[str, ...]
    """The patterns that it will deliver."""
    refused: tuple[str, ...]


Event = Connected | Refused | Subscribed | Delivery


class Session:
    """One connection's worth of session state; `connect` starts over.

    Args:
        identity: How to introduce ourselves.
        answer_expiry_s: For how long the broker keeps an answer for a device that is away.
    """

    _partial: bytes
    _packet_id: int

    def __init__(self, identity: Identity, answer_expiry_s: int) -> None:
        self._identity = identity
        self._answer_expiry_s = answer_expiry_s
        self._handlers: dict[type, Callable[..., Event | None]] = {
            mqtt5.PublishPacket: self._on_publish,
            mqtt5.PubAckPacket: self._on_puback,
            mqtt5.ConnAckPacket: self._on_connack,
            mqtt5.SubAckPacket: self._on_suback,
            mqtt5.PingRespPacket: self._on_pingresp,
            mqtt5.DisconnectPacket: self._on_disconnect,
        }
        self.undeliverable = 0
        """Publishes that the broker refused, or that are larger than it takes."""
        self.unheard = 0
        """Publishes that nobody had subscribed to."""
        self._sequence = 0
        self._reset()

    # what the loop says

    def connect(self, now_s: float) -> None:
        """Forget the connection before and introduce ourselves; the broker delivers again."""
        self._reset()
        identity = self._identity
        self._keep_alive_s = identity.keep_alive_s
        self._read_at_s = self._sent_at_s = now_s
        self._write(packets.connect(identity))

    def subscribe(self, subscriptions: Sequence[Subscription]) -> None:
        """Ask for topics; the answer comes as `Subscribed`."""
        packet_id = self._next_packet_id()
        self._subscribing[packet_id] = [subscription.pattern for subscription in subscriptions]
        self._write(packets.subscribe(packet_id, subscriptions))

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Publish at QoS 1 something that answers nothing."""
        if self._fits(topic, payload):
            self._queue.append(Outgoing(topic, payload, retain))

    def tell(self, topic: str, payload: bytes) -> None:
        """Publish at QoS 0, retained: a figure that the next one replaces."""
        if self._is_connected and self._fits(topic, payload):
            self._write(mqtt5.PublishPacket(topic, payload, retain=True))

    def answer(self, delivery: Delivery, topic: str, payload: bytes) -> None:
        """Publish an answer at QoS 1; ``delivery`` is acknowledged when it has been."""
        if delivery.sequence <= self._stale:
            return
        correlation = delivery.correlation_data
        if correlation is not None and len(correlation) > _CORRELATION_BYTES:
            correlation = None
        if not self._fits(topic, payload, correlation):
            self.settle(delivery)
            return
        self._queue.append(
            Outgoing(  # by place, for each message: by name takes as long again
                topic,
                payload,
                False,
                self._answer_expiry_s,
                correlation,
                delivery.traceparent,
                delivery.sequence if delivery.packet_id else None,
            )
        )

    def settle(self, delivery: Delivery) -> None:
        """Acknowledge a delivery that gets no answer (at QoS 0 there is nothing to say)."""
        if delivery.packet_id and delivery.sequence > self._stale:
            self._settle(delivery.sequence)

    def disconnect(self) -> None:
        """Say goodbye, as the last word: the will is not published (3.14)."""
        self._send_queued()
        self._write(mqtt5.DisconnectPacket())

    def tick(self, now_s: float) -> None:
        """Keep the connection alive (3.1.2.10).

        Raises:
            ConnectionLost: The broker has said nothing for one and a half times the interval.
        """
        if not self._keep_alive_s:
            return
        if now_s - self._read_at_s > 1.5 * self._keep_alive_s:
            raise ConnectionLost("the broker has fallen silent")
        if now_s - self._sent_at_s > self._keep_alive_s / 2:
            self._write(mqtt5.PingReqPacket())

    def outgoing(self, now_s: float) -> bytes:
        """Take the bytes that are to be sent: as much as the broker's window has room for."""
        self._send_queued()
        if not self._bytes:
            return b""
        self._sent_at_s = now_s
        data = b"".join(self._bytes)
        self._bytes.clear()
        return data

    # what the loop asks

    @property
    def unanswered(self) -> int:
        """Answers and other publishes that the broker has not acknowledged yet."""
        return len(self._queue) + len(self._inflight)

    @property
    def unacknowledged(self) -> int:
        """QoS 1 deliveries that the broker still waits for us to acknowledge."""
        return len(self._unacknowledged)

    # what the broker says

    def receive(self, data: bytes, now_s: float) -> list[Event]:
        """Read every whole packet that has arrived.

        Args:
            data: What the socket gave, wherever packets begin or end.
            now_s: Monotonic; becomes the deliveries' ``received_at_s``.

        Raises:
            ConnectionLost: The broker said goodbye, or nonsense.
            SessionTakenOver: The broker says that another process is this client.
        """
        self._read_at_s = now_s
        events = []
        view = memoryview(self._partial + data if self._partial else data)
        at = 0
        while at < len(view):
            packet, size = packets.read(view[at:])
            if packet is None:
                break
            at += size
            handler = self._handlers.get(type(packet))
            if handler is None:
                raise ConnectionLost(f"the broker sent a {type(packet).__name__} out of place")
            event = handler(packet)
            if event is not None:
                events.append(event)
        self._partial = bytes(view[at:])
        return events

    def _on_publish(self, packet: mqtt5.PublishPacket) -> Delivery:
        self._sequence += 1
        delivery = packets.delivery(packet, self._read_at_s, self._sequence)
        if delivery.packet_id:
            self._unacknowledged.append((delivery.sequence, delivery.packet_id))
        return delivery

    def _on_puback(self, packet: mqtt5.PubAckPacket) -> None:
        if packet.packet_id not in self._inflight:
            return  # nothing of ours: harmless, and not worth the connection
        sequence = self._inflight.pop(packet.packet_id)
        code = int(packet.reason_code)
        if code >= packets.REFUSED:
            self.undeliverable += 1
        elif code == packets.UNHEARD:
            self.unheard += 1
        if sequence is not None:
            self._settle(sequence)

    def _on_connack(self, packet: mqtt5.ConnAckPacket) -> Connected | Refused:
        refused = packets.refusal(packet)
        if refused:
            return refused
        if packet.server_keep_alive is not None:
            self._keep_alive_s = packet.server_keep_alive
        self._receive_maximum = packet.receive_max
        if packet.max_packet_size is not None:
            self._maximum_packet_size_bytes = packet.max_packet_size
        self._is_connected = True
        return Connected(packet.session_present)

    def _on_suback(self, packet: mqtt5.SubAckPacket) -> Subscribed:
        patterns = self._subscribing.pop(packet.packet_id, [])
        codes = list(zip(patterns, packet.reason_codes, strict=False))
        granted = tuple(pattern for pattern, code in codes if int(code) < packets.REFUSED)
        return Subscribed(granted, tuple(p for p, code in codes if int(code) >= packets.REFUSED))

    def _on_pingresp(self, _packet: mqtt5.PingRespPacket) -> None:
        """Note nothing: that something was read is enough."""

    def _on_disconnect(self, packet: mqtt5.DisconnectPacket) -> None:
        # Mosquitto 2.0.11 just closes; where the broker says it, nobody has to find out.
        if packet.reason_code == mqtt5.DisconnectReasonCode.SESSION_TAKEN_OVER:
            raise SessionTakenOver(
                f"another process connected as {self._identity.client_id};"
                " give each bridge a BRIDGE_INSTANCE of its own"
            )
        raise ConnectionLost(f"the broker closed: {packet.reason_code.name.lower()}")

    # windows and acknowledgements

    def _send_queued(self) -> None:
        """Send what the broker's window has room for (flow control, 4.9)."""
        while self._queue and self._is_connected and len(self._inflight) < self._receive_maximum:
            outgoing = self._queue.popleft()
            packet_id = self._next_packet_id()
            self._inflight[packet_id] = outgoing.sequence
            self._write(packets.publish(packet_id, outgoing))

    def _fits(self, topic: str, payload: bytes, correlation: bytes | None = None) -> bool:
        """Say whether the broker takes a packet so large, and count what it does not (3.2.2.3.6).

        Sent all the same, it would cost the connection, and after the next one again.
        """
        needed = len(topic.encode()) + len(payload) + len(correlation or b"")
        fits = needed + _PUBLISH_OVERHEAD_BYTES <= self._maximum_packet_size_bytes
        if not fits:
            self.undeliverable += 1
        return fits

    def _settle(self, sequence: int) -> None:
        """Acknowledge in the order received, as far as everything before is settled (4.6)."""
        settled, waiting = self._settled, self._unacknowledged
        settled.add(sequence)
        while waiting and waiting[0][0] in settled:
            first, packet_id = waiting.popleft()
            settled.remove(first)
            self._write(mqtt5.PubAckPacket(packet_id))

    def _next_packet_id(self) -> int:
        """Return an id that is not in use (2.2.1)."""
        while True:
            self._packet_id = self._packet_id % 65535 + 1
            if self._packet_id not in self._inflight and self._packet_id not in self._subscribing:
                return self._packet_id

    def _write(self, packet: mqtt5.Packet) -> None:
        self._bytes.append(packet.write())

    def _reset(self) -> None:
        # Packet ids belong to their connection: an acknowledgement sent on a later one would be
        # another message's (measured), so what came before is never spoken of again.
        self._stale = self._sequence
        self._is_connected = False
        self._keep_alive_s = 0
        self._receive_maximum = 65535
        self._maximum_packet_size_bytes = 268_435_455  # the protocol's own limit (2.1.4)
        self._read_at_s = self._sent_at_s = 0.0
        self._packet_id = 0
        self._partial = b""
        self._bytes: list[bytes] = []
        self._queue: deque[Outgoing] = deque()
        self._inflight: dict[int, int | None] = {}
        self._subscribing: dict[int, list[str]] = {}
        self._unacknowledged: deque[tuple[int, int]] = deque()
        self._settled: set[int] = set()
