"""The hours that a question is about, as people type them."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

from bridge.errors import ConfigurationError

_HOUR = "%Y-%m-%dT%HZ"
_TYPED = (_HOUR, "%Y-%m-%dT%H", "%Y-%m-%d %H", "%Y-%m-%dT%H:00Z", "%Y-%m-%dT%H:00", "%Y-%m-%d")


def hour(option: str, typed: str) -> str:
    """Return an hour as questions name it: ``2026-01-01T13Z``; a day alone is its first hour.

    Raises:
        ConfigurationError: It is none.
    """
    for layout in _TYPED:
        with suppress(ValueError):
            return datetime.strptime(typed.strip(), layout).replace(tzinfo=UTC).strftime(_HOUR)
    raise ConfigurationError(
        f"{option} must be an hour in UTC such as 2026-01-01T13Z, not {typed!a}"
    )


def period(
    only: str | None, since: str | None, until: str | None, now: datetime | None = None
) -> dict[str, str]:
    """Return what a question says of time: one hour, or from one to before another.

    By default the last 24 hours, the current one included.

    Raises:
        ConfigurationError: The hours are none, or contradict each other.
    """
    if only is not None:
        if since is not None or until is not None:
            raise ConfigurationError("--hour goes without --from and --to")
        return {"hour": hour("--hour", only)}
    now = now or datetime.now(UTC)
    first = hour("--from", since) if since else (now - timedelta(hours=23)).strftime(_HOUR)
    last = hour("--to", until) if until else (now + timedelta(hours=1)).strftime(_HOUR)
    if first >= last:  # of one width, so they sort like the hours they name
        raise ConfigurationError(f"--from {first} must be before --to {last}")
    return {"from": first, "to": last}
