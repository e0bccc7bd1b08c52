"""A message's life, stage by stage, on fakes."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paths import TOPICS, FakePath

from bridge.errors import JournalUnavailable
from bridge.rate import RateLimit
from edge_simulator.rubbish import FAMILIES

CANARY = "kanarienvogel"
DAY_S = 86_400


@pytest.fixture
def path() -> FakePath:
    """A path that keeps texts."""
    return FakePath()


# ---------------------------------------------------------------------------------- the answer


def test_a_text_gets_its_verdict(path):
    """Everything the contract names, on the device's output, from the bridge's own clock."""
    path.clock.go_on(0.25)
    (answer,) = path.send({"id": "m-1", "text": "free prize"})
    assert answer == {
        "id": "m-1",
        "device": "gw-7",
        "label": "spam",
        "score": 0.9,
        "scores": {"ham": 0.1, "spam": 0.9},
        "model": "spam@1",
        "cached": "no",
        "ts": "2026-01-01T00:00:00.250Z",
        "ms": {"total": 0.0},
    }
    (delivery, topic, _) = path.connection.answers[0]
    assert topic == TOPICS.output("gw-7")
    assert path.connection.settled == [delivery]


def test_a_plain_text_gets_an_id_of_the_bridges_own(path):
    """It stands in the answer and in the row, and repeats nothing."""
    first, second = path.send(b"hello", b"hello")
    assert first["id"] != second["id"]
    assert [row.message_id for row in path.journal.rows] == [first["id"], second["id"]]
    assert [row.key for row in path.journal.rows] == [0, 0]


def test_the_text_comes_back_only_where_it_was_asked_for(path):
    """`echo` is the sender's choice."""
    silent, echoed = path.send({"text": CANARY}, {"text": CANARY, "echo": True})
    assert CANARY not in str(silent)
    assert echoed["text"] == CANARY


@pytest.mark.parametrize("keep_text", [True, False])
def test_the_row_keeps_the_text_only_where_the_log_does(keep_text):
    """`BRIDGE_LOG__TEXT`: otherwise nothing of it reaches the journal."""
    path = FakePath(keep_text=keep_text)
    path.send({"id": "m-1", "text": CANARY}, CANARY.encode(), {"id": "m-2", "text": 7, "x": CANARY})
    assert (CANARY in str(path.journal.rows)) == keep_text


def test_the_devices_clock_is_kept_and_decides_nothing(path):
    """The past is welcome, a day ahead is tolerated, more is refused."""
    past, future, nonsense = path.send(
        {"text": "a", "ts": "1970-01-01T00:00:01Z"},
        {"text": "b", "ts": "2026-01-02T00:00:00Z"},
        {"text": "c", "ts": "2026-01-02T00:00:00.001Z"},
    )
    assert past["ts"] == future["ts"] == "2026-01-01T00:00:00.000Z"
    assert (nonsense["status"], nonsense["title"][:10]) == (422, "ts is more")
    assert [row.device_ts_ms for row in path.journal.rows[:2]] == [1000, 1_767_312_000_000]


# ---------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_every_family_of_bad_input_is_answered_and_logged(path, family):
    """A rejection with its status, one row, one acknowledgement, nothing of the text."""
    if family.reuses_id:
        path.send({"id": "m-1", "text": "first"})
    rows = len(path.journal.rows)
    (answer,) = path.send(family.build("m-1"))
    assert answer["status"] in family.statuses
    assert "prize" not in str(answer)
    assert len(path.connection.settled) == len(path.connection.answers)
    assert len(path.journal.rows) - rows == (0 if family.reuses_id else 1)
    assert "prize" not in str(path.journal.rows[rows:])


@given(
    payloads=st.lists(
        st.binary(max_size=60)
        | st.text(max_size=40).map(lambda text: json.dumps({"id": "m-1", "text": text}).encode())
        | st.text(max_size=40).map(lambda text: json.dumps({"text": "x", "ts": text}).encode()),
        min_size=1,
        max_size=5,
    )
)
def test_whatever_is_sent_gets_one_answer_each(payloads):
    """Any bytes at all, in any company: one answer and one acknowledgement for each."""
    path = FakePath()
    answers = path.send(*payloads)
    assert len(answers) == len(path.connection.settled) == len(payloads)
    assert all(answer.get("status") in (None, 409, 422) for answer in answers)


def test_an_invalid_message_is_told_how_it_would_work(path):
    """The hint is a line that can be copied, for this very device."""
    (answer,) = path.send(b"{}")
    assert answer["hint"] == "mosquitto_pub -t spam/v1/devices/gw-7/in -q 1 -m 'hello'"
    assert path.connection.answers[0][1] == TOPICS.rejections("gw-7")


def test_an_unknown_model_is_told_which_there_are(path):
    """404 names them; a known one answers."""
    unknown, known = path.send({"text": "a", "model": "spam@3"}, {"text": "a", "model": "spam@2"})
    assert (unknown["status"], unknown["type"]) == (404, "unknown_model")
    assert "spam@1, spam@2" in unknown["title"]
    assert known["model"] == "spam@2"


@pytest.mark.parametrize(
    ("fields", "counter"),
    [
        ({"retain": True}, "ignored"),
        ({"topic": "spam/v1/devices/g w/in"}, "ignored"),
        ({"topic": "spam/v1/devices/gw-7/out"}, "ignored"),
        ({"topic": "somewhere/in"}, "ignored"),
        ({"message_expiry_interval_s": 0}, "expired"),
    ],
)
def test_what_is_not_for_us_is_acknowledged_and_counted(path, fields, counter):
    """Retained, wrongly addressed, expired: no answer, no row."""
    delivery = path.delivery({"text": "hello"}, **fields)
    assert path.send(delivery) == []
    assert path.connection.settled == [delivery]
    assert (path.journal.rows, dict(path.journal.totals)) == ([], {counter: 1})


def test_a_message_expires_by_the_time_it_waited_here(path):
    """The broker's remaining time counts from when it was read."""
    delivery = path.delivery({"text": "hello"}, message_expiry_interval_s=10)
    path.clock.go_on(9.9)
    assert len(path.send(delivery)) == 1
    path.clock.go_on(0.1)
    assert path.send(delivery) == []


def test_over_the_rate_is_told_when_to_come_again():
    """429 is transient: not remembered, no row; the same id is answered later."""
    path = FakePath(rate=RateLimit(per_s=2, burst=1))
    verdict, refused = path.send({"id": "m-1", "text": "a"}, {"id": "m-2", "text": "b"})
    assert (verdict["label"], refused["status"], refused["retry_after_s"]) == ("ham", 429, 0.5)
    assert len(path.journal.rows) == 1
    path.clock.go_on(refused["retry_after_s"])
    assert path.send({"id": "m-2", "text": "b"})[0]["label"] == "ham"
    assert path.journal.totals == {"verdicts": 2, "transient": 1}


# ---------------------------------------------------------------------------------- classify


def test_a_wave_of_one_text_costs_one_inference(path):
    """Distinct texts only, in one call, whoever sent them."""
    path.send(*([b"wave"] * 50), path.delivery(b"other", device="gw-8"), b"wave")
    assert path.model.asked == [["wave", "other"]]


def test_what_is_known_is_not_asked_again(path):
    """The second time the memory knows, and says so."""
    assert path.send(b"a", b"b")[0]["cached"] == "no"
    assert [answer["cached"] for answer in path.send(b"a", b"b", b"c")] == ["memory"] * 2 + ["no"]
    assert path.model.asked == [["a", "b"], ["c"]]


def test_a_farther_cache_fills_the_nearer(path):
    """What the store knew, memory knows from then on."""
    path.send(b"a")
    path.caches[0].entries.clear()
    assert path.send(b"a")[0]["cached"] == "store"
    assert path.send(b"a")[0]["cached"] == "memory"


def test_who_skips_the_cache_gets_a_new_inference(path):
    """And its result is known to others."""
    path.send(b"a")
    assert path.send({"text": "a", "skip_cache": True})[0]["cached"] == "no"
    assert path.model.asked == [["a"], ["a"]]


def test_models_are_asked_apart(path):
    """One batch, two models, one text: two verdicts."""
    answers = path.send({"text": "a"}, {"text": "a", "model": "spam@2"})
    assert [answer["model"] for answer in answers] == ["spam@1", "spam@2"]


def test_a_cache_that_does_not_answer_is_said_and_done_without(path):
    """Degraded, not refused."""
    path.caches[1].is_down = True
    (answer,) = path.send(b"a")
    assert (answer["cached"], answer["degraded"]) == (
        "no",
        ["the store cache did not answer in time"],
    )


def test_an_inference_that_fails_is_503_and_forgotten(path):
    """Transient: no row, and the same id is answered once the model works again."""
    path.model.is_broken = True
    message = {"id": "m-1", "text": "a"}
    first, second, other = path.send(message, message, {"text": "a", "model": "spam@2"})
    assert (first["status"], second["status"], other["model"]) == (503, 503, "spam@2")
    assert path.journal.totals == {"transient": 2, "verdicts": 1}
    path.model.is_broken = False
    assert path.send(message)[0]["label"] == "ham"


def test_what_cannot_be_processed_is_excused(path):
    """503 for an input, nothing for what is none; counted, acknowledged, no row."""
    path.pipeline.excuse(path.delivery({"text": CANARY}))
    path.pipeline.excuse(path.delivery(b"x", topic="somewhere/in"))
    ((_, topic, payload),) = path.connection.answers
    assert (topic, json.loads(payload)["status"]) == (TOPICS.rejections("gw-7"), 503)
    assert CANARY.encode() not in payload
    assert len(path.connection.settled) == 2
    assert (path.journal.totals, path.journal.rows) == ({"transient": 1, "ignored": 1}, [])


# ---------------------------------------------------------------------------------- record


def test_without_a_journal_nobody_is_told_anything(path):
    """No answer, no acknowledgement; the same batch works once there is room again."""
    batch = [path.delivery({"id": "m-1", "text": "a"}), path.delivery(b"{}"), path.delivery(b"b")]
    path.journal.is_full = True
    with pytest.raises(JournalUnavailable):
        path.pipeline.process(batch)
    assert (path.connection.answers, path.connection.settled) == ([], [])
    path.journal.is_full = False
    assert len(path.send(*batch)) == 3
    assert path.journal.totals == {"verdicts": 2, "rejections": 1}


def test_answers_keep_the_order_received(path):
    """Whatever became of each, and wherever its verdict came from."""
    path.send(b"known")
    answers = path.send(b"new", b"known", b"{}", b"new", {"text": "x", "id": "m-1"})
    assert [answer.get("status") or answer["cached"] for answer in answers] == [
        "no",
        "memory",
        422,
        "no",
        "no",
    ]
    assert [delivery.sequence for delivery in path.connection.settled] == [1, 2, 3, 4, 5, 6]
