"""Bridge, broker and clerk are killed under load; twenty devices resend, and count."""

import json
import sqlite3
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bridge_process import Client, eventually
from conftest import BROKER_OPTIONS, Broker, free_port, start_mosquitto, stop

from bridge.storage.journal.segments import segments
from bridge.topics import Topics
from edge_simulator import Answer, Device, Message, Outbox

DEVICES = 20
MESSAGES = 5_000
KILLS = ("bridge", "bridge", "broker", "bridge", "clerk", "bridge", "bridge")
PER_ROUND = MESSAGES // (len(KILLS) + 1)
INVALID_EVERY = 25


class Mosquitto:
    """A broker that keeps its sessions on disk, as the shipped one does, and can be killed."""

    def __init__(self, folder: Path) -> None:
        kept = f"persistence true\npersistence_location {folder}/\nautosave_interval 1\n"
        self._options = BROKER_OPTIONS.replace("persistence false\n", kept)
        self._folder = folder
        self.at = Broker("127.0.0.1", free_port(), "")
        self.start()

    def start(self) -> None:
        """Start it, on the same port each time."""
        self.process = start_mosquitto(self._folder, self.at.port, self._options)

    def kill(self) -> None:
        """End it without a word."""
        self.process.kill()
        self.process.wait()


class Fleet:
    """Devices that keep each message until it is answered, and every answer they ever got."""

    def __init__(self, folder: Path, broker: Broker, topics: Topics) -> None:
        self.answers: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
        self.sent: set[tuple[str, str]] = set()
        self._devices = [
            Device(
                f"gw-{number}",
                broker.host,
                broker.port,
                topics,
                Outbox(folder / f"gw-{number}.sqlite", synchronous="NORMAL"),
                answers=self._keep,
                resend_s=3.0,
            )
            for number in range(DEVICES)
        ]
        for device in self._devices:
            device.start()

    def send(self, count: int) -> None:
        """Say so many new things, in turn; some are invalid, which has a final answer too."""
        for number in range(len(self.sent), len(self.sent) + count):
            device = self._devices[number % DEVICES]
            text = "" if number % INVALID_EVERY == 0 else f"call {number} for a free prize"
            device.send(Message.in_json(text, f"m-{number}"))
            self.sent.add((device.id, f"m-{number}"))

    @property
    def unanswered(self) -> int:
        """How many messages wait for their final answers."""
        return sum(device.pending for device in self._devices)

    def close(self) -> None:
        """Leave."""
        for device in self._devices:
            device.stop()
            device.outbox.close()

    def _keep(self, answer: Answer) -> None:
        if answer.is_final:
            said = json.loads(answer.said.model_dump_json(exclude={"ms", "cached"}))
            self.answers[answer.device, answer.message_id].append(said)


def rows(folder: Path) -> Counter[tuple[str, str]]:
    """Return how often each message stands in the journal, by device and id."""
    found: Counter[tuple[str, str]] = Counter()
    for segment in segments(folder):
        reader = sqlite3.connect(segment.path)
        found.update(reader.execute("SELECT device, message_id FROM calls"))
        reader.close()
    return found


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    """A broker of this test's own."""
    folder = tmp_path / "mosquitto"
    folder.mkdir()
    broker = Mosquitto(folder)
    yield broker
    stop(broker.process)


@pytest.fixture
def fleet(tmp_path: Path, mosquitto: Mosquitto, topics: Topics) -> Iterator[Fleet]:
    """Twenty devices."""
    devices = Fleet(tmp_path, mosquitto.at, topics)
    yield devices
    devices.close()


def test_nothing_is_lost_and_nothing_is_doubled(start_bridge, mosquitto, fleet, topics):
    """I1-I3 over five kills of the bridge, one of the broker and one of the clerk.

    Each kill comes while messages are on their way; counted at the devices, and on disk.
    """
    bridge = start_bridge(at=mosquitto.at)
    for victim in KILLS:
        answered = len(fleet.answers)
        sending = threading.Thread(target=fleet.send, args=(PER_ROUND,))
        sending.start()
        eventually(
            lambda before=answered: len(fleet.answers) > before and fleet.unanswered,
            "a moment with answers behind and messages before it",
        )
        if victim == "bridge":
            bridge.kill()
            assert fleet.unanswered > 0, "nothing was in flight"
            bridge = start_bridge(at=mosquitto.at)
        elif victim == "broker":
            mosquitto.kill()
            assert fleet.unanswered > 0, "nothing was in flight"
            mosquitto.start()
        else:
            (clerk,) = bridge.children()
            clerk.kill()
            assert fleet.unanswered > 0, "nothing was in flight"
            eventually(lambda b=bridge, old=clerk: set(b.children()) - {old}, "another clerk")
        sending.join()
    fleet.send(MESSAGES - len(fleet.sent))
    eventually(lambda: fleet.unanswered == 0, "the last answer")

    dashboard = Client(mosquitto.at, topics)
    ledger = dashboard.settled_ledger()
    dashboard.close()
    assert ledger.pop("received") == sum(ledger.values())
    assert ledger["verdicts"] + ledger["rejections"] == MESSAGES
    assert bridge.stop() == 0

    assert set(fleet.answers) == fleet.sent
    for answers in fleet.answers.values():
        assert all(answer == answers[0] for answer in answers)
    assert rows(bridge.journal) == Counter(fleet.sent)
    assert len(fleet.sent) == MESSAGES
