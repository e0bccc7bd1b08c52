"""One connection of a device to its broker: the one place of this package that knows paho-mqtt.

A connection is used once. When it ends, paho's own queue of unacknowledged messages goes with it:
the outbox is the only memory, so nothing is published twice by two memories at once. The caller's
thread drives paho (`serve`), so an exception in a callback comes out where it can be handled
instead of ending a thread of paho's unseen.
"""

from __future__ import annotations

import json
import selectors
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from bridge.errors import ConnectionLost
from bridge.topics import Topics
from edge_simulator.outbox import Message

OnAnswer = Callable[[str, bytes, bytes | None], None]
"""Called with topic, payload and Correlation Data of what arrives."""

_CONNACK_WITHIN_S: Final = 10.0
_WITH_WILL: Final = ReasonCode(PacketTypes.DISCONNECT, identifier=0x04)
_NO_MATCHING_SUBSCRIBERS: Final = 0x10
_PUBLISH_OVERHEAD_BYTES: Final = 512  # topic, correlation data and headers, at most
_LARGEST_PACKET_BYTES: Final = 268_435_460  # MQTT 5, section 2.1.4: a header and its maximum


class Doorbell:
    """Wakes a thread that waits for a socket."""

    def __init__(self) -> None:
        self.hears, self._button = socket.socketpair()
        self.hears.setblocking(False)
        self._button.setblocking(False)

    def ring(self) -> None:
        """Wake the thread; safe from any thread."""
        with suppress(BlockingIOError):  # full: it rings already
            self._button.send(b"\0")

    def answer(self) -> None:
        """Take the rings back."""
        with suppress(BlockingIOError):
            self.hears.recv(4096)

    def close(self) -> None:
        """Give the sockets back."""
        self.hears.close()
        self._button.close()


class Connection:
    """A session's connection as one device: will, subscriptions, publishes at QoS 1.

    Args:
        device: The device's id, which is its client id too.
        topics: Where its topics stand.
        on_answer: Hears what arrives on ``out`` and ``err``. What it raises leaves ``serve``, and
            the broker delivers that answer again on the next connection.
        doorbell: Ends a wait in ``serve``.

    Attributes:
        largest_payload_bytes: What the broker takes, by its CONNACK's Maximum Packet Size.
        trouble: What the broker last complained about, for people; empty when all is well.
    """

    def __init__(
        self, device: str, topics: Topics, on_answer: OnAnswer, doorbell: Doorbell
    ) -> None:
        self.largest_payload_bytes = _LARGEST_PACKET_BYTES - _PUBLISH_OVERHEAD_BYTES
        self.trouble = ""
        self._topics = topics
        self._device = device
        self._doorbell = doorbell
        self._selector = selectors.DefaultSelector()
        self._is_connected = False
        # paho's window of 20 unacknowledged publishes stays: every broker's Receive Maximum that
        # we know is at least that, and paho does not read it from CONNACK.
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=device, protocol=paho.MQTTv5
        )
        self._client.will_set(topics.presence(device), _state("offline"), qos=1, retain=True)
        self._client.on_socket_open = _set_nodelay
        self._client.on_connect = self._on_connect
        self._client.on_publish = self._on_publish
        self._client.on_subscribe = self._on_subscribe
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = lambda _client, _userdata, arrived: on_answer(
            arrived.topic,
            bytes(arrived.payload),
            getattr(arrived.properties, "CorrelationData", None),
        )

    def log_in(self, username: str, password: str | None) -> None:
        """Connect as this user; to be said before ``open``."""
        self._client.username_pw_set(username, password)

    def open(
        self, address: tuple[str, int], *, clean_start: bool, session_expiry_interval_s: int
    ) -> None:
        """Connect, subscribe to the answers and say ``online``.

        Raises:
            OSError: The broker cannot be reached.
            ConnectionLost: The broker refused, or did not answer.
        """
        properties = _properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = session_expiry_interval_s
        self._client.connect(*address, clean_start=clean_start, properties=properties)
        self._selector.register(self._doorbell.hears, selectors.EVENT_READ)
        self._selector.register(self._socket(), selectors.EVENT_READ)
        self._await_connack()
        self._client.subscribe(
            [(self._topics.output(self._device), 1), (self._topics.rejections(self._device), 1)]
        )
        presence = self._topics.presence(self._device)
        self._client.publish(presence, _state("online"), qos=1, retain=True)

    def publish(self, message: Message) -> None:
        """Hand a message over; should the connection end, it is gone from here."""
        if len(message.payload) > self.largest_payload_bytes:
            # The broker would close the connection for it (0x95), and all others would wait.
            self.trouble = f"message {message.id} is larger than the broker takes"
            return
        properties = None
        if message.correlated:
            properties = _properties(PacketTypes.PUBLISH)
            properties.CorrelationData = message.id.encode()
        self._client.publish(
            self._topics.input(self._device), message.payload, qos=1, properties=properties
        )

    def serve(self, timeout_s: float) -> None:
        """Wait for the broker or the doorbell, at most ``timeout_s``; then read and write.

        Raises:
            ConnectionLost: The connection has ended.
        """
        wants = selectors.EVENT_READ | (self._client.want_write() and selectors.EVENT_WRITE)
        self._selector.modify(self._socket(), wants)
        for key, events in self._selector.select(timeout_s):
            if key.fileobj is self._doorbell.hears:
                self._doorbell.answer()
                continue
            if events & selectors.EVENT_WRITE:
                self._check(self._client.loop_write())
            if events & selectors.EVENT_READ:
                self._check(self._client.loop_read())
        self._check(self._client.loop_misc())

    def disconnect(self) -> None:
        """Say goodbye so that the broker publishes the will: it is worded in one place.

        MQTT 5, section 3.14.2.1: reason code 0x04, Disconnect with Will Message.
        """
        self._client.disconnect(reasoncode=_WITH_WILL)

    def release(self) -> None:
        """Close the socket; not preceded by ``disconnect``, it is what a power cut does."""
        self._client.on_disconnect = None
        if (open_socket := self._client.socket()) is not None:
            open_socket.close()
        self._selector.close()

    def _socket(self) -> socket.socket:
        open_socket = self._client.socket()
        if not isinstance(open_socket, socket.socket):
            raise ConnectionLost(self.trouble or "the broker closed the connection")
        return open_socket

    def _await_connack(self) -> None:
        deadline_s = time.monotonic() + _CONNACK_WITHIN_S
        while not self._is_connected:
            if time.monotonic() > deadline_s:
                raise ConnectionLost("the broker does not answer")
            self.serve(timeout_s=1.0)

    def _check(self, code: MQTTErrorCode) -> None:
        if code != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise ConnectionLost(self.trouble or paho.error_string(code))

    def _on_connect(
        self,
        _client: paho.Client,
        _userdata: Any,
        _flags: paho.ConnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            self.trouble = f"the broker refuses the login: {reason}"
            return
        self._is_connected = True
        largest_bytes = getattr(properties, "MaximumPacketSize", _LARGEST_PACKET_BYTES)
        self.largest_payload_bytes = largest_bytes - _PUBLISH_OVERHEAD_BYTES

    def _on_subscribe(
        self,
        _client: paho.Client,
        _userdata: Any,
        _packet_id: int,
        reasons: list[ReasonCode],
        _properties: Properties | None,
    ) -> None:
        if any(reason.is_failure for reason in reasons):
            self.trouble = "the broker refuses the subscription to the answers"

    def _on_publish(
        self,
        _client: paho.Client,
        _userdata: Any,
        _packet_id: int,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            self.trouble = f"the broker refuses a message: {reason}"
        elif reason.value == _NO_MATCHING_SUBSCRIBERS:
            self.trouble = "no bridge listens: nobody subscribes to the inputs"
        else:
            self.trouble = ""

    def _on_disconnect(
        self,
        _client: paho.Client,
        _userdata: Any,
        flags: paho.DisconnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if flags.is_disconnect_packet_from_server:
            self.trouble = f"the broker closed the connection: {reason}"


def _properties(packet_type: int) -> Properties:
    return Properties(packet_type)  # type: ignore[no-untyped-call]


def _set_nodelay(_client: paho.Client, _userdata: Any, opened: Any) -> None:
    # Without it a window of 50 is 3.9 times slower (design.md, section 7).
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _state(state: str) -> bytes:
    return json.dumps({"state": state}).encode()
