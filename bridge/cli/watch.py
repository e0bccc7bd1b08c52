"""``bridge watch``: what the bridges on a root answer, as it happens."""

import time
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Annotated

import typer
from rich.text import Text

from bridge.cli import display
from bridge.cli.doorway import door
from bridge.cli.options import AsJson
from bridge.cli.questions import Record, record
from bridge.doors import Message
from bridge.errors import ConfigurationError
from bridge.settings import load
from bridge.topics import Topics, is_device_id

Show = Callable[[Topics, Message], None]


def command(
    device: Annotated[str | None, typer.Option("--device", "-d", help="Only this device.")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Show verdicts and rejections as they are answered, and what the bridges say of themselves.

    Texts are shown only where a device asked for their echo. Ctrl-C ends.

    [dim]Example:[/dim]  bridge watch --device gw-7
    """
    if device is not None and not is_device_id(device):
        raise ConfigurationError("--device must be 1 to 64 letters, digits, _ or -")
    settings = load()
    topics = Topics(settings.topics.root)
    messages: SimpleQueue[Message] = SimpleQueue()
    with suppress(KeyboardInterrupt), door(settings, _tell) as opened:
        for topic_filter in (
            topics.instance("+", "state"),
            topics.output(device or "+"),
            topics.rejections(device or "+"),
        ):
            opened.subscribe(topic_filter, messages.put)
        show = _as_json if as_json else _as_line
        while True:
            show(topics, messages.get())


def _tell(connected: bool, why: str) -> None:  # noqa: FBT001 - the door's signature
    if not connected:
        display.err.print(Text(f"{_now()}  {why}; trying again", style="yellow"))


def _now() -> str:
    return time.strftime("%H:%M:%S")


def _as_json(topics: Topics, message: Message) -> None:
    if not message.payload:
        return
    instance = topics.instance_of(message.topic, "state")
    display.print_json(record(message) | ({"instance": instance} if instance else {}))


def _as_line(topics: Topics, message: Message) -> None:
    said = record(message)
    instance = topics.instance_of(message.topic, "state")
    if not said:
        return
    line = Text(f"{_now()}  ", style="dim")
    if instance is not None:
        line.append(display.state(instance, said))
    else:
        line.append(f"{display.field(said, 'device'):<12}  ", style="cyan")
        line.append(verdict(said) if "label" in said else display.rejection(said))
    display.out.print(line)


def verdict(said: Record) -> Text:
    """Return a verdict in one line, without its device."""
    line = Text.assemble(
        display.label(said),
        f" {display.percentage(said.get('score'))}",
        (f"  {display.cached(said):<9}", "dim"),
        (f"{display.milliseconds(said):>9}", "dim"),
    )
    if "text" in said:
        line.append(f"  {display.field(said, 'text')}")
    return line
