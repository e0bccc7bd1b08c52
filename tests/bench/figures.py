"""What was measured, and what was promised of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING

from tests.bench import fleet_figures
from tests.bench.promise import Promise

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from tests.bench.contenders import Throughput
    from tests.bench.fleet_figures import FleetFigures

ECHO, ECHO_3, WARM, NEW = "echo", "echo in MQTT 3.1.1", "warm", "new"


@dataclass(slots=True)
class Asked:
    """The path at full load, without and with questions going on."""

    alone_per_s: list[float] = field(default_factory=list)
    asked_per_s: list[float] = field(default_factory=list)
    calls_ms: list[float] = field(default_factory=list)
    stats_ms: list[float] = field(default_factory=list)
    calls: int = 0
    """Calls that a question for one device's calls is about."""

    @property
    def kept(self) -> float:
        """The median share of its speed that the path keeps."""
        pairs = zip(self.asked_per_s, self.alone_per_s, strict=True)
        return median(asked / alone for asked, alone in pairs)


@dataclass(slots=True)
class Figures:
    """Everything that one benchmark brings."""

    windows: dict[str, int] = field(default_factory=dict)
    runs: dict[str, list[Throughput]] = field(default_factory=dict)
    paced_per_s: float = 0.0
    latencies_ms: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    start_s: list[float] = field(default_factory=list)
    growth_bytes: int = 0
    resident_bytes: list[dict[str, int]] = field(default_factory=list)
    asked: Asked = field(default_factory=Asked)
    seed_way: Throughput | None = None
    no_seed_way: str = ""
    """Why it was not measured."""
    journal_calls: int = 0
    fleet: FleetFigures | None = None
    no_fleet: str = ""
    """Why the part with Cassandra failed."""

    def middle(self, name: str, figure: Callable[[Throughput], float]) -> float:
        """Return the median of a figure over a contender's runs."""
        return median(figure(run) for run in self.runs[name])

    def ratio(self, name: str, figure: Callable[[Throughput], float], echo: str = ECHO) -> float:
        """Return the median, over the pairs, of a contender's figure by the echo's."""
        pairs = zip(self.runs[name], self.runs[echo], strict=True)
        return median(figure(run) / figure(bare) for run, bare in pairs)

    @property
    def resident_mb(self) -> float:
        """The most that all processes of the bridge ever held together."""
        return max(sum(each.values()) for each in self.resident_bytes) / 1e6


def promises(figures: Figures) -> list[Promise]:
    """Return what was promised of all that was measured, beside what came of it."""
    path = _path_promises(figures) if figures.runs else []
    fleet = fleet_figures.promises(figures.fleet) if figures.fleet else []
    return [*path, *fleet]


def _path_promises(figures: Figures) -> list[Promise]:
    return [
        Promise("(b) messages/s, by the echo's", figures.ratio(WARM, per_s), 2.0, 2.6),
        Promise("(b) CPU per message, by the echo's", figures.ratio(WARM, cpu_us), 0.4, 0.28, True),
        Promise("(c) messages/s, by the echo's", figures.ratio(NEW, per_s), 1.5),
        Promise("start to first verdict", median(figures.start_s), 3.0, None, True, " s"),
        Promise("resident, all processes", figures.resident_mb, 350, None, True, " MB"),
        Promise("growth over a long run", figures.growth_bytes / 1e6, 2.0, None, True, " MB"),
        Promise("speed kept while questions are asked", figures.asked.kept, 0.9),
    ]


def per_s(run: Throughput) -> float:
    """Messages a second."""
    return run.per_s


def cpu_us(run: Throughput) -> float:
    """CPU of the contender, all its processes, in microseconds a message."""
    return run.cpu_us
