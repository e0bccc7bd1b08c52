"""``bridge stats``: how many calls of which kind, hour by hour."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated

import typer
from rich.table import Table

from bridge.cli import display
from bridge.cli.doorway import door
from bridge.cli.options import AsJson, Since, Until
from bridge.cli.period import period
from bridge.cli.questions import Questions, Response
from bridge.errors import ConfigurationError
from bridge.settings import load
from bridge.topics import Topics, is_device_id

Hours = Mapping[str, Mapping[str, int]]


def command(
    device: Annotated[
        str | None, typer.Argument(help="The device's id; without one, all devices.")
    ] = None,
    since: Since = None,
    until: Until = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Count verdicts and rejections hour by hour, of all bridges together.

    [dim]Example:[/dim]  bridge stats gw-7 --from 2026-01-01
    """
    if device is not None and not is_device_id(device):
        raise ConfigurationError("DEVICE must be 1 to 64 letters, digits, _ or -")
    when = period(None, since, until)
    settings = load()
    with door(settings) as opened:
        questions = Questions(opened, Topics(settings.topics.root))
        hours = total(_pages(questions, {"device": device, **when}))
    if as_json:
        display.print_json({"hours": [{"hour": it, "counts": hours[it]} for it in hours]})
    elif hours:
        display.out.print(_table(hours))
    else:
        display.out.print(f"[dim]No calls from {when['from']} to {when['to']} (UTC).[/]")


def _pages(questions: Questions, question: Mapping[str, object]) -> Iterator[Response]:
    for response in questions.ask("stats", question):
        yield response
        yield from _rest(questions, question, response)


def _rest(
    questions: Questions, question: Mapping[str, object], page: Response
) -> Iterator[Response]:
    while following := page.data.get("next"):
        page = questions.ask_one(page.instance, "stats", {**question, "from": following})
        yield page


def total(responses: Iterable[Response]) -> Hours:
    """Add up what several bridges counted, hour by hour, in order.

    What several tell of one installation is the same, but for what each has yet to ship: the
    most counts.
    """
    hours: dict[str, Counter[str]] = defaultdict(Counter)
    shared: dict[str, Counter[str]] = defaultdict(Counter)
    for response in responses:
        is_shared = response.data.get("scope") == "installation"
        counted = response.data.get("hours")
        for hour in counted if isinstance(counted, list) else []:
            name = str(hour["hour"])
            if is_shared:
                shared[name] |= Counter(hour["counts"])
            else:
                hours[name].update(hour["counts"])
    for name, counts in shared.items():
        hours[name].update(counts)
    return {hour: dict(hours[hour]) for hour in sorted(hours)}


def _table(hours: Hours) -> Table:
    labels = sorted({label for counts in hours.values() for label in counts})
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", show_footer=True)
    table.add_column("Hour (UTC)", "all", no_wrap=True)
    for label in labels:
        everything = sum(counts.get(label, 0) for counts in hours.values())
        table.add_column(display.escape(label), f"{everything:,}", justify="right")
    for hour, counts in hours.items():
        table.add_row(display.escape(hour), *(f"{counts.get(label, 0):,}" for label in labels))
    return table
