"""The session's windows and acknowledgements: in order, within limits, never of another's."""

import mqtt5
import pytest
from broker_model import BrokerModel
from hypothesis import given
from hypothesis import strategies as st
from sessions import answer, connect, deliveries, exchange, new_session

IN = "spam/v1/devices/gw-7/in"


def fill(broker: BrokerModel, count: int, qos: int = 1) -> None:
    """Let devices publish so many inputs."""
    for number in range(count):
        broker.enqueue(IN, b"%d" % number, qos)


@given(order=st.permutations(range(8)))
def test_inputs_are_acknowledged_in_the_order_received(order):
    """Whatever order they are settled in; the broker model fails on any other."""
    broker, session = BrokerModel(), new_session()
    connect(session, broker)
    fill(broker, 8)
    received = deliveries(session, broker)
    for settled, index in enumerate(order, 1):
        session.settle(received[index])
        exchange(session, broker)
        done = set(order[:settled])
        in_order = next((number for number in range(8) if number not in done), 8)
        assert len(broker.acknowledged) == in_order
    assert session.unacknowledged == 0


def test_an_input_is_acknowledged_only_after_its_answer_was():
    """The answer's PUBACK comes first, so that an answer is never lost with the broker."""
    broker, session = BrokerModel(), new_session()
    connect(session, broker)
    fill(broker, 2)
    for delivery in deliveries(session, broker):
        answer(session, delivery)
    exchange(session, broker)
    assert (len(broker.published), broker.acknowledged) == (2, [])
    broker.acknowledge(1)
    exchange(session, broker)
    assert [message["payload"] for message in broker.acknowledged] == [b"0"]


@given(receive_maximum=st.integers(1, 5), count=st.integers(1, 30), at_once=st.integers(1, 6))
def test_the_brokers_receive_maximum_is_never_exceeded(receive_maximum, count, at_once):
    """Answers wait for room (4.9), and go out in order; the broker model fails otherwise."""
    broker, session = BrokerModel(receive_maximum=receive_maximum), new_session()
    connect(session, broker)
    fill(broker, count)
    for delivery in deliveries(session, broker):
        answer(session, delivery, delivery.payload)
    exchange(session, broker)
    while broker.unacked:
        broker.acknowledge(at_once)
        exchange(session, broker)
    assert [packet.payload for packet in broker.published] == [b"%d" % n for n in range(count)]
    assert len(broker.acknowledged) == count
    assert session.unanswered == 0


@given(data=st.data(), size=st.integers(0, 400), correlation=st.binary(max_size=64))
def test_nothing_larger_than_the_broker_takes_is_sent(data, size, correlation):
    """Maximum Packet Size (3.2.2.3.6): too large an answer is final, and its input acknowledged."""
    largest = data.draw(st.integers(200, 500))
    broker, session = BrokerModel(maximum_packet_size_bytes=largest), new_session()
    connect(session, broker)
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    properties = [("traceparent", trace)]
    broker.enqueue(IN, b"x", correlation_data=correlation, user_properties=properties)
    (delivery,) = deliveries(session, broker)
    answer(session, delivery, b"x" * size)
    exchange(session, broker)
    broker.acknowledge()
    exchange(session, broker)
    assert len(broker.published) + session.undeliverable == 1
    assert len(broker.acknowledged) == 1


def test_a_document_larger_than_the_broker_takes_is_dropped_and_counted():
    """What the bridge says of itself must not cost it the connection."""
    broker, session = BrokerModel(maximum_packet_size_bytes=300), new_session()
    connect(session, broker)
    session.publish("spam/v1/bridge/instances/bridge-1/info", b"x" * 300, retain=True)
    session.tell("spam/v1/devices/gw-7/quota", b"x" * 300)
    exchange(session, broker)
    assert (broker.published, session.undeliverable, session.unanswered) == ([], 2, 0)


def test_a_broker_that_exceeds_our_window_is_tolerated():
    """Mosquitto before 2.0.15 does; every message is answered and acknowledged all the same."""
    broker, session = BrokerModel(keeps_to_window=False), new_session(receive_maximum=10)
    connect(session, broker)
    fill(broker, 200)
    received = deliveries(session, broker)
    assert len(received) == session.unacknowledged == 200
    for delivery in received:
        session.settle(delivery)
    exchange(session, broker)
    assert len(broker.acknowledged) == 200


def test_our_window_is_told_to_the_broker():
    """A broker that keeps to it sends no more until something is acknowledged."""
    broker, session = BrokerModel(), new_session(receive_maximum=10)
    connect(session, broker)
    fill(broker, 200)
    received = deliveries(session, broker)
    assert len(received) == 10
    session.settle(received[0])
    exchange(session, broker)
    assert len(deliveries(session, broker)) == 1


def test_a_delivery_of_an_earlier_connection_is_never_acknowledged():
    """Its packet id may be another message's by now; the broker model fails if it is spoken of."""
    broker, session = BrokerModel(), new_session()
    connect(session, broker)
    fill(broker, 3)
    stale = deliveries(session, broker)
    connect(session, broker)
    for delivery in stale:
        session.settle(delivery)
        answer(session, delivery)
    exchange(session, broker)
    assert (broker.acknowledged, broker.published) == ([], [])


def test_what_was_not_acknowledged_comes_again_in_order():
    """A reconnect needs no memory: the broker has it."""
    broker, session = BrokerModel(), new_session()
    connect(session, broker)
    fill(broker, 4)
    first = deliveries(session, broker)
    session.settle(first[0])
    answer(session, first[1])
    exchange(session, broker)
    connect(session, broker)
    again = deliveries(session, broker)
    assert [delivery.payload for delivery in again] == [b"1", b"2", b"3"]
    assert [delivery.sequence for delivery in again] == [5, 6, 7]


def test_half_a_packet_of_an_earlier_connection_is_forgotten():
    """The rest of it never comes."""
    broker, session = BrokerModel(), new_session()
    connect(session, broker)
    fill(broker, 1)
    broker.deliver()
    session.receive(broker.give()[:-1], 0.0)
    connect(session, broker)
    assert len(deliveries(session, broker)) == 1


def test_nothing_is_sent_before_the_broker_has_taken_us_in():
    """An answer or a state that is said too early waits for CONNACK, or is forgotten with it."""
    broker, session = BrokerModel(), new_session()
    session.connect(0.0)
    session.publish("spam/v1/bridge/instances/bridge-1/state", b"{}")
    session.tell("spam/v1/devices/gw-7/quota", b"{}")
    (packet, size) = mqtt5.read(data := session.outgoing(0.0))
    assert isinstance(packet, mqtt5.ConnectPacket)
    assert size == len(data)
    broker.take(data)
    exchange(session, broker)
    assert [publish.topic for publish in broker.published] == [
        "spam/v1/bridge/instances/bridge-1/state"
    ]


def test_packet_ids_come_round_without_meeting_one_in_flight():
    """70,000 publishes, the first of them unacknowledged all the while: 65,535 ids are enough."""
    broker, session = BrokerModel(receive_maximum=20), new_session()
    connect(session, broker)
    session.publish("first", b"")
    exchange(session, broker)
    first = broker.unacked.popleft()
    used = set()
    for _ in range(7_000):
        for _ in range(10):
            session.publish("next", b"")
        broker.take(session.outgoing(0.0))
        used.update(packet.packet_id for packet in broker.unacked)
        broker.published.clear()
        broker.acknowledge()
        session.receive(broker.give(), 0.0)
    assert first.packet_id not in used
    assert len(used) == 65_534


def test_qos_0_is_answered_and_nothing_is_acknowledged():
    """There is nothing to say to a delivery without a packet id."""
    broker, session = BrokerModel(), new_session()
    connect(session, broker)
    fill(broker, 3, qos=0)
    received = deliveries(session, broker)
    assert [delivery.packet_id for delivery in received] == [None, None, None]
    for delivery in received:
        answer(session, delivery)
        session.settle(delivery)
    exchange(session, broker)
    broker.acknowledge()
    exchange(session, broker)
    assert (len(broker.published), broker.acknowledged) == (3, [])


@pytest.mark.parametrize("packet_id", [1, 7])
def test_an_acknowledgement_of_nothing_is_harmless(packet_id):
    """A PUBACK for what was never sent changes nothing."""
    session = new_session()
    connect(session, BrokerModel())
    assert session.receive(mqtt5.PubAckPacket(packet_id).write(), 0.0) == []
