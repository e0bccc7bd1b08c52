"""The program's own log: readable by machines, and never a device's text."""

import json
import sys

import pytest
import structlog

from bridge import logs
from bridge.errors import Unavailable

TEXT = "You have WON a prize"


@pytest.fixture(autouse=True)
def _fresh_structlog():
    yield
    structlog.reset_defaults()


def logged(capsys):
    """Return the events on stderr."""
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_events_are_json_lines_where_nobody_looks_on(capsys):
    """One object a line, with level and an ISO time in UTC."""
    logs.configure("info")
    structlog.get_logger().info("store.down", outbox_rows=3)
    (event,) = logged(capsys)
    assert event["event"] == "store.down"
    assert event["outbox_rows"] == 3
    assert event["level"] == "info"
    assert event["timestamp"].endswith("Z")


def test_events_are_readable_on_a_terminal(capsys, monkeypatch):
    """People get names and fields, not JSON."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    logs.configure("info")
    structlog.get_logger().info("store.down", outbox_rows=3)
    told = capsys.readouterr().err
    assert "store.down" in told
    assert not told.startswith("{")


def test_what_is_less_serious_stays_unsaid(capsys):
    """The level is the least that is shown."""
    logs.configure("warning")
    structlog.get_logger().info("quiet")
    structlog.get_logger().warning("loud")
    assert [event["event"] for event in logged(capsys)] == ["loud"]


def test_an_exception_is_its_kind_and_place_never_its_words(capsys):
    """A driver's message may quote what a device sent."""
    logs.configure("info")
    try:
        int(TEXT)  # its error quotes the text
    except ValueError:
        structlog.get_logger().exception("broken")
    (event,) = logged(capsys)
    assert event["error"] == "ValueError"
    assert "test_logs.py" in event["frames"][0]
    assert TEXT not in json.dumps(event)


def test_an_exception_of_ours_gives_its_reason(capsys):
    """Our own errors hold no text."""
    logs.configure("info")
    structlog.get_logger().error("down", exc_info=Unavailable("no broker"))
    assert logged(capsys)[0]["reason"] == "no broker"


@pytest.mark.parametrize("name", ["text", "payload"])
def test_a_text_that_slips_in_is_withheld(capsys, name):
    """Even a mistake does not bring a text into the log."""
    logs.configure("info")
    structlog.get_logger().info("slip", **{name: TEXT})
    assert TEXT not in capsys.readouterr().err


def test_a_log_that_nobody_reads_stops_nothing(monkeypatch):
    """A broken pipe behind stderr is no reason to give no verdicts."""

    class Broken:
        def isatty(self):
            return False

        def write(self, *_):
            raise BrokenPipeError

        flush = write

    monkeypatch.setattr(sys, "stderr", Broken())
    logs.configure("info")
    structlog.get_logger().info("unheard")
