"""What people see of texts that strangers wrote, and of a run's end."""

import io

import pytest
from rich.console import Console

from edge_simulator.fleet import Fleet, Options
from edge_simulator.plan import Row
from edge_simulator.screen import Screen, Summary, for_display


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("hello", "hello"),
        ("grüße 😀", "grüße 😀"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\nb\tc\0", "a\\nb\\tc\\x00"),
        ("\u202eevil", "\\u202eevil"),
        ("[bold]markup[/bold]", "[bold]markup[/bold]"),
        ("\ud800", "\\ud800"),
        ("x" * 61, "x" * 60 + "…"),
    ],
)
def test_a_text_cannot_steer_the_terminal(text: str, shown: str) -> None:
    """Control and direction characters are spelled out; long texts are cut."""
    assert for_display(text) == shown


def test_a_summary_without_a_single_answer_can_be_read() -> None:
    """Nothing to divide by, nothing to sort."""
    fleet = Fleet(Options(), [Row("ham", "hello")])
    summary = Summary.of(fleet, seed=7, seconds=1.5)
    told = "\n".join(summary.lines())
    assert "0 sent: 0 answered, 0 rejected, 0 lost" in told
    assert "latency in ms: unknown" in told
    assert "--seed 7" in told
    assert summary.is_clean
    assert summary.as_json()["agreement"] is None


def test_a_terminal_gets_a_live_table() -> None:
    """With its progress bar, before anything was said too."""
    drawn = io.StringIO()
    console = Console(file=drawn, force_terminal=True, width=100, height=30)
    with Screen(console, Fleet(Options(), []), show=0):
        pass
    assert "0/1000" in drawn.getvalue()
