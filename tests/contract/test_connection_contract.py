"""What the path relies on in every way back to the broker, the fake one and the session."""

import pytest
from broker_model import BrokerModel
from fakes import FakeConnection
from sessions import connect, deliveries, exchange, new_session

from bridge.ports import Connection, Delivery

IN, OUT = "spam/v1/devices/gw-7/in", "spam/v1/devices/gw-7/out"


class FakeWire:
    """The fake connection, and what became of it."""

    def __init__(self) -> None:
        self.connection: Connection = FakeConnection()

    def deliver(self, count: int) -> list[Delivery]:
        """Return so many inputs."""
        return [Delivery(IN, b"%d" % n, 1, False, n, 0.0, n) for n in range(1, count + 1)]

    def published(self) -> list[tuple[str, bytes]]:
        """Return the answers, in order."""
        return [(topic, payload) for _, topic, payload in self.connection.answers]

    def acknowledged(self) -> list[bytes]:
        """Return the payloads of inputs that were acknowledged, in order."""
        return [delivery.payload for delivery in self.connection.settled]


class SessionWire:
    """A real session, and a broker in memory that acknowledges everything."""

    def __init__(self) -> None:
        self.connection: Connection = new_session()
        self._broker = BrokerModel()
        connect(self.connection, self._broker)

    def deliver(self, count: int) -> list[Delivery]:
        """Return so many inputs."""
        for number in range(1, count + 1):
            self._broker.enqueue(IN, b"%d" % number)
        return deliveries(self.connection, self._broker)

    def published(self) -> list[tuple[str, bytes]]:
        """Return the answers, in order."""
        self._go_round()
        return [(packet.topic, packet.payload) for packet in self._broker.published]

    def acknowledged(self) -> list[bytes]:
        """Return the payloads of inputs that were acknowledged, in order."""
        self._go_round()
        return [message["payload"] for message in self._broker.acknowledged]

    def _go_round(self) -> None:
        exchange(self.connection, self._broker)
        self._broker.acknowledge()
        exchange(self.connection, self._broker)


@pytest.fixture(params=[FakeWire, SessionWire], ids=["fake", "session"])
def wire(request: pytest.FixtureRequest) -> FakeWire | SessionWire:
    """One connection after the other."""
    return request.param()


def test_an_answer_is_published_and_its_input_acknowledged(wire):
    """Both, once."""
    (delivery,) = wire.deliver(1)
    wire.connection.answer(delivery, OUT, b"answer")
    assert wire.published() == [(OUT, b"answer")]
    assert wire.acknowledged() == [b"1"]


def test_an_input_without_an_answer_is_acknowledged(wire):
    """Nothing is published."""
    (delivery,) = wire.deliver(1)
    wire.connection.settle(delivery)
    assert (wire.published(), wire.acknowledged()) == ([], [b"1"])


def test_an_input_that_nobody_spoke_of_is_not_acknowledged(wire):
    """What was not answered comes again."""
    wire.deliver(1)
    assert (wire.published(), wire.acknowledged()) == ([], [])


def test_answers_keep_their_order(wire):
    """As said, so published, so acknowledged."""
    first, second, third = wire.deliver(3)
    wire.connection.answer(first, OUT, b"a")
    wire.connection.settle(second)
    wire.connection.answer(third, OUT, b"c")
    assert wire.published() == [(OUT, b"a"), (OUT, b"c")]
    assert wire.acknowledged() == [b"1", b"2", b"3"]
