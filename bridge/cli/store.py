"""``bridge store``: the tables in Cassandra."""

import typer
from rich.text import Text

from bridge import logs
from bridge.cli.display import out, waiting
from bridge.errors import ConfigurationError
from bridge.settings import Cassandra, load

app = typer.Typer(no_args_is_help=True)


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

    settings = _cassandra()
    with waiting("asking Cassandra"):
        applied = schema.migrate(settings, lambda line: out.print(Text(line)))
    out.print(f"Keyspace {settings.keyspace} is up to date" + (" already." if not applied else "."))


@app.command()
def status() -> None:
    """Show which migrations have been applied; exit code 1 where some are missing.

    [dim]Example:[/dim]  bridge store status
    """
    from bridge.storage.cassandra import migrate as schema  # noqa: PLC0415

    settings = _cassandra()
    with waiting("asking Cassandra"):
        found = schema.status(settings)
    for migration, is_applied in found.migrations:
        mark, style = ("applied", "green") if is_applied else ("missing", "bold yellow")
        out.print(Text.assemble((f"{mark}  ", style), migration.name))
    if found.newer:
        raise ConfigurationError(found.newer)
    if found.pending:
        out.print("[dim]`bridge store migrate` applies what is missing.[/]")
        raise typer.Exit(1)


def _cassandra() -> Cassandra:
    logs.configure("error")  # a command tells what matters itself
    settings = load().cassandra
    if not settings.is_configured:
        raise ConfigurationError(
            "BRIDGE_CASSANDRA__CONTACT_POINTS: there is no Cassandra to ask; name some of its"
            " nodes, separated by commas"
        )
    return settings
