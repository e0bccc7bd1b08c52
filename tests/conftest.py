"""What every suite shares: one real Mosquitto for the session, and topics of its own per test."""

import getpass
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import settings

from bridge.topics import Topics

# Speed is judged in benchmarks: a slow machine fails no property.
settings.register_profile("house", deadline=None)
settings.load_profile("house")

# Fixtures: a real bridge, a client that hears it, and a real Cassandra.
pytest_plugins = ("bridge_process", "cassandra_server")

MOSQUITTO = shutil.which("mosquitto") or "/usr/sbin/mosquitto"

BROKER_OPTIONS = """\
set_tcp_nodelay true
max_inflight_messages 1000
max_queued_messages 100000
max_queued_bytes 0
allow_anonymous true
persistence false
"""


@dataclass(frozen=True, slots=True)
class Broker:
    """A Mosquitto that listens on loopback."""

    host: str
    port: int
    version: str


def pytest_report_header() -> str:
    """Name the broker that the suites run against."""
    return f"mosquitto: {mosquitto_version()}"


def mosquitto_version() -> str:
    """Return the version of the broker on this machine, or say that there is none."""
    try:
        # `mosquitto -h` prints its version and leaves with an error.
        told = subprocess.run([MOSQUITTO, "-h"], capture_output=True, text=True, check=False)
    except OSError:
        return "not installed"
    found = re.search(r"version (\S+)", told.stdout)
    return found[1] if found else "unknown"


def free_port() -> int:
    """Return a loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int, process: subprocess.Popen[bytes], deadline_s: float = 20) -> None:
    """Return when ``port`` takes connections.

    Raises:
        RuntimeError: ``process`` ended first, or the deadline has passed.
    """
    until = time.monotonic() + deadline_s
    while time.monotonic() < until and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError(f"nothing listens on 127.0.0.1:{port} (exit code {process.poll()})")


def start_mosquitto(
    folder: Path, port: int, options: str = BROKER_OPTIONS
) -> subprocess.Popen[bytes]:
    """Start a broker on ``port``; its log goes to ``folder``. The caller ends it."""
    config = folder / "mosquitto.conf"
    # Run by root it would become "mosquitto", who may not read a test's folder.
    user = f"user {getpass.getuser()}\n"
    config.write_text(f"{user}listener {port} 127.0.0.1\n{options}", encoding="utf-8")
    with (folder / "mosquitto.log").open("ab") as log:
        process = subprocess.Popen([MOSQUITTO, "-c", str(config)], stdout=log, stderr=log)
    try:
        wait_for_port(port, process)
    except RuntimeError:
        stop(process)
        raise
    return process


def stop(process: subprocess.Popen[bytes]) -> None:
    """End ``process``, politely first."""
    process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A real Mosquitto for the whole session."""
    port = free_port()
    process = start_mosquitto(tmp_path_factory.mktemp("mosquitto"), port)
    yield Broker("127.0.0.1", port, mosquitto_version())
    stop(process)


@pytest.fixture
def topics() -> Topics:
    """Topics under a root that no other test uses."""
    return Topics(f"test/{uuid4().hex[:12]}")
