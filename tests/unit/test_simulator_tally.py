"""What becomes of messages is counted at the devices, and nothing slips through."""

import pytest

from bridge.requests import Rejection, Verdict
from edge_simulator.device import Answer
from edge_simulator.outbox import Message
from edge_simulator.plan import Row, Step
from edge_simulator.rubbish import FAMILIES
from edge_simulator.tally import Tally

SPAM = Row("spam", "free prize")


def step(message_id: str = "m1") -> Step:
    """A good message."""
    return Step(Message.in_json(SPAM.text, message_id), SPAM)


def verdict(message_id: str = "m1", *, said_id: str | None = None, score: float = 0.9) -> Answer:
    """A verdict, taken for the answer to ``message_id``."""
    said = Verdict(
        id=said_id or message_id,
        device="d",
        label="spam",
        score=score,
        scores={"ham": 1 - score, "spam": score},
        model="spam@1",
        cached="no",
        ts="2026-01-01T00:00:00.000Z",
        ms={"total": 1.0},
    )
    return Answer("d", message_id, said, was_pending=True, latency_ms=5.0)


def rejection(status: int, message_id: str = "m1") -> Answer:
    """A rejection."""
    said = Rejection.model_validate(
        {"id": message_id, "device": "d", "status": status, "type": "t", "title": "t"}
    )
    return Answer("d", message_id, said, was_pending=True, latency_ms=5.0)


@pytest.fixture
def tally() -> Tally:
    """Nothing said yet."""
    return Tally()


def test_a_verdict_answers(tally: Tally) -> None:
    """And is held against the row's label."""
    tally.asked("d", step())
    assert tally.unanswered == 1
    assert tally.answered(verdict()) == step()
    counts = tally.counts()
    assert (counts.sent, counts.answered, counts.lost) == (1, 1, 0)
    assert (counts.judged, counts.agreement) == (1, 1.0)


def test_what_has_no_final_answer_is_lost(tally: Tally) -> None:
    """503 and 429 answer nothing."""
    tally.asked("d", step())
    tally.answered(rejection(503))
    tally.answered(rejection(429))
    counts = tally.counts()
    assert (counts.transient, counts.lost, counts.rejected) == (2, 1, 0)


def test_a_message_is_counted_once_however_often_it_is_sent(tally: Tally) -> None:
    """An outbox takes it once, too."""
    tally.resumed("d", "m1")
    tally.asked("d", step())
    assert tally.counts().sent == 1


def test_an_equal_answer_again_is_no_duplicate(tally: Tally) -> None:
    """That is what a resend gets."""
    tally.asked("d", step())
    tally.answered(verdict())
    tally.answered(verdict())
    counts = tally.counts()
    assert (counts.equal_again, counts.duplicates, counts.answered) == (1, 0, 1)


@pytest.mark.parametrize("second", [verdict(score=0.8), rejection(422)])
def test_another_answer_is_a_duplicate(tally: Tally, second: Answer) -> None:
    """Whether it differs by a score or altogether."""
    tally.asked("d", step())
    tally.answered(verdict())
    tally.answered(second)
    counts = tally.counts()
    assert (counts.different, counts.duplicates) == (1, 1)
    assert "in two ways" in counts.complaints[0]


def test_a_message_without_an_id_of_its_own_may_be_classified_twice(tally: Tally) -> None:
    """The bridge makes a new id each time, so only the kind of answer must stay."""
    tally.asked("d", step())
    tally.answered(verdict(said_id="made-1", score=0.9))
    tally.answered(verdict(said_id="made-2", score=0.8))
    assert tally.counts().duplicates == 0


def test_an_answer_nobody_asked_for_is_a_duplicate(tally: Tally) -> None:
    """It answers none of the device's messages."""
    tally.answered(verdict("never-said"))
    counts = tally.counts()
    assert (counts.unasked, counts.duplicates, counts.answered) == (1, 1, 0)


def test_what_follows_counts_as_asked_at_once(tally: Tally) -> None:
    """Between an answer and what follows it there is no moment without anything unanswered."""
    tally.asked("d", Step(step().message, SPAM, then=step()))
    tally.answered(verdict())
    assert tally.unanswered == 1
    tally.answered(verdict())
    counts = tally.counts()
    assert (counts.sent, counts.answered, counts.equal_again) == (2, 2, 1)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_rubbish_must_get_its_own_status(family: object) -> None:
    """Another status is wrong, and so is a verdict."""
    tally = Tally()
    right = min(family.statuses)
    wrong = 404 if right == 422 else 422 if right == 404 else 404
    message = Message("m1", b"", correlated=True)
    for answer in (rejection(right), rejection(wrong), verdict()):
        tally.asked("d", Step(message, rubbish=family))
        tally.answered(answer)
    assert tally.counts().wrong == 2


def test_a_good_message_must_get_a_verdict(tally: Tally) -> None:
    """A rejection is final, and wrong."""
    tally.asked("d", step())
    tally.answered(rejection(422))
    counts = tally.counts()
    assert (counts.rejected, counts.wrong, counts.lost) == (1, 1, 0)
    assert SPAM.text not in counts.complaints[0]


def test_percentiles(tally: Tally) -> None:
    """Of all answers, or of the last ones."""
    assert tally.latency_ms() == {}
    for number in range(10):
        tally.asked("d", step(f"m{number}"))
        tally.answered(verdict(f"m{number}"))
    assert tally.latency_ms(last=5) == {"p50": 5.0, "p95": 5.0, "p99": 5.0}
