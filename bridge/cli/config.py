"""``bridge config``: the settings as they are in effect, secrets hidden."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bridge.cli.display import escape, out, print_json
from bridge.cli.options import AsJson
from bridge.errors import ConfigurationError
from bridge.settings import Settings
from bridge.variables import Source, find, read, sources, variables

_HIDDEN = "********"
_WIDE = 130
_PIPED_WIDTH = 170  # every row on a line of its own, for grep


@dataclass(frozen=True, slots=True)
class Setting:
    """One variable, and what it is worth now."""

    variable: str
    value: str
    origin: str
    purpose: str


def command(
    *,
    as_json: AsJson = False,
) -> None:
    """Show every setting: its value, where it comes from, what it is for.

    [dim]Example:[/dim]  BRIDGE_MQTT__HOST=broker.local bridge config
    """
    found = sources()
    wrong = _wrong(found)
    settings = list(effective(found))
    if as_json:
        print_json([asdict(setting) for setting in settings])
    else:
        _print(settings)
        out.print("[dim]Secrets can be read from files too: set the variable with _FILE added.[/]")
    if wrong:
        raise wrong


def effective(sources: Sequence[Source]) -> Iterator[Setting]:
    """Yield the settings in effect, secrets hidden."""
    for variable in variables(Settings):
        try:
            found = find(variable, sources)
        except ConfigurationError:
            yield Setting(variable.name, "?", "wrong", variable.purpose)
            continue
        default = "" if variable.default is None else str(variable.default)
        value = found.text if found else default
        yield Setting(
            variable.name,
            _HIDDEN if variable.secret and value else value,
            found.origin if found else "default",
            variable.purpose,
        )


def _wrong(sources: Sequence[Source]) -> ConfigurationError | None:
    """Return what is wrong, to be said after the table: who mends settings wants to see them."""
    try:
        read(Settings, sources)
    except ConfigurationError as error:
        return error
    return None


def _print(settings: Sequence[Setting]) -> None:
    if not out.is_terminal:
        Console(width=_PIPED_WIDTH).print(_table(settings))
    elif out.width >= _WIDE:
        out.print(_table(settings))
    else:
        for setting in settings:
            out.print(_lines(setting))


def _table(settings: Sequence[Setting]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("Variable", no_wrap=True)
    table.add_column("Value", overflow="fold")
    table.add_column("From", no_wrap=True)
    table.add_column("What it is for", style="dim", overflow="fold")
    for setting in settings:
        value = Text(escape(setting.value))
        table.add_row(
            setting.variable, value, setting.origin, setting.purpose, style=_style(setting)
        )
    return table


def _lines(setting: Setting) -> Text:
    """Return a setting in two lines, for a terminal too narrow for the table."""
    origin = "" if setting.origin == "default" else f"  ({setting.origin})"
    return Text.assemble(
        (f"{setting.variable:<40}{escape(setting.value)}{origin}", _style(setting)),
        (f"\n    {setting.purpose}", "dim"),
    )


def _style(setting: Setting) -> str:
    return "" if setting.origin == "default" else "bold cyan"
