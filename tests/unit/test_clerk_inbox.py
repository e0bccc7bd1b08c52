"""What the clerk takes in from the broker, and when it says that it is cut off."""

import pytest

from bridge.doors import Message
from bridge.life import desk
from bridge.life.desk import Inbox, Line
from bridge.storage.desk.answers import QUESTION_BYTES
from bridge.topics import Topics

TOPICS = Topics("spam/v1")


def message(topic="spam/v1/bridge/request/calls", payload=b"{}", retain=False, correlation=None):  # noqa: FBT002
    """A message to the clerk."""
    return Message(topic, payload, retain, correlation)


def test_questions_come_out_in_the_order_they_went_in():
    """Each with its verb."""
    inbox = Inbox(TOPICS)
    inbox.put(message(payload=b"1"))
    inbox.put(message("spam/v1/bridge/request/stats", b"2"))
    first, second = inbox.get(0), inbox.get(0)
    assert (first.verb, first.payload) == ("calls", b"1")
    assert (second.verb, second.payload) == ("stats", b"2")
    assert inbox.get(0) is None


@pytest.mark.parametrize(
    "unwanted",
    [
        message(retain=True),
        message("spam/v1/bridge/request/"),
        message("spam/v1/bridge/request/" + "x" * 65),
        message("spam/v1/bridge/request/ca lls"),
        message("spam/v1/devices/gw-7/in"),
    ],
)
def test_what_nobody_waits_for_stays_out(unwanted):
    """Retained questions, verbs that are no names, other topics."""
    inbox = Inbox(TOPICS)
    inbox.put(unwanted)
    assert inbox.get(0) is None
    assert inbox.dropped == 0


def test_a_flood_takes_bounded_memory():
    """What does not fit is dropped and counted, and a payload is never kept beyond its bound."""
    inbox = Inbox(TOPICS)
    for _ in range(1000):
        inbox.put(message(payload=b"x" * 250_000))
    kept = []
    while question := inbox.get(0):
        kept.append(question)
    assert inbox.dropped == 1000 - len(kept) > 0
    assert sum(len(question.payload) for question in kept) <= len(kept) * (QUESTION_BYTES + 1)


def test_a_waiting_desk_can_be_woken():
    """Also when the inbox is full: then it returns anyway."""
    inbox = Inbox(TOPICS)
    inbox.wake()
    assert inbox.get(60) is None
    for _ in range(1000):
        inbox.put(message())
    inbox.wake()
    assert inbox.get(0)


@pytest.mark.parametrize(("size", "kept"), [(0, b""), (64, b"c" * 64), (65, None)])
def test_correlation_data_has_its_bound(size, kept):
    """64 bytes, as everywhere in the bridge."""
    inbox = Inbox(TOPICS)
    inbox.put(message(correlation=b"c" * size))
    assert inbox.get(0).correlation_data == kept


def test_a_short_interruption_is_no_trouble(monkeypatch):
    """A long one is, until it is over; its start is that of the first loss."""
    now_s = [100.0]
    monkeypatch.setattr(desk.time, "monotonic", lambda: now_s[0])
    line = Line()
    line.changed(True, "")
    assert line.why is None
    line.changed(False, "connection lost")
    assert line.why is None
    now_s[0] += 4
    line.changed(False, "the broker refuses the login")
    now_s[0] += 2
    assert line.why.endswith("nobody answers questions: the broker refuses the login")
    line.changed(True, "")
    assert line.why is None
