"""Every family of bad input against the real daemon: answered, logged, forgotten, unharmed."""

import json
import sqlite3

from bridge.storage.journal.segments import segments
from edge_simulator.rubbish import FAMILIES, INVALID

CANARY = "kanarienvogel"
HINT = "mosquitto_pub -t {} -q 1 -m 'hello'"


def canaried(payload: bytes) -> bytes:
    """Return rubbish whose text can be looked for afterwards."""
    return payload.replace(b"prize", CANARY.encode())


def on_disk(folder):
    """Return all that the journal's files hold."""
    return b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file())


def rows(folder):
    """Return outcome and text of every row."""
    found = []
    for segment in segments(folder):
        reader = sqlite3.connect(segment.path)
        found += reader.execute("SELECT outcome, text FROM calls ORDER BY number")
        reader.close()
    return found


def test_every_family_is_answered_and_nothing_of_it_is_told(start_bridge, client, topics):
    """Status, topic, hint; one bridge for all of them, so that each finds it unharmed."""
    bridge = start_bridge(LOG__TEXT="none")
    for number, family in enumerate(FAMILIES):
        device, message_id = f"gw-{number}", f"m-{number}"
        if family.reuses_id:
            client.ask(device, {"id": message_id, "text": f"first {CANARY}"})
        answer = client.ask(device, canaried(family.build(message_id)), CorrelationData=b"c")
        told = client.answers(device)[-1]
        assert (family.name, answer["status"] in family.statuses) == (family.name, True)
        assert told.topic == topics.rejections(device)
        assert (told.properties.CorrelationData, told.retain) == (b"c", False)
        if answer["status"] == INVALID:
            assert answer["hint"] == HINT.format(topics.input(device))
    assert client.ask("gw-x", {"text": CANARY})["model"] == "spam@2"
    assert bridge.stop() == 0
    assert CANARY not in bridge.log_text
    assert CANARY.encode() not in on_disk(bridge.journal)
    told = [message.payload for message in client.heard if not message.topic.endswith("/in")]
    assert not any(CANARY.encode() in payload for payload in told)
    assert {text for _, text in rows(bridge.journal)} == {None}


def test_a_text_is_kept_in_the_journal_and_told_on_request_only(start_bridge, client):
    """The default keeps texts in the journal, and nowhere else."""
    bridge = start_bridge()
    assert CANARY not in str(client.ask("gw-1", {"text": CANARY}))
    assert client.ask("gw-1", {"text": CANARY, "echo": True})["text"] == CANARY
    assert bridge.stop() == 0
    assert rows(bridge.journal) == [("verdict", CANARY)] * 2
    assert CANARY not in bridge.log_text


def test_odd_characters_are_text_like_any_other(resident, device):
    """Control, ANSI, bidirectional, any script: classified, and echoed as they were."""
    texts = ["\x1b[31mred\x07", "\u202egnp.exe", "日本語 العربية 🎁", "a\r\nb\tc", "\x7f\x01"]
    answers = [resident.ask(device, {"text": text, "echo": True}) for text in texts]
    assert [answer["text"] for answer in answers] == texts


def test_what_is_not_addressed_to_the_bridge_is_counted(start_bridge, client):
    """A retained input, and a device id of odd characters: no answer, acknowledged, ignored."""
    start_bridge()
    client.publish("gw-1", b"retained", retain=True)
    client.publish("gerät 1", b"odd")
    client.ask("gw-2", b"hello")
    ledger = client.settled_ledger()
    assert (ledger["received"], ledger["ignored"], ledger["verdicts"]) == (3, 2, 1)
    assert client.answers("gw-1") == []


def test_a_retained_input_is_not_answered_at_the_next_start(start_bridge, client):
    """RetainHandling 2: what lies retained on an input topic is never delivered."""
    client.publish("gw-1", b"retained", retain=True)
    start_bridge()
    client.ask("gw-2", b"hello")
    assert client.settled_ledger()["received"] == 1
    assert client.answers("gw-1") == []


def test_a_rejection_is_a_problem_document(resident, device):
    """The fields of the contract, and the place of what is wrong."""
    resident.ask(device, {"id": "m-1", "text": 7, "echo": "yes"})
    told = resident.answers(device)[0]
    document = json.loads(told.payload)
    assert document["id"] == "m-1"
    assert (document["device"], document["type"]) == (device, "invalid_payload")
    assert [error["loc"] for error in document["errors"]] == [["text"], ["echo"]]
    assert told.properties.ContentType == "application/json"
