"""What the path needs from the world: data that crosses its edges, and Protocols."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from bridge.requests import Cached


class Delivery(NamedTuple):
    """One PUBLISH from the broker (MQTT 5, section 3.3), as the path sees it.

    A NamedTuple: built once per message on the hot path, three times quicker than a frozen class.
    """

    topic: str
    payload: bytes
    qos: int
    retain: bool
    packet_id: int | None
    received_at_s: float
    """Monotonic."""
    sequence: int
    """Its place among the deliveries of its connection."""
    message_expiry_interval_s: int | None = None
    correlation_data: bytes | None = None
    traceparent: str | None = None


class Classification(NamedTuple):
    """What a model says of one text."""

    label: str
    score: float
    """Calibrated probability of spam, six decimals."""
    scores: str
    """Label to probability as JSON: a third of a dict's memory, and written as it stands."""
    model: str
    corrected: bool = False
    """Whether a person said so."""


class CallRow(NamedTuple):
    """One call as the journal keeps it: all that a repeat, the log and Cassandra need."""

    key: int
    """64-bit hash of device and id; 0 where the device gave no id."""
    fingerprint: bytes
    """Keyed BLAKE2b-128 of the text, or of the raw payload where there is no valid text."""
    requested_model: str | None
    device: str
    message_id: str
    called_at_ms: int
    """The bridge's clock, Unix milliseconds."""
    device_ts_ms: int | None
    outcome: str
    """``verdict`` or ``rejected``."""
    label: str | None
    score: float | None
    scores: str | None
    """JSON."""
    model: str | None
    cached: str | None
    problem: str | None
    """The rejection as JSON; it holds no text."""
    text: str | None


OUTCOMES = ("verdicts", "rejections", "transient", "repeats", "expired", "ignored", "returned")
"""What may become of a received message; with ``pending`` they sum up to ``received``."""


class Clock(Protocol):
    """The time, twice."""

    def now_ms(self) -> int:
        """Unix milliseconds, UTC."""

    def monotonic_s(self) -> float:
        """Seconds that never go back."""


class Classifier(Protocol):
    """One model version, loaded and checked."""

    @property
    def model_version(self) -> str:
        """Such as ``spam@1``."""

    def classify(self, texts: Sequence[str]) -> list[Classification]:
        """Classify 1 or more texts in one inference.

        Raises:
            Unavailable: The inference failed.
        """


CacheKey = tuple[str, bytes]
"""Model version and text key."""


class Cache(Protocol):
    """One level of the verdict cache."""

    name: Cached

    def get_many(
        self, keys: Sequence[CacheKey], deadline_s: float
    ) -> dict[CacheKey, Classification]:
        """Return what is known of ``keys``, within ``deadline_s`` seconds.

        Raises:
            Unavailable: The level did not answer in time.
        """

    def put_many(self, entries: Mapping[CacheKey, Classification]) -> None:
        """Keep ``entries`` without anyone waiting."""


class Journal(Protocol):
    """Where calls become durable, and repeats are recognised."""

    def find(self, keys: Sequence[int]) -> list[CallRow | None]:
        """Return the recorded call of each key, in order; nothing for what is new."""

    def record(self, rows: Sequence[CallRow], tally: Mapping[str, int]) -> None:
        """Write rows and counters in one transaction; they are durable on return.

        Args:
            rows: The final answers of one batch.
            tally: How many messages of the batch had which of ``OUTCOMES``.

        Raises:
            JournalUnavailable: Nothing was written.
        """


class Connection(Protocol):
    """The way back to the broker."""

    def answer(self, delivery: Delivery, topic: str, payload: bytes) -> None:
        """Publish an answer at QoS 1; acknowledge ``delivery`` when it has been acknowledged."""

    def settle(self, delivery: Delivery) -> None:
        """Acknowledge a ``delivery`` that gets no answer."""
