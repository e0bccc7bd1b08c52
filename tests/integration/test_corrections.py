"""Corrections among bridges of one group: heard by all, told once, kept as the setting says."""

import csv
import json
import time

import pytest
from bridge_process import eventually, let_pass
from streams import Stream

from bridge.cli.questions import Questions
from bridge.doors import Door
from bridge.settings import Account, Mqtt

KEY = "0123456789abcdef0123456789abcdef"
CANARY = "canary51c0de"
TEXT = f"Your parcel waits at the corner shop, {CANARY}"
NAMES = ("one", "two")
WITHIN_S = 2.0


@pytest.fixture
def questions(broker, topics):
    """Asks bridges on the root."""
    with Door(Mqtt(host=broker.host, port=broker.port), Account()) as door:
        yield Questions(door, topics)


@pytest.fixture
def start(start_bridge, client):
    """Start two bridges in one group, and return when both answer questions."""

    def started(**settings):
        settings = {"share": "fleet", "STORE__KEY": KEY, **settings}
        bridges = [start_bridge(name, INSTANCE=name, **settings) for name in NAMES]
        eventually(lambda: all(map(is_ready, NAMES)), "the clerks")
        return bridges

    def is_ready(name):
        has_clerk = client.document("health", name).get("journal", {}).get("segments") is not None
        return has_clerk and client.document("state", name).get("state") == "online"

    return started


def verdicts(client, name):
    """How many verdicts a bridge says it has given."""
    return client.document("health", name)["ledger"]["verdicts"]


def test_a_correction_told_to_one_holds_for_all_within_two_seconds(
    start, client, questions, topics
):
    """The other hears it on `bridge/corrected`; no log and no topic of the bridge has the text."""
    bridges = start()
    with Stream(client, lambda _: TEXT) as stream:
        eventually(lambda: all(verdicts(client, name) >= 5 for name in NAMES), "both")
        said = json.loads(client.answers("gw-7")[0].payload)["label"]
        right = {"ham": "spam", "spam": "ham"}[said]
        order = {"text": TEXT, "label": right, "by": "tester", "instance": "two"}
        asked_s = time.monotonic()
        questions.ask_one("two", "correct", order)
        eventually(lambda: client.on(topics.corrected), "the news")
        let_pass(WITHIN_S)
        counts = {name: verdicts(client, name) for name in NAMES}
        eventually(lambda: all(verdicts(client, name) > counts[name] + 5 for name in NAMES), "both")
    late = [answer for at_s, answer in stream.answers() if at_s > asked_s + WITHIN_S]
    assert {(answer["label"], answer["cached"]) for answer in late} == {(right, "corrected")}
    for bridge in bridges:
        assert CANARY not in bridge.log_text
    [event] = bridges[1].events("clerk.corrected")
    assert (event["label"], event["by"], len(event["text_key"])) == (right, "tester", 32)
    asked = (topics.request("correct"), topics.input("gw-7"))
    guilty = {m.topic for m in client.heard if CANARY.encode() in m.payload}
    assert guilty <= set(asked)


def test_a_call_is_corrected_by_the_bridge_that_has_it(start, client, command):
    """The other does not know the call, and hears of the correction."""
    start()
    said = client.ask("gw-7", {"id": "m-1", "text": TEXT})["label"]
    right = {"ham": "spam", "spam": "ham"}[said]
    told = command("correct", right, "--device", "gw-7", "--id", "m-1")
    assert told.returncode == 0, told.stderr
    let_pass(WITHIN_S)
    before = {name: verdicts(client, name) for name in NAMES}
    answers = []

    def both_have_answered():
        answers.append(client.ask("gw-8", {"text": TEXT})["cached"])
        return all(verdicts(client, name) > before[name] + 1 for name in NAMES)  # m-1 was one

    eventually(both_have_answered, "answers of both")
    assert set(answers) == {"corrected"}
    nobody = command("correct", right, "--device", "gw-7", "--id", "m-2")
    assert (nobody.returncode, "no call of gw-7 has this id" in nobody.stderr) == (1, True)


def test_a_training_file_has_each_correction_once(start, questions, command, tmp_path):
    """Both bridges were told, and both tell."""
    start()
    questions.ask("correct", {"text": TEXT, "label": "spam", "by": "tester"})
    questions.ask("correct", {"text": "=1+1,\n", "label": "spam", "by": "tester"})
    questions.ask("correct", {"text": "=1+1,\n", "label": "ham", "by": "another"})
    told = command("calls", "--corrections", "--export", "mine.csv", "--json")
    assert told.returncode == 0, told.stderr
    shown = [json.loads(line) for line in told.stdout.splitlines()]
    assert [(one["text"], one["label"], one["by"]) for one in shown] == [
        ("=1+1,\n", "ham", "another"),
        (TEXT, "spam", "tester"),
    ]
    with (tmp_path / "mine.csv").open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == [
            ["label", "text", "source"],
            ["spam", TEXT, "correction"],
            ["ham", "=1+1,\n", "correction"],
        ]


@pytest.mark.parametrize("keeps", ["hash", "none"])
def test_without_texts_there_is_nothing_to_export(keeps, start, questions, command, tmp_path):
    """It says so, and why; the correction itself is told, by its key."""
    start(LOG__TEXT=keeps)
    questions.ask("correct", {"text": TEXT, "label": "spam", "by": "tester"})
    told = command("calls", "--corrections", "--export", "mine.csv", "--csv")
    assert (told.returncode, (tmp_path / "mine.csv").exists()) == (1, False)
    assert "nothing to export: the log keeps no texts (BRIDGE_LOG__TEXT)" in told.stderr
    [shown] = csv.DictReader(told.stdout.splitlines())
    assert (shown["label"], shown["text"], len(shown["text_key"])) == ("spam", "", 32)
    assert CANARY not in told.stdout + told.stderr
