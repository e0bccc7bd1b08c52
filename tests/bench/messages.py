"""Messages, encoded before the clock starts, and a look at their answers after it has stopped."""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import mqtt5

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

DEVICES = 50
"""Devices that the messages come from, in turns."""


class UnexpectedAnswerError(Exception):
    """What was measured is not what was meant."""


@dataclass(frozen=True, slots=True)
class Messages:
    """PUBLISH packets at QoS 1, ready to be sent, and the ids within them."""

    packets: list[bytes]
    ids: list[str]

    def __len__(self) -> int:
        return len(self.packets)


def encode(root: str, texts: Iterable[str]) -> Messages:
    """Write one message for each text, under a random id."""
    packets, ids = [], []
    for number, text in enumerate(texts):
        message_id = os.urandom(12).hex()
        packet = mqtt5.PublishPacket(
            f"{root}/devices/{device(number)}/in",
            # The id first, as answers have it too.
            json.dumps({"id": message_id, "text": text}, ensure_ascii=False).encode(),
            qos=mqtt5.QoS.AT_LEAST_ONCE,
            packet_id=number % 65_535 + 1,
        )
        packets.append(packet.write())
        ids.append(message_id)
    return Messages(packets, ids)


def device(number: int) -> str:
    """Return the name of the device that sends message ``number``."""
    return f"dev-{number % DEVICES:02d}"


def check(messages: Messages, stream: bytes, cached: str | None, strays_max: float = 0.0) -> float:
    """Make sure that each message was answered, in order, and from where it should have been.

    Args:
        messages: What was sent.
        stream: What the subscriber read: PUBLISH packets and nothing else.
        cached: Where each verdict must come from, or nothing where the answers are no verdicts.
        strays_max: What share of them may come from elsewhere, or from a path that is degraded.

    Returns:
        What share of them does.

    Raises:
        UnexpectedAnswerError: Otherwise.
    """
    answers = [json.loads(payload) for payload in _payloads(stream)]
    if [answer["id"] for answer in answers] != messages.ids:
        raise UnexpectedAnswerError(f"{len(messages)} messages, {len(answers)} answers, or others")
    if cached is None:
        return 0.0
    origins = Counter(_origin(answer) for answer in answers)
    strays = 1 - origins[cached] / len(answers)
    if strays > strays_max:
        raise UnexpectedAnswerError(f"expected verdicts from {cached}, got {dict(origins)}")
    return strays


def _origin(answer: dict[str, Any]) -> str | None:
    if degraded := answer.get("degraded"):
        return ", ".join(degraded)
    return answer.get("cached") or answer.get("title")


def _payloads(stream: bytes) -> Sequence[bytes]:
    view = memoryview(stream)
    payloads = []
    while view:
        packet, size = mqtt5.read(view)
        view = view[size:]
        if isinstance(packet, mqtt5.PublishPacket):
            payloads.append(bytes(packet.payload))
    return payloads
