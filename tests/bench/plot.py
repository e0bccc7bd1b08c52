"""The plot beside the table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from tests.bench.figures import ECHO, NEW, WARM, Figures, cpu_us, per_s

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes

NAMES = {
    ECHO: "(a) paho echo",
    WARM: "(b) bridge, known texts",
    NEW: "(c) bridge, new texts",
}
_COLOURS = {ECHO: "#9aa0a6", WARM: "#1a73e8", NEW: "#e8710a"}


def write(figures: Figures, path: Path) -> None:
    """Draw throughput, CPU and latency side by side."""
    mpl.rcParams["svg.hashsalt"] = "bench"  # the same figures draw the same file
    picture = Figure(figsize=(11, 3.4), layout="constrained")
    left, middle, right = picture.subplots(1, 3)
    for axes, title, figure in (
        (left, "messages a second", per_s),
        (middle, "CPU, us a message", cpu_us),
    ):
        _draw_runs(axes, {name: [figure(run) for run in figures.runs[name]] for name in NAMES})
        axes.set_title(title)
    _draw_latencies(right, figures)
    picture.savefig(path, metadata={"Date": None})


def _draw_runs(axes: Axes, runs: dict[str, list[float]]) -> None:
    """A bar to the median, and a dot for each run."""
    for place, (name, values) in enumerate(runs.items()):
        axes.bar(place, float(np.median(values)), color=_COLOURS[name], alpha=0.75)
        axes.plot([place] * len(values), values, "k.", markersize=4, alpha=0.6)
    axes.set_xticks(range(len(runs)), ["(a)", "(b)", "(c)"])
    axes.spines[["top", "right"]].set_visible(False)


def _draw_latencies(axes: Axes, figures: Figures) -> None:
    """What share of the messages is answered within how long."""
    for name, latencies_ms in figures.latencies_ms.items():
        share = np.arange(1, len(latencies_ms) + 1) / len(latencies_ms)
        axes.plot(np.sort(latencies_ms), share, color=_COLOURS[name], label=NAMES[name])
    axes.set_xscale("log")
    axes.set_title(f"answered within ms, at {figures.paced_per_s:,.0f} a second")
    axes.legend(loc="lower right", frameon=False, fontsize="small")
    axes.spines[["top", "right"]].set_visible(False)
