"""Questions to the clerk and its answers, without a broker and without a disk."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import Unavailable
from bridge.storage.desk.answers import QUESTION_BYTES, Answers
from bridge.storage.log.call_log import HOUR_MS, Call, Position, Span

NOON_MS = 1_767_268_800_000  # 2026-01-01T12:00:00Z


class Log:
    """A log with as many calls as asked for, and a memory of what it was asked."""

    def __init__(self, calls=3, text="hello", hours=None, error=None):
        self.asked = []
        self._calls, self._text, self._hours, self._error = calls, text, hours or {}, error

    def calls(self, device, span, *, before, limit):
        """Yield the calls before a position."""
        self.asked.append((device, span, before, limit))
        last = before.tie - 1 if before else self._calls
        for number in range(last, max(0, last - limit), -1):
            position = Position(NOON_MS + number, number)
            yield Call(position, f"m{number}", "verdict", "ham", 0.1, "spam@1", "no", self._text)

    def count(self, device, span):
        """Count, or fail."""
        if self._error:
            raise self._error
        self.asked.append((device, span))
        return self._calls

    def hours(self, device, span):
        """Tell the hours."""
        self.asked.append((device, span))
        return self._hours


def ask(log, verb="calls", **question):
    """The answer to a question."""
    return json.loads(Answers(log, "b1").to(verb, json.dumps(question).encode()))


def test_an_answer_says_who_answers_what():
    """Instance and transaction stand in it."""
    answer = ask(Log(calls=1), transaction="t1", device="gw-7")
    assert answer == {
        "status": "ok",
        "instance": "b1",
        "data": {
            "calls": [
                {
                    "id": "m1",
                    "called_at": "2026-01-01T12:00:00.001Z",
                    "outcome": "verdict",
                    "label": "ham",
                    "score": 0.1,
                    "model": "spam@1",
                    "cached": "no",
                    "text": "hello",
                }
            ],
            "next": None,
            "total": 1,
            "scope": "bridge",
        },
        "transaction": "t1",
    }


@pytest.mark.parametrize(
    ("question", "span"),
    [
        ({}, Span()),
        ({"hour": "2026-01-01T12Z"}, Span(NOON_MS, NOON_MS + HOUR_MS)),
        ({"from": "2026-01-01T12Z"}, Span(from_ms=NOON_MS)),
        ({"to": "2026-01-01T12:00:00.001Z"}, Span(to_ms=NOON_MS + 1)),
        (
            {"from": "2026-01-01T14:00+02:00", "to": "2026-01-01T13:00"},
            Span(NOON_MS, NOON_MS + HOUR_MS),
        ),
    ],
)
def test_times_are_utc_unless_they_say_otherwise(question, span):
    """An hour, both ends, one end, or all there is."""
    log = Log()
    ask(log, device="gw-7", **question)
    assert log.asked[0] == ("gw-7", span)


def test_a_page_has_a_hundred_calls_unless_asked():
    """And says where the next begins."""
    answer = ask(Log(calls=101), device="gw-7")
    assert len(answer["data"]["calls"]) == 100
    assert answer["data"]["next"]


@pytest.mark.parametrize("limit", [1, 7, 100, 1000])
def test_pages_are_complete(limit):
    """Following ``next`` to its end gives each call once, and the total once counted."""
    log, cursor, found = Log(calls=1000), None, []
    while True:
        data = ask(log, device="gw-7", limit=limit, cursor=cursor)["data"]
        assert data["total"] == 1000
        found += [call["id"] for call in data["calls"]]
        cursor = data["next"]
        if cursor is None:
            break
    assert found == [f"m{number}" for number in range(1000, 0, -1)]
    assert sum(len(asked) == 2 for asked in log.asked) == 1, "counted with the first page alone"


@pytest.mark.parametrize("text", ["x" * 10_000, "\x01" * 10_000, "\U0001f600" * 200_000])
def test_a_page_stays_under_200_kb(text):
    """Long texts make short pages; a text too long for any page is cut, and says so."""
    answers, cursor, found = Answers(Log(calls=50, text=text), "b1"), None, 0
    while True:
        question = {"device": "gw-7", "limit": 1000, "cursor": cursor}
        payload = answers.to("calls", json.dumps(question).encode())
        assert len(payload) < 200_000
        data = json.loads(payload)["data"]
        assert data["calls"][0].get("truncated", False) == (len(text) > 10_000)
        found += len(data["calls"])
        cursor = data["next"]
        if cursor is None:
            break
    assert found == 50


def test_stats_are_counts_by_hour():
    """Of one device or of all."""
    log = Log(hours={NOON_MS // HOUR_MS: {"spam": 3, "ham": 40, "rejected": 1}})
    answer = ask(log, "stats", **{"device": None, "from": "2026-01-01T00Z", "to": "2026-01-02T00Z"})
    assert answer["data"] == {
        "hours": [{"hour": "2026-01-01T12Z", "counts": {"spam": 3, "ham": 40, "rejected": 1}}],
        "next": None,
        "scope": "bridge",
    }
    assert log.asked == [(None, Span(NOON_MS - 12 * HOUR_MS, NOON_MS + 12 * HOUR_MS))]


def test_stats_of_many_hours_say_where_to_go_on():
    """Ten years do not fit on a page: ``next`` is the ``from`` of the next question."""
    first = NOON_MS // HOUR_MS
    log = Log(hours={first + n: {"ham": 1_000_000, "spam": 1_000_000} for n in range(87_600)})
    payload = Answers(log, "b1").to("stats", b"{}")
    assert len(payload) < 200_000
    data = json.loads(payload)["data"]
    ask(log, "stats", **{"from": data["next"]})
    assert log.asked[-1][1].from_ms == NOON_MS + len(data["hours"]) * HOUR_MS


@pytest.mark.parametrize(
    ("question", "error"),
    [
        ({}, "device: Field required"),
        ({"device": "a/b"}, "device: must be 1 to 64 letters, digits, _ or -"),
        ({"device": 7}, "device: "),
        ({"device": None}, "device: "),
        ({"device": "d", "hour": "2026-01-01 13"}, "hour: must be an hour such as 2026-01-01T13Z"),
        ({"device": "d", "hour": 13}, "hour: must be an hour"),
        ({"device": "d", "from": "yesterday"}, "from: must be a time such as"),
        ({"device": "d", "from": 5}, "from: must be a time such as"),
        ({"device": "d", "hour": "2026-01-01T13Z", "to": "2026-01-01"}, "not both"),
        ({"device": "d", "from": "2026-01-02", "to": "2026-01-01"}, "`from` must be before `to`"),
        ({"device": "d", "limit": 0}, "limit: "),
        ({"device": "d", "limit": 1001}, "limit: "),
        ({"device": "d", "cursor": "rubbish"}, "cursor: must be the `next` of the page before"),
        ({"device": "d", "cursor": 5}, "cursor: must be the `next` of the page before"),
        ({"device": "d", "cursor": "e30="}, "cursor: must be the `next` of the page before"),
        ({"device": "d", "houre": "2026-01-01T13Z"}, "houre: "),
    ],
)
def test_a_wrong_question_is_told_what_would_be_right(question, error):
    """And which question it was."""
    answer = ask(Log(), transaction="t9", **question)
    assert answer["status"] == "error"
    assert error in answer["error"]
    assert (answer["transaction"], answer["instance"]) == ("t9", "b1")
    assert "data" not in answer


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b"[]",
        b"7",
        b"\xff",
        b'"calls"',
        b"[" * 10_000,
        b'{"a":"' + b"x" * QUESTION_BYTES + b'"}',
    ],
)
def test_what_is_no_question_is_answered_all_the_same(payload):
    """Not JSON, no object, too large: an error, and no transaction to echo."""
    answer = json.loads(Answers(Log(), "b1").to("calls", payload))
    assert answer["status"] == "error"
    assert answer["error"] == f"a question is a JSON object of at most {QUESTION_BYTES} bytes"
    assert answer["transaction"] is None


@pytest.mark.parametrize("transaction", [7, ["t"], "t" * 129, {"a": 1}])
def test_a_transaction_is_a_short_text(transaction):
    """Anything else is an error, and is not sent back."""
    answer = ask(Log(), transaction=transaction, device="gw-7")
    assert answer["status"] == "error"
    assert answer["transaction"] is None


def test_an_unknown_verb_is_told_the_known_ones():
    """With the transaction."""
    answer = ask(Log(), "forget", transaction="t1")
    assert answer["error"] == "no such verb; there are: calls, stats"
    assert answer["transaction"] == "t1"


def test_a_log_that_cannot_be_read_is_an_answer():
    """Its reason is told."""
    answer = ask(Log(error=Unavailable("calls-1.sqlite cannot be read")), device="gw-7")
    assert answer["error"] == "calls-1.sqlite cannot be read"


def test_a_bug_is_an_answer_without_its_details():
    """They may hold what nobody should see; the bridge's log says where it is."""
    answer = ask(Log(error=RuntimeError("secret")), transaction="t1", device="gw-7")
    assert answer["status"] == "error"
    assert "secret" not in answer["error"]
    assert answer["transaction"] == "t1"


@given(st.binary(max_size=200) | st.from_regex(rb'\{"(device|limit|cursor|from)":.{0,40}\}'))
def test_nothing_that_is_asked_does_harm(payload):
    """Every question has an answer, and it is JSON."""
    for verb in ("calls", "stats", ""):
        assert json.loads(Answers(Log(), "b1").to(verb, payload))["instance"] == "b1"


@given(
    st.dictionaries(
        st.sampled_from(["device", "limit", "cursor", "hour", "from", "to", "transaction"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            st.lists,
            max_leaves=4,
        ),
    )
)
def test_no_value_of_a_field_is_a_bug(question):
    """Whatever stands in a known field is answered, or refused by name."""
    answer = ask(Log(), **question)
    assert "the bridge failed" not in answer.get("error", "")


def test_a_question_to_another_bridge_is_left_to_it():
    """The next page is asked of who gave the cursor, and of nobody else."""
    answers = Answers(Log(calls=3), "b1")
    asked = {"device": "gw-7", "limit": 1}
    assert json.loads(answers.to("calls", json.dumps({**asked, "instance": "b1"}).encode()))["data"]
    assert answers.to("calls", json.dumps({**asked, "instance": "b2"}).encode()) is None
