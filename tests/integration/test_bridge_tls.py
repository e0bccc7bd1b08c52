"""The daemon's TLS against a real Mosquitto with certificates made for the test."""

import pytest
from bridge_process import Client, eventually
from conftest import Broker, free_port
from secured_broker import Authority, OwnMosquitto

TLS_OPTIONS = """
listener {port} 127.0.0.1
cafile {ca}
certfile {certificate}
keyfile {key}
require_certificate {required}
"""


@pytest.fixture
def authority(tmp_path):
    """The authority that everyone here trusts."""
    return Authority(tmp_path / "authority")


@pytest.fixture
def brokers(tmp_path, authority):
    """Start a broker with a plain listener for the client, and one with TLS for the bridge."""
    started = []

    def start(required: str = "false") -> tuple[Broker, Broker]:
        port = free_port()
        certificate, key = authority.sign("broker")
        options = TLS_OPTIONS.format(
            port=port, ca=authority.certificate, certificate=certificate, key=key, required=required
        )
        started.append(OwnMosquitto(tmp_path / "mosquitto", options + "allow_anonymous true\n"))
        return started[-1].at, Broker("127.0.0.1", port, "")

    yield start
    for broker in started:
        broker.stop()


def test_messages_are_answered_through_tls(brokers, authority, start_bridge, topics):
    """Small and large ones: a record holds 16 KiB, and a batch many records."""
    plain, secured = brokers()
    start_bridge(at=secured, MQTT__TLS_CA=authority.certificate)
    client = Client(plain, topics)
    texts = [f"{number} " + "x" * (number * 97 % 9_000) for number in range(150)]
    for number, text in enumerate(texts):
        client.publish_soon("gw-1", {"id": f"m-{number}", "text": text, "echo": True})
    eventually(lambda: len(client.answers("gw-1")) == len(texts))
    told = b"".join(answer.payload for answer in client.answers("gw-1"))
    assert all(text.encode() in told for text in texts)
    client.close()


def test_a_certificate_of_its_own_lets_the_bridge_in(brokers, authority, start_bridge, topics):
    """Client certificates instead of, or besides, a password."""
    plain, secured = brokers(required="true")
    certificate, key = authority.sign("bridge")
    start_bridge(
        at=secured,
        MQTT__TLS_CA=authority.certificate,
        MQTT__TLS_CERT=certificate,
        MQTT__TLS_KEY=key,
    )
    client = Client(plain, topics)
    assert client.ask("gw-1", b"hello")["model"] == "spam@2"
    client.close()


def test_a_broker_that_nobody_vouches_for_is_not_spoken_to(brokers, start_bridge, tmp_path):
    """Another authority's certificate: said in the log, tried again, never trusted."""
    _, secured = brokers()
    stranger = Authority(tmp_path / "stranger")
    bridge = start_bridge(at=secured, waits=False, MQTT__TLS_CA=stranger.certificate)
    (unreachable, *_) = eventually(lambda: bridge.events("broker.unreachable"))
    assert "certificate verify failed" in unreachable["reason"].lower()
    assert bridge.stop() == 0
