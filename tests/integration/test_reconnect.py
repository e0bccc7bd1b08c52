"""The daemon and a broker that comes, goes, refuses, or belongs to somebody else."""

import sqlite3

import pytest
from bridge_process import Client, eventually
from conftest import Broker, free_port
from secured_broker import OwnMosquitto, PasswordFile

from bridge.storage.journal.segments import segments


@pytest.fixture
def own_broker(tmp_path):
    """Start brokers of the test's own."""
    started = []

    def start(options: str = "") -> OwnMosquitto:
        started.append(OwnMosquitto(tmp_path / f"mosquitto-{len(started)}", options))
        return started[-1]

    yield start
    for broker in started:
        broker.stop()


@pytest.fixture
def passwords(tmp_path):
    """A password file that lets the bridge and its clerk in."""
    file = PasswordFile(tmp_path / "passwords")
    file.set("bridge", "right")
    return file


def test_a_restart_of_the_broker_loses_nothing(own_broker, start_bridge, topics):
    """What came before, and what comes after, is answered once; nobody has to do anything."""
    mosquitto = own_broker()
    bridge = start_bridge(at=mosquitto.at)
    client = Client(mosquitto.at, topics, session_s=600)  # the bridge may be back before it
    for number in range(300):
        client.publish_soon("gw-1", {"id": f"m-{number}", "text": f"hello {number}"})
    eventually(lambda: client.answers("gw-1"))
    mosquitto.stop()
    eventually(lambda: bridge.events("broker.connection_lost"))
    mosquitto.start()
    bridge.wait_online(connections=2)
    eventually(lambda: len(client.answered_ids("gw-1")) == 300)
    assert client.ask("gw-2", b"and on")["model"] == "spam@2"
    assert not bridge.events("broker.session_lost")
    client.close()
    (segment,) = segments(bridge.journal)
    reader = sqlite3.connect(segment.path)
    assert reader.execute("SELECT count(DISTINCT message_id), count(*) FROM calls").fetchone() == (
        301,
        301,
    )
    reader.close()


def test_a_broker_that_is_not_there_yet_is_waited_for(own_broker, start_bridge, tmp_path):
    """Said in the log; the order in which things start does not matter."""
    mosquitto = own_broker()
    mosquitto.stop()
    bridge = start_bridge(at=mosquitto.at, waits=False)
    (unreachable, *_) = eventually(lambda: bridge.events("broker.unreachable"))
    assert str(mosquitto.at.port) in unreachable["reason"]
    mosquitto.start()
    bridge.wait_online()
    assert (tmp_path / "bridge" / "journal").is_dir()


def test_a_broker_that_forgot_the_session_is_said_loudly(own_broker, start_bridge, topics):
    """What it had queued may be gone: in the log, and counted in `health`."""
    first, second = own_broker(), own_broker()
    start_bridge(at=first.at).stop()
    bridge = start_bridge(at=first.at)
    assert not bridge.events("broker.session_lost"), "nothing was received, so nothing is missed"
    client = Client(first.at, topics)
    client.ask("gw-1", b"hello")
    client.close()
    bridge.stop()
    moved = start_bridge(at=second.at)
    assert moved.events("broker.session_lost")


def test_a_login_refused_at_the_first_connect_ends_it(own_broker, passwords, start_bridge):
    """Exit 2 and one line that names the setting; no traceback, no password."""
    mosquitto = own_broker(passwords.options)
    bridge = start_bridge(
        at=mosquitto.at, waits=False, MQTT__USERNAME="bridge", MQTT__PASSWORD="wrong-one"
    )
    assert bridge.wait() == 2
    assert "BRIDGE_MQTT__PASSWORD" in bridge.log_text.splitlines()[-1]
    assert "Traceback" not in bridge.log_text
    assert "wrong-one" not in bridge.log_text


def test_a_login_refused_later_is_retried_and_said(own_broker, passwords, start_bridge):
    """Somebody is changing passwords: the bridge stays, and is back when they are."""
    mosquitto = own_broker(passwords.options)
    bridge = start_bridge(at=mosquitto.at, MQTT__USERNAME="bridge", MQTT__PASSWORD="right")
    passwords.set("bridge", "another")
    mosquitto.stop()
    mosquitto.start()
    eventually(
        lambda: [
            lost
            for lost in bridge.events("broker.connection_lost")
            if "refuses the connection" in lost["reason"]
        ],
        "the refusal",
    )
    passwords.set("bridge", "right")
    mosquitto.stop()
    mosquitto.start()
    bridge.wait_online(connections=2)


def test_a_taken_over_session_is_left_to_the_newcomer(start_bridge, client):
    """Exit 3 with a message that says what to do; the newcomer goes on."""
    first = start_bridge("one")
    second = start_bridge("two")
    assert first.wait() == 3
    assert "BRIDGE_INSTANCE" in first.events("bridge.taken_over")[0]["reason"]
    second.wait_online(connections=2)
    eventually(lambda: client.document("state")["state"] == "online")
    assert client.ask("gw-1", b"hello")["model"] == "spam@2"
    assert second.process.poll() is None


def test_a_journal_in_use_ends_it(start_bridge):
    """Exit 2 and the setting to change; who has it goes on."""
    start_bridge()
    second = start_bridge(waits=False, INSTANCE="b-2")
    assert second.wait() == 2
    (line,) = [line for line in second.log_text.splitlines() if line.startswith("bridge: ")]
    assert line.startswith("bridge: BRIDGE_JOURNAL__PATH: another bridge writes ")


def test_a_journal_that_cannot_be_written_ends_it(start_bridge, tmp_path):
    """Exit 2 and the setting to change."""
    (tmp_path / "file").touch()
    bridge = start_bridge(waits=False, JOURNAL__PATH=tmp_path / "file" / "journal")
    assert bridge.wait() == 2
    assert "BRIDGE_JOURNAL__PATH" in bridge.log_text
    assert "Traceback" not in bridge.log_text


def test_it_can_be_stopped_while_there_is_no_broker(start_bridge):
    """SIGTERM is heard between two attempts."""
    bridge = start_bridge(at=Broker("127.0.0.1", free_port(), ""), waits=False)
    eventually(lambda: bridge.events("broker.unreachable"))
    assert bridge.stop() == 0
