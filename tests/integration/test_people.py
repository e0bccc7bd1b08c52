"""What people say is carried out by every bridge on a root: corrections, and forgetting."""

from collections.abc import Callable
from typing import Any

import pytest
from bridge_process import Client, Start, eventually
from conftest import Broker

from bridge.cli.questions import Questions
from bridge.doors import Door
from bridge.settings import Account, Cassandra, Mqtt
from bridge.topics import Topics

KEY = "0123456789abcdef0123456789abcdef"
TEXT = "Your parcel waits for you at the corner shop"

Ask = Callable[[str, dict[str, object]], list[dict[str, Any]]]


@pytest.fixture
def ask(broker: Broker, topics: Topics):
    """Asks every bridge on the root a question, and returns what each says."""
    with Door(Mqtt(host=broker.host, port=broker.port), Account()) as door:
        questions = Questions(door, topics)
        yield lambda verb, question: [response.data for response in questions.ask(verb, question)]


def variables(keyspace: Cassandra) -> dict[str, object]:
    """The settings of a bridge that uses a keyspace."""
    return {
        "CASSANDRA__CONTACT_POINTS": keyspace.contact_points,
        "CASSANDRA__PORT": keyspace.port,
        "CASSANDRA__KEYSPACE": keyspace.keyspace,
        "CASSANDRA__CONSISTENCY": keyspace.consistency,
        "STORE__KEY": KEY,
    }


def clerk_is_ready(client: Client) -> None:
    """Return when the bridge's clerk has reported."""

    def is_listening() -> bool:
        return client.document("health").get("journal", {}).get("segments") is not None

    eventually(is_listening, "the clerk")


def test_a_correction_goes_before_memory_and_model(start_bridge: Start, client: Client, ask: Ask):
    """The text is answered with the right label, from then on and after a restart."""
    bridge = start_bridge()
    clerk_is_ready(client)
    said = client.ask("gw-7", {"text": TEXT, "id": "m-1"})["label"]
    right = {"ham": "spam", "spam": "ham"}[said]
    ask("correct", {"text": TEXT, "label": right, "by": "tester"})

    def corrected() -> bool:
        answer = client.ask("gw-7", {"text": TEXT})
        return (answer["label"], answer["cached"]) == (right, "corrected")

    eventually(corrected, "the correction")
    assert client.ask("gw-7", {"text": TEXT, "id": "m-1"})["label"] == said  # a repeat stays
    assert bridge.stop() == 0
    start_bridge()
    eventually(corrected, "the correction after a restart")
    assert TEXT not in bridge.log_text


def test_a_call_is_corrected_by_its_id(start_bridge: Start, client: Client, ask: Ask):
    """Device and id name the text; a wrong one says so."""
    start_bridge()
    clerk_is_ready(client)
    said = client.ask("gw-7", {"text": TEXT, "id": "m-1"})["label"]
    right = {"ham": "spam", "spam": "ham"}[said]
    order = {"device": "gw-7", "id": "m-1", "label": right, "by": "tester"}
    assert ask("correct", order)[0]["label"] == right
    with pytest.raises(Exception, match="no call of gw-7 has this id"):
        ask("correct", order | {"id": "m-2"})
    kept = ask("corrections", {})[0]["corrections"]
    assert [(one["text"], one["label"], one["by"]) for one in kept] == [(TEXT, right, "tester")]


def test_a_forgotten_device_is_told_of_no_more(start_bridge: Start, client: Client, ask: Ask):
    """Its calls until now are gone from every answer, those from now on are logged."""
    start_bridge()
    clerk_is_ready(client)
    for device in ("gw-7", "gw-8"):
        client.ask(device, {"text": TEXT, "id": "m-1"})
    ask("forget", {"device": "gw-7"})
    assert ask("calls", {"device": "gw-7"})[0]["total"] == 0
    assert ask("stats", {"device": "gw-7"})[0]["hours"] == []
    [hour] = ask("stats", {})[0]["hours"]
    assert sum(hour["counts"].values()) == 1
    client.ask("gw-7", {"text": TEXT, "id": "m-2"})
    assert [call["id"] for call in ask("calls", {"device": "gw-7"})[0]["calls"]] == ["m-2"]


def test_bridges_share_what_they_learn(start_bridge: Start, client: Client, keyspace: Cassandra):
    """A text that one bridge has classified is a store hit for another on a root of its own."""
    start_bridge("one", INSTANCE="one", **variables(keyspace))
    first = client.ask("gw-7", {"text": TEXT, "id": "m-1"})
    assert first["cached"] == "no"
    drained(client, "one")
    other = Topics(f"{client.topics.root}/other")
    start_bridge("two", INSTANCE="two", TOPICS__ROOT=other.root, **variables(keyspace))
    client.topics = other

    def is_shared() -> bool:
        answer = client.ask("gw-9", {"text": TEXT, "skip_cache": False})
        return answer["cached"] in ("store", "memory") and answer["score"] == first["score"]

    assert client.ask("gw-9", {"text": TEXT, "id": "m-2"})["cached"] in ("store", "no")
    eventually(is_shared, "the store hit")


def test_a_fleet_forgets_and_corrects_as_one(
    start_bridge: Start, client: Client, ask: Ask, keyspace: Cassandra
):
    """With Cassandra, what is said to one root holds in the database for all."""
    start_bridge(**variables(keyspace))
    clerk_is_ready(client)
    said = client.ask("gw-7", {"text": TEXT, "id": "m-1"})["label"]
    right = {"ham": "spam", "spam": "ham"}[said]
    drained(client)
    ask("correct", {"text": TEXT, "label": right, "by": "tester"})
    eventually(lambda: client.ask("gw-7", {"text": TEXT})["label"] == right, "the correction")
    assert ask("calls", {"device": "gw-7"})[0]["total"] > 1
    ask("forget", {"device": "gw-7"})
    assert ask("calls", {"device": "gw-7"})[0]["calls"] == []
    other = Topics(f"{client.topics.root}/other")
    start_bridge("two", INSTANCE="two", TOPICS__ROOT=other.root, **variables(keyspace))
    client.topics = other
    eventually(lambda: client.document("health", "two").get("store"), "the other bridge")
    eventually(
        lambda: client.ask("gw-9", {"text": TEXT, "skip_cache": False})["cached"] == "corrected",
        "the correction on another root",
    )


def drained(client: Client, instance: str | None = None) -> None:
    """Return when a bridge has shipped all that it has recorded."""

    def is_drained() -> bool:
        said = client.document("health", instance) if instance else client.document("health")
        return bool(said) and said["outbox"]["rows"] == 0 and bool(said["ledger"]["verdicts"])

    eventually(is_drained, "an empty outbox")
