"""A message's whole life, top to bottom.

    broker -> decode -> admit -> classify -> record -> publish -> acknowledge

Each stage takes the batch and fills in what it found; nothing is answered before it is durable,
and nothing is acknowledged before it is answered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bridge import codec, records
from bridge.errors import InvalidMessage
from bridge.fingerprints import Fingerprints, uuid7
from bridge.lookup import Lookup
from bridge.ports import (
    CacheKey,
    CallRow,
    Classification,
    Clock,
    Connection,
    Delivery,
    Journal,
)
from bridge.rate import RateLimit
from bridge.requests import Cached, Rejection, Request
from bridge.topics import Topics

_DAY_MS = 86_400_000
_HINT = "mosquitto_pub -t {topic} -q 1 -m 'hello'"


@dataclass(frozen=True, slots=True)
class Rules:
    """What the path holds every message to."""

    payload_bytes: int
    text_chars: int
    keep_text: bool
    """Whether the log keeps texts."""


@dataclass(slots=True, eq=False)
class Call:
    """One delivery on its way; the stages fill it in."""

    delivery: Delivery
    device: str = ""
    request: Request | None = None
    message_id: str = ""
    key: int = 0
    fingerprint: bytes = b""
    problem: InvalidMessage | None = None
    retry_after_s: float | None = None
    outcome: str = ""
    """One of ``OUTCOMES``; empty while it is open."""
    row: CallRow | None = None
    """What the answer is made from: just written, or found again."""
    first: Call | None = None
    """An earlier call of this batch under the same id."""
    degraded: list[str] | None = None

    @property
    def content(self) -> tuple[bytes, str | None]:
        """What a repeat must have in common with the first: the text and the model asked for."""
        return self.fingerprint, self.request.model if self.request else None


class Pipeline:
    """The path of every message; one batch at a time, in the order received.

    Args:
        topics: The topic grammar.
        rules: Caps and habits.
        fingerprints: Keyed hashes of messages and texts.
        lookup: What is known of texts: caches, then models.
        active: The model version that answers who asks for none.
        journal: Where calls become durable.
        connection: The way back to the broker.
        clock: The time.
        rate: The devices' rate, where there is one.
    """

    def __init__(  # noqa: PLR0913 - the path's collaborators, each once
        self,
        *,
        topics: Topics,
        rules: Rules,
        fingerprints: Fingerprints,
        lookup: Lookup,
        active: str,
        journal: Journal,
        connection: Connection,
        clock: Clock,
        rate: RateLimit | None = None,
    ) -> None:
        self._topics = topics
        self._rules = rules
        self._fingerprints = fingerprints
        self._lookup = lookup
        self._active = active
        self._journal = journal
        self._connection = connection
        self._clock = clock
        self._rate = rate

    def process(self, deliveries: Sequence[Delivery]) -> None:
        """Answer one batch of deliveries, in the order received.

        Args:
            deliveries: 1 to ``batch_max`` messages of one connection.

        Raises:
            JournalUnavailable: Nothing was recorded, so nothing was answered or acknowledged.
        """
        called_at_ms = self._clock.now_ms()
        calls = [self._decode(delivery, called_at_ms) for delivery in deliveries]
        self._admit(calls)
        self._classify([call for call in calls if not call.outcome], called_at_ms)
        self._follow([call for call in calls if call.first])
        self._record(calls, called_at_ms)  # durable before anyone is told
        now_s = self._clock.monotonic_s()
        for call in calls:
            self._publish(call, now_s)

    def excuse(self, delivery: Delivery) -> None:
        """Answer a message that could not be processed with 503, so that it is sent again.

        Raises:
            JournalUnavailable: It could not be counted, so it was not answered.
        """
        call = Call(delivery, message_id=uuid7(self._clock.now_ms()), outcome="ignored")
        device = self._topics.device_of_input(delivery.topic)
        if device:
            call.device, call.outcome = device, "transient"
            call.problem = InvalidMessage(503, "cannot_process", "the bridge cannot answer now")
        self._journal.record([], {call.outcome: 1})
        self._publish(call, self._clock.monotonic_s())

    # decode: bytes to a request, or to the reason why there is none

    def _decode(self, delivery: Delivery, called_at_ms: int) -> Call:
        call = Call(delivery)
        device = self._topics.device_of_input(delivery.topic)
        if device is None or delivery.retain:
            call.outcome = "ignored"
            return call
        call.device = device
        if self._has_expired(delivery):
            call.outcome = "expired"
            return call
        try:
            call.request = codec.decode(
                delivery.payload,
                payload_bytes=self._rules.payload_bytes,
                text_chars=self._rules.text_chars,
            )
            _check_clock(call.request, called_at_ms)
        except InvalidMessage as problem:
            call.problem = problem
        self._identify(call, called_at_ms)
        return call

    def _has_expired(self, delivery: Delivery) -> bool:
        lifetime_s = delivery.message_expiry_interval_s
        if lifetime_s is None:
            return False
        return self._clock.monotonic_s() - delivery.received_at_s >= lifetime_s

    def _identify(self, call: Call, called_at_ms: int) -> None:
        given = call.request.id if call.request else call.problem and call.problem.message_id
        call.message_id = given or uuid7(called_at_ms)
        call.key = self._fingerprints.message_key(call.device, given) if given else 0
        if call.request:
            call.fingerprint = self._fingerprints.text_key(call.request.text)
        else:
            call.fingerprint = self._fingerprints.payload_key(call.delivery.payload)

    # admit: the device's rate, then repeats, then what cannot be answered

    def _admit(self, calls: Sequence[Call]) -> None:
        if self._rate:
            self._limit([call for call in calls if not call.outcome], self._rate)
        self._recognise([call for call in calls if call.key and not call.outcome])
        for call in calls:
            if call.outcome or call.first:
                continue
            model = call.request.model if call.request else None
            if model is not None and model not in self._lookup.models:
                call.problem = call.problem or self._unknown_model()
            if call.problem:
                call.outcome = "rejections"

    def _limit(self, calls: Iterable[Call], rate: RateLimit) -> None:
        now_s = self._clock.monotonic_s()
        for call in calls:
            call.retry_after_s = rate.take(call.device, now_s)
            if call.retry_after_s is not None:
                title = f"more than {rate.per_s:g} messages a second"
                call.problem = InvalidMessage(429, "too_many_messages", title)
                call.outcome = "transient"

    def _recognise(self, calls: Sequence[Call]) -> None:
        first: dict[int, Call] = {}
        recorded = self._journal.find([call.key for call in calls])
        for call, row in zip(calls, recorded, strict=True):
            if row:
                self._repeat(call, row, (row.fingerprint, row.requested_model))
            elif call.key in first:
                call.first = first[call.key]
                call.outcome = "repeats"  # for now: `_follow` knows once the first is answered
            else:
                first[call.key] = call

    def _repeat(self, call: Call, row: CallRow | None, content: tuple[bytes, str | None]) -> None:
        if content == call.content:
            call.row = row
            call.outcome = "repeats"
        else:
            call.problem = InvalidMessage(409, "id_reused", "this id was used for another message")
            call.outcome = "rejections"

    def _follow(self, calls: Iterable[Call]) -> None:
        """Give repeats within the batch what became of the first."""
        for call in calls:
            first = call.first
            if first is None:
                continue
            if first.outcome == "transient":  # never remembered, so nothing was repeated yet
                call.problem, call.outcome = first.problem, "transient"
                continue
            self._repeat(call, first.row, first.content)
            if call.outcome == "repeats":
                call.problem = first.problem

    def _unknown_model(self) -> InvalidMessage:
        title = f"no such model; {', '.join(sorted(self._lookup.models))} can be asked for"
        return InvalidMessage(404, "unknown_model", title)

    # classify: caches first, then one inference over the distinct texts that are still unknown

    def _classify(self, calls: Sequence[Call], called_at_ms: int) -> None:
        asked: dict[CacheKey, list[Call]] = {}
        texts: dict[CacheKey, str] = {}
        skip: set[CacheKey] = set()
        for call in calls:
            if request := call.request:
                key = (request.model or self._active, call.fingerprint)
                asked.setdefault(key, []).append(call)
                texts[key] = request.text
                if request.skip_cache:
                    skip.add(key)
        for found in self._lookup.classify(texts, skip):
            for call in asked[found.key]:
                call.degraded = found.degraded
                if found.classification:
                    self._decide(call, found.classification, found.cached, called_at_ms)
                else:
                    call.problem = InvalidMessage(503, "cannot_classify", "the model fails now")
                    call.outcome = "transient"

    def _decide(
        self, call: Call, classification: Classification, cached: Cached, called_at_ms: int
    ) -> None:
        origin = self._origin(call, called_at_ms)
        call.row = records.verdict(origin, classification, cached, self._kept_text(call))
        call.outcome = "verdicts"

    # record: one transaction for the batch

    def _record(self, calls: Sequence[Call], called_at_ms: int) -> None:
        for call in calls:
            if call.outcome == "rejections" and call.problem and call.problem.status != 409:  # noqa: PLR2004
                call.row = records.rejection(
                    self._origin(call, called_at_ms), self._rejection(call)
                )
        rows = [call.row for call in calls if call.row and call.outcome != "repeats"]
        self._journal.record(rows, Counter(call.outcome for call in calls))

    def _origin(self, call: Call, called_at_ms: int) -> records.Origin:
        request = call.request
        sender = (call.device, call.message_id)
        if request is None:
            return (call.key, call.fingerprint, None, *sender, called_at_ms, None)
        device_ts_ms = records.device_ts_ms(request)
        return (call.key, call.fingerprint, request.model, *sender, called_at_ms, device_ts_ms)

    def _kept_text(self, call: Call) -> str | None:
        return call.request.text if call.request and self._rules.keep_text else None

    # publish: every answer is made from its row, so a repeat cannot differ from the first

    def _publish(self, call: Call, now_s: float) -> None:
        """Send the answer; the connection acknowledges the input when the broker has it."""
        if call.outcome in ("ignored", "expired"):
            self._connection.settle(call.delivery)
            return
        row = call.row
        if row and row.problem is None:
            topic, payload = self._topics.output(call.device), self._verdict(call, row, now_s)
        else:
            rejection = records.rejection_of(row) if row else self._rejection(call)
            topic, payload = self._topics.rejections(call.device), codec.encode(rejection)
        self._connection.answer(call.delivery, topic, payload)

    def _verdict(self, call: Call, row: CallRow, now_s: float) -> bytes:
        elapsed_ms = (now_s - call.delivery.received_at_s) * 1000
        echo = call.request if call.request and call.request.echo else None
        return records.verdict_payload(
            row,
            total_ms=elapsed_ms,
            text=echo.text if echo else None,
            degraded=call.degraded,
        )

    def _rejection(self, call: Call) -> Rejection:
        problem = call.problem
        if problem is None:
            raise AssertionError("a call is either answered or has a problem")
        malformed = problem.status == 422  # noqa: PLR2004 - the status codes are the contract's own
        topic = self._topics.input(call.device)
        return Rejection(
            id=call.message_id,
            device=call.device,
            status=problem.status,
            type=problem.type,
            title=problem.title,
            errors=problem.errors or None,
            hint=_HINT.format(topic=topic) if malformed else None,
            retry_after_s=call.retry_after_s and round(call.retry_after_s, 3),
        )


def _check_clock(request: Request, called_at_ms: int) -> None:
    device_ts_ms = records.device_ts_ms(request)
    if device_ts_ms is not None and device_ts_ms > called_at_ms + _DAY_MS:
        title = "ts is more than 24 hours ahead of the bridge's clock"
        raise InvalidMessage(422, "invalid_payload", title, message_id=request.id)
