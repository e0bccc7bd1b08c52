"""What the bridge says of itself: its retained ``state``, ``health``, ``info`` and ``models``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
from pydantic_core import from_json

from bridge.errors import SessionTakenOver
from bridge.ports import Clock, Delivery
from bridge.records import iso
from bridge.topics import Topics

_log = structlog.get_logger()

_ALIVE = ("online", "degraded")
_DROPPED = "$SYS/broker/publish/messages/dropped"
_DIGITS = 20  # of a 64-bit number


class Publisher(Protocol):
    """Where retained documents are published."""

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Publish at QoS 1."""


@dataclass(frozen=True, slots=True)
class Me:
    """Which bridge this is."""

    instance: str
    share: str
    start: str
    """A nonce that tells this run of the daemon from any other under the same name."""


class Status:
    """Reasons by what they are about; while there is one, the bridge is degraded.

    Args:
        me: Which bridge this is.
        topics: The topic grammar.
        clock: The time.
    """

    def __init__(self, me: Me, topics: Topics, clock: Clock) -> None:
        self._me = me
        self._topics = topics
        self._clock = clock
        self._reasons: dict[str, str] = {}
        self._others: dict[str, str] = {}
        self._said: tuple[str, list[str]] | None = None
        self._since = self._started = iso(clock.now_ms())
        self.broker_dropped: int | None = None
        """What the broker says that it dropped, of whomever's."""

        self.clerk_report: dict[str, Any] = {}
        """What the clerk said last."""

    @property
    def notes(self) -> list[str]:
        """What must be heard to know how we are: other bridges, and what the broker drops."""
        return [self._topics.instance("+", "state"), _DROPPED]

    def because(self, about: str, reason: str | None) -> None:
        """Set or, with nothing, clear the reason that is ``about`` something."""
        if reason is None:
            self._reasons.pop(about, None)
        else:
            self._reasons[about] = reason

    def will(self) -> bytes:
        """Return what the broker says of us when the connection breaks."""
        return self._document("offline", ["the connection broke"])

    def say_again(self, publisher: Publisher) -> None:
        """Publish the state on a new connection: our will may have been published on the last."""
        self._said = None
        self.say(publisher)

    def say(self, publisher: Publisher, state: str | None = None) -> None:
        """Publish the state if it has changed.

        Args:
            publisher: Where to.
            state: ``stopped`` when leaving; otherwise it follows from the reasons.
        """
        why = list(self._reasons.values())
        state = state or ("degraded" if why else "online")
        if self._said and (self._said[0] == "stopped" or self._said == (state, why)):
            return
        if self._said is None or self._said[0] != state:
            self._since = iso(self._clock.now_ms())
        self._said = (state, why)
        _log.info("bridge.state", state=state, why=why)
        topic = self._topics.instance(self._me.instance, "state")
        publisher.publish(topic, self._document(state, why), retain=True)

    def hear_clerk(self, report: dict[str, Any]) -> None:
        """Take in what the clerk reports."""
        self.clerk_report = report
        self.because("clerk", "; ".join(report["why"]) or None)

    def note(self, delivery: Delivery) -> None:
        """Take in what the broker or another bridge says.

        Raises:
            SessionTakenOver: Another process is this instance.
        """
        if delivery.topic == _DROPPED:
            self.broker_dropped = _number(delivery.payload)
            return
        instance = self._topics.instance_of(delivery.topic, "state")
        if instance is None:
            return
        state = _document_of(delivery.payload)
        if instance == self._me.instance:
            self._check_own(state)
        else:
            self._check_other(instance, state)

    def _check_own(self, state: Mapping[str, Any]) -> None:
        # A take-over is silent on Mosquitto 2.0.11: only the retained state tells (measured). One
        # from before our start is our own last life: a broker that was killed forgets the newest.
        is_foreign = state.get("start") != self._me.start
        since = state.get("since")
        is_newer = isinstance(since, str) and since >= self._started
        if self._said and state.get("state") in _ALIVE and is_foreign and is_newer:
            raise SessionTakenOver(
                f"another process is {self._me.instance} on this broker;"
                " give each bridge a BRIDGE_INSTANCE of its own"
            )

    def _check_other(self, instance: str, state: Mapping[str, Any]) -> None:
        shares = self._me.share and state.get("share") == self._me.share
        if state.get("state") in _ALIVE and not shares:
            self._others[instance] = instance
        else:
            self._others.pop(instance, None)
        names = ", ".join(sorted(self._others))
        reason = (
            f"{names} answers on {self._topics.root} too, so every message gets two answers:"
            " give both the same BRIDGE_TOPICS__SHARE, or each a BRIDGE_TOPICS__ROOT"
        )
        self.because("others", reason if names else None)

    def _document(self, state: str, why: list[str]) -> bytes:
        document = {
            "state": state,
            "since": self._since,
            "why": why,
            "share": self._me.share,
            "start": self._me.start,
        }
        return json.dumps(document).encode()


def _document_of(payload: bytes) -> Mapping[str, Any]:
    """Read a state that anyone may have written."""
    try:
        document = from_json(payload)  # unlike json, at any depth a ValueError at worst
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _number(payload: bytes) -> int | None:
    return int(payload) if payload.isdigit() and len(payload) <= _DIGITS else None
