"""Payloads in and out: whatever a device sends is a request or a rejection, and never quoted."""

import json
import traceback

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from bridge.codec import decode, encode, schemas
from bridge.errors import InvalidMessage
from bridge.requests import Rejection, Request, Verdict
from edge_simulator.rubbish import FAMILIES, TOO_LARGE

CANARY = "kanarienvogel"
CAPS = {"payload_bytes": 65_536, "text_chars": 10_000}
UNCAPPED = {"payload_bytes": 2**21, "text_chars": 2**21}

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
FIELDS = st.sampled_from(["text", "id", "ts", "model", "skip_cache", "echo", "other"])


def said(error: InvalidMessage) -> str:
    """Return all that an error can tell: its fields, and what a crash report would print."""
    report = "".join(traceback.format_exception(error))
    return "".join([str(error), repr(error), error.title, json.dumps(error.errors), report])


def outcome(payload: bytes, **caps: int) -> Request | InvalidMessage:
    """Return the request that ``payload`` is, or why it is refused; anything else is raised."""
    try:
        return decode(payload, **(CAPS | caps))
    except InvalidMessage as error:
        return error


def refusal(payload: bytes, **caps: int) -> InvalidMessage:
    """Return why ``payload`` is refused."""
    refused = outcome(payload, **caps)
    assert isinstance(refused, InvalidMessage)
    return refused


@given(payload=st.binary(max_size=200))
@example(b"{")
@example(b'{"text":"\\ud800"}')
@example(b'{"text":"x","ts":1e400}')
@example(b'{"text":"x","ts":-1e18}')
def test_any_bytes_are_a_request_or_a_rejection(payload):
    """Nothing but `InvalidMessage` comes out, whatever goes in."""
    read = outcome(payload)
    assert read.status == 422 if isinstance(read, InvalidMessage) else read.text.strip()


@given(document=st.dictionaries(FIELDS, JSON_VALUES))
def test_any_json_object_is_a_request_or_a_rejection(document):
    """Nothing but `InvalidMessage` comes out of fields of any type."""
    read = outcome(json.dumps(document).encode())
    assert read.status == 422 if isinstance(read, InvalidMessage) else read.text == document["text"]


@given(text=st.text(min_size=1).filter(lambda text: text.strip() and "\0" not in text))
@example("\x1b[31mred\x1b[0m")
@example("\u202eevil\u2066")
@example("\ufeff bom")
@example("日本語 العربية 🎁")
def test_any_script_and_control_character_is_text(text):
    """Control, ANSI and bidirectional characters are no bad input, in JSON and as plain text."""
    assert decode(json.dumps({"text": text}).encode(), **CAPS).text == text
    if not text.startswith("{"):
        assert decode(text.encode(), **CAPS).text == text


@given(field=FIELDS, value=JSON_VALUES, place=st.integers(0, 2))
def test_no_error_holds_what_was_sent(field, value, place):
    """A canary in a text, a wrong value, a key or after the end is never told."""
    document = {"text": CANARY, "id": CANARY + "!", field: value, CANARY: CANARY}
    payload = json.dumps(document)
    refused = outcome([payload, payload[:-1], payload + CANARY][place].encode())
    assert isinstance(refused, Request) or CANARY not in said(refused)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_no_family_of_bad_input_is_quoted(family):
    """What the simulator's rubbish says ("prize") stands in no error."""
    for caps in (CAPS, UNCAPPED):
        refused = outcome(family.build("m-1"), **caps)
        if isinstance(refused, InvalidMessage):  # some are bad only by what was said before
            assert "prize" not in said(refused)
            assert len(said(refused)) < 5_000


def test_plain_text_is_taken_as_it_stands():
    """What does not start with `{` needs no JSON at all."""
    assert decode(b" [1, 2] ", **CAPS) == Request(text=" [1, 2] ")


def test_every_field_of_a_request_is_read():
    """All the fields of the contract, and unknown ones are ignored."""
    request = decode(
        b'{"text":"hi","id":"a.b:c-1","ts":"2026-01-01T00:00:00Z","model":"spam@2",'
        b'"skip_cache":true,"echo":true,"battery":71}',
        **CAPS,
    )
    assert (request.text, request.id, request.model) == ("hi", "a.b:c-1", "spam@2")
    assert request.ts
    assert request.ts.isoformat() == "2026-01-01T00:00:00+00:00"
    assert request.skip_cache
    assert request.echo


@pytest.mark.parametrize(
    ("payload", "title"),
    [
        (b"", "payload is empty"),
        (b"\xff", "payload is not UTF-8 at byte 0"),
        (b"a\0", "text holds a NUL character"),
        (b"  ", "text is empty or only spaces"),
        (b"{", "payload starts with { but is not valid JSON"),
        (b"{}", "text is missing"),
        (b'{"text":7}', "text is not valid"),
        (
            b'{"text":"x","a":NaN}',
            "payload is not valid JSON (NaN and Infinity are no JSON numbers)",
        ),
        (b'{"text":"x","id":"?"}', "id is not valid"),
        (b'{"text":"x","ts":"soon"}', "ts is not valid"),
    ],
)
def test_a_title_says_what_is_wrong(payload, title):
    """One sentence that a person can act on."""
    error = refusal(payload)
    assert (error.status, error.type, error.title) == (422, "invalid_payload", title)


def test_errors_name_places_and_rules():
    """A program finds the field that is wrong."""
    errors = refusal(b'{"text":7,"echo":"yes"}').errors
    assert [error["loc"] for error in errors] == [["text"], ["echo"]]
    assert all(set(error) == {"loc", "msg"} for error in errors)


def test_nan_in_a_text_is_only_a_word():
    """Not a number, but three letters that anyone may send."""
    assert decode(b'{"text":"NaN Infinity"}', **CAPS).text == "NaN Infinity"


def test_a_readable_id_comes_with_the_rejection():
    """The sender can match what is wrong, wherever it is."""
    assert refusal(b'{"id":"m-1"}').message_id == "m-1"
    assert refusal(b'{"id":"m-1","text":NaN}').message_id == "m-1"
    assert refusal(b'{"id":"m-1","text":"hello"}', text_chars=4).message_id == "m-1"
    assert refusal(b'{"id":"m 1"}').message_id is None


@pytest.mark.parametrize("size", [0, 1])
def test_size_is_checked_before_anything_is_parsed(size):
    """A payload of just the cap is read, one byte more is 413."""
    payload = b"{" * (100 + size)
    expected = TOO_LARGE if size else 422
    assert refusal(payload, payload_bytes=100).status == expected


def test_a_long_text_is_refused_in_characters():
    """The text's cap counts characters, whatever they take in bytes."""
    assert decode(("é" * 10).encode(), payload_bytes=100, text_chars=10).text == "é" * 10
    error = refusal(("é" * 11).encode(), payload_bytes=100, text_chars=10)
    assert (error.status, error.type) == (413, "text_too_large")


def test_an_answer_says_nothing_of_what_is_not_there():
    """Absent fields are left out, not null."""
    rejection = Rejection(id="m", device="d", status=422, type="invalid_payload", title="no")
    assert json.loads(encode(rejection)) == {
        "id": "m",
        "device": "d",
        "status": 422,
        "type": "invalid_payload",
        "title": "no",
    }


@given(score=st.floats(0, 1), text=st.none() | st.text(st.characters(codec="utf-8")))
def test_a_verdict_survives_its_encoding(score, text):
    """What a client parses is what the bridge meant."""
    verdict = Verdict(
        id="m",
        device="d",
        label="spam",
        score=score,
        scores={"ham": 1 - score, "spam": score},
        model="spam@1",
        cached="no",
        ts="2026-01-01T00:00:00.000Z",
        ms={"total": 1.5},
        text=text,
    )
    assert Verdict.model_validate_json(encode(verdict)) == verdict


def test_a_score_that_is_no_number_is_never_published():
    """NaN is no JSON: it is stopped before it is written."""
    with pytest.raises(ValidationError):
        Rejection(id="m", device="d", status=429, type="t", title="t", retry_after_s=float("nan"))


@pytest.mark.parametrize(
    ("status", "is_final"),
    [(404, True), (409, True), (413, True), (422, True), (429, False), (503, False)],
)
def test_only_429_and_503_pass(status, is_final):
    """Sending again helps there, and nowhere else."""
    rejection = Rejection(id="m", device="d", status=status, type="t", title="t")
    assert rejection.is_final == is_final


def test_info_shows_a_schema_for_each_payload():
    """Who builds a device finds the fields."""
    assert set(schemas()) == {"request", "verdict", "rejection"}
    assert schemas()["request"]["required"] == ["text"]
