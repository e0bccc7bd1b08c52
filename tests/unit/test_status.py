"""What the bridge says of itself: reasons, other bridges, and who took its session over."""

import json
from typing import Any

import pytest
from fakes import FakeClock

from bridge.errors import SessionTakenOver
from bridge.life.status import Me, Status
from bridge.ports import Delivery
from bridge.records import iso
from bridge.topics import Topics

TOPICS = Topics("spam/v1")


class Documents:
    """What was published, newest last."""

    def __init__(self) -> None:
        self.all: list[dict[str, Any]] = []

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Keep a document."""
        assert (topic, retain) == (TOPICS.instance("bridge-1", "state"), True)
        self.all.append(json.loads(payload))

    @property
    def last(self) -> tuple[str, list[str]]:
        """The state that was said last, and why."""
        return self.all[-1]["state"], self.all[-1]["why"]


@pytest.fixture
def clock() -> FakeClock:
    """A clock that stands."""
    return FakeClock()


@pytest.fixture
def documents() -> Documents:
    """What was published."""
    return Documents()


@pytest.fixture
def status(clock: FakeClock) -> Status:
    """The status of a bridge that shares nothing."""
    return Status(Me("bridge-1", "", "mine"), TOPICS, clock)


def state(instance: str, clock: FakeClock, **fields: Any) -> Delivery:
    """Return what a bridge has said of itself."""
    said = {"state": "online", "since": iso(clock.now_ms()), "share": "", "start": "theirs"}
    return note(TOPICS.instance(instance, "state"), json.dumps(said | fields).encode())


def note(topic: str, payload: bytes) -> Delivery:
    """Return a retained message."""
    return Delivery(topic, payload, 0, True, None, 0.0, 1)


def test_a_reason_makes_it_degraded_and_its_end_online_again(status, documents):
    """Each change is said once."""
    status.say(documents)
    status.because("journal", "the disk is full")
    status.say(documents)
    status.say(documents)
    assert documents.last == ("degraded", ["the disk is full"])
    status.because("journal", None)
    status.say(documents)
    assert [document["state"] for document in documents.all] == ["online", "degraded", "online"]


def test_since_is_when_the_state_began(status, documents, clock):
    """A second reason does not make the trouble younger."""
    status.because("a", "first")
    status.say(documents)
    clock.go_on(60)
    status.because("b", "second")
    status.say(documents)
    assert documents.last == ("degraded", ["first", "second"])
    assert documents.all[0]["since"] == documents.all[1]["since"]


def test_stopped_is_the_last_word(status, documents):
    """Nothing is said after goodbye."""
    status.say(documents, "stopped")
    status.because("journal", "too late")
    status.say(documents)
    assert [document["state"] for document in documents.all] == ["stopped"]


def test_the_state_is_said_again_on_a_new_connection(status, documents):
    """The broker may have published the will meanwhile."""
    status.say(documents)
    status.say_again(documents)
    assert [document["state"] for document in documents.all] == ["online", "online"]


def test_the_will_names_this_run(status):
    """A will that fires late is told from another process's."""
    will = json.loads(status.will())
    assert (will["state"], will["start"]) == ("offline", "mine")


def test_another_process_under_our_name_ends_us(status, documents, clock):
    """Found out after a reconnect, by the retained state; its message says how to mend it."""
    status.say(documents)
    clock.go_on(1)
    with pytest.raises(SessionTakenOver, match="BRIDGE_INSTANCE"):
        status.note(state("bridge-1", clock))


@pytest.mark.parametrize(
    "fields",
    [
        {"start": "mine"},
        {"state": "offline"},
        {"state": "stopped"},
        {"since": "2025-12-31T23:59:59.999Z"},
        {"since": None},
    ],
    ids=["our own", "a will", "a goodbye", "from before our start", "nonsense"],
)
def test_an_own_state_of_another_kind_does_not(status, documents, clock, fields):
    """A broker that lost its newest state in a kill shows us our own life before."""
    status.say(documents)
    status.note(state("bridge-1", clock, **fields))
    status.say(documents)
    assert documents.last == ("online", [])


def test_at_the_first_connect_a_foreign_state_is_no_take_over(status, documents, clock):
    """A predecessor that was killed left it; we are the newer one."""
    status.note(state("bridge-1", clock))
    status.say(documents)
    assert documents.last == ("online", [])


def test_another_bridge_on_the_root_is_said_until_it_leaves(status, documents, clock):
    """Every message would get two answers."""
    status.note(state("bridge-2", clock))
    status.say(documents)
    (reason,) = documents.last[1]
    assert "bridge-2" in reason
    assert "BRIDGE_TOPICS__SHARE" in reason
    status.note(state("bridge-2", clock, state="stopped"))
    status.say(documents)
    assert documents.last == ("online", [])


@pytest.mark.parametrize(("share", "is_fine"), [("group", True), ("", False), ("other", False)])
def test_bridges_of_one_share_do_not_mind_each_other(documents, clock, share, is_fine):
    """Only another group, or none, doubles answers."""
    status = Status(Me("bridge-1", "group", "mine"), TOPICS, clock)
    status.note(state("bridge-2", clock, share=share))
    status.say(documents)
    assert (documents.last[0] == "online") == is_fine


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xff",
        b"[]",
        b"7",
        b'{"state":',
        b'{"state":["online"]}',
        b"[" * 100_000,
        b"9" * 5_000,
    ],
    ids=range(8),
)
@pytest.mark.parametrize("instance", ["bridge-1", "bridge-2"])
def test_a_state_that_anyone_may_have_written_harms_nothing(status, documents, payload, instance):
    """Whatever stands on a state topic, the bridge goes on."""
    status.say(documents)
    status.note(note(TOPICS.instance(instance, "state"), payload))
    status.note(note("some/where/else", payload))
    status.say(documents)
    assert documents.last == ("online", [])


def test_what_the_broker_dropped_is_its_own_word(status):
    """`$SYS` tells a number, or nothing that counts."""
    topic = "$SYS/broker/publish/messages/dropped"
    status.note(note(topic, b"12"))
    assert status.broker_dropped == 12
    for nonsense in (b"a lot", b"9" * 5_000):
        status.note(note(topic, nonsense))
        assert status.broker_dropped is None


def test_what_is_wrong_at_the_clerks_is_wrong_with_the_bridge(status, documents):
    """Its reasons come and go with its reports."""
    status.hear_clerk({"why": ["the journal is large", "a segment cannot be read"]})
    status.say(documents)
    assert documents.last == ("degraded", ["the journal is large; a segment cannot be read"])
    status.hear_clerk({"why": []})
    status.say(documents)
    assert documents.last == ("online", [])
