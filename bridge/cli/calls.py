"""``bridge calls``: what a device was answered, newest first."""

from collections.abc import Iterator
from heapq import merge
from itertools import islice
from typing import Annotated

import typer
from rich.text import Text

from bridge.cli import display
from bridge.cli.doorway import door
from bridge.cli.options import AsJson, Since, Until
from bridge.cli.period import period
from bridge.cli.questions import Questions, Record
from bridge.errors import ConfigurationError
from bridge.settings import load
from bridge.topics import Topics, is_device_id

_PAGE = 100


def command(  # noqa: PLR0913 - one for each option
    device: Annotated[str, typer.Argument(help="The device's id.")],
    hour: Annotated[
        str | None, typer.Option(help="One hour in UTC, such as 2026-01-01T13Z.")
    ] = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Most calls to show.")] = _PAGE,
    *,
    as_json: AsJson = False,
) -> None:
    """Show what a device was answered, newest first.

    [dim]Example:[/dim]  bridge calls gw-7 --hour 2026-01-01T13Z
    """
    if not is_device_id(device):
        raise ConfigurationError("DEVICE must be 1 to 64 letters, digits, _ or -")
    when = period(hour, since, until)
    settings = load()
    with door(settings) as opened:
        pages = Pages(Questions(opened, Topics(settings.topics.root)), {"device": device, **when})
        calls = list(islice(pages.calls(min(limit, _PAGE)), limit))
    if as_json:
        for call in calls:
            display.print_json(call)
        return
    for call in calls:
        display.out.print(_line(call))
    display.out.print(f"[dim]{_remark(len(calls), pages.total, device, when)}[/]")


class Pages:
    """The calls of all bridges on the root, page by page."""

    def __init__(self, questions: Questions, question: dict[str, str]) -> None:
        self.total = 0
        self._questions = questions
        self._question = question

    def calls(self, page: int) -> Iterator[Record]:
        """Yield calls newest first, those of several bridges merged."""
        question = {**self._question, "limit": page, "cursor": None}
        responses = self._questions.ask("calls", question)
        for response in responses:
            total = response.data.get("total")
            self.total += total if isinstance(total, int) else 0
        yield from merge(
            *(self._rest(response.instance, response.data, page) for response in responses),
            key=lambda call: str(call.get("called_at")),
            reverse=True,
        )

    def _rest(self, instance: str, data: Record, page: int) -> Iterator[Record]:
        yield from _calls(data)
        while cursor := data.get("next"):
            # A cursor means something to the bridge that gave it, so only that one is heard.
            question = {**self._question, "limit": page, "cursor": cursor, "instance": instance}
            data = self._questions.ask_one(instance, "calls", question).data
            yield from _calls(data)


def _calls(data: Record) -> list[Record]:
    calls = data.get("calls")
    return [call for call in calls if isinstance(call, dict)] if isinstance(calls, list) else []


def _remark(shown: int, total: int, device: str, when: dict[str, str]) -> str:
    hours = when.get("hour") or f"{when['from']} to {when['to']}"
    if not shown:
        return f"No calls of {device} in {hours} (UTC)."
    more = "" if shown >= total else "; --limit shows more"
    return f"{shown} of {max(shown, total)} calls of {device} in {hours} (UTC){more}."


def _line(call: Record) -> Text:
    """Return a call in one line; what varies in length stands last."""
    at = display.field(call, "called_at").replace("T", " ").removesuffix("Z")
    outcome = display.label(call) if call.get("label") else Text("rejected", "yellow")
    outcome.align("left", len("rejected"))
    line = Text.assemble(
        (f"{at}  ", "dim"),
        outcome,
        f" {display.percentage(call.get('score'))}",
        (f"  {display.cached(call):<9}  {display.field(call, 'model') or '-':<8}", "dim"),
    )
    if call.get("text") is not None:
        line.append(f"  {display.field(call, 'text')}")
    return line.append(f"  {display.field(call, 'id')}", style="dim cyan")
