"""A broker in memory: one client's session, as MQTT 5 describes it, and nothing else.

It queues, delivers within the client's window, delivers again after a reconnect (same packet id,
DUP, in order, as Mosquitto does: measured), and holds the client to its duties: a client that
acknowledges what it was not sent on this connection, out of order, too large, too much at once or
under a packet id in use, fails the test.
"""

from collections import deque
from typing import Any

import mqtt5
from mqtt5 import PubAckReasonCode, QoS


class BrokerModel:
    """Bytes in by `take`, bytes out by `give`; what happens in between is asked for.

    Args:
        receive_maximum: How many unacknowledged publishes the client may have.
        maximum_packet_size_bytes: The largest packet the client may send.
        server_keep_alive_s: The interval that the client has to use instead of its own.
        keeps_to_window: Whether the client's own Receive Maximum is honoured (Mosquitto before
            2.0.15 does not, once it has a backlog).
    """

    def __init__(
        self,
        *,
        receive_maximum: int = 65535,
        maximum_packet_size_bytes: int | None = None,
        server_keep_alive_s: int | None = None,
        keeps_to_window: bool = True,
    ) -> None:
        self._receive_maximum = receive_maximum
        self._maximum_packet_size_bytes = maximum_packet_size_bytes
        self._server_keep_alive_s = server_keep_alive_s
        self._keeps_to_window = keeps_to_window
        self._client_receive_maximum = 65535
        self._has_session = self._is_connected = False
        self._packet_id = 0
        self._again: deque[int] = deque()
        self._open: deque[int] = deque()
        self._in = b""
        self._out: list[bytes] = []
        self.queue: deque[dict[str, Any]] = deque()
        """Messages for the client that were never sent to it."""
        self.inflight: dict[int, dict[str, Any]] = {}
        """Messages that the client has yet to acknowledge, by packet id."""
        self.acknowledged: list[dict[str, Any]] = []
        """Messages that the client has acknowledged, in its order."""
        self.published: list[mqtt5.PublishPacket] = []
        """What the client has published, in its order."""
        self.unacked: deque[mqtt5.PublishPacket] = deque()
        """What of that has yet to be acknowledged to it."""
        self.connects: list[mqtt5.ConnectPacket] = []
        self.subscribes: list[mqtt5.SubscribePacket] = []
        self.pings = 0
        self.said_goodbye = False

    # what happens at the broker

    def enqueue(self, topic: str, payload: bytes, qos: int = 1, **properties: Any) -> None:
        """Take a message for the client from somebody else."""
        message = {"topic": topic, "payload": payload, "qos": QoS(qos), **properties}
        self.queue.append(message)

    def deliver(self, count: int = 1_000_000) -> None:
        """Send up to ``count`` messages: those of the connection before first, then new ones."""
        while self._is_connected and count and (self._again or (self.queue and self._has_room())):
            count -= 1
            if self._again:
                self._send(self._again.popleft(), duplicate=True)
            else:
                self._send_next(self.queue.popleft())

    def acknowledge(
        self, count: int = 1_000_000, code: PubAckReasonCode = PubAckReasonCode.SUCCESS
    ) -> None:
        """Acknowledge up to ``count`` of the client's publishes."""
        for _ in range(min(count, len(self.unacked))):
            packet_id = self.unacked.popleft().packet_id
            self._out.append(mqtt5.PubAckPacket(packet_id, reason_code=code).write())

    def lose_connection(self) -> None:
        """Forget the connection: bytes on their way are gone, the session stays."""
        self._is_connected = False
        self._in = b""
        self._out.clear()
        self._open.clear()
        self.unacked.clear()

    # bytes

    def give(self) -> bytes:
        """Return what the client is to read."""
        data = b"".join(self._out)
        self._out.clear()
        return data

    def take(self, data: bytes) -> None:
        """Read what the client has sent, whole packets or not."""
        self._in += data
        while self._in:
            try:
                packet, size = mqtt5.read(memoryview(self._in))
            except IndexError:
                return
            self._check_size(size)
            self._in = self._in[size:]
            getattr(self, f"_on_{type(packet).__name__.removesuffix('Packet').lower()}")(packet)

    # what the client may say

    def _on_connect(self, packet: mqtt5.ConnectPacket) -> None:
        self.connects.append(packet)
        self._client_receive_maximum = packet.receive_max
        connack = mqtt5.ConnAckPacket(
            session_present=self._has_session,
            receive_max=self._receive_maximum,
            max_packet_size=self._maximum_packet_size_bytes,
            server_keep_alive=self._server_keep_alive_s,
        )
        self._out.append(connack.write())
        self._has_session = self._is_connected = True
        self._again = deque(self.inflight)

    def _on_subscribe(self, packet: mqtt5.SubscribePacket) -> None:
        self.subscribes.append(packet)
        granted = [mqtt5.SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE] * len(packet.topic_filters)
        self._out.append(mqtt5.SubAckPacket(packet.packet_id, granted).write())

    def _on_publish(self, packet: mqtt5.PublishPacket) -> None:
        self.published.append(packet)
        if packet.qos == QoS.AT_MOST_ONCE:
            return
        in_use = {publish.packet_id for publish in self.unacked}
        assert packet.packet_id not in in_use, "a packet id was used twice (2.2.1)"
        self.unacked.append(packet)
        assert len(self.unacked) <= self._receive_maximum, "our Receive Maximum was exceeded (4.9)"

    def _on_puback(self, packet: mqtt5.PubAckPacket) -> None:
        assert self._open, "an acknowledgement of nothing that was sent on this connection"
        expected = self._open.popleft()
        assert packet.packet_id == expected, "acknowledged out of order (4.6)"
        self.acknowledged.append(self.inflight.pop(packet.packet_id))

    def _on_pingreq(self, _packet: mqtt5.PingReqPacket) -> None:
        self.pings += 1
        self._out.append(mqtt5.PingRespPacket().write())

    def _on_disconnect(self, _packet: mqtt5.DisconnectPacket) -> None:
        self.said_goodbye = True

    # the parts

    def _has_room(self) -> bool:
        return not self._keeps_to_window or len(self.inflight) < self._client_receive_maximum

    def _send_next(self, message: dict[str, Any]) -> None:
        if message["qos"] == QoS.AT_MOST_ONCE:
            self._out.append(mqtt5.PublishPacket(**message).write())
            return
        self._packet_id = self._packet_id % 65535 + 1
        self.inflight[self._packet_id] = message
        self._send(self._packet_id, duplicate=False)

    def _send(self, packet_id: int, *, duplicate: bool) -> None:
        self._open.append(packet_id)
        message = self.inflight[packet_id]
        packet = mqtt5.PublishPacket(**message, packet_id=packet_id, duplicate=duplicate)
        self._out.append(packet.write())

    def _check_size(self, size: int) -> None:
        largest = self._maximum_packet_size_bytes
        assert largest is None or size <= largest, "our Maximum Packet Size was exceeded"
