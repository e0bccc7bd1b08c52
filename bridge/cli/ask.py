"""``bridge ask``: one text, one verdict."""

import json
import sys
import time
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Annotated

import typer
from rich.text import Text

from bridge.cli import display
from bridge.cli.doorway import door
from bridge.cli.options import AsJson
from bridge.cli.questions import Instances, Record, check_puback, new_id, record
from bridge.doors import Door
from bridge.errors import Unavailable
from bridge.settings import load
from bridge.topics import Topics

DEVICE = "ask"
"""The device that this command speaks as; the broker knows it like any other."""

_TIMEOUT_S = 10.0


def command(
    text: Annotated[
        str | None, typer.Argument(help="The text to judge; without one, you are asked for it.")
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Ask the bridge for a verdict on a text, as any device would.

    Leaves with 0 for a verdict, with 1 for a rejection or no answer within 10 seconds.

    [dim]Example:[/dim]  bridge ask "You have won a FREE prize, call now"
    """
    settings = load()
    topics = Topics(settings.topics.root)
    with door(settings) as opened:
        asking = Asking(opened, topics)
        if text is None:
            _converse(asking, as_json=as_json)
        elif not _say(asking.ask(text), as_json=as_json):
            raise SystemExit(1)


class Asking:
    """Texts out, answers in, matched by id."""

    def __init__(self, door: Door, topics: Topics) -> None:
        self._door = door
        self._topics = topics
        self._answers: SimpleQueue[Record] = SimpleQueue()
        self._instances = Instances(door, topics)
        for topic in (topics.output(DEVICE), topics.rejections(DEVICE)):
            door.subscribe(topic, lambda message: self._answers.put(record(message)))

    def ask(self, text: str) -> Record:
        """Return the verdict on ``text``, or its rejection.

        Raises:
            Unavailable: No answer came; the message says what state the bridges are in.
        """
        message_id = new_id()
        request = json.dumps({"id": message_id, "text": text})
        check_puback(
            self._door.wait(self._door.publish(self._topics.input(DEVICE), request)),
            self._topics.root,
        )
        try:
            with display.waiting("waiting for the verdict"):
                return self._answer_to(message_id)
        except Empty:
            raise Unavailable(
                f"no answer within {_TIMEOUT_S:g} s; {self._who_is_there()}"
            ) from None

    def _answer_to(self, message_id: str) -> Record:
        until_s = time.monotonic() + _TIMEOUT_S
        while True:  # another `bridge ask` may speak as the same device
            answer = self._answers.get(timeout=max(0.0, until_s - time.monotonic()))
            if answer.get("id") == message_id:
                return answer

    def _who_is_there(self) -> str:
        states = self._instances.states
        if not states:
            return (
                f"no bridge has ever said anything on {self._topics.root}: `bridge run` starts one"
            )
        return "; ".join(display.state(name, state).plain for name, state in states.items())


def _converse(asking: Asking, *, as_json: bool) -> None:
    if sys.stdin.isatty():
        display.out.print("[dim]A text a line; Ctrl-D ends.[/]")
    with suppress(EOFError, KeyboardInterrupt):
        while True:
            text = input("> " if sys.stdin.isatty() else "")
            try:
                _say(asking.ask(text), as_json=as_json)
            except Unavailable as error:
                display.err.print(Text(str(error), style="yellow"))


def _say(answer: Record, *, as_json: bool) -> bool:
    """Print an answer, and say whether it is a verdict."""
    is_verdict = "label" in answer
    if as_json:
        display.print_json(answer)
    else:
        display.out.print(_verdict(answer) if is_verdict else display.rejection(answer))
    return is_verdict


def _verdict(answer: Record) -> Text:
    cached = display.cached(answer)
    said = Text.assemble(
        display.label(answer),
        f"  {display.percentage(answer.get('score')).strip()} likely spam",
        (f"  {display.field(answer, 'model')}", "cyan"),
        (f"  {cached if cached == 'new' else f'from the {cached} cache'}", "dim"),
        (f"  {display.milliseconds(answer)}", "dim"),
    )
    degraded = answer.get("degraded")
    if isinstance(degraded, list):
        said.append("  without " + ", ".join(display.escape(str(it)) for it in degraded), "yellow")
    return said
