"""mosquitto/mosquitto.conf does in a real Mosquitto what the bridge relies on."""

from __future__ import annotations

import getpass
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue

import paho.mqtt.client as paho
import pytest
from conftest import MOSQUITTO, free_port, stop, wait_for_port
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties

SHIPPED = Path(__file__).resolve().parents[2] / "mosquitto"


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    """A broker with the shipped configuration, on ports of its own: by transport."""
    folder = tmp_path_factory.mktemp("shipped")
    shutil.copytree(SHIPPED, folder / "mosquitto")
    (folder / "var" / "mosquitto").mkdir(parents=True)
    ports = {"tcp": free_port(), "websockets": free_port()}
    configuration = folder / "mosquitto" / "mosquitto.conf"
    text = configuration.read_text(encoding="utf-8")
    text = text.replace("listener 1883 ", f"listener {ports['tcp']} ")
    text = text.replace("listener 9001 ", f"listener {ports['websockets']} ")
    # Run by root it would become "mosquitto", who may not read a test's folder.
    configuration.write_text(f"{text}user {getpass.getuser()}\n", encoding="utf-8")
    process = subprocess.Popen([MOSQUITTO, "-c", "mosquitto/mosquitto.conf"], cwd=folder)
    try:
        for port in ports.values():
            wait_for_port(port, process)
        yield ports
    finally:
        stop(process)


@pytest.mark.parametrize("transport", ["tcp", "websockets"])
def test_connack_tells_the_limits(ports: dict[str, int], transport: str):
    """Over either transport a client is let in, and told window, packet size and keep alive."""
    properties = _connack(ports[transport], transport)
    assert properties.ReceiveMaximum == 1000
    assert properties.MaximumPacketSize == 262_144
    assert properties.ServerKeepAlive == 600


def _connack(port: int, transport: str) -> Properties:
    """Connect with a keep alive that is longer than allowed, and return what CONNACK says."""
    heard: SimpleQueue[Properties] = SimpleQueue()
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5, transport=transport)
    client.on_connect = lambda _client, _userdata, _flags, _code, properties: heard.put(properties)
    client.connect("127.0.0.1", port, keepalive=3600)
    client.loop_start()
    try:
        return heard.get(timeout=10)
    finally:
        client.disconnect()
        client.loop_stop()
