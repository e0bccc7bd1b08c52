"""``bridge calls``: what a device was answered, or people have corrected, newest first."""

import csv
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import merge
from itertools import groupby, islice
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from bridge.cli import corrections, display
from bridge.cli.doorway import door
from bridge.cli.options import AsJson, Since, Until
from bridge.cli.period import period
from bridge.cli.questions import Questions, Record, Response
from bridge.errors import ConfigurationError
from bridge.settings import load
from bridge.topics import Topics, is_device_id

_LIMIT = 100
_PAGE = 500
_COLUMNS = ("called_at", "outcome", "label", "score", "model", "cached", "id", "text")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def command(  # noqa: PLR0913 - one for each option
    device: Annotated[str | None, typer.Argument(help="The device's id.")] = None,
    hour: Annotated[
        str | None, typer.Option(help="One hour in UTC, such as 2026-01-01T13Z.")
    ] = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[
        int, typer.Option("--limit", "-n", min=1, help="Most calls to show.")
    ] = _LIMIT,
    *,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, for spreadsheets.")] = False,
    of_people: Annotated[
        bool, typer.Option("--corrections", help="Instead of DEVICE: what people have corrected.")
    ] = False,
    export: Annotated[
        Path | None,
        typer.Option(help="Write all corrected texts for `python -m training train --data`."),
    ] = None,
) -> None:
    """Show what a device was answered, newest first; printed as it comes in, page by page.

    [dim]Examples:[/dim]
      bridge calls gw-7 --hour 2026-01-01T13Z
      bridge calls gw-7 --from 2026-01-01 --to 2026-02-01 -n 1000000 --csv > january.csv
      bridge calls --corrections --export mine.csv
    """
    if as_json and as_csv:
        raise ConfigurationError("--json goes without --csv")
    if of_people:
        if any((device, hour, since, until)):
            raise ConfigurationError("--corrections are of all devices and hours: give none")
        _show_corrections(limit, export, as_json=as_json, as_csv=as_csv)
        return
    if export:
        raise ConfigurationError("--export goes with --corrections")
    if device is None:
        raise ConfigurationError("give DEVICE, or --corrections")
    if not is_device_id(device):
        raise ConfigurationError("DEVICE must be 1 to 64 letters, digits, _ or -")
    when = period(hour, since, until)
    _show_calls(device, when, limit, as_json=as_json, as_csv=as_csv)


def _show_calls(
    device: str, when: dict[str, str], limit: int, *, as_json: bool, as_csv: bool
) -> None:
    settings = load()
    show = _format(_COLUMNS, _line, as_json=as_json, as_csv=as_csv)
    shown = 0
    with door(settings) as opened:
        pages = Pages(Questions(opened, Topics(settings.topics.root)), {"device": device, **when})
        for call in islice(pages.calls(min(limit, _PAGE)), limit):
            show(call)
            shown += 1
    if not (as_json or as_csv):
        display.out.print(f"[dim]{_remark(shown, pages.total, device, when)}[/]")


def _show_corrections(limit: int, export: Path | None, *, as_json: bool, as_csv: bool) -> None:
    settings = load()
    with door(settings) as opened:
        found = corrections.read(Questions(opened, Topics(settings.topics.root)))
    show = _format(corrections.COLUMNS, corrections.line, as_json=as_json, as_csv=as_csv)
    for correction in found[:limit]:
        show(correction)
    if not (as_json or as_csv):
        more = "; --limit shows more" if len(found) > limit else ""
        shown = f"{min(limit, len(found))} of {len(found)} corrections{more}."
        display.out.print(f"[dim]{shown if found else 'No corrections.'}[/]")
    if export:
        display.err.print(corrections.export(found, export), markup=False)


def _format(
    columns: Sequence[str], line: Callable[[Record], Text], *, as_json: bool, as_csv: bool
) -> Callable[[Record], None]:
    """Return what prints one call or correction."""
    if as_json:
        return display.print_json
    if as_csv:
        writer = csv.writer(sys.stdout)
        writer.writerow(columns)
        return lambda record: writer.writerow([_cell(record.get(name)) for name in columns])
    return lambda record: display.out.print(line(record))


def _cell(value: object) -> object:
    """Return a value as a spreadsheet may have it: a device's text is never a formula."""
    if not isinstance(value, str):
        return value
    return "'" + display.escape(value) if value.startswith(_FORMULA) else display.escape(value)


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
        self.total = _total(responses)
        yield from _distinct(
            merge(
                *(self._rest(response.instance, response.data, page) for response in responses),
                key=_called_at,
                reverse=True,
            )
        )

    def _rest(self, instance: str, data: Record, page: int) -> Iterator[Record]:
        yield from _calls(data)
        while cursor := data.get("next"):
            # A cursor means something to the bridge that gave it, so only that one is heard.
            question = {**self._question, "limit": page, "cursor": cursor, "instance": instance}
            data = self._questions.ask_one(instance, "calls", question).data
            yield from _calls(data)


def _total(responses: Iterable[Response]) -> int:
    """Add up what bridges have; what several tell of one installation counts once."""
    totals = {"bridge": 0, "installation": 0}
    for response in responses:
        total = response.data.get("total")
        if isinstance(total, int):
            is_shared = response.data.get("scope") == "installation"
            totals["bridge"] += 0 if is_shared else total
            totals["installation"] = max(totals["installation"], total if is_shared else 0)
    return sum(totals.values())


def _distinct(calls: Iterable[Record]) -> Iterator[Record]:
    """Yield each call once: several bridges of an installation tell the same."""
    for _, same_time in groupby(calls, _called_at):
        yield from {str(call.get("id")): call for call in same_time}.values()


def _called_at(call: Record) -> str:
    return str(call.get("called_at"))


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
