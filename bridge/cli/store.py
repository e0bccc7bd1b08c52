"""``bridge store``: the tables in Cassandra."""

from pathlib import Path

import typer
from pydantic_core import from_json
from rich.text import Text

from bridge import logs
from bridge.cli.display import field, out, waiting
from bridge.errors import ConfigurationError
from bridge.settings import Settings, load
from bridge.storage.desk.notebook import set_aside

app = typer.Typer(no_args_is_help=True)

_LETTERS_SHOWN = 20
_ID_SHOWN = 64


@app.callback()
def _store() -> None:
    """Make the tables in Cassandra, or look which are there.

    [dim]Example:[/dim]  bridge store migrate
    """


@app.command()
def migrate() -> None:
    """Bring keyspace and tables up to date; any number of times, and by several at once.

    Needs a login that may create tables; the bridge itself needs none of these rights.

    [dim]Example:[/dim]  BRIDGE_CASSANDRA__USERNAME=admin bridge store migrate
    """
    # Imported here and below: the driver takes half a second, and `--help` has no use of it.
    from bridge.storage.cassandra import migrate as schema  # noqa: PLC0415

    settings = _settings().cassandra
    with waiting("asking Cassandra"):
        applied = schema.migrate(settings, lambda line: out.print(Text(line)))
    out.print(f"Keyspace {settings.keyspace} is up to date" + (" already." if not applied else "."))


@app.command()
def status() -> None:
    """Show which migrations have been applied; exit code 1 where some are missing.

    On a bridge's machine it also shows which calls Cassandra has refused for good.

    [dim]Example:[/dim]  bridge store status
    """
    from bridge.storage.cassandra import migrate as schema  # noqa: PLC0415

    settings = _settings()
    with waiting("asking Cassandra"):
        found = schema.status(settings.cassandra)
    for migration, is_applied in found.migrations:
        mark, style = ("applied", "green") if is_applied else ("missing", "bold yellow")
        out.print(Text.assemble((f"{mark}  ", style), migration.name))
    _show_set_aside(settings.journal.path)
    if found.newer:
        raise ConfigurationError(found.newer)
    if found.pending:
        out.print("[dim]`bridge store migrate` applies what is missing.[/]")
        raise typer.Exit(1)


def _show_set_aside(journal: Path) -> None:
    """Print the newest calls that were set aside; never a text."""
    letters = set_aside(journal)
    if not letters:
        return
    calls = "call was" if len(letters) == 1 else "calls were"
    out.print(Text(f"{len(letters)} {calls} set aside for good, in {journal}:", "bold yellow"))
    for letter in letters[-_LETTERS_SHOWN:]:
        message_id = field(from_json(letter.call), "message_id")[:_ID_SHOWN]
        out.print(Text(f"  {letter.number}  {letter.device}  {message_id}  {letter.reason}"))


def _settings() -> Settings:
    logs.configure("error")  # a command tells what matters itself
    settings = load()
    if not settings.cassandra.is_configured:
        raise ConfigurationError(
            "BRIDGE_CASSANDRA__CONTACT_POINTS: there is no Cassandra to ask; name some of its"
            " nodes, separated by commas"
        )
    return settings
