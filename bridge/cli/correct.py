"""``bridge correct``: tell every bridge which label of a text is right."""

import getpass
import re
from typing import Annotated, Literal

import typer

from bridge.cli import display
from bridge.cli.doorway import door
from bridge.cli.questions import Questions
from bridge.errors import ConfigurationError
from bridge.settings import load
from bridge.topics import Topics


def command(
    label: Annotated[Literal["ham", "spam"], typer.Argument(help="The right label.")],
    text: Annotated[str | None, typer.Argument(help="The text, just as it was sent.")] = None,
    device: Annotated[str | None, typer.Option(help="Instead of TEXT: who sent it.")] = None,
    call_id: Annotated[str | None, typer.Option("--id", help="And under which id.")] = None,
    by: Annotated[str | None, typer.Option(help="Who says so; by default, your login.")] = None,
) -> None:
    """Correct the label of a text: it goes before every cache and every model from now on.

    [dim]Examples:[/dim]
      bridge correct ham "Your parcel is at the door"
      bridge correct spam --device gw-7 --id m-17
    """
    if (text is None) == (device is None and call_id is None):
        raise ConfigurationError("give TEXT, or --device and --id of a call")
    order: dict[str, object] = {"label": label, "by": by or _login()}
    order |= {"text": text} if text is not None else {"device": device, "id": call_id}
    settings = load()
    with door(settings) as opened:
        questions = Questions(opened, Topics(settings.topics.root))
        # A call is known to the bridge that has answered it; that one tells the others.
        ask = questions.ask if text is not None else questions.ask_whoever_can
        responses = ask("correct", order)
    names = ", ".join(display.escape(response.instance) for response in responses)
    display.out.print(f"This text is {label} from now on, say {names}.")


def _login() -> str:
    """Return who is at the keyboard, in the characters that the contract takes."""
    return re.sub(r"[^A-Za-z0-9_.@ -]", "-", getpass.getuser())[:64] or "somebody"
