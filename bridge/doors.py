"""A paho client for everyone but the loop: the clerk, and the commands for people.

The one place where paho-mqtt is set up. Its network runs in a thread of its own, and so do the
handlers of messages: a handler must be quick (a queue's ``put`` is a good one) and must not wait
for anything that the network brings.
"""

import socket
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any, Self, TypeVar

import structlog
from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from bridge.errors import BridgeError, ConfigurationError, Unavailable
from bridge.receipts import Receipts, settle
from bridge.refusals import hung_up, not_connected, refused
from bridge.settings import Account, Mqtt

NO_MATCHING_SUBSCRIBERS = 0x10
"""PUBACK: taken, and nobody is subscribed (MQTT 5, section 3.4.2.1)."""
REFUSED = 0x80
"""From here up a reason code is a refusal (MQTT 5, section 2.4)."""

_FIRST_DELAY_S, _LONGEST_DELAY_S = 1, 15

_log = structlog.get_logger()
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Message:
    """What came in."""

    topic: str
    payload: bytes
    retain: bool
    correlation_data: bytes | None


Handler = Callable[[Message], None]
OnChange = Callable[[bool, str], None]
"""Told of each change: whether the door is connected, and if not, why."""


class Door:
    """A connection to the broker: resubscribes and reconnects by itself once it is open.

    As a context manager it is connected on entry and closed on exit::

        with Door(settings.mqtt, settings.login(settings.door)) as door:
            door.subscribe("spam/v1/devices/+/out", messages.put)
            door.wait(door.publish("spam/v1/devices/ask/in", "hello"))

    Args:
        mqtt: The broker.
        account: Who logs in; ``settings.login(…)`` knows whose turn it is.
        client_id: A permanent one, or nothing for a random one.
        on_change: Told of each connection and its loss, in the network's thread.

    Attributes:
        failures: How many handlers have raised; each was logged, none has stopped the door.
    """

    def __init__(
        self,
        mqtt: Mqtt,
        account: Account,
        client_id: str | None = None,
        on_change: OnChange | None = None,
    ) -> None:
        self.failures = 0
        self._mqtt = mqtt
        self._on_change = on_change
        self._subscriptions: list[_Subscription] = []
        self._subacks = Receipts()
        self._pubacks = Receipts()
        self._first: Future[None] = Future()
        self._client = _client(mqtt, account, client_id or f"door-{token_hex(6)}")
        self._client.on_connect = self._connected
        self._client.on_disconnect = self._disconnected
        self._client.on_subscribe = self._subscribed
        self._client.on_publish = self._published

    def __enter__(self) -> Self:
        try:
            self.connect()
        except BridgeError:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def is_connected(self) -> bool:
        """Whether the broker has accepted the connection that is open now."""
        return self._client.is_connected()

    def connect(self, timeout_s: float = 10) -> None:
        """Connect, and return when all subscriptions are acknowledged too.

        Raises:
            ConfigurationError: The broker refuses the login or a subscription, or is none.
            Unavailable: There is no broker, or it does not answer.
        """
        try:
            self._client.connect(self._mqtt.host, self._mqtt.port, self._mqtt.keep_alive_s)
        except OSError as error:
            raise not_connected(error, self._mqtt) from None
        self._client.loop_start()
        self.wait(self._first, timeout_s)
        for subscription in self._subscriptions:
            self.wait(subscription.granted, timeout_s)

    def start(self) -> None:
        """Connect in the background, as often as it takes: for who outlives its broker."""
        self._client.connect_async(self._mqtt.host, self._mqtt.port, self._mqtt.keep_alive_s)
        self._client.loop_start()

    def subscribe(self, topic_filter: str, handler: Handler, timeout_s: float = 10) -> None:
        """Give each message that matches to ``handler``, now and after each reconnect.

        Before the door is open this only takes note; afterwards it returns on the SUBACK.

        Raises:
            ConfigurationError: The broker refuses.
            Unavailable: It does not answer.
        """
        subscription = _Subscription(topic_filter)
        self._subscriptions.append(subscription)
        self._client.message_callback_add(topic_filter, self._guarded(handler))
        if self.is_connected:
            self._send(subscription)
            self.wait(subscription.granted, timeout_s)

    def publish(
        self,
        topic: str,
        payload: str | bytes,
        *,
        retain: bool = False,
        correlation_data: bytes | None = None,
        message_expiry_interval_s: int | None = None,
    ) -> Future[int]:
        """Publish at QoS 1; without a connection the message waits for the next one.

        Returns:
            The PUBACK's reason code, when it comes: see ``NO_MATCHING_SUBSCRIBERS``, ``REFUSED``.
        """
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        properties.PayloadFormatIndicator = 1
        properties.ContentType = "application/json"
        if correlation_data is not None:
            properties.CorrelationData = correlation_data
        if message_expiry_interval_s is not None:
            properties.MessageExpiryInterval = message_expiry_interval_s
        told = self._client.publish(topic, payload, qos=1, retain=retain, properties=properties)
        # Without a connection paho has kept the message: publishing it again would double it.
        if told.rc not in (MQTTErrorCode.MQTT_ERR_SUCCESS, MQTTErrorCode.MQTT_ERR_NO_CONN):
            raise Unavailable(f"the message could not be handed to the broker: {told.rc.name}")
        return self._pubacks.expected(told.mid)

    def wait(self, future: Future[T], timeout_s: float = 10) -> T:
        """Return what the broker says, such as the PUBACK of a ``publish``.

        Raises:
            Unavailable: It says nothing.
        """
        try:
            return future.result(timeout_s)
        except FutureTimeoutError:
            raise Unavailable(
                f"the broker at {self._mqtt.host}:{self._mqtt.port} does not answer"
                f" (waited {timeout_s:g} s)"
            ) from None

    def close(self) -> None:
        """Disconnect, and end the network's thread."""
        self._client.disconnect()  # before loop_stop, which would leave the socket open
        self._client.loop_stop()

    def _send(self, subscription: "_Subscription") -> None:
        _, packet_id = self._client.subscribe(
            subscription.topic_filter, options=SubscribeOptions(qos=1)
        )
        if packet_id is not None:  # nothing while the connection is going: the next one subscribes
            self._subacks.expected(packet_id).add_done_callback(subscription.settle)

    def _guarded(self, handler: Handler) -> Callable[[Client, Any, MQTTMessage], None]:
        return lambda _client, _userdata, message: self._call(lambda: handler(_message(message)))

    def _call(self, foreign: Callable[[], None]) -> None:
        """Run other people's code: an exception would end paho's thread, and nobody would see."""
        try:
            foreign()
        except Exception:  # noqa: BLE001 - whatever it was, it is logged and counted
            self.failures += 1
            _log.error("door.handler_failed", exc_info=True)

    def _connected(
        self, _client: Client, _userdata: Any, _flags: ConnectFlags, code: ReasonCode, _: Any
    ) -> None:
        if code.is_failure:
            self._refused(code)
            return
        for subscription in self._subscriptions:
            self._send(subscription)
        settle(self._first, None)
        self._tell(connected=True)

    def _refused(self, code: ReasonCode) -> None:
        error = refused(code.value, str(code), self._mqtt)
        _log.warning("door.refused", reason=str(code))
        if not self._first.done():
            self._first.set_exception(error)
        self._tell(connected=False, why=str(error))

    def _disconnected(
        self, _client: Client, _userdata: Any, _flags: DisconnectFlags, code: ReasonCode, _: Any
    ) -> None:
        if not code.is_failure:
            return
        if not self._first.done():
            self._first.set_exception(hung_up(self._mqtt))
        # Of a socket that just closed, paho knows no more than "Unspecified error".
        reason = "" if code.value == REFUSED else f": {code}"
        self._tell(connected=False, why=f"the connection to the broker is lost{reason}")

    def _tell(self, *, connected: bool, why: str = "") -> None:
        _log.info("door.connected" if connected else "door.disconnected", reason=why)
        on_change = self._on_change
        if on_change is not None:
            self._call(lambda: on_change(connected, why))

    def _subscribed(
        self, _client: Client, _userdata: Any, packet_id: int, codes: list[ReasonCode], _: Any
    ) -> None:
        self._subacks.arrived(packet_id, codes[0].value)

    def _published(
        self, _client: Client, _userdata: Any, packet_id: int, code: ReasonCode, _: Any
    ) -> None:
        self._pubacks.arrived(packet_id, code.value)


@dataclass(slots=True)
class _Subscription:
    """A topic filter, and whether the broker has granted it."""

    topic_filter: str
    granted: Future[None] = field(default_factory=Future)

    def settle(self, suback: Future[int]) -> None:
        """Take note of what the broker said."""
        if suback.result() < REFUSED:
            settle(self.granted, None)
            return
        _log.error("door.subscription_refused", topic_filter=self.topic_filter)
        if not self.granted.done():
            self.granted.set_exception(
                ConfigurationError(
                    f"the broker does not let this account read {self.topic_filter}:"
                    " check its rights, or BRIDGE_DOOR__USERNAME"
                )
            )


def _client(mqtt: Mqtt, account: Account, client_id: str) -> Client:
    client = Client(CallbackAPIVersion.VERSION2, client_id, protocol=MQTTProtocolVersion.MQTTv5)
    if account.username:
        password = account.password
        client.username_pw_set(account.username, password.get_secret_value() if password else None)
    context = mqtt.tls_context()
    if context is not None:
        client.tls_set_context(context)
    client.reconnect_delay_set(_FIRST_DELAY_S, _LONGEST_DELAY_S)
    client.on_socket_open = _without_delay
    return client


def _without_delay(_client: Client, _userdata: Any, connection: Any) -> None:
    # Nagle's algorithm and delayed acknowledgements together cost 40 ms a message.
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _message(message: MQTTMessage) -> Message:
    correlation_data = getattr(message.properties, "CorrelationData", None)
    return Message(message.topic, bytes(message.payload), message.retain, correlation_data)
