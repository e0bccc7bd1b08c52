"""The simulated devices against a real Mosquitto, and a small bridge that can be made to err."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import paho.mqtt.client as paho
import pytest
from conftest import Broker, free_port, start_mosquitto, stop
from paho.mqtt.enums import CallbackAPIVersion

from bridge.codec import decode
from bridge.errors import InvalidMessage
from bridge.topics import Topics
from edge_simulator import Answer, Device, Message, Outbox
from edge_simulator.rubbish import FAMILIES

DEADLINE_S = 30


def eventually(holds: Callable[[], object]) -> None:
    """Return as soon as a condition holds; fail when it does not within a generous time."""
    deadline_s = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline_s, "it never came"
        time.sleep(0.01)


class FakeBridge:
    """Answers by the contract, remembers ids, and errs where ``mishap`` says so.

    ``mishap`` is asked before each answer, with the input's count under this id (from 1), and
    returns "silent", "busy", "forgetful", or nothing.
    """

    def __init__(
        self, broker: Broker, topics: Topics, login: tuple[str, str] | None = None
    ) -> None:
        self.seen: list[tuple[str, bytes]] = []
        self.mishap: Callable[[int], str | None] = lambda _count: None
        self._topics = topics
        self._remembered: dict[tuple[str, str], tuple[str, dict[str, Any]]] = {}
        self._counts: Counter[bytes] = Counter()
        self._ready = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        self._client.on_message = self._answer
        self._client.on_subscribe = lambda *_: self._ready.set()
        self._client.on_connect = lambda *_: self._client.subscribe(topics.inputs, qos=1)
        if login is not None:
            self._client.username_pw_set(*login)
        self._client.connect(broker.host, broker.port)
        self._client.loop_start()
        assert self._ready.wait(DEADLINE_S)

    def close(self) -> None:
        """Leave."""
        self._client.disconnect()
        self._client.loop_stop()

    def _answer(self, _client: paho.Client, _userdata: object, message: paho.MQTTMessage) -> None:
        device = self._topics.device_of_input(message.topic)
        assert device is not None
        self.seen.append((device, message.payload))
        self._counts[message.payload] += 1
        mishap = self.mishap(self._counts[message.payload])
        if mishap == "silent":
            return
        text, answer = self._answer_to(device, message.payload)
        if mishap == "busy":
            answer = {**_said(503, answer["id"], device), "retry_after_s": 0.1}
        elif mishap != "forgetful":
            first_text, first = self._remembered.setdefault((device, answer["id"]), (text, answer))
            answer = first if first_text == text else _said(409, answer["id"], device)
        is_verdict = "label" in answer
        topic = self._topics.output(device) if is_verdict else self._topics.rejections(device)
        self._client.publish(topic, json.dumps(answer), 1, properties=message.properties)

    def _answer_to(self, device: str, payload: bytes) -> tuple[str, dict[str, Any]]:
        made = uuid4().hex
        try:
            request = decode(payload, payload_bytes=65_536, text_chars=10_000)
        except InvalidMessage as error:
            return str(payload), _said(error.status, error.message_id or made, device)
        message_id = request.id or made
        if request.ts is not None and request.ts.year == 9999:
            return request.text, _said(422, message_id, device)
        if request.model not in (None, "spam@1"):
            return request.text, _said(404, message_id, device)
        label = "spam" if "free" in request.text.lower() else "ham"
        verdict = {"id": message_id, "device": device, "label": label, "score": 0.5}
        known = {"scores": {"ham": 0.5, "spam": 0.5}, "model": "spam@1", "cached": "no"}
        return request.text, {**verdict, **known, "ts": f"t{len(self.seen)}", "ms": {"total": 1.0}}


def _said(status: int, message_id: str, device: str) -> dict[str, Any]:
    return {"id": message_id, "device": device, "status": status, "type": "t", "title": "t"}


@pytest.fixture
def bridge(broker: Broker, topics: Topics) -> Iterator[FakeBridge]:
    """A bridge that does as it is told."""
    fake = FakeBridge(broker, topics)
    yield fake
    fake.close()


@pytest.fixture
def make_device(broker: Broker, topics: Topics, tmp_path: Path) -> Iterator[Callable[..., Device]]:
    """Build devices that are stopped at the end; the same id finds its outbox again."""
    made: list[Device] = []

    def make(device_id: str, answers: list[Answer], **settings: Any) -> Device:
        outbox = Outbox(tmp_path / f"{device_id}.sqlite", synchronous="NORMAL")
        device = Device(
            device_id,
            settings.pop("host", broker.host),
            settings.pop("port", broker.port),
            topics,
            outbox,
            answers=settings.pop("heard", answers.append),
            **settings,
        )
        made.append(device)
        return device

    yield make
    for device in made:
        device.stop()
        device.outbox.close()


def simulate(broker: Broker, topics: Topics, *options: str) -> tuple[int, dict[str, Any], str]:
    """Run the command to its end; return its exit code, its summary and its stderr."""
    command = [sys.executable, "-m", "edge_simulator", "--json", "--root", topics.root]
    ran = subprocess.run(
        [*command, "--port", str(broker.port), *options],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return ran.returncode, json.loads(ran.stdout or "{}"), ran.stderr


# ----------------------------------------------------------------------------------- one device


@pytest.mark.usefixtures("bridge")
def test_json_is_matched_by_its_id_and_plain_text_by_correlation_data(make_device: Any) -> None:
    """Both kinds of messages find their answers."""
    answers: list[Answer] = []
    device = make_device("both", answers)
    device.start()
    device.send(Message.in_json("hello", "in-json"))
    device.send(Message.in_plain_text("free prize", "in-plain"))
    eventually(lambda: len(answers) == 2)
    labels = {answer.message_id: answer.said.label for answer in answers}
    assert labels == {"in-json": "ham", "in-plain": "spam"}
    assert device.pending == 0
    assert device.outbox.pending() == []
    assert all(answer.latency_ms > 0 for answer in answers)


@pytest.mark.usefixtures("bridge")
def test_what_is_said_while_offline_is_sent_on_connecting(make_device: Any) -> None:
    """An absent device keeps its messages, in order."""
    answers: list[Answer] = []
    device = make_device("later", answers)
    for number in range(300):  # more than its window
        device.send(Message.in_json(f"text {number}", f"m{number}"))
    assert device.pending == 300
    device.start()
    eventually(lambda: len(answers) == 300)
    assert [answer.message_id for answer in answers] == [f"m{number}" for number in range(300)]


def test_an_unanswered_message_is_sent_again(make_device: Any, bridge: FakeBridge) -> None:
    """Silence is no answer, whatever the broker acknowledged."""
    bridge.mishap = lambda count: "silent" if count < 3 else None
    answers: list[Answer] = []
    device = make_device("patient", answers, resend_s=0.3)
    device.start()
    device.send(Message.in_json("hello"))
    eventually(lambda: answers)
    assert device.resends == 2
    assert len(bridge.seen) == 3


def test_503_is_no_final_answer(make_device: Any, bridge: FakeBridge) -> None:
    """A message is kept through transient rejections, and sent again when they say."""
    bridge.mishap = lambda count: "busy" if count < 3 else None
    answers: list[Answer] = []
    device = make_device("busy", answers)
    device.start()
    device.send(Message.in_json("hello"))
    eventually(lambda: answers and answers[-1].is_final)
    assert [answer.is_final for answer in answers] == [False, False, True]
    assert device.pending == 0


def test_an_outbox_outlives_its_device(make_device: Any, bridge: FakeBridge) -> None:
    """What a device said before it lost power is answered in its next life."""
    bridge.mishap = lambda _count: "silent"
    first = make_device("mayfly", [])
    first.start()
    first.send(Message.in_json("hello", "kept"))
    eventually(lambda: bridge.seen)
    first.abort()
    bridge.mishap = lambda _count: None
    answers: list[Answer] = []
    second = make_device("mayfly", answers)
    assert second.pending == 1
    second.start()
    eventually(lambda: answers)
    assert answers[0].message_id == "kept"
    assert answers[0].was_pending


def test_answers_given_while_away_arrive_on_return(make_device: Any, bridge: FakeBridge) -> None:
    """The session stays with the broker while the device is without power."""
    told = threading.Event()
    bridge.mishap = lambda _count: told.wait(DEADLINE_S) and None
    answers: list[Answer] = []
    device = make_device("traveller", answers)
    device.start()
    device.send(Message.in_json("hello"))
    eventually(lambda: bridge.seen)
    device.abort()
    told.set()
    device.start()
    eventually(lambda: answers)
    assert device.reconnects == 1


def test_a_failing_callback_costs_no_answer(
    make_device: Any, bridge: FakeBridge, capsys: pytest.CaptureFixture[str]
) -> None:
    """The answer was not acknowledged, so the broker delivers it once more."""
    heard: list[Answer] = []

    def stumble(answer: Answer) -> None:
        heard.append(answer)
        if len(heard) == 1:
            raise RuntimeError("the application stumbles over a text")

    device = make_device("clumsy", [], heard=stumble)
    device.start()
    device.send(Message.in_json("hello", "once"))
    eventually(lambda: len(heard) == 2)
    assert {answer.message_id for answer in heard} == {"once"}
    assert len(bridge.seen) == 1
    assert "stumbles over" not in capsys.readouterr().out  # an error may hold a text


def test_the_broker_tells_who_is_there(make_device: Any, broker: Broker, topics: Topics) -> None:
    """Presence is retained: online, offline after a goodbye, offline without one."""
    states: list[str] = []
    watcher = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
    watcher.on_message = lambda _c, _u, told: states.append(json.loads(told.payload)["state"])
    watcher.on_connect = lambda *_: watcher.subscribe(topics.presence("shy"), qos=1)
    watcher.connect(broker.host, broker.port)
    watcher.loop_start()
    device = make_device("shy", [])
    for leave in (device.stop, device.abort):
        states.clear()
        device.start()
        eventually(lambda: states[-1:] == ["online"])
        leave()
        eventually(lambda: states[-1:] == ["offline"])
    watcher.disconnect()
    watcher.loop_stop()


def test_a_broker_that_dies_is_waited_for(make_device: Any, topics: Topics, tmp_path: Path) -> None:
    """The device reconnects and says everything again that was not answered."""
    port = free_port()
    process = start_mosquitto(tmp_path, port)
    answers: list[Answer] = []
    device = make_device("survivor", answers, port=port)
    device.start()
    assert device.wait_online(DEADLINE_S)
    device.send(Message.in_json("hello"))  # nobody subscribes
    eventually(lambda: "no bridge listens" in device.trouble)
    process.kill()
    process.wait()
    eventually(lambda: not device.is_online)
    process = start_mosquitto(tmp_path, port)
    bridge = FakeBridge(Broker("127.0.0.1", port, ""), topics)
    eventually(lambda: answers)
    bridge.close()
    device.stop()
    stop(process)


def test_a_refused_login_is_told(make_device: Any, tmp_path: Path) -> None:
    """A device that may not enter says why."""
    port = free_port()
    process = start_mosquitto(tmp_path, port, "allow_anonymous false\n")
    device = make_device("stranger", [], port=port, password="wrong")
    device.start()
    eventually(lambda: "refuses the login" in device.trouble)
    assert not device.is_online
    device.stop()
    stop(process)


def test_what_the_broker_would_not_carry_is_refused_at_once(
    make_device: Any, tmp_path: Path
) -> None:
    """CONNACK's Maximum Packet Size is honoured: such a message could never be answered."""
    port = free_port()
    process = start_mosquitto(tmp_path, port, "allow_anonymous true\nmax_packet_size 2000\n")
    device = make_device("talker", [], port=port)
    device.start()
    assert device.wait_online(DEADLINE_S)
    with pytest.raises(ValueError, match="at most 1488 bytes"):
        device.send(Message.in_plain_text("x" * 2000))
    assert device.pending == 0
    device.stop()
    device.outbox.put(Message.in_plain_text("x" * 2000, "old"))  # of a broker that took more
    again = make_device("talker", [], port=port)
    again.start()
    eventually(lambda: "message old is larger" in again.trouble)
    assert again.is_online
    again.stop()
    device.stop()
    stop(process)


# ------------------------------------------------------------------------------------ the fleet

EVERYTHING = ("--plain", "0.3", "--repeats", "0.3", "--rubbish", "0.3", "--seed", "7")


@pytest.mark.usefixtures("bridge")
def test_a_fleet_loses_nothing_and_meets_every_family(broker: Broker, topics: Topics) -> None:
    """Coming, going, repeating, sending rubbish: all is answered as it must be."""
    options = ("--messages", "600", "--rate", "300", "--offline", "0.5", *EVERYTHING)
    code, summary, stderr = simulate(broker, topics, *options)
    assert (code, summary["complaints"]) == (0, []), (summary, stderr)
    assert summary["lost"] == summary["duplicates"] == summary["wrong"] == 0
    assert summary["sent"] == summary["answered"] + summary["rejected"] > 600
    assert summary["equal_again"] > 0
    assert summary["reconnects"] > 0
    assert summary["rejected"] >= len(FAMILIES)
    assert summary["latency_ms"]["p50"] <= summary["latency_ms"]["p99"]
    assert 0 < summary["agreement"] < 1


@pytest.mark.usefixtures("bridge")
def test_a_seed_says_the_same_in_the_same_order(broker: Broker, bridge: FakeBridge) -> None:
    """Two runs of one seed are one and the same for each device."""
    heard = []
    for _ in range(2):
        bridge.seen.clear()
        options = ("--messages", "100", "--rate", "500", "--devices", "4", "--seed", "3")
        code, summary, _ = simulate(broker, bridge._topics, *options)
        assert code == 0, summary
        heard.append(sorted(bridge.seen, key=lambda seen: seen[0]))
    assert len(heard[0]) == 100
    assert heard[0] == heard[1]


def test_a_lost_message_is_exit_code_1_and_kept_for_the_next_run(
    broker: Broker, topics: Topics, bridge: FakeBridge, tmp_path: Path
) -> None:
    """With --state, what was lost today is delivered tomorrow."""
    options = ("--rate", "500", "--devices", "2", "--state", str(tmp_path / "state"))
    bridge.mishap = lambda _count: "silent"
    code, summary, _ = simulate(broker, topics, "--messages", "6", "--drain-s", "0.2", *options)
    assert (code, summary["lost"], summary["answered"]) == (1, 6, 0)
    bridge.mishap = lambda _count: None
    code, summary, _ = simulate(broker, topics, "--messages", "4", *options)
    assert (code, summary["lost"], summary["answered"]) == (0, 0, 10)


def test_another_answer_to_a_repeated_id_is_exit_code_1(
    broker: Broker, topics: Topics, bridge: FakeBridge
) -> None:
    """A bridge that forgets ids is caught."""
    bridge.mishap = lambda _count: "forgetful"
    options = ("--messages", "20", "--rate", "500", "--plain", "0", "--repeats", "1")
    code, summary, _ = simulate(broker, topics, *options)
    assert code == 1
    assert summary["different"] == summary["duplicates"] == 20
    assert summary["lost"] == 0


def test_rubbish_that_is_taken_for_good_is_wrongly_answered(
    broker: Broker, topics: Topics, bridge: FakeBridge
) -> None:
    """A bridge that answers rubbish with a verdict is caught, without a word of any text."""
    bridge._answer_to = lambda device, _payload: FakeBridge._answer_to(bridge, device, b"hello")
    code, summary, _ = simulate(
        broker, topics, "--messages", "20", "--rate", "500", "--rubbish", "1"
    )
    assert code == 1
    assert summary["wrong"] == summary["answered"] > 0
    assert "instead of" in summary["complaints"][0]


@pytest.mark.usefixtures("bridge")
def test_ctrl_c_ends_with_the_summary(broker: Broker, topics: Topics) -> None:
    """Nobody has to wait to learn how it went."""
    command = [sys.executable, "-m", "edge_simulator", "--root", topics.root]
    process = subprocess.Popen(
        [*command, "--port", str(broker.port), "--duration", "600", "--show", "1"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    assert "sim-" in process.stdout.readline()  # the one shown verdict: it is talking
    process.send_signal(signal.SIGINT)
    told, _ = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0
    assert " 0 lost" in told
    assert "trained" in told


def test_no_broker_is_one_line_and_exit_code_2(topics: Topics) -> None:
    """Whoever forgot to start the broker is told so at once."""
    code, _, stderr = simulate(Broker("127.0.0.1", free_port(), ""), topics)
    assert code == 2
    assert stderr.startswith("edge_simulator: no broker at 127.0.0.1:")
    assert stderr.count("\n") == 1


def test_each_device_may_log_in_as_itself(topics: Topics, tmp_path: Path) -> None:
    """With --password-file, username, client id and device id are one."""
    port = free_port()
    words = {f"sim-{number}": f"word-{number}" for number in range(3)}
    logins = tmp_path / "logins"
    logins.write_text("".join(f"{name}:{word}\n" for name, word in words.items()))
    hashed = tmp_path / "hashed"
    hashed.touch()
    for name, word in {**words, "bridge": "word"}.items():
        subprocess.run(["mosquitto_passwd", "-b", str(hashed), name, word], check=True)
    hashed.chmod(0o644)
    rights = tmp_path / "rights"
    rights.write_text(
        f"user bridge\ntopic {topics.root}/#\npattern readwrite {topics.root}/devices/%u/#\n"
    )
    options = f"allow_anonymous false\npassword_file {hashed}\nacl_file {rights}\n"
    process = start_mosquitto(tmp_path, port, options)
    broker = Broker("127.0.0.1", port, "")
    bridge = FakeBridge(broker, topics, ("bridge", "word"))
    run = ("--devices", "3", "--messages", "9", "--rate", "100")
    code, summary, stderr = simulate(broker, topics, *run, "--password-file", str(logins))
    assert (code, summary.get("answered")) == (0, 9), stderr
    code, _, stderr = simulate(broker, topics, *run, "--password", "word-0")
    assert code == 2
    assert "sim-1 does not get in" in stderr
    assert "refuses the login" in stderr
    bridge.close()
    stop(process)
