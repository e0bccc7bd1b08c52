"""A state machine over session, pipeline and journal: killed, cut off and redelivered anywhere.

The session and the journal are the real ones; the broker is a model in memory that holds the
session to MQTT 5. Between any two steps (read, record, publish, PUBACK, acknowledge) the process
may die or the connection break. Answers are counted as devices see them, rows as they lie on disk.
"""

import json
import shutil
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

from broker_model import BrokerModel
from fakes import FakeClassifier, FakeClock
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from mortal_bridge import Killed, MortalBridge

from bridge.storage.journal.segments import segments

TOPIC = "spam/v1/devices/{}/in"
FEW = st.integers(1, 4)
TRANSIENT = (429, 503)


class PathMachine(RuleBasedStateMachine):
    """Devices that resend, a broker, and a bridge of many lives."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="machine-"))
        self.clock = FakeClock()
        self.model = FakeClassifier()
        self.broker = BrokerModel(receive_maximum=3)
        self.lives = 0
        self.bridge = MortalBridge(self.root / "0", self.clock, self.model)
        self.messages: dict[bytes, tuple[str, bytes]] = {}
        """Device and payload, by the Correlation Data that the device gave."""

    def teardown(self) -> None:
        """Leave nothing on disk."""
        self.finish()
        self.bridge.clean_up()
        shutil.rmtree(self.root)

    # devices

    def say(self, correlation: bytes) -> None:
        """Publish a message, for the first time or again."""
        device, payload = self.messages[correlation]
        self.broker.enqueue(TOPIC.format(device), payload, correlation_data=correlation)

    @rule(
        device=st.sampled_from(["a", "b"]),
        message_id=st.integers(0, 5).map(str),
        text=st.sampled_from(["hello", "free prize", ""]),
    )
    def send(self, device: str, message_id: str, text: str) -> None:
        """A device says something; an id may be used for two texts, which is answered 409."""
        payload = json.dumps({"id": message_id, "text": text}).encode()
        correlation = f"{device}/{message_id}/{text}".encode()
        self.messages[correlation] = (device, payload)
        self.say(correlation)

    @rule(text=st.sampled_from([b"plain", b"free", b"\xff"]))
    def send_without_id(self, text: bytes) -> None:
        """A device says something that only its Correlation Data tells apart."""
        correlation = b"plain/%d" % len(self.messages)
        self.messages[correlation] = ("a", text)
        self.say(correlation)

    @precondition(lambda self: self.messages)
    @rule(data=st.data())
    def resend(self, data: st.DataObject) -> None:
        """A device repeats itself, answered or not."""
        self.say(data.draw(st.sampled_from(sorted(self.messages))))

    # the connection, one direction at a time

    @initialize()
    def begin(self) -> None:
        """Connect for the first time."""
        self.bridge.connect()

    @rule(count=FEW)
    def broker_delivers(self, count: int) -> None:
        """The broker sends what the window allows; the bridge reads it."""
        self.broker.deliver(count)
        self.bridge.read(self.broker.give())

    @rule(count=FEW)
    def bridge_processes(self, count: int) -> None:
        """One batch goes down the path."""
        self.bridge.process(count)

    @rule()
    def bridge_sends(self) -> None:
        """What the bridge has to say reaches the broker."""
        self.broker.take(self.bridge.session.outgoing(self.clock.monotonic_s()))

    @rule(count=FEW)
    def broker_acknowledges(self, count: int) -> None:
        """PUBACKs for answers reach the bridge."""
        self.broker.acknowledge(count)
        self.bridge.read(self.broker.give())

    @rule(count=FEW)
    def all_goes_well(self, count: int) -> None:
        """A few messages go all the way, as they mostly do."""
        self.broker_delivers(count)
        self.bridge_processes(count)
        self.bridge_sends()
        self.broker_acknowledges(count)
        self.bridge_sends()

    # what goes wrong

    @rule(sent=st.floats(0, 1))
    def connection_breaks(self, sent: float) -> None:
        """Somewhere in the middle of what the bridge was sending."""
        self.cut_off(sent)
        self.bridge.connect()

    @rule(sent=st.floats(0, 1))
    def bridge_is_killed(self, sent: float) -> None:
        """Between two steps."""
        self.die(sent)

    @precondition(lambda self: self.bridge.deliveries and not self.bridge.journal.is_full)
    @rule(count=FEW, moment=st.sampled_from(["before", "after"]))
    def bridge_is_killed_while_recording(self, count: int, moment: str) -> None:
        """Just before the transaction, or between it and the publish."""
        self.bridge.journal.dies = moment
        try:
            self.bridge.process(count)
        except Killed:
            self.die(sent=0)

    @rule(minutes=st.integers(1, 50))
    def time_passes(self, minutes: int) -> None:
        """Hours end, segments with them, and cached verdicts expire."""
        self.clock.go_on(minutes * 60)

    @rule(is_full=st.booleans())
    def disk_fills_or_empties(self, is_full: bool) -> None:  # noqa: FBT001 - drawn by Hypothesis
        """The journal cannot be written for a while."""
        self.bridge.journal.is_full = is_full

    @rule(is_broken=st.booleans())
    def model_breaks_or_heals(self, is_broken: bool) -> None:  # noqa: FBT001 - drawn by Hypothesis
        """Inference fails for a while."""
        self.model.is_broken = is_broken

    def cut_off(self, sent: float) -> None:
        """Let a part of what the bridge was sending through, and nothing more."""
        data = self.bridge.session.outgoing(self.clock.monotonic_s())
        self.broker.take(data[: round(len(data) * sent)])
        self.broker.lose_connection()

    def die(self, sent: float) -> None:
        """End this life, and start the next on the files as they are."""
        self.cut_off(sent)
        self.lives += 1
        folder = self.root / str(self.lives)
        shutil.copytree(self.bridge.folder, folder)
        self.bridge.clean_up()
        self.bridge = MortalBridge(folder, self.clock, self.model)
        self.bridge.connect()

    # what must hold, always

    def answers(self) -> dict[bytes, list[dict]]:
        """Return the final answers that devices have got, by Correlation Data, without times."""
        got = defaultdict(list)
        for packet in self.broker.published:
            said = json.loads(packet.payload)
            if said.get("status") not in TRANSIENT:
                said = {name: value for name, value in said.items() if name not in ("ms", "cached")}
                got[packet.correlation_data].append(said)
        return got

    def rows(self) -> Counter[tuple[str, str]]:
        """Return how many rows each message has on disk, by device and id."""
        found: Counter[tuple[str, str]] = Counter()
        for segment in segments(self.bridge.folder):
            reader = segment.read()
            found.update(reader.execute("SELECT device, message_id FROM calls WHERE key != 0"))
            reader.close()
        return found

    @invariant()
    def the_ledger_adds_up(self) -> None:
        """What was received is what became of it, at every moment."""
        received, accounted = self.bridge.ledger()
        assert received == accounted

    @invariant()
    def one_answer_and_one_row(self) -> None:
        """I1-I3: equal answers only, each from exactly one row, which was there before it."""
        rows = self.rows()
        assert all(count == 1 for count in rows.values())
        for correlation, answers in self.answers().items():
            if correlation.startswith(b"plain"):
                continue
            assert all(answer == answers[0] for answer in answers)
            assert rows[answers[0]["device"], answers[0]["id"]] == 1

    @invariant()
    def nothing_is_acknowledged_unanswered(self) -> None:
        """The broker forgets an input only after it has its answer, final or not."""
        answered = {packet.correlation_data for packet in self.broker.published}
        assert {message["correlation_data"] for message in self.broker.acknowledged} <= answered

    # and in the end

    def finish(self) -> None:
        """Let all heal, and devices resend until answered: nothing is lost, nothing is left."""
        self.model.is_broken = self.bridge.journal.is_full = False
        self.cut_off(sent=0)
        self.bridge.connect()
        self.drain()
        for correlation in set(self.messages) - set(self.answers()):
            self.say(correlation)
        self.drain()
        assert set(self.answers()) == set(self.messages)
        assert not self.broker.queue
        assert not self.broker.inflight
        assert (self.bridge.session.unacknowledged, self.bridge.session.unanswered) == (0, 0)
        self.the_ledger_adds_up()
        self.one_answer_and_one_row()

    def drain(self) -> None:
        """Go round until nobody has anything left to say."""
        for _ in range(1000):
            self.bridge_sends()
            self.broker_delivers(100)
            self.broker_acknowledges(100)
            self.bridge_processes(100)
            quiet = not (self.broker.queue or self.broker.inflight or self.bridge.deliveries)
            if quiet and not self.bridge.session.unanswered:
                return
        raise AssertionError("it never comes to rest")


TestPathMachine = PathMachine.TestCase
TestPathMachine.settings = settings(max_examples=100, stateful_step_count=40)
