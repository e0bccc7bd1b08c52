"""The session's manners: how it introduces itself, what it reads, and how it keeps alive."""

from contextlib import suppress
from itertools import pairwise

import mqtt5
import pytest
from broker_model import BrokerModel
from hypothesis import example, given
from hypothesis import strategies as st
from sessions import (
    ANSWER_EXPIRY_S,
    INPUTS,
    KEEP_ALIVE_S,
    STATE,
    answer,
    connect,
    deliveries,
    exchange,
    new_session,
)

from bridge.errors import ConnectionLost, SessionTakenOver
from bridge.mqtt.packets import Refused, Subscription
from bridge.mqtt.session import Subscribed
from bridge.ports import Delivery

IN = "spam/v1/devices/gw-7/in"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def broker():
    """A broker in memory."""
    return BrokerModel()


@pytest.fixture
def session(broker):
    """A connected session."""
    connected = new_session()
    connect(connected, broker)
    return connected


def test_it_introduces_itself_with_will_and_persistent_session(session, broker):
    """What the broker must know to keep what is missed, and to tell that we are gone."""
    assert session.unanswered == 0
    (packet,) = broker.connects
    assert (packet.client_id, packet.username, packet.password) == (
        "bridge-bridge-1",
        "bridge",
        b"secret",
    )
    assert (packet.clean_start, packet.session_expiry_interval) == (False, 604_800)
    assert (packet.keep_alive, packet.receive_max) == (KEEP_ALIVE_S, 1000)
    assert (packet.will.topic, packet.will.qos, packet.will.retain) == (STATE, 1, True)


def test_it_subscribes_at_qos_1_and_hears_nothing_retained(broker):
    """RetainHandling 2 and retain-as-published for inputs; state is asked for with 0."""
    session = new_session()
    connect(session, broker)
    session.subscribe([Subscription(STATE, qos=0, retained=True)])
    exchange(session, broker)
    (inputs,), (state,) = (packet.topic_filters for packet in broker.subscribes)
    assert (inputs.pattern, inputs.max_qos, inputs.retain_handling) == (INPUTS, 1, 2)
    assert inputs.retain_as_published
    assert (state.pattern, state.max_qos, state.retain_handling) == (STATE, 0, 0)


def test_a_refused_subscription_is_told_from_a_granted_one(session):
    """The broker answers filter by filter."""
    session.subscribe([Subscription("mine"), Subscription("theirs")])
    session.outgoing(0.0)
    codes = [
        mqtt5.SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE,
        mqtt5.SubAckReasonCode.NOT_AUTHORIZED,
    ]
    suback = mqtt5.SubAckPacket(2, codes).write()
    assert session.receive(suback, 0.0) == [Subscribed(("mine",), ("theirs",))]


@pytest.mark.parametrize(
    ("code", "is_login"),
    [
        (mqtt5.ConnAckReasonCode.BAD_USER_NAME_OR_PASSWORD, True),
        (mqtt5.ConnAckReasonCode.NOT_AUTHORIZED, True),
        (mqtt5.ConnAckReasonCode.SERVER_BUSY, False),
    ],
)
def test_a_refusal_says_whether_waiting_may_mend_it(code, is_login):
    """A wrong password does not mend itself, a busy broker does."""
    session = new_session()
    session.connect(0.0)
    connack = mqtt5.ConnAckPacket(reason_code=code).write()
    (refused,) = session.receive(connack, 0.0)
    assert refused == Refused(code.name.lower().replace("_", " "), is_login)


@given(cuts=st.lists(st.integers(0, 400), max_size=12))
def test_packets_may_be_cut_anywhere(cuts):
    """TCP knows no packets: however the bytes arrive, the deliveries are the same."""
    broker, session = BrokerModel(), new_session()
    connect(session, broker)
    for number in range(5):
        broker.enqueue(IN, b"x" * number * 20, correlation_data=b"%d" % number)
    broker.deliver()
    data = broker.give()
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    events = []
    for start, end in pairwise(edges):
        events += session.receive(data[start:end], 7.0)
    assert [event.payload for event in events] == [b"x" * number * 20 for number in range(5)]
    assert [event.correlation_data for event in events] == [b"0", b"1", b"2", b"3", b"4"]
    assert [event.sequence for event in events] == [1, 2, 3, 4, 5]


# The codec's known flaw: its panic at a topic that is not UTF-8 is "unraisable" besides.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@given(data=st.binary(max_size=120))
@example(mqtt5.PublishPacket("a", b"").write().replace(b"a", b"\xff"))
@example(b"\x30\x04\x00\x64AB")
@example(b"\x30\xff\xff\xff\xff\xff")
@example(b"\x36\x06\x00\x01a\x00\x01\x00")
@example(mqtt5.PingReqPacket().write())
@example(mqtt5.ConnectPacket("intruder").write())
def test_nonsense_costs_the_connection_and_nothing_else(data):
    """Whatever the broker sends, one of our own errors is all that is ever raised."""
    session = new_session()
    connect(session, BrokerModel())
    with suppress(ConnectionLost, SessionTakenOver):  # most data is just half a packet
        session.receive(data, 0.0)


def test_a_malformed_packet_is_not_waited_for(session):
    """A packet that contradicts itself is told from one that has not arrived whole."""
    with pytest.raises(ConnectionLost, match="malformed"):
        session.receive(b"\x30\x04\x00\x64AB", 0.0)


def test_qos_2_ends_the_connection(session):
    """It was never asked for, so its handshake is not spoken."""
    packet = mqtt5.PublishPacket(IN, b"x", qos=mqtt5.QoS.EXACTLY_ONCE, packet_id=1)
    with pytest.raises(ConnectionLost, match="QoS 2"):
        session.receive(packet.write(), 0.0)


def test_the_brokers_goodbye_ends_the_connection(session):
    """Its reason is said."""
    bye = mqtt5.DisconnectPacket(reason_code=mqtt5.DisconnectReasonCode.SERVER_SHUTTING_DOWN)
    with pytest.raises(ConnectionLost, match="server_shutting_down"):
        session.receive(bye.write(), 0.0)


def test_a_take_over_that_the_broker_speaks_of_ends_us(session):
    """Coming back would only throw the other out in turn."""
    bye = mqtt5.DisconnectPacket(reason_code=mqtt5.DisconnectReasonCode.SESSION_TAKEN_OVER)
    with pytest.raises(SessionTakenOver, match=r"bridge-bridge-1; .* BRIDGE_INSTANCE"):
        session.receive(bye.write(), 0.0)


def test_a_delivery_carries_what_the_path_needs(session, broker):
    """Topic, payload, QoS, expiry, correlation and trace, and when it was read."""
    broker.enqueue(
        IN,
        b"hello",
        retain=True,
        message_expiry_interval=60,
        correlation_data=b"c-1",
        user_properties=[("other", "x"), ("traceparent", TRACE)],
    )
    assert deliveries(session, broker, 42.0) == [
        Delivery(IN, b"hello", 1, True, 1, 42.0, 1, 60, b"c-1", TRACE)
    ]


def test_an_answer_carries_content_type_expiry_correlation_and_trace(session, broker):
    """MQTT 5 properties of every answer; never retained."""
    trace = [("traceparent", TRACE)]
    broker.enqueue(IN, b"hello", correlation_data=b"c-1", user_properties=trace)
    (delivery,) = deliveries(session, broker)
    answer(session, delivery)
    exchange(session, broker)
    (published,) = broker.published
    assert (published.topic, published.qos, published.retain) == (IN[:-2] + "out", 1, False)
    assert (published.content_type, published.payload_format_indicator) == ("application/json", 1)
    assert published.message_expiry_interval == ANSWER_EXPIRY_S
    assert published.correlation_data == b"c-1"
    assert published.user_properties == trace


@pytest.mark.parametrize(("size", "is_echoed"), [(64, True), (65, False)])
def test_correlation_data_is_echoed_up_to_64_bytes(session, broker, size, is_echoed):
    """More is nobody's id."""
    broker.enqueue(IN, b"hello", correlation_data=b"c" * size)
    (delivery,) = deliveries(session, broker)
    answer(session, delivery)
    exchange(session, broker)
    assert (broker.published[0].correlation_data is not None) == is_echoed


@pytest.mark.parametrize("trace", ["", "x", TRACE + "0", "x" * 60_000, TRACE.upper()])
def test_a_trace_that_is_none_is_not_continued(session, broker, trace):
    """What a device calls a trace comes back in the answer: it must not grow it without bounds."""
    broker.enqueue(IN, b"hello", user_properties=[("traceparent", trace)])
    assert deliveries(session, broker)[0].traceparent is None


def test_silence_is_broken_by_a_ping(session, broker):
    """Half the interval without a word of ours brings a PINGREQ."""
    session.tick(KEEP_ALIVE_S / 2)
    exchange(session, broker, KEEP_ALIVE_S / 2)
    assert broker.pings == 0
    session.tick(KEEP_ALIVE_S / 2 + 0.1)
    exchange(session, broker, KEEP_ALIVE_S / 2 + 0.1)
    assert broker.pings == 1


def test_a_silent_broker_is_lost(session):
    """After one and a half times the interval nobody waits any longer."""
    session.tick(1.5 * KEEP_ALIVE_S)
    with pytest.raises(ConnectionLost, match="silent"):
        session.tick(1.5 * KEEP_ALIVE_S + 0.1)


def test_the_brokers_keep_alive_overrides_ours():
    """Server Keep Alive (3.2.2.3.14) is what counts."""
    broker, session = BrokerModel(server_keep_alive_s=10), new_session()
    connect(session, broker)
    session.tick(5.1)
    exchange(session, broker, 5.1)
    assert broker.pings == 1


def test_a_refused_answer_is_final(session, broker):
    """It is counted, and its input acknowledged: sending it again would change nothing."""
    broker.enqueue(IN, b"hello")
    answer(session, deliveries(session, broker)[0])
    exchange(session, broker)
    broker.acknowledge(code=mqtt5.PubAckReasonCode.NOT_AUTHORIZED)
    exchange(session, broker)
    assert session.undeliverable == 1
    assert len(broker.acknowledged) == 1


def test_an_answer_that_nobody_hears_is_counted(session, broker):
    """The broker says so with 0x10; the input is acknowledged."""
    broker.enqueue(IN, b"hello")
    answer(session, deliveries(session, broker)[0])
    exchange(session, broker)
    broker.acknowledge(code=mqtt5.PubAckReasonCode.NO_MATCHING_SUBSCRIBERS)
    exchange(session, broker)
    assert (session.unheard, len(broker.acknowledged)) == (1, 1)
