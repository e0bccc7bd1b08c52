"""A session and a broker in memory, joined: what the session's suites and the machine share."""

from broker_model import BrokerModel

from bridge.mqtt.packets import Identity, Subscription, Will
from bridge.mqtt.session import Connected, Event, Session, Subscribed
from bridge.ports import Delivery

STATE = "spam/v1/bridge/instances/bridge-1/state"
INPUTS = "spam/v1/devices/+/in"
KEEP_ALIVE_S = 30
ANSWER_EXPIRY_S = 3600


def new_session(receive_maximum: int = 1000) -> Session:
    """Return a session that was never connected."""
    identity = Identity(
        client_id="bridge-bridge-1",
        username="bridge",
        password=b"secret",
        keep_alive_s=KEEP_ALIVE_S,
        session_expiry_interval_s=604_800,
        receive_maximum=receive_maximum,
        will=Will(STATE, b'{"state":"offline"}'),
    )
    return Session(identity, ANSWER_EXPIRY_S)


def exchange(session: Session, broker: BrokerModel, now_s: float = 0.0) -> list[Event]:
    """Let both say what they have to say; return the session's events."""
    events: list[Event] = []
    while True:
        broker.take(session.outgoing(now_s))
        data = broker.give()
        if not data:
            return events
        events += session.receive(data, now_s)


def connect(session: Session, broker: BrokerModel, now_s: float = 0.0) -> list[Delivery]:
    """Connect (again) and subscribe; return what the broker delivers at once."""
    broker.lose_connection()
    session.connect(now_s)
    events = exchange(session, broker, now_s)
    assert any(isinstance(event, Connected) for event in events)
    session.subscribe([Subscription(INPUTS)])
    events += exchange(session, broker, now_s)
    assert any(isinstance(event, Subscribed) for event in events)
    return [event for event in events if isinstance(event, Delivery)]


def deliveries(session: Session, broker: BrokerModel, now_s: float = 0.0) -> list[Delivery]:
    """Let the broker deliver all that its window allows; return what came out."""
    broker.deliver()
    events = exchange(session, broker, now_s)
    return [event for event in events if isinstance(event, Delivery)]


def answer(session: Session, delivery: Delivery, payload: bytes = b"{}") -> None:
    """Answer a delivery on its device's output."""
    session.answer(delivery, delivery.topic.removesuffix("in") + "out", payload)
