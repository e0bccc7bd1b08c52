"""A message under an id gets one answer, however often and however it comes again."""

import json
from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paths import FakePath

MESSAGE = {"id": "m-1", "text": "free prize"}


@pytest.fixture
def path() -> FakePath:
    """A path that keeps texts."""
    return FakePath()


def without_times(answer: dict) -> dict:
    """Return what must be equal in every answer to one message."""
    return {name: value for name, value in answer.items() if name not in ("ms", "cached", "text")}


def test_a_repeat_gets_the_same_answer_and_no_second_row(path):
    """Later, and within one batch."""
    first, second = path.send(MESSAGE, MESSAGE)
    path.clock.go_on(60)
    (third,) = path.send(MESSAGE)
    assert without_times(first) == without_times(second) == without_times(third)
    assert len(path.journal.rows) == 1
    assert path.journal.totals == {"verdicts": 1, "repeats": 2}


def test_a_repeat_is_answered_by_the_model_that_answered_first(path):
    """Even where that model has gone meanwhile."""
    (first,) = path.send(MESSAGE)
    path.pipeline._active = "spam@2"
    (again,) = path.send(MESSAGE)
    assert without_times(first) == without_times(again)


def test_an_id_whose_first_message_got_no_final_answer_is_not_reused(path):
    """Another text under it, in the same batch, is as transient as the first."""
    path.model.is_broken = True
    answers = path.send(MESSAGE, {"id": "m-1", "text": "another text"})
    assert [answer["status"] for answer in answers] == [503, 503]
    assert path.journal.totals == {"transient": 2}


def test_a_repeated_rejection_is_the_same_rejection(path):
    """422 and 404 are final, and remembered like verdicts."""
    for bad in ({"id": "m-2"}, {"id": "m-3", "text": "a", "model": "spam@9"}):
        first, second = path.send(bad, bad)
        (third,) = path.send(bad)
        assert first == second == third
    assert path.journal.totals == {"rejections": 2, "repeats": 4}
    assert len(path.journal.rows) == 2


@pytest.mark.parametrize(
    "other",
    [
        {"id": "m-1", "text": "another text"},
        {"id": "m-1", "text": "free prize", "model": "spam@2"},
        {"id": "m-1", "text": 7},
    ],
    ids=["another text", "another model", "no valid text"],
)
def test_an_id_used_for_another_message_is_409(path, other):
    """Counted, answered, never remembered: no row, and the first answer stands."""
    (first,) = path.send(MESSAGE)
    within_batch = FakePath()
    for reused in (path.send(other)[0], within_batch.send(MESSAGE, other)[1]):
        assert (reused["status"], reused["type"]) == (409, "id_reused")
    assert len(path.journal.rows) == len(within_batch.journal.rows) == 1
    assert path.journal.totals == within_batch.journal.totals == {"verdicts": 1, "rejections": 1}
    assert without_times(path.send(MESSAGE)[0]) == without_times(first)


def test_other_fields_do_not_make_it_another_message(path):
    """A resend may carry a later `ts`, or ask for an echo."""
    path.send(MESSAGE)
    (again,) = path.send(MESSAGE | {"ts": "2026-01-01T00:00:09Z", "echo": True})
    assert again["text"] == "free prize"
    assert path.journal.totals == {"verdicts": 1, "repeats": 1}


def test_two_devices_may_use_one_id(path):
    """An id is a device's own."""
    path.send(path.delivery(MESSAGE, device="gw-7"), path.delivery(MESSAGE, device="gw-8"))
    assert path.journal.totals == {"verdicts": 2}


IDS = st.sampled_from(["m-1", "m-2", "m-3", None])
CONTENTS = st.sampled_from([{"text": "a"}, {"text": "free"}, {"text": ""}, {"model": "spam@9"}])
MESSAGES = st.builds(lambda id_, content: content | {"id": id_} if id_ else content, IDS, CONTENTS)


@given(batches=st.lists(st.lists(MESSAGES, min_size=1, max_size=6), max_size=6))
def test_batches_make_no_difference(batches):
    """Whatever is batched with what: one answer a message, one row an id, and the sum fits."""
    path = FakePath()
    answers = defaultdict(list)
    for batch in batches:
        for message, answer in zip(batch, path.send(*batch), strict=True):
            if "id" in message:
                answers[json.dumps(message)].append(without_times(answer))
    for same in answers.values():
        assert all(answer == same[0] for answer in same)
    keys = [row.key for row in path.journal.rows if row.key]
    assert len(set(keys)) == len(keys)
    assert path.journal.totals.total() == sum(map(len, batches))
    assert len(path.connection.settled) == sum(map(len, batches))
