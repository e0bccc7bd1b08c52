"""The hours of a question, as people type them."""

from datetime import UTC, datetime

import pytest

from bridge.cli.period import hour, period
from bridge.errors import ConfigurationError

NOW = datetime(2026, 1, 2, 13, 45, tzinfo=UTC)


@pytest.mark.parametrize(
    "typed", ["2026-01-01T13Z", "2026-01-01T13", "2026-01-01 13", "2026-01-01T13:00Z"]
)
def test_an_hour_is_understood_however_it_is_typed(typed):
    """Always UTC."""
    assert hour("--hour", typed) == "2026-01-01T13Z"


def test_a_day_is_its_first_hour():
    """Handy for --from and --to."""
    assert hour("--from", "2026-01-01") == "2026-01-01T00Z"


@pytest.mark.parametrize("typed", ["", "yesterday", "2026-13-01", "2026-01-01T13:30Z", "13"])
def test_what_is_no_hour_is_told_an_example(typed):
    """The option is named, and an hour that would be right."""
    with pytest.raises(ConfigurationError, match="--hour must be an hour in UTC such as 2026"):
        hour("--hour", typed)


def test_by_default_the_last_24_hours():
    """The current hour included."""
    assert period(None, None, None, NOW) == {"from": "2026-01-01T14Z", "to": "2026-01-02T14Z"}


def test_one_hour_goes_alone():
    """Together with --from it would be a riddle."""
    assert period("2026-01-01T13Z", None, None) == {"hour": "2026-01-01T13Z"}
    with pytest.raises(ConfigurationError, match="--hour goes without"):
        period("2026-01-01T13Z", "2026-01-01", None)


def test_an_empty_period_is_refused():
    """It would answer nothing, and say nothing."""
    with pytest.raises(ConfigurationError, match="must be before"):
        period(None, "2026-01-02", "2026-01-02")
