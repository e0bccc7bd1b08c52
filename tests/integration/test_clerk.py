"""The clerk as the daemon starts it: a process, a pipe, a real Mosquitto, a growing journal."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from queue import Empty, SimpleQueue

import pytest
from conftest import free_port, start_mosquitto, stop
from fakes import FakeClock

from bridge.doors import Door
from bridge.fingerprints import uuid7
from bridge.ports import CallRow
from bridge.settings import Account, Mqtt
from bridge.storage.journal.lock import lock
from bridge.storage.journal.segments import segments
from bridge.storage.journal.writer import SegmentedJournal
from bridge.storage.log.catalog import INDEX, Catalog
from tests.bench.journal import BUSY_DEVICE, build

DEADLINE_S = 60


def wait_until(condition, what):
    """Return when ``condition`` holds."""
    until_s = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < until_s, f"never: {what}"
        time.sleep(0.01)


class Clerk:
    """A clerk of one's own, with the daemon's end of its pipe."""

    def __init__(self, environment):
        self.pipe, theirs = socket.socketpair()
        command = [sys.executable, "-m", "bridge.clerk", "--pipe", str(theirs.fileno())]
        self.process = subprocess.Popen(
            command,
            pass_fds=[theirs.fileno()],
            env={**os.environ, **environment},
            stderr=subprocess.PIPE,
        )
        theirs.close()
        self._unread = b""

    def report(self, is_wanted=lambda report: report["ready"]):
        """Return the first report from now on that is wanted."""
        until_s = time.monotonic() + DEADLINE_S
        while time.monotonic() < until_s:
            while b"\n" in self._unread:
                line, self._unread = self._unread.split(b"\n", 1)
                if is_wanted(report := json.loads(line)):
                    return report
            if select.select([self.pipe], [], [], 0.1)[0]:
                received = self.pipe.recv(65_536)
                assert received, self.process.communicate(timeout=DEADLINE_S)[1]
                self._unread += received
        raise AssertionError("no such report")

    def end(self):
        """Close the pipe, as a dying daemon does; return exit code and what it wrote."""
        self.pipe.close()
        return self.gone()

    def gone(self):
        """Wait for its end, whatever has brought it about."""
        _, told = self.process.communicate(timeout=DEADLINE_S)
        self.pipe.close()
        return self.process.returncode, told.decode()


class Journal:
    """A loop that writes."""

    def __init__(self, folder, segment_rows=50):
        self.folder = folder
        self.clock = FakeClock()
        self.ids = []
        self._loop = SegmentedJournal(
            folder, self.clock, segment_rows=segment_rows, repeats_max=10 * segment_rows
        )

    def call(self, device="gw-7", text="free money", label="spam"):
        """Record a call, a second after the last."""
        self.clock.go_on(1)
        key = len(self.ids) + 1
        self.ids.append(f"m{key}")
        origin = (key, b"f" * 16, None, device, self.ids[-1], self.clock.ms, None)
        verdict = ("verdict", label, 0.9, "{}", "spam@1", "no", None, text)
        self._loop.record([CallRow(*origin, *verdict)], {})

    def close(self):
        """Let go."""
        self._loop.close()


@pytest.fixture
def journal(tmp_path):
    """A journal and its writer."""
    journal = Journal(tmp_path / "journal")
    yield journal
    journal.close()


@pytest.fixture
def environment(broker, topics, tmp_path):
    """What the daemon hands on."""
    return {
        "BRIDGE_INSTANCE": f"b-{topics.root[-6:]}",
        "BRIDGE_MQTT__HOST": broker.host,
        "BRIDGE_MQTT__PORT": str(broker.port),
        "BRIDGE_TOPICS__ROOT": topics.root,
        "BRIDGE_JOURNAL__PATH": str(tmp_path / "journal"),
        "BRIDGE_JOURNAL__KEEP_DAYS": "36500",
    }


@contextmanager
def running(environment):
    """A clerk that is ready, and ends with its pipe."""
    clerk = Clerk(environment)
    try:
        clerk.report()
        yield clerk
    finally:
        if clerk.process.poll() is None:
            clerk.end()


@pytest.fixture
def clerk(environment, journal):  # noqa: ARG001 - the journal goes before the clerk
    """A clerk over the journal."""
    with running(environment) as clerk:
        yield clerk


class Asker:
    """Somebody at the broker who asks."""

    def __init__(self, broker, topics):
        self.topics = topics
        self.answers = SimpleQueue()
        self.door = Door(Mqtt(host=broker.host, port=broker.port), Account())
        self.door.subscribe(topics.response("+"), self.answers.put)
        self.door.connect()

    def send(self, verb, payload, **publish):
        """Ask without waiting."""
        self.door.wait(self.door.publish(self.topics.request(verb), payload, **publish))

    def next(self):
        """Return the next answer, whole."""
        message = self.answers.get(timeout=DEADLINE_S)
        return message, json.loads(message.payload)

    def ask(self, verb="calls", **question):
        """Return the answer to a question."""
        transaction = uuid7(0)
        self.send(verb, json.dumps({"transaction": transaction, **question}))
        message, answer = self.next()
        assert message.topic == self.topics.response(verb)
        assert answer["transaction"] == transaction
        return answer


@pytest.fixture
def asker(broker, topics):
    """Somebody who asks."""
    asker = Asker(broker, topics)
    yield asker
    asker.door.close()


@pytest.mark.usefixtures("clerk")
def test_calls_and_stats_are_answered(environment, journal, asker):
    """Over MQTT, on the verb's response topic, in the instance's name."""
    journal.call("gw-7", "free money", "spam")
    journal.call("gw-8", "see you at seven", "ham")
    answer = asker.ask("calls", device="gw-7", hour="2026-01-01T00Z")
    assert (answer["status"], answer["instance"]) == ("ok", environment["BRIDGE_INSTANCE"]), answer
    (call,) = answer["data"]["calls"]
    assert (call["id"], call["text"], call["label"]) == ("m1", "free money", "spam")
    assert call["called_at"] == "2026-01-01T00:00:01.000Z"
    assert answer["data"]["total"] == 1
    hours = asker.ask("stats", device=None)["data"]["hours"]
    assert hours == [{"hour": "2026-01-01T00Z", "counts": {"spam": 1, "ham": 1}}]


def test_paging_is_complete_while_the_journal_grows(clerk, journal, asker):
    """Segments are closed and indexed between the pages, and nothing is lost or told twice."""
    for _ in range(230):
        journal.call()
    expected, found, cursor = journal.ids[::-1], [], None
    while True:
        data = asker.ask("calls", device="gw-7", limit=20, cursor=cursor)["data"]
        found += [call["id"] for call in data["calls"]]
        assert data["total"] == 230
        cursor = data["next"]
        if cursor is None:
            break
        for _ in range(10):
            journal.call()
    assert found == expected
    clerk.report(lambda report: report["segments"] == len(segments(journal.folder)))


@pytest.mark.usefixtures("clerk")
def test_closed_segments_get_their_index_without_being_asked(journal):
    """And the open one none."""
    for _ in range(160):
        journal.call()
    wait_until(
        lambda: (
            [closed.is_indexed for closed in Catalog(journal.folder).survey().closed] == [True] * 3
        ),
        "three closed segments indexed",
    )
    with segments(journal.folder)[-1].read() as connection:
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    connection.close()
    assert INDEX not in names


@pytest.mark.usefixtures("clerk")
def test_wrong_questions_are_told_what_would_be_right(asker):
    """Unknown verbs and broken JSON included; the clerk goes on."""
    assert "device: Field required" in asker.ask("calls")["error"]
    assert "no such verb" in asker.ask("reboot", device="gw-7")["error"]
    asker.send("calls", b"\xff{")
    assert asker.next()[1]["status"] == "error"
    asker.send("calls", b"x" * 200_000)
    assert asker.next()[1]["status"] == "error"
    assert asker.ask("calls", device="gw-7")["status"] == "ok"


@pytest.mark.usefixtures("clerk")
def test_correlation_data_comes_back(asker):
    """As MQTT 5 has it; longer than 64 bytes it is left out."""
    asker.send("stats", b"{}", correlation_data=b"c" * 64)
    assert asker.next()[0].correlation_data == b"c" * 64
    asker.send("stats", b"{}", correlation_data=b"c" * 65)
    assert asker.next()[0].correlation_data is None


@pytest.mark.usefixtures("journal")
def test_retained_questions_are_left_alone(environment, asker):
    """They were asked before, and nobody waits for the answer."""
    asker.send("stats", b'{"transaction":"old"}', retain=True)
    try:
        with running(environment):
            assert asker.ask("stats")["status"] == "ok"
        with pytest.raises(Empty):
            asker.answers.get_nowait()
    finally:
        asker.send("stats", b"", retain=True)


def test_a_flood_of_questions_is_survived(clerk, journal, asker):
    """What does not fit into the queue is dropped and counted; then all is as before."""
    journal.call()
    question = json.dumps({"transaction": "flood", "device": "gw-7"})
    receipts = [asker.door.publish(asker.topics.request("calls"), question) for _ in range(3000)]
    for receipt in receipts:
        asker.door.wait(receipt, DEADLINE_S)
    asker.send("stats", b'{"transaction":"after"}')

    def is_quiet(report):
        return sum(report["questions"].values()) == 3001

    questions = clerk.report(is_quiet)["questions"]
    for _ in range(questions["answered"]):
        asker.next()
    assert asker.ask("calls", device="gw-7")["data"]["total"] == 1


def test_the_end_of_the_pipe_ends_it(clerk):
    """With exit code 0, and its lock is free again."""
    exit_code, told = clerk.end()
    assert exit_code == 0, told


def test_the_end_of_the_pipe_ends_it_while_it_works(environment, tmp_path, asker):
    """A question that would take long does not hold it back."""
    build(tmp_path / "journal", 200_000, lambda _: None)
    with running(environment) as clerk:
        for _ in range(50):
            asker.send("calls", json.dumps({"device": BUSY_DEVICE, "limit": 1000}))
        since_s = time.monotonic()
        exit_code, told = clerk.end()
        assert exit_code == 0, told
        assert time.monotonic() - since_s < 10


def test_sigterm_ends_it_and_ctrl_c_does_not(clerk, asker):
    """Ctrl-C reaches the whole group: the daemon goes first, and asks to the last."""
    clerk.process.send_signal(signal.SIGINT)
    assert asker.ask("stats")["status"] == "ok"
    clerk.process.send_signal(signal.SIGTERM)
    assert clerk.gone()[0] == 0


def test_a_new_clerk_goes_on_where_a_killed_one_was(environment, journal, asker):
    """Also while the dead one's last breath still holds the lock."""
    for _ in range(120):
        journal.call()
    with running(environment) as clerk:
        before = asker.ask("calls", device="gw-7", limit=10)["data"]
        clerk.process.kill()
        clerk.gone()
    held = lock(journal.folder, "clerk")
    following = Clerk(environment)
    try:
        assert not select.select([following.pipe], [], [], 0.5)[0], "it waits for the lock"
        held.close()
        following.report()
        rest = asker.ask("calls", device="gw-7", limit=1000, cursor=before["next"])["data"]
        found = [call["id"] for call in before["calls"] + rest["calls"]]
        assert found == journal.ids[::-1]
    finally:
        following.end()


@pytest.mark.usefixtures("clerk")
def test_two_clerks_on_one_journal_are_one_too_many(environment):
    """The second leaves with a line that names the setting."""
    exit_code, told = Clerk(environment).gone()
    assert exit_code == 2
    assert "BRIDGE_JOURNAL__PATH" in told
    assert "Traceback" not in told


def test_what_is_wrong_is_reported(environment, journal):
    """A journal that is too large, with what to do."""
    journal.call()
    with running({**environment, "BRIDGE_JOURNAL__MAX_BYTES": "10"}) as clerk:
        report = clerk.report(lambda report: report["why"])
        assert "BRIDGE_JOURNAL__MAX_BYTES" in report["why"][0]
        assert report["event"] == "report"
        assert report["outbox"] == {"rows": 0, "age_s": 0}
        assert report["bytes"] > 10
        assert report["segments"] == 1


def test_old_calls_expire(environment, journal):
    """Segments go when their last call is older than the days to keep; the open one stays."""
    for _ in range(10):
        journal.call()
        journal.clock.go_on(7200)
    with running({**environment, "BRIDGE_JOURNAL__KEEP_DAYS": "1"}) as clerk:
        clerk.report(lambda report: report["ready"] and report["segments"] == 1)
        assert len(segments(journal.folder)) == 1


@pytest.mark.usefixtures("journal")
def test_a_broker_that_goes_away_is_waited_for(environment, tmp_path, topics):
    """It says why nobody answers, and answers again when the broker is back."""
    port = free_port()
    clerk = Clerk({**environment, "BRIDGE_MQTT__PORT": str(port)})
    try:
        report = clerk.report(lambda report: report["why"])
        assert "the clerk has no connection to the broker" in report["why"][0]
        assert not report["ready"]
        process = start_mosquitto(tmp_path, port)
        try:
            clerk.report(lambda report: report["ready"] and not report["why"])
            with Door(Mqtt(port=port), Account()) as door:
                answers = SimpleQueue()
                door.subscribe(topics.response("stats"), answers.put)
                door.wait(door.publish(topics.request("stats"), b"{}"))
                assert json.loads(answers.get(timeout=DEADLINE_S).payload)["status"] == "ok"
        finally:
            stop(process)
    finally:
        clerk.end()


def test_no_text_is_logged(clerk, journal, asker):
    """Neither of calls nor of wrong questions, even at its most talkative."""
    journal.call(text="canary-text")
    asker.ask("calls", device="gw-7")
    asker.send("calls", b'{"device":"canary-device!","limit":"canary-limit"}')
    answer = asker.next()[0].payload
    _, told = clerk.end()
    assert "canary" not in told
    assert b"canary" not in answer
    assert "clerk.started" in told
