"""What became of every message, counted where it counts: at the devices."""

from __future__ import annotations

import statistics
import threading
from array import array
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from bridge.requests import Rejection, Verdict
from edge_simulator.device import Answer
from edge_simulator.plan import Step

_COMPLAINTS: Final = 10

Name = tuple[str, str]
"""Device and message id."""


@dataclass(slots=True)
class DeviceTally:
    """One line of the live table."""

    sent: int = 0
    answered: int = 0
    rejected: int = 0
    last: str = ""
    """The last answer in a word: a label or a status."""


@dataclass(frozen=True, slots=True)
class Counts:
    """The fleet's numbers. ``sent = answered + rejected + lost`` (while running: unanswered)."""

    sent: int
    answered: int
    rejected: int
    lost: int
    duplicates: int
    """Answers that differ from the first to the same id, and answers nobody asked for."""
    different: int
    unasked: int
    equal_again: int
    """Further answers equal to the first: what repeats and resends must get."""
    transient: int
    wrong: int
    """Rubbish that got no fitting rejection, and good messages that were rejected."""
    judged: int
    agreement: float | None
    complaints: list[str] = field(default_factory=list)


class Tally:
    """Collects from all devices' threads."""

    def __init__(self) -> None:
        self.devices: dict[str, DeviceTally] = {}
        self._lock = threading.Lock()
        self._pending: dict[Name, Step | None] = {}
        self._first_answers: dict[Name, int] = {}
        self._counts: Counter[str] = Counter()
        self._latencies_ms = array("d")
        self._complaints: list[str] = []

    def resumed(self, device: str, message_id: str) -> None:
        """Count a message of an earlier run: it must be answered, nobody remembers how."""
        with self._lock:
            self._ask((device, message_id), None)

    def asked(self, device: str, step: Step) -> None:
        """Count a message that is about to be sent."""
        with self._lock:
            self._ask((device, step.message.id), step)

    def answered(self, answer: Answer) -> Step | None:
        """Count an answer; return the step that it ends, if any, whose next one counts as asked."""
        name = (answer.device, answer.message_id)
        with self._lock:
            if not answer.is_final:
                self._counts["transient"] += 1
                return None
            asked = name in self._pending
            step = self._pending.pop(name, None)
            self._compare(name, answer, asked=asked)
            if asked:
                self._settle(answer, step)
            if step is not None and step.then is not None:
                self._ask((answer.device, step.then.message.id), step.then)
            return step

    @property
    def unanswered(self) -> int:
        """How many messages have no final answer yet."""
        with self._lock:
            return len(self._pending)

    def counts(self) -> Counts:
        """Return the numbers so far."""
        with self._lock:
            counts = self._counts
            return Counts(
                sent=counts["sent"],
                answered=counts["answered"],
                rejected=counts["rejected"],
                lost=len(self._pending),
                duplicates=counts["different"] + counts["unasked"],
                different=counts["different"],
                unasked=counts["unasked"],
                equal_again=counts["equal_again"],
                transient=counts["transient"],
                wrong=counts["wrong"],
                judged=counts["judged"],
                agreement=counts["agreed"] / counts["judged"] if counts["judged"] else None,
                complaints=list(self._complaints),
            )

    def latency_ms(self, last: int = 0) -> dict[str, float]:
        """Return p50, p95 and p99 of the ``last`` answers, or of all of them."""
        with self._lock:
            latencies_ms = self._latencies_ms[-last:]
        return _percentiles(latencies_ms)

    def _ask(self, name: Name, step: Step | None) -> None:
        if name in self._pending:  # an outbox takes the same message once
            return
        self._pending[name] = step
        self._counts["sent"] += 1
        self.devices.setdefault(name[0], DeviceTally()).sent += 1

    def _compare(self, name: Name, answer: Answer, *, asked: bool) -> None:
        """Hold an answer against the first one to the same id."""
        gist, first = hash(_gist(answer)), self._first_answers.get(name)
        if first is None and asked:
            self._first_answers[name] = gist
        elif first is None:
            self._counts["unasked"] += 1
            self._complain(f"{name[0]}: an answer to what it never said")
        elif first == gist:
            self._counts["equal_again"] += 1
        else:
            self._counts["different"] += 1
            self._complain(f"{name[0]}: {name[1]} was answered in two ways")

    def _settle(self, answer: Answer, step: Step | None) -> None:
        said, device = answer.said, self.devices[answer.device]
        if isinstance(said, Verdict):
            self._counts["answered"] += 1
            device.answered += 1
            device.last = said.label
        else:
            self._counts["rejected"] += 1
            device.rejected += 1
            device.last = str(said.status)
        if answer.latency_ms is not None:
            self._latencies_ms.append(answer.latency_ms)
        if step is not None:
            self._judge(answer, step)

    def _judge(self, answer: Answer, step: Step) -> None:
        said = answer.said
        if step.rubbish is not None:
            if isinstance(said, Verdict) or said.status not in step.rubbish.statuses:
                self._wrong(answer, step.rubbish.name, _statuses(step.rubbish.statuses))
        elif isinstance(said, Rejection):
            self._wrong(answer, "a good message", "a verdict")
        elif step.row is not None:
            self._counts["judged"] += 1
            self._counts["agreed"] += said.label == step.row.label

    def _wrong(self, answer: Answer, what: str, due: str) -> None:
        got = answer.said.status if isinstance(answer.said, Rejection) else "a verdict"
        self._counts["wrong"] += 1
        self._complain(f"{answer.device}: {what} got {got} instead of {due}")

    def _complain(self, complaint: str) -> None:
        if len(self._complaints) < _COMPLAINTS:
            self._complaints.append(complaint)


def _gist(answer: Answer) -> tuple[object, ...]:
    """Return what must be equal whenever the same id is answered."""
    said = answer.said
    if isinstance(said, Rejection):
        return (said.status, said.type)
    if said.id != answer.message_id:
        # The bridge made the id: after a reconnect such a message may be classified twice.
        return ("verdict",)
    scores = tuple(sorted(said.scores.items()))
    return (said.id, said.label, said.score, scores, said.model, said.ts)


def _statuses(statuses: frozenset[int]) -> str:
    return " or ".join(str(status) for status in sorted(statuses))


def _percentiles(latencies_ms: array[float]) -> dict[str, float]:
    if len(latencies_ms) < 2:  # noqa: PLR2004 - what quantiles need
        return {}
    cuts = statistics.quantiles(latencies_ms, n=100, method="inclusive")
    return {f"p{percent}": round(cuts[percent - 1], 2) for percent in (50, 95, 99)}
