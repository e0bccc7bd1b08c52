"""The seam with the codec: packets are made and read here, and nowhere else.

Section numbers are those of the MQTT 5.0 specification.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import mqtt5

from bridge.errors import ConnectionLost
from bridge.ports import Delivery

REFUSED = 0x80
"""From here up a reason code is a refusal (2.4)."""

UNHEARD = int(mqtt5.PubAckReasonCode.NO_MATCHING_SUBSCRIBERS)

_AT_LEAST_ONCE = mqtt5.QoS.AT_LEAST_ONCE
_EXACTLY_ONCE = int(mqtt5.QoS.EXACTLY_ONCE)

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")

_LOGIN = (
    mqtt5.ConnAckReasonCode.BAD_USER_NAME_OR_PASSWORD,
    mqtt5.ConnAckReasonCode.NOT_AUTHORIZED,
    mqtt5.ConnAckReasonCode.CLIENT_ID_NOT_VALID,
    mqtt5.ConnAckReasonCode.BANNED,
    mqtt5.ConnAckReasonCode.BAD_AUTHENTICATION_METHOD,
)


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker publishes (retained, QoS 1) when the connection breaks."""

    topic: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Identity:
    """How the session introduces itself (CONNECT, 3.1)."""

    client_id: str
    username: str | None
    password: bytes | None
    keep_alive_s: int
    session_expiry_interval_s: int
    receive_maximum: int
    will: Will
    maximum_packet_size_bytes: int = 4 * 1024 * 1024
    """A broker drops what is larger without a word (3.1.2.11.4), so far above what is answered."""


class Subscription(NamedTuple):
    """A topic filter and what is wanted of it (3.8.3.1)."""

    pattern: str
    qos: int = 1
    retained: bool = False
    """Whether retained messages are sent at the time of the subscription."""


class Outgoing(NamedTuple):
    """A message that is to be published at QoS 1."""

    topic: str
    payload: bytes
    retain: bool = False
    message_expiry_interval_s: int | None = None
    correlation_data: bytes | None = None
    traceparent: str | None = None
    sequence: int | None = None
    """The delivery that this answers."""


class Refused(NamedTuple):
    """The broker did not take us in."""

    reason: str
    is_login: bool
    """Whether user name, password or rights are at fault: waiting would not mend it."""


def connect(identity: Identity) -> mqtt5.ConnectPacket:
    """Introduce ourselves, to the session from before if the broker has kept it."""
    return mqtt5.ConnectPacket(
        identity.client_id,
        username=identity.username,
        password=identity.password,
        clean_start=False,
        keep_alive=identity.keep_alive_s,
        session_expiry_interval=identity.session_expiry_interval_s,
        receive_max=identity.receive_maximum,
        max_packet_size=identity.maximum_packet_size_bytes,
        will=mqtt5.Will(
            identity.will.topic,
            payload=identity.will.payload,
            qos=_AT_LEAST_ONCE,
            retain=True,
            payload_format_indicator=1,
            content_type="application/json",
        ),
    )


def subscribe(packet_id: int, subscriptions: Sequence[Subscription]) -> mqtt5.SubscribePacket:
    """Ask for topics."""
    filters = [
        mqtt5.TopicFilter(
            subscription.pattern,
            max_qos=mqtt5.QoS(subscription.qos),
            retain_as_published=True,
            retain_handling=mqtt5.RetainHandling(0 if subscription.retained else 2),
        )
        for subscription in subscriptions
    ]
    return mqtt5.SubscribePacket(packet_id, filters)


def publish(packet_id: int, outgoing: Outgoing) -> mqtt5.PublishPacket:
    """Publish at QoS 1."""
    trace = outgoing.traceparent
    return mqtt5.PublishPacket(
        outgoing.topic,
        outgoing.payload,
        qos=_AT_LEAST_ONCE,
        retain=outgoing.retain,
        packet_id=packet_id,
        payload_format_indicator=1,
        message_expiry_interval=outgoing.message_expiry_interval_s,
        content_type="application/json",
        correlation_data=outgoing.correlation_data,
        user_properties=[("traceparent", trace)] if trace else None,
    )


def delivery(packet: mqtt5.PublishPacket, received_at_s: float, sequence: int) -> Delivery:
    """Take over what the broker delivers.

    Raises:
        ConnectionLost: At QoS 2, which was never asked for.
    """
    qos = int(packet.qos)
    if qos == _EXACTLY_ONCE:
        raise ConnectionLost("the broker sent QoS 2, which was never asked for")
    return tuple.__new__(  # a NamedTuple's own constructor is Python: twice as long
        Delivery,
        (
            packet.topic,
            packet.payload,
            qos,
            packet.retain,
            packet.packet_id,
            received_at_s,
            sequence,
            packet.message_expiry_interval,
            packet.correlation_data,
            _traceparent(packet.user_properties),
        ),
    )


def refusal(packet: mqtt5.ConnAckPacket) -> Refused | None:
    """Return why a CONNACK refuses, or nothing where it does not (3.2.2.2)."""
    code = packet.reason_code
    if code == mqtt5.ConnAckReasonCode.SUCCESS:
        return None
    return Refused(code.name.lower().replace("_", " "), code in _LOGIN)


def read(view: memoryview) -> tuple[mqtt5.Packet | None, int]:
    """Read one packet and its size in bytes, or nothing where it has not arrived whole.

    Raises:
        ConnectionLost: It is malformed.
    """
    try:
        return mqtt5.read(view)
    except IndexError:
        return None, 0
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 - a topic that is not UTF-8 raises a PanicException
        raise ConnectionLost(
            f"the broker sent a malformed packet ({type(error).__name__})"
        ) from None


def _traceparent(properties: Sequence[tuple[str, str]]) -> str | None:
    """Return the trace that the message belongs to (W3C Trace Context, section 3.2).

    Anything else of that name is dropped: it would go into the answer, at up to 64 KB.
    """
    for name, value in properties:
        if name == "traceparent":
            return value if _TRACEPARENT.fullmatch(value) else None
    return None
