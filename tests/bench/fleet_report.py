"""The section "With Cassandra": every number in it comes from the run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.bench import cassandra, markdown
from tests.bench.contenders import WARM_TEXTS
from tests.bench.fleet_figures import EMBEDDED, FLEET, KNOWN, NAIVE, STORE, FleetFigures, Turn

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.bench.plan import Plan

_SECTION = """\
Cassandra {version} from `scripts/cassandra`, one node with its default heap, shares the cores with
broker, load and bridges. {pairs} turns each of {run:,} messages ({naive:,} for the naive way).
Before them {warm_up:,} messages of (d) and (e) have warmed it up: for the first minutes of its life
a server in Java takes a core to compile what it runs often, and one that has served for an hour
does not.

{table}

- **(b)**, **(c)**: the embedded default, as above, and **(d)**, **(e)**: a bridge with Cassandra;
  all began with an empty journal, for whatever a journal holds would have to be shipped first.
- **(d)**: {warm_texts:,} texts that Cassandra knows and the bridge's memory does not: it was
  started with `BRIDGE_CACHE__MAX=1`, so every verdict is read from the database. It is judged by
  the embedded default under the same setting, given the same texts ("without Cassandra"), which
  has to classify them: so the two differ in nothing but Cassandra. By (b), which finds all of them
  in its memory, (d) is {known_by_memory:.2f} times as fast.
- **(e)**: ever new texts: each is looked for in Cassandra, and goes through the network then.
- **The naive way**: the echo of (a) with one synchronous read and two synchronous writes for each
  message, in paho's one thread: the statements that the bridge has, prepared, the same driver and
  consistency (ONE). It classifies nothing, so its messages are compared with (e), our slower ones.

The log is written behind the answers, by the clerk, which takes what time the others leave, and
stands aside for half of that while the journal grows faster than it ships: at full load it had
shipped {shipped_known} of (d) and {shipped_new} of (e) when the last message was answered. All of
it was in Cassandra at {drained_known} and {drained_new} messages a second, counted from the first
message. CPU for Cassandra is that of all processes of the bridge from the first message until its
outbox was drained, less that of (b), which asks no database either, for (d), and of (c) for (e).
By the naive way's messages a second, (d) is {faster_known:.1f} times as fast, (e) {faster_new:.1f}
times. Up to {strays:.2%} of a turn's answers did without Cassandra, which had not answered in time.
Windows: {windows}. Programs that have no part in it took {others:.0%} of a core.
"""

_ROWS: list[tuple[str, Callable[[Turn], float], str]] = [
    ("messages a second", lambda turn: turn.run.per_s, "{:,.0f}"),
    ("answers without Cassandra (%)", lambda turn: 100 * turn.run.strays, "{:.1f}"),
    ("CPU a message, all its processes, until all is shipped (us)", lambda t: t.cpu_us, "{:.1f}"),
    ("CPU a message, Cassandra itself, until then (us)", lambda t: t.server_us, "{:.1f}"),
]


def section(figures: FleetFigures, plan: Plan) -> str:
    """Return the section's text."""
    return _SECTION.format(
        version=cassandra.version(),
        pairs=plan.fleet_pairs,
        run=plan.fleet_run,
        naive=plan.naive,
        table=table(figures),
        warm_texts=WARM_TEXTS,
        shipped_known=f"{figures.middle(STORE, _shipped):.0%}",
        shipped_new=f"{figures.middle(FLEET, _shipped):.0%}",
        drained_known=f"{figures.middle(STORE, _drained_per_s):,.0f}",
        drained_new=f"{figures.middle(FLEET, _drained_per_s):,.0f}",
        faster_known=figures.ratio(STORE, NAIVE),
        known_by_memory=figures.ratio(STORE, KNOWN),
        warm_up=plan.fleet_warm_ups * 2 * plan.fleet_run,
        faster_new=figures.ratio(FLEET, NAIVE),
        strays=figures.strays,
        windows=", ".join(f"{name} {window}" for name, window in figures.windows.items()),
        others=max(figures.middle(name, _others_share) for name in figures.turns),
    ).strip()


def table(figures: FleetFigures) -> str:
    """Return the figures in columns."""
    rows = [
        [what, *(form.format(figures.middle(name, figure)) for name in figures.turns)]
        for what, figure, form in _ROWS
    ]
    ratios = ["by the embedded default's messages a second"]
    costs = ["CPU for Cassandra a message (us)"]
    for name in figures.turns:
        is_compared = name in EMBEDDED
        ratios.append(f"{figures.ratio(name, EMBEDDED[name]):.2f}" if is_compared else "-")
        costs.append(f"{figures.client_us(name):.1f}" if is_compared else "-")
    return markdown.table(["", *figures.turns], [*rows, ratios, costs])


def _shipped(turn: Turn) -> float:
    return turn.shipped


def _drained_per_s(turn: Turn) -> float:
    return turn.drained_per_s


def _others_share(turn: Turn) -> float:
    return turn.run.others_share
