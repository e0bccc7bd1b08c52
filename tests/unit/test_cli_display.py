"""What reaches a terminal: never a command of a device's."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.cli import display


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("hello", "hello"),
        ("Grüße, 你好, привет", "Grüße, 你好, привет"),
        ("\x1b[31mred\x07", r"\x1b[31mred\x07"),
        ("two\nlines\tand\r", r"two\nlines\tand\r"),
        ("abc\u202edef", r"abc\u202edef"),
        ("zero\u200bwidth", r"zero\u200bwidth"),
        ("tag\U000e0041", r"tag\U000e0041"),
        ("\u2028", r"\u2028"),
        ("\ud800", r"\ud800"),
        ("\x9b1m", r"\x9b1m"),
    ],
)
def test_control_and_bidirectional_characters_are_shown_as_escapes(text, shown):
    """A text neither moves the cursor nor turns the reading direction."""
    assert display.escape(text) == shown


@given(st.text())
def test_whatever_is_sent_comes_out_printable(text):
    """Property: printable, and printable text is left alone (but for rare blanks)."""
    shown = display.escape(text)
    assert all(character.isprintable() or character.isspace() for character in shown)
    assert "\n" not in shown
    assert "\x1b" not in shown
    assert display.escape(shown) == shown


def test_a_rejection_is_one_line_with_its_errors_and_hint():
    """Who sent something wrong reads what to do."""
    line = display.rejection(
        {
            "status": 422,
            "type": "invalid_payload",
            "title": "request is invalid",
            "errors": [{"loc": ["text"], "msg": "text\x1b is missing"}],
            "hint": "mosquitto_pub -q 1",
        }
    ).plain
    assert line == (
        r"422 invalid_payload  request is invalid; text: text\x1b is missing  mosquitto_pub -q 1"
    )


def test_a_state_says_since_when_and_why():
    """Reasons belong to a degraded bridge's line."""
    line = display.state("b1", {"state": "degraded", "since": "now", "why": ["disk", "store"]})
    assert line.plain == "b1: degraded since now (disk; store)"


@pytest.mark.parametrize("odd", [{}, {"ms": 3, "score": "x", "label": None, "why": "x"}])
def test_what_is_odd_is_shown_all_the_same(odd):
    """Another version's answer must not break the screen."""
    assert display.milliseconds(odd) == ""
    assert display.percentage(odd.get("score")).strip() == "-"
    assert display.state("b", odd).plain.startswith("b: unknown")
    assert display.rejection(odd)
    assert display.label(odd)


def test_json_is_ascii(capsys):
    """JSON on a terminal is escaped by being JSON."""
    display.print_json({"text": "\x1b\u202eé"})
    told = capsys.readouterr().out
    assert told.isascii()
    assert json.loads(told) == {"text": "\x1b\u202eé"}
