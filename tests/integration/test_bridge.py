"""The real daemon against a real Mosquitto: what devices and dashboards see of it."""

import json
import sqlite3

import paho.mqtt.client as paho
import pytest
from bridge_process import Client, eventually, instance_of

from bridge.storage.journal.segments import segments

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def rows(bridge):
    """Return the id of every row in a bridge's journal."""
    found = []
    for segment in segments(bridge.journal):
        reader = sqlite3.connect(segment.path)
        found += [message_id for (message_id,) in reader.execute("SELECT message_id FROM calls")]
        reader.close()
    return found


def test_it_says_what_it_is_and_when_it_leaves(start_bridge, client, topics):
    """Retained `state`, `info`, `models` and `health`; `stopped` at the end, with exit code 0."""
    bridge = start_bridge(INSTANCE="b-7", MQTT__PASSWORD="geheim", MQTT__USERNAME="me")
    eventually(lambda: client.document("health", "b-7"))
    assert client.document("state", "b-7")["state"] == "online"
    assert client.document("models", "b-7")["active"] == "spam@2"
    info = client.document("info", "b-7")
    assert set(info["schemas"]) == {"request", "verdict", "rejection"}
    assert info["settings"]["topics"]["root"] == topics.root
    assert "geheim" not in json.dumps(info) + bridge.log_text
    assert bridge.stop() == 0
    eventually(lambda: client.document("state", "b-7")["state"] == "stopped")


def test_what_it_says_is_retained(start_bridge, client, broker, topics):
    """Who comes later knows at once."""
    start_bridge()
    eventually(lambda: client.document("health"))
    late = Client(broker, topics)
    leaves = ("state", "health", "info", "models")
    eventually(lambda: all(late.document(leaf) for leaf in leaves))
    assert all(late.on(topics.instance(instance_of(topics), leaf))[0].retain for leaf in leaves)
    late.close()


def test_a_killed_bridge_is_said_to_be_offline(start_bridge, client):
    """The broker publishes the will, in this run's name."""
    bridge = start_bridge()
    start = eventually(lambda: client.document("state"))["start"]
    bridge.kill()
    eventually(lambda: client.document("state")["state"] == "offline")
    assert client.document("state")["start"] == start


@pytest.mark.parametrize(("payload", "leaf"), [(b"hello", "out"), (b"{}", "err")])
def test_the_properties_of_a_message_come_back_with_its_answer(resident, device, payload, leaf):
    """Correlation Data, trace, content type and an expiry, on verdicts and rejections."""
    properties = {"CorrelationData": b"c-1", "UserProperty": ("traceparent", TRACE)}
    resident.ask(device, payload, **properties)
    (answer,) = resident.answers(device)
    assert answer.topic.endswith(f"/devices/{device}/{leaf}")
    told = answer.properties
    assert (told.CorrelationData, told.UserProperty) == (b"c-1", [("traceparent", TRACE)])
    assert (told.ContentType, told.PayloadFormatIndicator) == ("application/json", 1)
    assert 3590 <= told.MessageExpiryInterval <= 3600


def test_a_response_topic_redirects_nothing(resident, device):
    """The output follows from the input topic alone."""
    elsewhere = f"{resident.topics.root}/elsewhere"
    resident.ask(device, b"hello", ResponseTopic=elsewhere)
    assert resident.on(elsewhere) == []
    assert len(resident.on(resident.topics.output(device))) == 1


def test_a_device_of_mqtt_3_1_1_works_the_same(resident, device, broker):
    """It matches its answers by id."""
    old = Client(broker, resident.topics, protocol=paho.MQTTv311)
    answer = old.ask(device, {"id": "m-1", "text": "hello"})
    assert (answer["id"], answer["device"]) == ("m-1", device)
    assert old.ask(device, b"hello")["label"] == answer["label"]
    old.close()


def test_a_message_at_qos_0_is_answered(resident, device):
    """A publisher's choice: nothing is promised, but it works."""
    assert resident.ask(device, {"id": "m-1", "text": "hello"}, qos=0)["id"] == "m-1"


def test_a_repeated_id_gets_the_same_answer_even_after_a_restart(start_bridge, client):
    """The journal remembers, not the process; there is one row."""
    message = {"id": "m-1", "text": "win a free prize now"}
    bridge = start_bridge()
    first = client.ask("gw-1", message)
    bridge.kill()
    bridge = start_bridge()
    second = client.ask("gw-1", message)
    for times in ("ms", "cached"):
        del first[times], second[times]
    assert first == second
    assert rows(bridge) == ["m-1"]


def test_sigterm_finishes_what_was_read(start_bridge, client):
    """Each of 2,000 messages has one answer and one row, over a stop in the middle."""
    bridge = start_bridge()
    for number in range(2_000):
        client.publish_soon("gw-1", {"id": f"m-{number}", "text": f"hello {number}"})
    eventually(lambda: len(client.answers("gw-1")) > 100)
    assert bridge.stop() == 0
    assert bridge.events("bridge.stopped")[0]["unfinished"] == 0
    eventually(lambda: client.document("state")["state"] == "stopped")
    told = len(client.answers("gw-1"))
    assert 100 < told < 2_000, "the stop was meant to come in the middle"
    assert len(rows(bridge)) == told
    bridge = start_bridge()
    eventually(lambda: len(client.answers("gw-1")) == 2_000)
    assert sorted(rows(bridge)) == sorted(f"m-{number}" for number in range(2_000))


def test_a_second_bridge_on_one_root_is_said_by_both(start_bridge, client):
    """Degraded with the reason, and online again when the other has left."""
    start_bridge("one", INSTANCE="b-1")
    other = start_bridge("two", INSTANCE="b-2")
    for instance, stranger in (("b-1", "b-2"), ("b-2", "b-1")):
        eventually(lambda at=instance: client.document("state", at)["state"] == "degraded")
        assert stranger in client.document("state", instance)["why"][0]
    assert other.stop() == 0
    eventually(lambda: client.document("state", "b-1")["state"] == "online")


def test_bridges_of_one_share_divide_the_work(start_bridge, client):
    """Each message is answered once, by one of them, and nobody is degraded."""
    bridges = [
        start_bridge("one", INSTANCE="b-1", share="group"),
        start_bridge("two", INSTANCE="b-2", share="group"),
    ]
    for number in range(60):
        client.publish("gw-1", {"id": f"m-{number}", "text": "hello"})
    eventually(lambda: len(client.answers("gw-1")) >= 60)
    assert all(rows(bridge) for bridge in bridges)
    assert sorted(rows(bridges[0]) + rows(bridges[1])) == sorted(f"m-{n}" for n in range(60))
    assert [client.document("state", name)["state"] for name in ("b-1", "b-2")] == ["online"] * 2
    assert len(client.answers("gw-1")) == 60


def test_over_its_rate_a_device_is_told_when_to_come_again(start_bridge, client, topics):
    """429 with `retry_after_s`, its quota retained; another device notices nothing."""
    start_bridge(RATE__PER_DEVICE="2", RATE__BURST="3")
    for number in range(5):
        client.publish("loud", {"id": f"m-{number}", "text": "hello"})
    eventually(lambda: len(client.answers("loud")) == 5)
    told = [json.loads(answer.payload) for answer in client.answers("loud")]
    assert [answer.get("status") for answer in told] == [None, None, None, 429, 429]
    assert 0 < told[-1]["retry_after_s"] <= 1
    quota = json.loads(eventually(lambda: client.on(topics.quota("loud")))[-1].payload)
    assert (quota["burst"], quota["per_s"]) == (3, 2)
    assert "label" in client.ask("quiet", {"text": "hello"})
    eventually(lambda: "label" in client.ask("loud", {"id": "m-4", "text": "hello"}))


def test_the_ledger_adds_up(start_bridge, client):
    """What was received is what became of it, as counted here."""
    start_bridge()
    message = {"id": "m-1", "text": "hello"}
    for payload in (message, message, b"plain", b"{}", {"id": "m-1", "text": "other"}):
        client.ask("gw-1", payload)
    client.publish("gw-1", b"retained", retain=True)
    client.ask("gw-1", b"last")
    ledger = client.settled_ledger()
    assert ledger.pop("received") == sum(ledger.values()) == 7
    assert ledger == {
        "verdicts": 3,
        "rejections": 2,
        "transient": 0,
        "repeats": 1,
        "expired": 0,
        "ignored": 1,
        "returned": 0,
        "pending": 0,
    }
