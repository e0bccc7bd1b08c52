"""The door and the commands behind it, against a real Mosquitto and a small fake bridge."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from queue import SimpleQueue

import pytest
import structlog
from conftest import free_port, start_mosquitto, stop

from bridge import logs
from bridge.cli import main
from bridge.cli.questions import Instances, Questions
from bridge.doors import NO_MATCHING_SUBSCRIBERS, Door
from bridge.errors import ConfigurationError, Unavailable
from bridge.settings import Account, Mqtt

DEADLINE_S = 20
NOBODY = Account()


def wait_until(condition):
    """Return when ``condition`` holds."""
    until = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < until, "the deadline has passed"
        time.sleep(0.01)


@pytest.fixture(autouse=True)
def _quiet():
    """As the commands have it: a door's comings and goings are no news."""
    logs.configure("error")
    yield
    structlog.reset_defaults()


@pytest.fixture
def mqtt(broker):
    """The session's broker."""
    return Mqtt(host=broker.host, port=broker.port)


@pytest.fixture
def door(mqtt):
    """An open door."""
    with Door(mqtt, NOBODY) as opened:
        yield opened


class FakeBridge:
    """Answers texts, and questions about calls, as a bridge would."""

    def __init__(self, mqtt, topics, name="fake", state="online", calls=0):
        self._topics = topics
        self._name = name
        self._calls = [
            {
                "id": f"{name}-{n}",
                "called_at": f"2026-01-01T13:00:{59 - n:02}.000Z",
                "text": "\x1b[1m [bold]x",
            }
            for n in range(calls)
        ]
        self._door = Door(mqtt, NOBODY, f"bridge-{name}")
        self._door.connect()
        self._state = topics.instance(name, "state")
        self._door.publish(self._state, json.dumps({"state": state}), retain=True).result(
            DEADLINE_S
        )
        self._door.subscribe(topics.inputs, self._answer)
        self._door.subscribe(topics.request("+"), self._respond)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._door.wait(self._door.publish(self._state, "", retain=True))
        self._door.close()

    def _answer(self, message):
        device = self._topics.device_of_input(message.topic)
        request = json.loads(message.payload)
        said = {"id": request["id"], "device": device}
        if request["text"].strip():
            said |= {"label": "spam", "score": 0.983, "model": "spam@1", "cached": "no"}
            said |= {"ms": {"total": 12.0}, "text": request["text"]}
            self._door.publish(self._topics.output(device), json.dumps(said))
        else:
            said |= {"status": 422, "type": "invalid_payload", "title": "text is empty"}
            self._door.publish(self._topics.rejections(device), json.dumps(said))

    def _respond(self, message):
        question = json.loads(message.payload)
        verb = self._topics.verb_of_request(message.topic)
        answer = {"status": "ok", "instance": self._name, "transaction": question["transaction"]}
        if verb == "calls":
            first = int(question["cursor"] or 0)
            last = first + question["limit"]
            following = str(last) if last < len(self._calls) else None
            calls = self._calls[first:last]
            answer["data"] = {"calls": calls, "next": following, "total": len(self._calls)}
        elif verb == "stats":
            hour = "2026-01-01T14Z" if question["from"] == "2026-01-01T14Z" else "2026-01-01T13Z"
            following = "2026-01-01T14Z" if hour == "2026-01-01T13Z" else None
            hours = [{"hour": hour, "counts": {"spam": 3, "ham": 40}}]
            answer["data"] = {"hours": hours, "next": following}
        else:
            answer |= {"status": "error", "error": "unknown verb"}
        self._door.publish(self._topics.response(verb), json.dumps(answer))


@pytest.fixture
def commands(broker, topics, monkeypatch, tmp_path):
    """Let commands speak to the session's broker, under this test's root."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BRIDGE_MQTT__PORT", str(broker.port))
    monkeypatch.setenv("BRIDGE_TOPICS__ROOT", topics.root)


def leave(*arguments):
    """Run a command and return its exit code."""
    with pytest.raises(SystemExit) as left:
        main(arguments)
    return left.value.code or 0


# the door


def test_what_is_published_arrives(door, topics):
    """With payload, retain flag and correlation data."""
    came = SimpleQueue()
    door.subscribe(topics.input("+"), came.put)
    code = door.wait(door.publish(topics.input("d"), "hello", correlation_data=b"c1"))
    message = came.get(timeout=DEADLINE_S)
    assert code == 0
    assert (message.topic, message.payload) == (topics.input("d"), b"hello")
    assert (message.retain, message.correlation_data) == (False, b"c1")


def test_retained_messages_come_marked(door, topics):
    """What was there before us is told apart from what is new."""
    topic = topics.instance("a", "state")
    door.wait(door.publish(topic, "{}", retain=True))
    came = SimpleQueue()
    door.subscribe(topic, came.put)
    assert came.get(timeout=DEADLINE_S).retain
    door.wait(door.publish(topic, "", retain=True))


def test_nobody_subscribed_is_told(door, topics):
    """The PUBACK's reason code says that the message went nowhere."""
    assert door.wait(door.publish(topics.input("d"), "x")) == NO_MATCHING_SUBSCRIBERS


def test_acknowledgements_find_their_publish(door, topics):
    """Hundreds at once, each with an acknowledgement of its own."""
    door.subscribe(topics.input("+"), lambda _: None)
    codes = [door.publish(topics.input("d"), str(n)) for n in range(500)]
    assert {door.wait(code) for code in codes} == {0}


def test_the_socket_sends_at_once(door):
    """TCP_NODELAY: a small packet must not wait for an acknowledgement of the last."""
    connection = door._client.socket()
    assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_handler_that_raises_is_counted_and_stops_nothing(door, topics):
    """Paho's thread would die unseen otherwise, while the client calls itself connected."""
    came = SimpleQueue()

    def handle(message):
        came.put(message)
        if message.payload == b"bad":
            raise RuntimeError

    door.subscribe(topics.input("+"), handle)
    for payload in ("bad", "good"):
        door.wait(door.publish(topics.input("d"), payload))
    assert [came.get(timeout=DEADLINE_S).payload for _ in range(2)] == [b"bad", b"good"]
    assert door.failures == 1
    assert door.is_connected


def test_what_was_subscribed_before_opening_is_there_after(mqtt, topics):
    """Subscribe first and nothing is missed."""
    came = SimpleQueue()
    door = Door(mqtt, NOBODY)
    door.subscribe(topics.input("+"), came.put)
    with door:
        door.publish(topics.input("d"), "x")
        assert came.get(timeout=DEADLINE_S).payload == b"x"


def test_a_door_comes_back_with_its_broker(tmp_path, topics):
    """It reconnects, subscribes again, and delivers what was published meanwhile."""
    port = free_port()
    broker = start_mosquitto(tmp_path, port)
    came, changes = SimpleQueue(), SimpleQueue()
    door = Door(Mqtt(port=port), NOBODY, on_change=lambda *change: changes.put(change))
    try:
        with door:
            door.subscribe(topics.input("+"), came.put)
            assert changes.get(timeout=DEADLINE_S)[0]
            stop(broker)
            connected, why = changes.get(timeout=DEADLINE_S)
            assert not connected
            assert why == "the connection to the broker is lost"
            meanwhile = door.publish(topics.input("d"), "meanwhile")
            broker = start_mosquitto(tmp_path, port)
            assert door.wait(meanwhile, DEADLINE_S) in {0, NO_MATCHING_SUBSCRIBERS}
            assert changes.get(timeout=DEADLINE_S)[0]
            wait_until(lambda: door.wait(door.publish(topics.input("d"), "after")) == 0)
            wait_until(lambda: came.get(timeout=DEADLINE_S).payload == b"after")
    finally:
        stop(broker)


def test_a_door_that_is_started_waits_for_its_broker(tmp_path, topics):
    """The clerk outlives its broker, and may be there first."""
    port = free_port()
    came = SimpleQueue()
    door = Door(Mqtt(port=port), NOBODY)
    door.subscribe(topics.input("+"), came.put)
    door.start()
    broker = start_mosquitto(tmp_path, port)
    try:
        wait_until(lambda: door.is_connected)
        wait_until(lambda: door.wait(door.publish(topics.input("d"), "x")) == 0)
        assert came.get(timeout=DEADLINE_S).payload == b"x"
    finally:
        door.close()
        stop(broker)


def test_no_thread_stays_behind(mqtt):
    """Whether it was opened, or could not be."""
    before = threading.active_count()
    with Door(mqtt, NOBODY):
        assert threading.active_count() > before
    with pytest.raises(Unavailable), Door(Mqtt(port=free_port()), NOBODY):
        pass
    assert threading.active_count() == before


def test_a_bad_login_names_the_variables(tmp_path):
    """A configuration error: trying again would not help."""
    port = free_port()
    options = f"password_file {tmp_path / 'passwords'}\nallow_anonymous false\n"
    (tmp_path / "passwords").touch(mode=0o644)
    broker = start_mosquitto(tmp_path, port, options)
    account = Account(username="ann", password="wrong")
    try:
        with (
            pytest.raises(ConfigurationError, match="BRIDGE_DOOR__"),
            Door(Mqtt(port=port), account),
        ):
            pass
    finally:
        stop(broker)


@pytest.fixture
def closing_port():
    """A port that takes connections and hangs up at once."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up():
            while True:
                try:
                    server.accept()[0].close()
                except OSError:
                    return

        thread = threading.Thread(target=hang_up, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_what_is_no_broker_is_told_as_such(closing_port):
    """A TLS port, or another program altogether."""
    with (
        pytest.raises(Unavailable, match=r"hangs up at once|no connection"),
        Door(Mqtt(port=closing_port), NOBODY),
    ):
        pass


def test_a_name_that_does_not_resolve_is_a_wrong_setting():
    """Reserved for this purpose (RFC 6761)."""
    with (
        pytest.raises(ConfigurationError, match="BRIDGE_MQTT__HOST must be a name"),
        Door(Mqtt(host="broker.invalid"), NOBODY),
    ):
        pass


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # paho's, of the failed handshake
def test_tls_towards_a_plain_port_is_told(broker):
    """The handshake fails, and the message says where to look."""
    with (
        pytest.raises(Unavailable, match=r"TLS port|no connection"),
        Door(Mqtt(port=broker.port, tls=True), NOBODY),
    ):
        pass


# questions


def test_instances_are_known_from_their_retained_states(mqtt, door, topics):
    """And forgotten when the retained state is deleted."""
    with FakeBridge(mqtt, topics, "a"), FakeBridge(mqtt, topics, "b", state="offline"):
        instances = Instances(door, topics)
        wait_until(lambda: set(instances.states) == {"a", "b"})
        assert instances.answering == {"a"}
    wait_until(lambda: not instances.states)


def test_every_bridge_that_is_there_answers(mqtt, door, topics):
    """The caller waits for all that are online or degraded, and for no other."""
    with (
        FakeBridge(mqtt, topics, "a", calls=1),
        FakeBridge(mqtt, topics, "b", state="degraded", calls=2),
    ):
        questions = Questions(door, topics, timeout_s=DEADLINE_S)
        responses = questions.ask("calls", {"device": "d", "limit": 10, "cursor": None})
    assert {it.instance: it.data["total"] for it in responses} == {"a": 1, "b": 2}


def test_without_a_bridge_the_answer_comes_at_once(door, topics):
    """Nobody is subscribed, so nobody is waited for."""
    with pytest.raises(Unavailable, match="no bridge listens"):
        Questions(door, topics, timeout_s=600).ask("calls", {})


def test_a_bridge_that_stays_silent_is_waited_for_no_longer_than_said(mqtt, door, topics):
    """A retained ``online`` may be stale."""
    with Door(mqtt, NOBODY) as deaf:
        deaf.subscribe(topics.request("+"), lambda _: None)
        with pytest.raises(Unavailable, match="no bridge has answered within"):
            Questions(door, topics, timeout_s=0.2).ask("calls", {})


def test_an_error_answer_is_told(mqtt, door, topics):
    """With the bridge's name."""
    with FakeBridge(mqtt, topics), pytest.raises(Unavailable, match="fake cannot answer"):
        Questions(door, topics).ask("nonsense", {})


# the commands


@pytest.mark.usefixtures("commands")
def test_ask_prints_a_verdict(mqtt, topics, capsys):
    """Label, percentage, model, cache and time in one line; exit code 0."""
    with FakeBridge(mqtt, topics):
        assert leave("ask", "WIN a prize") == 0
    told = capsys.readouterr().out
    assert told == "spam  98.3% likely spam  spam@1  new  12.0 ms\n"


@pytest.mark.usefixtures("commands")
def test_ask_prints_json(mqtt, topics, capsys):
    """The answer as it came."""
    with FakeBridge(mqtt, topics):
        assert leave("ask", "--json", "WIN a prize") == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["device"], answer["label"]) == ("ask", "spam")


@pytest.mark.usefixtures("commands")
def test_ask_leaves_with_1_for_a_rejection(mqtt, topics, capsys):
    """And says why."""
    with FakeBridge(mqtt, topics):
        assert leave("ask", " ") == 1
    assert "422 invalid_payload  text is empty" in capsys.readouterr().out


@pytest.mark.usefixtures("commands")
def test_ask_without_a_bridge_says_so_at_once(topics, capsys):
    """PUBACK 0x10: nobody is subscribed."""
    assert leave("ask", "hello") == 1
    assert f"no bridge listens on {topics.root}" in capsys.readouterr().err


@pytest.mark.usefixtures("commands")
def test_ask_says_what_state_a_silent_bridge_is_in(mqtt, topics, capsys, monkeypatch):
    """Its queue waits at the broker, so somebody is subscribed, and nobody answers."""
    monkeypatch.setattr("bridge.cli.ask._TIMEOUT_S", 0.3)
    with Door(mqtt, NOBODY) as deaf:
        deaf.subscribe(topics.inputs, lambda _: None)
        state = json.dumps({"state": "offline", "since": "2026-01-01T00:00:00Z"})
        deaf.wait(deaf.publish(topics.instance("b1", "state"), state, retain=True))
        assert leave("ask", "hello") == 1
        deaf.wait(deaf.publish(topics.instance("b1", "state"), "", retain=True))
    told = capsys.readouterr().err
    assert "no answer within 0.3 s; b1: offline since 2026-01-01T00:00:00Z" in told


@pytest.mark.usefixtures("commands")
def test_ask_takes_texts_from_a_pipe(mqtt, topics):
    """Without an argument, a text a line."""
    with FakeBridge(mqtt, topics):
        asked = subprocess.run(
            [sys.executable, "-m", "bridge", "ask", "--json"],
            input="one\ntwo\n",
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    assert [json.loads(line)["text"] for line in asked.stdout.splitlines()] == ["one", "two"]


@pytest.mark.usefixtures("commands")
def test_calls_pages_to_the_end(mqtt, topics, capsys):
    """More than a page, of two bridges, newest first, each call once."""
    with FakeBridge(mqtt, topics, "a", calls=7), FakeBridge(mqtt, topics, "b", calls=3):
        assert leave("calls", "d", "--hour", "2026-01-01T13Z", "--limit", "4", "--json") == 0
        few = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert leave("calls", "d", "--json", "--limit", "50") == 0
        all_of_them = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(few) == 4
    assert len({call["id"] for call in all_of_them}) == 10
    times = [call["called_at"] for call in all_of_them]
    assert times == sorted(times, reverse=True)


def test_calls_follows_the_cursor(mqtt, door, topics):
    """Small pages join without a gap or a double."""
    from bridge.cli.calls import Pages  # noqa: PLC0415 - inside the command

    with FakeBridge(mqtt, topics, "a", calls=7):
        pages = Pages(Questions(door, topics), {"device": "d"})
        assert [call["id"] for call in pages.calls(2)] == [f"a-{n}" for n in range(7)]
    assert pages.total == 7


@pytest.mark.usefixtures("commands")
def test_calls_shows_texts_escaped(mqtt, topics, capsys):
    """A text in the log must not command the terminal that shows it."""
    with FakeBridge(mqtt, topics, calls=1):
        assert leave("calls", "d") == 0
    told = capsys.readouterr().out
    assert "\x1b" not in told
    assert r"\x1b[1m [bold]x" in told
    assert "1 of 1 calls of d" in told


@pytest.mark.usefixtures("commands")
def test_stats_adds_up_all_bridges(mqtt, topics, capsys):
    """All pages of all of them: one installation, one table."""
    with FakeBridge(mqtt, topics, "a"), FakeBridge(mqtt, topics, "b"):
        assert leave("stats", "--json") == 0
        hours = json.loads(capsys.readouterr().out)["hours"]
        assert leave("stats") == 0
    counts = {"spam": 6, "ham": 80}
    assert hours == [{"hour": f"2026-01-01T{hour}Z", "counts": counts} for hour in (13, 14)]
    assert "160" in capsys.readouterr().out


@pytest.mark.usefixtures("commands")
def test_watch_shows_what_happens_until_ctrl_c(mqtt, topics):
    """Verdicts, rejections and states, escaped; Ctrl-C ends without a word."""
    watching = subprocess.Popen(
        [sys.executable, "-m", "bridge", "watch"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"NO_COLOR": "1"},
    )
    lines: Future = Future()
    try:
        with FakeBridge(mqtt, topics), Door(mqtt, NOBODY) as device:
            first = watching.stdout.readline()  # the retained state: it is subscribed
            for text in ("WIN \x1b[2J", " "):
                request = json.dumps({"id": "m1", "text": text})
                device.wait(device.publish(topics.input("gw-7"), request))
            lines.set_result([first, *(watching.stdout.readline() for _ in range(2))])
    finally:
        watching.send_signal(signal.SIGINT)
        _, errors = watching.communicate(timeout=DEADLINE_S)
    state, verdict, rejection = lines.result()
    assert "fake: online" in state
    assert "gw-7" in verdict
    assert r"WIN \x1b[2J" in verdict
    assert "422 invalid_payload" in rejection
    assert (watching.returncode, errors) == (0, "")
