"""Small fakes of the path's ports; the contract suites hold them to what the real ones do."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from bridge.errors import JournalUnavailable, Unavailable
from bridge.ports import CacheKey, CallRow, Classification, Delivery
from bridge.requests import Cached


class FakeClock:
    """A clock that stands until it is told to go on."""

    def __init__(self, now_ms: int = 1_767_225_600_000) -> None:
        self.ms = now_ms

    def now_ms(self) -> int:
        """Unix milliseconds, UTC."""
        return self.ms

    def monotonic_s(self) -> float:
        """Seconds that never go back."""
        return self.ms / 1000

    def go_on(self, seconds: float) -> None:
        """Let time pass."""
        self.ms += round(seconds * 1000)


class FakeClassifier:
    """Calls spam what says "free", and counts what it was asked."""

    def __init__(self, model_version: str = "spam@1") -> None:
        self.model_version = model_version
        self.asked: list[list[str]] = []
        self.is_broken = False

    def classify(self, texts: Sequence[str]) -> list[Classification]:
        """Classify 1 or more texts in one inference."""
        if self.is_broken:
            raise Unavailable(f"{self.model_version}: broken")
        self.asked.append(list(texts))
        return [self._one(text) for text in texts]

    def _one(self, text: str) -> Classification:
        spam = 0.9 if "free" in text.lower() else 0.1
        scores = f'{{"ham":{round(1 - spam, 6)},"spam":{spam}}}'
        return Classification("spam" if spam >= 0.5 else "ham", spam, scores, self.model_version)


class FakeCache:
    """A dictionary that can be slow to answer."""

    def __init__(self, name: Cached = "memory") -> None:
        self.name: Cached = name
        self.entries: dict[CacheKey, Classification] = {}
        self.is_down = False

    def get_many(
        self,
        keys: Sequence[CacheKey],
        deadline_s: float,  # noqa: ARG002 - the port's
    ) -> dict[CacheKey, Classification]:
        """Return what is known of ``keys``."""
        if self.is_down:
            raise Unavailable(f"the {self.name} cache did not answer in time")
        return {key: self.entries[key] for key in keys if key in self.entries}

    def put_many(self, entries: Mapping[CacheKey, Classification]) -> None:
        """Keep ``entries``."""
        self.entries.update(entries)


class FakeJournal:
    """Rows in a list; says so when its disk is full."""

    def __init__(self) -> None:
        self.rows: list[CallRow] = []
        self.totals: Counter[str] = Counter()
        self.is_full = False

    def find(self, keys: Sequence[int]) -> list[CallRow | None]:
        """Return the recorded call of each key, in order; nothing for what is new."""
        known = {row.key: row for row in self.rows if row.key}
        return [known.get(key) for key in keys]

    def record(self, rows: Sequence[CallRow], tally: Mapping[str, int]) -> None:
        """Write rows and counters."""
        if self.is_full:
            raise JournalUnavailable("the journal cannot be written: disk full")
        self.rows.extend(rows)
        self.totals.update(tally)


class FakeConnection:
    """Keeps what it was told to publish and to acknowledge."""

    def __init__(self) -> None:
        self.answers: list[tuple[Delivery, str, bytes]] = []
        self.settled: list[Delivery] = []

    def answer(self, delivery: Delivery, topic: str, payload: bytes) -> None:
        """Publish an answer; its delivery counts as acknowledged with it."""
        self.answers.append((delivery, topic, payload))
        self.settled.append(delivery)

    def settle(self, delivery: Delivery) -> None:
        """Acknowledge a delivery that gets no answer."""
        self.settled.append(delivery)


def call_row(number: int, **fields: Any) -> CallRow:
    """Return the row of a verdict, one of its own for each number."""
    row = CallRow(
        key=number,
        fingerprint=number.to_bytes(16, "big", signed=True),
        requested_model=None,
        device="gw-7",
        message_id=f"m-{number}",
        called_at_ms=1_767_225_600_000 + abs(number) % 1000,
        device_ts_ms=None,
        outcome="verdict",
        label="ham",
        score=0.1,
        scores='{"ham":0.9,"spam":0.1}',
        model="spam@1",
        cached="no",
        problem=None,
        text=f"text {number}",
    )
    return row._replace(**fields)
