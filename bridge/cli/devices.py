"""``bridge devices``: what is done with a device as a whole."""

from typing import Annotated

import typer

from bridge.cli import display
from bridge.cli.doorway import door
from bridge.cli.questions import Questions
from bridge.errors import ConfigurationError
from bridge.settings import load
from bridge.topics import Topics, is_device_id

app = typer.Typer(no_args_is_help=True)


@app.callback()
def _devices() -> None:
    """Look after the devices of this installation.

    [dim]Example:[/dim]  bridge devices forget gw-7
    """


@app.command()
def forget(
    device: Annotated[str, typer.Argument(help="The device's id.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask back.")] = False,
) -> None:
    """Have no question tell of a device's calls until now any more, on any bridge of this root.

    Calls that it makes from now on are logged again. Journal files hold its calls until they
    expire (BRIDGE_JOURNAL__KEEP_DAYS; with Cassandra, when they are shipped and the repeat
    window is over).

    [dim]Example:[/dim]  bridge devices forget gw-7
    """
    if not is_device_id(device):
        raise ConfigurationError("DEVICE must be 1 to 64 letters, digits, _ or -")
    if not yes:
        typer.confirm(f"Forget all that was logged of {device}? This cannot be undone", abort=True)
    settings = load()
    with door(settings) as opened:
        responses = Questions(opened, Topics(settings.topics.root)).ask(
            "forget", {"device": device}
        )
    names = ", ".join(display.escape(response.instance) for response in responses)
    display.out.print(f"{device} is forgotten by {names}.")
