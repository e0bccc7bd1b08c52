"""The installed command with the broker's own tools: what a person would type, and sees."""

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import pytest
from bridge_process import DEADLINE_S, eventually

BRIDGE = Path(sys.executable).parent / "bridge"
MOSQUITTO_PUB = shutil.which("mosquitto_pub") or "/usr/bin/mosquitto_pub"
MOSQUITTO_SUB = shutil.which("mosquitto_sub") or "/usr/bin/mosquitto_sub"
ROOT = Path(__file__).resolve().parents[2]


class Shell:
    """A terminal in which everything is set up for one bridge."""

    def __init__(self, broker, folder: Path) -> None:
        self._at = ("-h", broker.host, "-p", str(broker.port))
        self.root = f"test/{uuid4().hex[:12]}"
        own = {name: value for name, value in os.environ.items() if not name.startswith("BRIDGE_")}
        self._environment = own | {
            "BRIDGE_MQTT__PORT": str(broker.port),
            "BRIDGE_TOPICS__ROOT": self.root,
            "BRIDGE_JOURNAL__PATH": str(folder / "journal"),
            "BRIDGE_MODEL__DIRECTORY": str(ROOT / "models"),
        }
        self._folder = folder

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start `bridge ARGUMENTS`."""
        with (self._folder / "bridge.log").open("ab") as log:
            return subprocess.Popen(
                [str(BRIDGE), *arguments],
                cwd=self._folder,
                env=self._environment,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `bridge ARGUMENTS` to its end."""
        return subprocess.run(
            [str(BRIDGE), *arguments],
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=DEADLINE_S,
        )

    def publish(self, device: str, *arguments: str) -> None:
        """Publish as the hint says: `mosquitto_pub -t … -q 1 …`."""
        topic = f"{self.root}/devices/{device}/in"
        command = [MOSQUITTO_PUB, *self._at, "-t", topic, "-q", "1", *arguments]
        subprocess.run(command, check=True, timeout=DEADLINE_S)

    def subscribe(self, topic: str, count: int) -> "Window":
        """Start `mosquitto_sub` for so many messages, and return when it is subscribed."""
        command = [MOSQUITTO_SUB, *self._at, "-t", f"{self.root}/{topic}", "-q", "1", "-d"]
        return Window([*command, "-C", str(count), "-W", str(DEADLINE_S)])


class Window:
    """`mosquitto_sub -d` on a terminal of its own: into a pipe it would hold its lines back."""

    def __init__(self, command: list[str]) -> None:
        terminal, end = pty.openpty()
        self._process = subprocess.Popen(command, stdout=end)
        os.close(end)
        self._lines = os.fdopen(terminal, encoding="utf-8")
        assert any("SUBACK" in line for line in self._shown())

    def documents(self) -> list[dict]:
        """Return the messages that it was waiting for."""
        found = [json.loads(line) for line in self._shown() if line.startswith("{")]
        self._lines.close()
        assert self._process.wait(timeout=DEADLINE_S) == 0
        return found

    def _shown(self) -> Iterator[str]:
        with suppress(OSError):  # how Linux says that a terminal's other end is closed
            yield from iter(self._lines.readline, "")


@pytest.fixture
def shell(broker, tmp_path):
    """A terminal with a bridge running in another."""
    terminal = Shell(broker, tmp_path)
    bridge = terminal.start("run")
    terminal.subscribe("bridge/instances/+/state", 1).documents()  # retained: online
    yield terminal
    bridge.send_signal(signal.SIGINT)
    assert bridge.wait(timeout=DEADLINE_S) == 0
    bridge.stdout.close()


def test_a_line_typed_in_one_window_is_answered_in_another(shell):
    """`mosquitto_pub` here, `mosquitto_sub` there."""
    window = shell.subscribe("devices/+/out", 2)
    shell.publish("gw-7", "-m", "WIN a FREE prize now! Call 09061701461 to claim")
    shell.publish("gw-8", "-m", '{"id":"m-1","text":"see you at lunch"}')
    spam, ham = window.documents()
    assert (spam["device"], spam["label"]) == ("gw-7", "spam")
    assert (ham["device"], ham["label"], ham["id"]) == ("gw-8", "ham", "m-1")


def test_the_hint_of_a_rejection_can_be_typed_as_it_stands(shell):
    """What is wrong says what to do, and doing it works."""
    window = shell.subscribe("devices/gw-7/err", 1)
    shell.publish("gw-7", "-n")
    (rejection,) = window.documents()
    command, *_, text = rejection["hint"].split()
    assert (command, text) == ("mosquitto_pub", "'hello'")
    window = shell.subscribe("devices/gw-7/out", 1)
    _, topic = rejection["hint"].split(" -t ")
    assert topic.split()[0] == f"{shell.root}/devices/gw-7/in"
    shell.publish("gw-7", "-m", "hello")
    assert window.documents()[0]["label"] == "ham"


def test_ask_shows_a_verdict(shell):
    """`bridge ask TEXT --json` is one verdict, as it was published."""
    asked = shell.run("ask", "WIN a FREE prize now! Call 09061701461", "--json")
    assert asked.returncode == 0, asked.stderr
    verdict = json.loads(asked.stdout)
    assert (verdict["device"], verdict["label"], verdict["model"]) == ("ask", "spam", "spam@2")


def test_calls_shows_what_a_device_was_answered(shell):
    """The clerk answers from the journal what the path wrote a moment ago."""
    window = shell.subscribe("devices/gw-7/out", 3)
    for number in range(3):
        shell.publish("gw-7", "-m", f'{{"id":"m-{number}","text":"see you at lunch"}}')
    assert len(window.documents()) == 3
    shown = eventually(lambda: shell.run("calls", "gw-7").stdout, "the clerk's answer")
    assert [number for number in range(3) if f"m-{number}" not in shown] == []
