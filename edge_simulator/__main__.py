"""`python -m edge_simulator`: devices that talk to a bridge, and count what comes back."""

from __future__ import annotations

import contextlib
import json
import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Final

import typer
from pydantic import TypeAdapter, ValidationError
from rich.console import Console

from bridge import logs
from bridge.errors import ConfigurationError
from bridge.settings import Root
from bridge.topics import is_device_id
from edge_simulator.fleet import Fleet, Options
from edge_simulator.plan import Row, Shares, read_rows
from edge_simulator.screen import Screen, Summary

DATA: Final = Path(__file__).parent.parent / "training/data/workshop_spam_dataset.csv"
_EXAMPLE: Final = (
    "Example: python -m edge_simulator --devices 5 --messages 200 --rate 50 --rubbish 0.05 "
    "--repeats 0.1 --offline 0.2 --show 5"
)


def simulate(  # noqa: PLR0913 - each is an option of the command
    *,
    host: Annotated[str, typer.Option(help="The broker.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 1883,
    username: Annotated[
        str | None, typer.Option(help="One login for all; by default each device is its own user.")
    ] = None,
    password: Annotated[str | None, typer.Option(help="One password for all devices.")] = None,
    password_file: Annotated[
        Path | None, typer.Option(help="Lines `device:password`: each logs in as itself.")
    ] = None,
    root: Annotated[str, typer.Option(help="What all topics start with.")] = "spam/v1",
    prefix: Annotated[str, typer.Option(help="Devices are called PREFIX0, PREFIX1, …")] = "sim-",
    devices: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 20,
    messages: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="How many, of the whole fleet, repeats not counted.",
            show_default="1000, or no end with --duration",
        ),
    ] = None,
    duration: Annotated[
        float | None, typer.Option(min=0.1, help="Stop talking after so many seconds.")
    ] = None,
    rate: Annotated[
        float, typer.Option(min=0.01, help="Messages a second, of the whole fleet.")
    ] = 100.0,
    plain: Annotated[
        float, typer.Option(min=0, max=1, help="Share sent as plain text instead of JSON.")
    ] = 0.3,
    rubbish: Annotated[
        float, typer.Option(min=0, max=1, help="Share that is bad input of every kind.")
    ] = 0.0,
    repeats: Annotated[
        float, typer.Option(min=0, max=1, help="Share of JSON messages said again when answered.")
    ] = 0.0,
    offline: Annotated[
        float, typer.Option(min=0, max=1, help="Share of devices that lose power now and then.")
    ] = 0.0,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=2**32 - 1,
            help="Same messages, same order per device.",
            show_default="random",
        ),
    ] = None,
    resend_s: Annotated[
        float, typer.Option(min=0.1, help="Publish again what is unanswered for so long.")
    ] = 10.0,
    drain_s: Annotated[
        float, typer.Option(min=0, help="How long to wait for the last answers.")
    ] = 30.0,
    state: Annotated[
        Path | None,
        typer.Option(help="Keep the outboxes in this folder.", show_default="thrown away"),
    ] = None,
    data: Annotated[
        Path,
        typer.Option(help="CSV with the columns label, text.", show_default="the workshop data"),
    ] = DATA,
    show: Annotated[
        int, typer.Option(min=0, help="Show the first N verdicts with their texts.")
    ] = 0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the summary as JSON; all else goes to stderr.")
    ] = False,
) -> None:
    """Let devices send texts to a bridge, and count at the devices what comes back.

    Exit code 0: all was answered as it must be.

    Exit code 1: something was lost, or answered wrongly or in two ways.

    Exit code 2: a wrong option, or the broker does not let the devices in.
    """
    logs.configure("warning")
    console = Console(stderr=as_json)
    with _one_line():
        rows = _rows(data)
        options = Options(
            host=host,
            port=port,
            username=username,
            password=password,
            passwords=_passwords(password_file),
            root=_root(root),
            prefix=_prefix(prefix),
            devices=devices,
            messages=1000 if messages is None and duration is None else messages,
            duration_s=duration,
            rate=rate,
            shares=Shares(plain, rubbish, repeats),
            offline=offline,
            seed=random.randrange(2**32) if seed is None else seed,
            resend_s=resend_s,
            drain_s=drain_s,
            state=state,
        )
        summary = _run(options, rows, console, show)
    if as_json:
        typer.echo(json.dumps(summary.as_json()))
    else:
        console.print("\n".join(summary.lines()), highlight=False, markup=False, soft_wrap=True)
    raise typer.Exit(0 if summary.is_clean else 1)


def _run(options: Options, rows: list[Row], console: Console, show: int) -> Summary:
    """Run a fleet; Ctrl-C ends its talking, a second one its waiting."""
    fleet = Fleet(options, rows)
    started_s = time.monotonic()
    try:
        fleet.start()
        with Screen(console, fleet, show), _interrupts(fleet.hush):
            fleet.talk()
            fleet.drain()
        return Summary.of(fleet, options.seed, time.monotonic() - started_s)
    finally:
        fleet.stop()


@contextlib.contextmanager
def _interrupts(hush: Callable[[], None]) -> Iterator[None]:
    # An exception might hit a device half started; a call between two messages hits nothing.
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda *_: hush()) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@contextlib.contextmanager
def _one_line() -> Iterator[None]:
    try:
        yield
    except ConfigurationError as error:
        typer.echo(f"edge_simulator: {error}", err=True)
        raise typer.Exit(2) from None


def _rows(data: Path) -> list[Row]:
    try:
        return read_rows(data)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"--data: {error}") from None


def _root(root: str) -> str:
    try:
        return TypeAdapter[str](Root).validate_python(root)
    except ValidationError:
        raise ConfigurationError(f"--root: {root!r} is no topic; try spam/v1") from None


def _prefix(prefix: str) -> str:
    if not is_device_id(f"{prefix}999"):
        raise ConfigurationError(f"--prefix: {prefix!r} must be of A-Z a-z 0-9 _ -, 61 at most")
    return prefix


def _passwords(file: Path | None) -> dict[str, str] | None:
    if file is None:
        return None
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"--password-file: {error}") from None
    return {name: word for name, _, word in (line.partition(":") for line in lines if line)}


def main() -> None:
    """Run the command."""
    app = typer.Typer(add_completion=False)
    app.command(epilog=_EXAMPLE)(simulate)
    app(prog_name="python -m edge_simulator")


if __name__ == "__main__":
    main()
