"""The link on a real socket, with a broker of a few lines: what is an input, and what is lost."""

import socket
from collections.abc import Iterator

import mqtt5
import pytest
import structlog
from fakes import FakeClock
from sessions import new_session
from structlog.testing import capture_logs
from structlog.typing import EventDict

from bridge.errors import ConfigurationError
from bridge.mqtt.link import Link, Stage
from bridge.mqtt.packets import Subscription
from bridge.settings import Mqtt

IN, STATE = "spam/v1/devices/+/in", "spam/v1/bridge/instances/+/state"
GRANTED, DENIED = (
    mqtt5.SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE,
    mqtt5.SubAckReasonCode.NOT_AUTHORIZED,
)


class Bench:
    """A link, and the broker's end of its socket."""

    def __init__(self, logs: list[EventDict]) -> None:
        self.logs = logs
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.clock = FakeClock()
        self.notes: list[bytes] = []
        self.link = Link(
            Mqtt(port=self._listener.getsockname()[1]),
            new_session(),
            inputs=Subscription(IN),
            notes=[Subscription(STATE, qos=0, retained=True)],
            on_note=lambda delivery: self.notes.append(delivery.payload),
            clock=self.clock,
            expects_session=False,
        )
        self._theirs: socket.socket | None = None

    def accept(self) -> None:
        """Take the connection."""
        self.link.open()
        self.hang_up()
        self._theirs, _ = self._listener.accept()

    def say(self, *data: bytes) -> None:
        """Let the link read what the broker says."""
        assert self._theirs
        for packet in data:
            self._theirs.sendall(packet)
        wait_readable(self.link)
        self.link.read()
        self.link.flush()

    def go_online(self, *, session_present: bool = True, inputs: int = GRANTED) -> None:
        """Connect as far as the grant of the inputs."""
        self.accept()
        self.say(mqtt5.ConnAckPacket(session_present=session_present).write())
        self.say(mqtt5.SubAckPacket(1, [GRANTED]).write() + mqtt5.SubAckPacket(2, [inputs]).write())

    def deliver(self, topic: str, payload: bytes, count: int = 1) -> None:
        """Let messages come at QoS 0."""
        self.say(mqtt5.PublishPacket(topic, payload).write() * count)

    def hang_up(self) -> None:
        """Close the broker's end."""
        if self._theirs:
            self._theirs.close()
            self._theirs = None

    def close(self) -> None:
        """Give every socket back."""
        self.link.close()
        self.hang_up()
        self._listener.close()


def wait_readable(link: Link) -> None:
    """Return when something has arrived."""
    assert link.transport
    with socket.socket(fileno=socket.dup(link.transport.fileno())) as same:
        same.settimeout(10)
        same.recv(1, socket.MSG_PEEK)


@pytest.fixture
def bench() -> Iterator[Bench]:
    """A link that was never opened."""
    structlog.reset_defaults()
    with capture_logs() as logs:
        bench = Bench(logs)
        yield bench
        bench.close()


def test_it_is_online_once_its_inputs_are_granted(bench):
    """Not before: what is retained must be known before the first input is answered."""
    bench.accept()
    assert bench.link.stage is Stage.CONNECTING
    bench.say(mqtt5.ConnAckPacket().write())
    assert bench.link.stage is Stage.VERIFYING
    bench.say(mqtt5.SubAckPacket(1, [GRANTED]).write())
    assert not bench.link.is_online
    bench.say(mqtt5.SubAckPacket(2, [GRANTED]).write())
    assert bench.link.is_online


def test_inputs_wait_and_all_else_is_a_note(bench):
    """Only inputs are counted; notes are told at once."""
    bench.go_online()
    bench.deliver("spam/v1/devices/gw-7/in", b"input")
    bench.deliver("spam/v1/bridge/instances/b-2/state", b"note")
    assert [delivery.payload for delivery in bench.link.deliveries] == [b"input"]
    assert bench.notes == [b"note"]
    assert bench.link.take_counts() == (1, 0)
    assert bench.link.take_counts() == (0, 0)


def test_what_waited_is_returned_with_the_connection(bench):
    """The broker delivers it again; the ledger knows."""
    bench.go_online()
    bench.deliver("spam/v1/devices/gw-7/in", b"input", count=3)
    bench.say(b"\x00\x00nonsense")
    assert (bench.link.stage, len(bench.link.deliveries)) == (Stage.CLOSED, 0)
    assert bench.link.take_counts() == (3, 3)


def test_a_flood_without_guarantee_is_bounded(bench):
    """QoS 0 has no window: past 10,000 it is let go, and counted."""
    bench.go_online()
    for _ in range(11):
        bench.deliver("spam/v1/devices/gw-7/in", b"x", count=1_000)
    received = returned = 0
    while received < 11_000:
        bench.link.read()
        more, dropped = bench.link.take_counts()
        received, returned = received + more, returned + dropped
    assert (len(bench.link.deliveries), returned) == (10_000, 1_000)


def test_an_input_that_comes_while_leaving_is_left_to_the_next_start(bench):
    """It is counted as returned, and not answered."""
    bench.go_online()
    bench.link.takes_inputs = False
    bench.deliver("spam/v1/devices/gw-7/in", b"late")
    assert (list(bench.link.deliveries), bench.link.take_counts()) == ([], (1, 1))


@pytest.mark.parametrize(
    "code",
    [mqtt5.ConnAckReasonCode.BAD_USER_NAME_OR_PASSWORD, mqtt5.ConnAckReasonCode.NOT_AUTHORIZED],
    ids=["bad password", "not authorized"],
)
def test_a_refused_login_ends_only_the_first_attempt(bench, code):
    """Later somebody may be changing passwords: it is tried again."""
    refusal = mqtt5.ConnAckPacket(reason_code=code).write()
    bench.accept()
    with pytest.raises(ConfigurationError, match="BRIDGE_MQTT__PASSWORD"):
        bench.say(refusal)
    bench.link.close()
    bench.go_online()
    bench.link.close()
    bench.accept()
    bench.say(refusal)
    assert bench.link.stage is Stage.CLOSED
    assert bench.link.due_in_s() >= 1


def test_inputs_that_are_denied_name_the_account(bench):
    """An access list that forgets the bridge is said, not waited out."""
    with pytest.raises(ConfigurationError, match="BRIDGE_MQTT__USERNAME needs that right"):
        bench.go_online(inputs=DENIED)


def test_attempts_come_slower_and_never_slower_than_15_s(bench):
    """Doubling from 1 s, with jitter; from the start again once it was online."""
    bench._listener.close()
    waits = []
    for _ in range(8):
        bench.link.open()
        waits.append(bench.link.due_in_s())
        bench.clock.go_on(15)
    assert all(min(15, 2**n) <= wait <= min(15, 1.5 * 2**n) for n, wait in enumerate(waits))


def test_no_attempt_is_made_before_it_is_due(bench):
    """A broker that is down is not hammered."""
    bench._listener.close()
    bench.link.open()
    wait_s = bench.link.due_in_s()
    bench.clock.go_on(wait_s / 2)
    bench.link.open()
    assert bench.link.due_in_s() == pytest.approx(wait_s / 2, abs=0.01)


def test_a_session_that_was_expected_and_is_gone_is_counted(bench):
    """From the second connection on."""
    bench.go_online(session_present=False)
    assert bench.link.sessions_lost == 0
    bench.link.close()
    bench.go_online(session_present=False)
    assert bench.link.sessions_lost == 1


def test_a_silent_broker_is_left(bench):
    """Nothing read for one and a half times the keep-alive."""
    bench.go_online()
    bench.clock.go_on(46)
    bench.link.flush()
    assert bench.link.stage is Stage.CLOSED


@pytest.mark.parametrize(("lived_s", "warnings"), [(1, 2), (60, 0)], ids=["brief", "long"])
def test_brief_connections_in_a_row_raise_the_question_who_else_is_there(bench, lived_s, warnings):
    """A broker takes a session away without a word; that it happens again and again tells."""
    for _ in range(4):
        bench.go_online()
        bench.clock.go_on(lived_s)
        bench.say(b"\x00\x00nonsense")
        bench.clock.go_on(15)
    asked = [entry for entry in bench.logs if entry["event"] == "broker.connections_brief"]
    assert len(asked) == warnings
    assert all("BRIDGE_INSTANCE" in entry["hint"] for entry in asked)
