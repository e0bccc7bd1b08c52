"""What was measured with Cassandra, and what was promised of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING

from tests.bench.promise import Promise

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.bench.contenders import Throughput

KNOWN, STORE, ALONE, FRESH, FLEET, NAIVE = (
    "(b) embedded, known texts",
    "(d) known to Cassandra",
    "(d) without Cassandra",
    "(c) embedded, new texts",
    "(e) new, with Cassandra",
    "the naive way",
)
EMBEDDED = {STORE: ALONE, FLEET: FRESH}
"""The embedded default under the same settings, given the same texts: what each is judged by."""
_WITHOUT = {STORE: KNOWN, FLEET: FRESH}
"""What does the same but for Cassandra, so that the CPU it takes more is Cassandra's."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One run at full load, and what came after it until Cassandra had all of it."""

    run: Throughput
    cpu_us: float
    """CPU of all its processes until then, in microseconds a message."""
    server_us: float
    """CPU of Cassandra itself until then, in microseconds a message."""
    shipped: float
    """Share of the messages that Cassandra had when the last one was answered."""
    drained_per_s: float
    """Messages a second from the first one sent to the last one in Cassandra."""


@dataclass(slots=True)
class FleetFigures:
    """Everything that the section brings."""

    windows: dict[str, int] = field(default_factory=dict)
    turns: dict[str, list[Turn]] = field(default_factory=dict)

    def middle(self, name: str, figure: Callable[[Turn], float]) -> float:
        """Return the median of a figure over a contender's turns."""
        return median(figure(turn) for turn in self.turns[name])

    def ratio(self, name: str, other: str) -> float:
        """Return the median, over the pairs, of the messages a second by the other's."""
        pairs = zip(self.turns[name], self.turns[other], strict=True)
        return median(ours.run.per_s / theirs.run.per_s for ours, theirs in pairs)

    @property
    def strays(self) -> float:
        """The largest share of a turn's answers that did without Cassandra."""
        return max(turn.run.strays for turns in self.turns.values() for turn in turns)

    def client_us(self, name: str) -> float:
        """Return what Cassandra costs its client in all, in microseconds a message."""
        pairs = zip(self.turns[name], self.turns[_WITHOUT[name]], strict=True)
        return median(with_it.cpu_us - without.cpu_us for with_it, without in pairs)


def promises(figures: FleetFigures) -> list[Promise]:
    """Return what was promised, beside what was measured."""
    speeds = [
        Promise(f"{short} messages/s, by the embedded default's", ratio, 0.6)
        for short, ratio in (
            ("(d)", figures.ratio(STORE, EMBEDDED[STORE])),
            ("(e)", figures.ratio(FLEET, EMBEDDED[FLEET])),
        )
    ]
    costs = [
        Promise(
            f"{short} CPU for Cassandra a message",
            figures.client_us(name),
            80,
            is_ceiling=True,
            unit=" us",
        )
        for name, short in ((STORE, "(d)"), (FLEET, "(e)"))
    ]
    naive = Promise("(e) messages/s, by the naive way's", figures.ratio(FLEET, NAIVE), 4)
    strays = 100 * figures.strays
    without = Promise("(d), (e) answers without Cassandra", strays, 2, is_ceiling=True, unit=" %")
    return [*speeds, *costs, naive, without]
