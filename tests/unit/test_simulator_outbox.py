"""A device's outbox: kept until removed, in order, across restarts."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_simulator.outbox import Message, Outbox

FIRST = Message.in_json("hello", "m1")
SECOND = Message.in_plain_text("grüße", "m2")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the outbox is."""
    return tmp_path / "outbox.sqlite"


@pytest.fixture
def outbox(file: Path) -> Iterator[Outbox]:
    """An empty outbox."""
    outbox = Outbox(file)
    yield outbox
    outbox.close()


def test_what_is_put_stays_in_order_until_removed(outbox: Outbox) -> None:
    """Oldest first, each with its payload and how it is matched."""
    outbox.put(SECOND)
    outbox.put(FIRST)
    assert outbox.pending() == [SECOND, FIRST]
    outbox.remove("m2")
    assert outbox.pending() == [FIRST]


def test_the_same_message_is_kept_once(outbox: Outbox) -> None:
    """A message that is pending keeps its place."""
    for message in (FIRST, SECOND, FIRST):
        outbox.put(message)
    assert outbox.pending() == [FIRST, SECOND]


def test_removing_what_is_not_there_is_no_error(outbox: Outbox) -> None:
    """An answer may come twice."""
    outbox.remove("m1")
    assert outbox.pending() == []


def test_it_outlives_its_process(outbox: Outbox, file: Path) -> None:
    """What was put is there for another process at once, closed or not."""
    assert outbox.is_new
    outbox.put(FIRST)
    again = Outbox(file)
    assert not again.is_new
    assert again.pending() == [FIRST]
    again.close()


def test_json_names_its_id_and_plain_text_stands_as_it_is() -> None:
    """The one is matched by its id, the other by Correlation Data."""
    assert json.loads(FIRST.payload) == {"id": "m1", "text": "hello"}
    assert not FIRST.correlated
    assert SECOND.payload == "grüße".encode()
    assert SECOND.correlated


def test_made_ids_fit_into_correlation_data() -> None:
    """64 bytes at most, and never the same twice."""
    made = [Message.in_plain_text("hello").id, Message.in_json("hello").id]
    assert len(set(made)) == 2
    assert all(0 < len(name.encode()) <= 64 for name in made)


def test_a_text_that_looks_like_json_is_not_sent_as_plain_text() -> None:
    """The bridge would read it as JSON."""
    with pytest.raises(ValueError, match="JSON"):
        Message.in_plain_text("{hello}")
