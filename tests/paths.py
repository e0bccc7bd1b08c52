"""A path made of fakes, and the messages that go down it."""

import json
from itertools import count
from typing import Any

from fakes import FakeCache, FakeClassifier, FakeClock, FakeConnection, FakeJournal

from bridge.fingerprints import Fingerprints
from bridge.lookup import Lookup
from bridge.pipeline import Pipeline, Rules
from bridge.ports import Delivery
from bridge.rate import RateLimit
from bridge.topics import Topics

TOPICS = Topics("spam/v1")
KEY = b"0123456789abcdef"


class FakePath:
    """A pipeline on fakes; ``send`` is a batch, and returns what was published for it.

    Args:
        keep_text: Whether the log keeps texts.
        rate: The devices' rate.
    """

    def __init__(self, *, keep_text: bool = True, rate: RateLimit | None = None) -> None:
        self.clock = FakeClock()
        self.model = FakeClassifier()
        self.other_model = FakeClassifier("spam@2")
        self.caches = [FakeCache("memory"), FakeCache("store")]
        self.journal = FakeJournal()
        self.connection = FakeConnection()
        self._sequence = count(1)
        self.pipeline = Pipeline(
            topics=TOPICS,
            rules=Rules(payload_bytes=65_536, text_chars=10_000, keep_text=keep_text),
            fingerprints=Fingerprints(KEY),
            lookup=Lookup({"spam@1": self.model, "spam@2": self.other_model}, self.caches),
            active="spam@1",
            journal=self.journal,
            connection=self.connection,
            clock=self.clock,
            rate=rate,
        )

    def delivery(self, payload: bytes | dict[str, Any], **fields: Any) -> Delivery:
        """Return one input as the broker would deliver it, of device ``gw-7`` by default."""
        sequence = next(self._sequence)
        if isinstance(payload, dict):
            payload = json.dumps(payload).encode()
        topic = TOPICS.input(fields.pop("device", "gw-7"))
        delivered = Delivery(topic, payload, 1, False, sequence, self.clock.monotonic_s(), sequence)
        return delivered._replace(**fields)

    def send(self, *payloads: bytes | dict[str, Any] | Delivery) -> list[dict[str, Any]]:
        """Process one batch, and return its answers in order."""
        published = len(self.connection.answers)
        self.pipeline.process(
            [
                payload if isinstance(payload, Delivery) else self.delivery(payload)
                for payload in payloads
            ]
        )
        return [json.loads(payload) for _, _, payload in self.connection.answers[published:]]
