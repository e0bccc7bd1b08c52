"""How much is measured: enough to judge by, or just enough to see that it works."""

from __future__ import annotations

from dataclasses import dataclass

PARTS = ("path", "cassandra")
"""What is measured one after the other, each with bridges of its own."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The sizes of one benchmark; counts are messages."""

    pairs: int = 7
    journal_calls: int = 2_000_000
    starts: int = 3
    windows: tuple[int, ...] = (50, 100, 200, 400, 800)
    trial: int = 6_000
    run: int = 40_000
    paced: int = 12_000
    cache_entries: int = 100_000
    growth: int = 200_000
    asked_pairs: int = 5
    seed_way: int = 60
    fleet_pairs: int = 3
    fleet_run: int = 20_000
    fleet_warm_ups: int = 8
    naive: int = 2_000
    parts: tuple[str, ...] = PARTS


QUICK = Plan(
    pairs=1,
    journal_calls=60_000,
    starts=1,
    windows=(100, 400),
    trial=2_000,
    run=6_000,
    paced=2_000,
    cache_entries=6_000,
    growth=10_000,
    asked_pairs=1,
    seed_way=20,
    fleet_pairs=1,
    fleet_run=4_000,
    fleet_warm_ups=1,
    naive=300,
)
