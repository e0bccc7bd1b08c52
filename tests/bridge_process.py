"""The real `bridge run` as a child process, and a client that asks it things over MQTT."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import paho.mqtt.client as paho
import psutil
import pytest
from conftest import Broker
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from bridge.topics import Topics

MODELS = Path(__file__).resolve().parents[1] / "models"
DEADLINE_S = 60


def eventually(holds: Callable[[], Any], what: str = "it") -> Any:
    """Return what is true as soon as it is; fail when it never is."""
    until_s = time.monotonic() + DEADLINE_S
    while not (result := holds()):
        assert time.monotonic() < until_s, f"{what} never came"
        time.sleep(0.01)
    return result


def let_pass(seconds: float) -> None:
    """Return when so much time has been lived through."""
    until_s = time.monotonic() + seconds
    eventually(lambda: time.monotonic() >= until_s)


def instance_of(topics: Topics) -> str:
    """Return the name of the bridge on a test's root.

    No two tests share one: under the same client id, the second would inherit the first's session.
    """
    return topics.root.replace("/", "-")


class BridgeProcess:
    """One `bridge run`, set up by its environment only.

    Args:
        folder: For its journal and its log; a second life in the same folder goes on with both.
        broker: Where it connects to.
        topics: Root and share.
        settings: More variables, without ``BRIDGE_``.
    """

    def __init__(self, folder: Path, broker: Broker, topics: Topics, **settings: object) -> None:
        self.folder = folder
        self.journal = folder / "journal"
        self._log_path = folder / "bridge.log"
        self._log_path.touch()
        self._log_from = len(self.log_text)
        variables = {
            "INSTANCE": instance_of(topics),
            "MQTT__HOST": broker.host,
            "MQTT__PORT": broker.port,
            "TOPICS__ROOT": topics.root,
            "TOPICS__SHARE": topics.share,
            "JOURNAL__PATH": self.journal,
            "MODEL__DIRECTORY": MODELS,
            **settings,
        }
        environment = {k: v for k, v in os.environ.items() if not k.startswith("BRIDGE_")}
        environment |= {f"BRIDGE_{name}": str(value) for name, value in variables.items()}
        with self._log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "bridge", "run"],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    @property
    def log_text(self) -> str:
        """All that it and its clerk have said."""
        return self._log_path.read_text(encoding="utf-8")

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return the events of a name that this life has logged."""
        lines = self.log_text[self._log_from :].splitlines()
        said = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
        return [event for event in said if event["event"] == name]

    def wait_online(self, connections: int = 1) -> None:
        """Return when the broker has taken it in so often."""

        def is_online() -> bool:
            assert self.process.poll() is None, self.log_text[-2000:]
            return len(self.events("broker.connected")) >= connections

        eventually(is_online, "the connection")

    def children(self) -> list[psutil.Process]:
        """Return its clerk, where it runs."""
        return psutil.Process(self.process.pid).children()

    def kill(self) -> None:
        """End it without a word."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """End it politely, and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self) -> int:
        """Return its exit code once it has ended by itself."""
        return self.process.wait(timeout=DEADLINE_S)


class Client:
    """A device and a dashboard in one: subscribes to everything under a root.

    Args:
        broker: Where to.
        topics: Under which root.
        protocol: MQTT 5, or 3.1.1.
        session_s: For how long the broker keeps what it is told while it is away (MQTT 5).
    """

    def __init__(
        self, broker: Broker, topics: Topics, protocol: int = paho.MQTTv5, *, session_s: int = 0
    ) -> None:
        self.topics = topics
        self.heard: list[paho.MQTTMessage] = []
        subscribed = threading.Event()
        self._is_5 = protocol == paho.MQTTv5
        name = uuid4().hex if session_s else ""  # under one that the broker gives, no session lasts
        self._client = paho.Client(CallbackAPIVersion.VERSION2, name, protocol=protocol)
        self._client.on_message = lambda _client, _userdata, message: self.heard.append(message)
        self._client.on_connect = lambda *_: self._client.subscribe(f"{topics.root}/#", qos=1)
        self._client.on_subscribe = lambda *_: subscribed.set()
        kept = Properties(PacketTypes.CONNECT) if session_s else None
        if kept:
            kept.SessionExpiryInterval = session_s
        # What began with a clean start, Mosquitto does not keep over its own restart.
        clean = False if session_s else paho.MQTT_CLEAN_START_FIRST_ONLY
        self._client.connect(broker.host, broker.port, clean_start=clean, properties=kept)
        self._client.loop_start()
        assert subscribed.wait(DEADLINE_S)

    def close(self) -> None:
        """Leave."""
        self._client.disconnect()
        self._client.loop_stop()

    def publish(
        self, device: str, payload: bytes | dict[str, Any], *, qos: int = 1, **properties: Any
    ) -> None:
        """Publish to a device's input, and return when the broker has it."""
        self.publish_soon(device, payload, qos=qos, **properties).wait_for_publish(DEADLINE_S)

    def publish_soon(
        self, device: str, payload: bytes | dict[str, Any], *, qos: int = 1, **properties: Any
    ) -> paho.MQTTMessageInfo:
        """Publish to a device's input as soon as may be."""
        if isinstance(payload, dict):
            payload = json.dumps(payload).encode()
        retain = properties.pop("retain", False)
        packet = Properties(PacketTypes.PUBLISH) if self._is_5 else None
        for name, value in properties.items():
            setattr(packet, name, value)
        return self._client.publish(self.topics.input(device), payload, qos, retain, packet)

    def on(self, topic: str) -> list[paho.MQTTMessage]:
        """Return what was heard on a topic."""
        return [message for message in list(self.heard) if message.topic == topic]

    def answers(self, device: str) -> list[paho.MQTTMessage]:
        """Return what a device was told: verdicts and rejections, in the order heard."""
        own = (self.topics.output(device), self.topics.rejections(device))
        return [message for message in list(self.heard) if message.topic in own]

    def answered_ids(self, device: str) -> set[str]:
        """Return the ids that a device was told something about."""
        return {json.loads(answer.payload)["id"] for answer in self.answers(device)}

    def ask(
        self, device: str, payload: bytes | dict[str, Any], **properties: Any
    ) -> dict[str, Any]:
        """Publish, and return what the device is told next."""
        before = len(self.answers(device))
        self.publish(device, payload, **properties)
        eventually(lambda: len(self.answers(device)) > before, f"an answer to {device}")
        return json.loads(self.answers(device)[before].payload)

    def document(self, leaf: str, instance: str | None = None) -> dict[str, Any]:
        """Return what a bridge has said last of itself, or nothing yet."""
        said = self.on(self.topics.instance(instance or instance_of(self.topics), leaf))
        return json.loads(said[-1].payload) if said else {}

    def settled_ledger(self) -> dict[str, int]:
        """Return the ledger of a `health` that was published after now."""
        topic = self.topics.instance(instance_of(self.topics), "health")
        before = len(self.on(topic))

        def fresh() -> list[paho.MQTTMessage]:
            return [message for message in self.on(topic)[before:] if not message.retain]

        return json.loads(eventually(fresh, "the next health")[-1].payload)["ledger"]


Start = Callable[..., BridgeProcess]
Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def start_bridge(tmp_path: Path, broker: Broker, topics: Topics) -> Iterator[Start]:
    """Start bridges that are online on return; whichever still runs at the end must end well."""
    started: list[BridgeProcess] = []

    def start(
        name: str = "bridge", *, at: Broker = broker, waits: bool = True, **settings: object
    ) -> BridgeProcess:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        own = Topics(topics.root, str(settings.pop("share", "")))
        bridge = BridgeProcess(folder, at, own, **settings)
        started.append(bridge)
        if waits:
            bridge.wait_online()
        return bridge

    yield start
    codes = [bridge.stop() for bridge in started if bridge.process.poll() is None]
    assert not any(codes)


@pytest.fixture(scope="session")
def resident(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator["Client"]:
    """A client of one bridge that runs all the while: for who needs no bridge of its own.

    A test speaks there as a device of its own (`device`).
    """
    topics = Topics(f"test/{uuid4().hex[:12]}")
    bridge = BridgeProcess(tmp_path_factory.mktemp("resident"), broker, topics)
    bridge.wait_online()
    connected = Client(broker, topics)
    yield connected
    connected.close()
    assert bridge.stop() == 0


@pytest.fixture
def device() -> str:
    """Return a device id that no other test uses."""
    return f"gw-{uuid4().hex[:12]}"


@pytest.fixture
def client(broker: Broker, topics: Topics) -> Iterator[Client]:
    """A client that hears everything under the test's root."""
    connected = Client(broker, topics)
    yield connected
    connected.close()


@pytest.fixture
def command(broker: Broker, topics: Topics, tmp_path: Path) -> Command:
    """Run one of people's commands on the test's root."""

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {
            "BRIDGE_MQTT__HOST": broker.host,
            "BRIDGE_MQTT__PORT": str(broker.port),
            "BRIDGE_TOPICS__ROOT": topics.root,
            **variables,
        }
        return subprocess.run(
            [sys.executable, "-m", "bridge", *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run
