"""What ``bridge calls`` and ``stats`` make of several bridges' answers."""

import csv
import io
from pathlib import Path

import pytest

from bridge.cli.calls import _COLUMNS, _cell, _distinct, _format, _line, _total, command
from bridge.cli.questions import Response
from bridge.cli.stats import total
from bridge.errors import ConfigurationError


def response(instance, scope, **data):
    """What one bridge answers."""
    return Response(instance, {"scope": scope, **data})


def call(called_at, name):
    """A call as it is told."""
    return {"called_at": called_at, "id": name}


def test_calls_that_several_tell_are_shown_once():
    """Also where they interleave within a millisecond."""
    told = [call("t2", "b"), call("t2", "a"), call("t2", "b"), call("t2", "a"), call("t1", "b")]
    assert [(one["called_at"], one["id"]) for one in _distinct(told)] == [
        ("t2", "b"),
        ("t2", "a"),
        ("t1", "b"),
    ]


def test_totals_of_journals_add_up_and_those_of_an_installation_do_not():
    """The most of the latter counts: each knows its own outbox."""
    assert _total([response("a", "bridge", total=3), response("b", "bridge", total=4)]) == 7
    shared = [response("a", "installation", total=3), response("b", "installation", total=4)]
    assert _total(shared) == 4
    assert _total([*shared, response("c", "bridge", total=2)]) == 6


def test_hours_of_journals_add_up_and_those_of_an_installation_do_not():
    """Label by label, hour by hour."""
    one = {"hour": "2026-01-01T13Z", "counts": {"spam": 3, "ham": 1}}
    other = {"hour": "2026-01-01T13Z", "counts": {"spam": 2, "rejected": 5}}
    apart = [response("a", "bridge", hours=[one]), response("b", "bridge", hours=[other])]
    assert total(apart) == {"2026-01-01T13Z": {"spam": 5, "ham": 1, "rejected": 5}}
    shared = [response(n, "installation", hours=[h]) for n, h in (("a", one), ("b", other))]
    assert total(shared) == {"2026-01-01T13Z": {"spam": 3, "ham": 1, "rejected": 5}}


@pytest.mark.parametrize("text", ["=cmd()", "+1", "-1", "@x", "\tx", "\rx"])
def test_no_text_is_a_formula_in_a_spreadsheet(text):
    """Who sends texts must not command who reads the log."""
    assert str(_cell(text)).startswith("'")


def test_csv_has_a_heading_and_a_line_for_each_call(capsys):
    """Whatever a text holds: commas, quotes, line ends, escapes."""
    show = _format(_COLUMNS, _line, as_json=False, as_csv=True)
    show({"called_at": "t", "id": "m-1", "score": 0.5, "label": None, "text": 'a,"b"\n\x1b[2J'})
    [heading, row] = csv.reader(io.StringIO(capsys.readouterr().out))
    told = dict(zip(heading, row, strict=True))
    assert (told["id"], told["score"], told["label"]) == ("m-1", "0.5", "")
    assert told["text"] == r'a,"b"\n\x1b[2J'


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"device": "gw-7", "as_json": True, "as_csv": True}, "--json goes without --csv"),
        ({}, "give DEVICE, or --corrections"),
        ({"device": "gw/7"}, "DEVICE must be"),
        ({"device": "gw-7", "export": Path("mine.csv")}, "--export goes with --corrections"),
        ({"device": "gw-7", "of_people": True}, "all devices"),
        ({"hour": "2026-01-01T13Z", "of_people": True}, "all devices and hours"),
    ],
)
def test_a_wrong_call_says_what_would_be_right(wrong, says):
    """Exit code 2, before anybody is asked."""
    with pytest.raises(ConfigurationError, match=says):
        command(**wrong)
