"""What people see: a live table on a terminal, plain lines elsewhere, a summary at the end."""

from __future__ import annotations

import threading
import time
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Any, Final

from rich.console import Console, ConsoleRenderable, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

from bridge.requests import Verdict
from edge_simulator.device import Answer
from edge_simulator.fleet import Fleet
from edge_simulator.plan import Step

_REFRESH_S: Final = 0.25
_LINE_EVERY_S: Final = 5.0
_RECENT: Final = 2000
_SHOWN_CHARS: Final = 60
_FATE: Final = "{sent} sent: {answered} answered, {rejected} rejected, {lost} lost"
_MANNER: Final = (
    "{duplicates} duplicates ({different} different, {unasked} unasked), {equal_again} equal "
    "answers again, {wrong} wrongly answered, {transient} told to wait"
)
_PACE: Final = (
    "{devices} devices, {seconds:.1f} s, {reconnects} reconnects, {resends} resends; "
    "latency in ms: {percentiles}"
)
_AGREEMENT: Final = (
    "{agreement:.1%} of {judged} verdicts agree with the labels (rows that the model was trained "
    "on: this says that the path works, not how good the model is)"
)
_COLOURS: Final = {"spam": "red", "ham": "green"}


def for_display(text: str, longest: int = _SHOWN_CHARS) -> str:
    """Shorten a text and spell out what would steer a terminal or turn the line's direction."""
    shown = "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode()
        for sign in text[:longest]
    )
    return shown + ("…" if len(text) > longest else "")


@dataclass(frozen=True, slots=True)
class Summary:
    """How a run ended, counted at the devices."""

    seed: int
    devices: int
    seconds: float
    resends: int
    reconnects: int
    unreadable: int
    trouble: str
    counts: dict[str, Any]
    latency_ms: dict[str, float]

    @classmethod
    def of(cls, fleet: Fleet, seed: int, seconds: float) -> Summary:
        """Read the numbers off a fleet."""
        return cls(
            seed=seed,
            devices=len(fleet.devices),
            seconds=round(seconds, 3),
            resends=sum(device.resends for device in fleet.devices),
            reconnects=sum(device.reconnects for device in fleet.devices),
            unreadable=sum(device.unreadable for device in fleet.devices),
            trouble=fleet.trouble,
            counts=asdict(fleet.tally.counts()),
            latency_ms=fleet.tally.latency_ms(),
        )

    @property
    def is_clean(self) -> bool:
        """Whether nothing was lost and everything was answered as it must be."""
        return not (self.counts["lost"] or self.counts["different"] or self.counts["wrong"])

    def as_json(self) -> dict[str, Any]:
        """Return one flat object."""
        flat = asdict(self)
        return {**flat.pop("counts"), **flat}

    def lines(self) -> list[str]:
        """Say it to people."""
        counts = self.counts
        percentiles = "  ".join(f"{name} {ms:.1f}" for name, ms in self.latency_ms.items())
        lines = [
            _FATE.format(**counts),
            _MANNER.format(**counts),
            _PACE.format(**asdict(self), percentiles=percentiles or "unknown"),
        ]
        if counts["agreement"] is not None:
            lines.append(_AGREEMENT.format(**counts))
        if self.unreadable:
            lines.append(f"{self.unreadable} answers could not be read")
        if counts["lost"] and self.trouble:
            lines.append(f"the last trouble: {self.trouble}")
        return [*lines, *counts["complaints"], f"the same messages again: --seed {self.seed}"]


class Screen:
    """Draws a fleet while it runs; a context manager.

    Args:
        console: Where to.
        fleet: Whom.
        show: How many verdicts to show as they arrive.
    """

    def __init__(self, console: Console, fleet: Fleet, show: int) -> None:
        self._console = console
        self._fleet = fleet
        self._show = show
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._draw, name="screen", daemon=True)

    def __enter__(self) -> None:
        self._fleet.heard = self._heard
        self._thread.start()

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._stopping.set()
        self._thread.join()

    def _heard(self, answer: Answer, step: Step | None) -> None:
        """Show a verdict, if it is one of the first."""
        if step is None or step.row is None or not isinstance(answer.said, Verdict):
            return
        with self._lock:
            if self._show <= 0:
                return
            self._show -= 1
        line = _verdict_line(answer.device, answer.said, step.row.text)
        self._console.print(line, soft_wrap=True)

    def _draw(self) -> None:
        if self._console.is_terminal:
            self._draw_live()
        else:
            self._draw_lines()

    def _draw_live(self) -> None:
        progress = _progress()
        task = progress.add_task("answered", total=None)
        with Live(console=self._console, auto_refresh=False) as live:
            while not self._stopping.wait(_REFRESH_S):
                live.update(self._picture(progress, task), refresh=True)
            live.update(self._picture(progress, task), refresh=True)

    def _draw_lines(self) -> None:
        started_s = time.monotonic()
        while not self._stopping.wait(_LINE_EVERY_S):
            counts = self._fleet.tally.counts()
            self._console.print(
                f"{time.monotonic() - started_s:6.1f} s  {counts.sent} sent  "
                f"{counts.answered} answered  {counts.rejected} rejected  "
                f"{counts.lost} unanswered  {self._fleet.trouble}",
                highlight=False,
                markup=False,
                soft_wrap=True,
            )

    def _picture(self, progress: Progress, task: TaskID) -> ConsoleRenderable:
        counts = self._fleet.tally.counts()
        expected = max(self._fleet.expected or 0, counts.sent)
        progress.update(task, total=expected, completed=counts.answered + counts.rejected)
        latency_ms = self._fleet.tally.latency_ms(last=_RECENT)
        percentiles = "  ".join(f"{name} {value:.0f} ms" for name, value in latency_ms.items())
        footer = Text(f"{counts.lost} unanswered   {percentiles}   ", style="dim")
        footer.append(self._fleet.trouble, style="yellow")
        return Group(self._table(), progress, footer)

    def _table(self) -> Table:
        table = Table(box=None, header_style="bold")
        for heading in ("device", "", "sent", "answered", "rejected", "unanswered", "last"):
            is_number = heading in {"sent", "answered", "rejected", "unanswered"}
            table.add_column(heading, justify="right" if is_number else "left")
        room = max(3, self._console.height - 6)
        for device in self._fleet.devices[:room]:
            tally = self._fleet.tally.devices.get(device.id)
            if tally is None:
                continue
            table.add_row(
                device.id,
                Text("online", "green") if device.is_online else Text("away", "yellow"),
                str(tally.sent),
                str(tally.answered),
                str(tally.rejected),
                str(tally.sent - tally.answered - tally.rejected),
                Text(tally.last, _COLOURS.get(tally.last, "")),
            )
        return table


def _progress() -> Progress:
    return Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())


def _verdict_line(device: str, verdict: Verdict, text: str) -> Text:
    return Text.assemble(
        f"{device:>10}  ",
        (f"{verdict.label:<6}", _COLOURS.get(verdict.label, "")),
        f"{verdict.score:.3f}  ",
        (for_display(text), "dim"),
    )
