"""The figures as a document: every number in it comes from the run."""

from __future__ import annotations

from datetime import UTC, datetime
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from tests.bench import fleet_report, machine, markdown
from tests.bench.asker import PER_S
from tests.bench.contenders import WARM_TEXTS, Throughput
from tests.bench.figures import ECHO, ECHO_3, NEW, WARM, Figures, cpu_us, per_s
from tests.bench.plot import NAMES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tests.bench.plan import Plan
    from tests.bench.promise import Promise

_DOCUMENT = """\
# Benchmarks

Written by `make bench` on {date}; no number is typed by hand. Measured on {machine}.

![Messages a second, CPU a message and latency of the echo and the bridge](benchmarks.svg)

{table}

{verdicts}

## How to read it

Figures differ between machines, ratios hardly do. So the bridge stands beside the least that a
bridge which loses nothing can do, on the same broker, in turns:

- **(a)** a bare paho-mqtt echo: QoS 1 both ways, an input acknowledged when what was published for
  it has been, TCP_NODELAY. It reads no payload, keeps no journal, knows no repeats. {echo_3}
- **(b)** the bridge, its cache warm with {warm_texts:,} distinct texts: every message is checked,
  compared with the ids of the repeat window, written to the journal and synced to disk before it
  is answered.
- **(c)** the same bridge, every text new to it: words of the data set put together anew, so that
  lengths are those of real messages, and every one goes through the network.

Message ids are random. The journal held {journal_calls:,} calls of the last half hour before the
first message, and the repeat window and the cache were full. {pairs} turns each of {run:,}
messages; a figure is the median of the turns, a ratio the median of each turn's ratio. Each has
the window (messages without an answer) in which it was quickest: {windows}. CPU counts user and
system time of all processes of a contender, for the bridge loop and clerk. Answers are read at
QoS 0 by all three. Latency counts from when a message was due to its answer.

The load generator sends packets that were encoded before, and only counts answers while the clock
runs (afterwards each answer's id and origin are checked): at full load it took {generator_share}
of a core, the broker {broker_share}. Programs that have no part in this took {others_share}:
with more than a few hundredths of a core, ratios suffer too, and it is worth measuring again.

## With Cassandra

{fleet}

## Questions meanwhile

{asked}

## The seed way

{seed_way}

## Memory

The loop and its clerk held {resident} together at the most. What they hold at rest grew by
{growth:+.1f} MB over {growth_run:,} messages with new texts, once cache and repeat window were
full.

## Again

    make bench                                  # all of it: some minutes, with nothing else running
    .venv/bin/python -m tests.bench --pairs 15  # more turns

These write nothing:

    .venv/bin/python -m tests.bench --quick           # does it work? judges nothing either
    .venv/bin/python -m tests.bench --only cassandra  # or path: one part by itself
"""

_ROWS: list[tuple[str, Callable[[Throughput], float], str]] = [
    ("messages a second", per_s, "{:,.0f}"),
    ("CPU a message, all its processes (us)", cpu_us, "{:.1f}"),
    ("CPU a message, broker (us)", lambda run: run.broker_us, "{:.1f}"),
    ("CPU a message, load generator (us)", lambda run: run.generator_us, "{:.1f}"),
]


def summary(figures: Figures, promised: Sequence[Promise]) -> str:
    """Return what the terminal shows of what was measured."""
    fleet = [fleet_report.table(figures.fleet) if figures.fleet else figures.no_fleet]
    if not figures.runs:
        return "\n\n".join((*fleet, _verdicts(promised)))
    others = f"Other programs took {_shares(figures, lambda run: run.others_share)} of a core."
    path = (_table(figures), others, _echo_3(figures), _asked(figures), _seed_way(figures))
    return "\n\n".join((*path, *fleet, _verdicts(promised)))


def document(figures: Figures, promised: Sequence[Promise], plan: Plan) -> str:
    """Return ``docs/benchmarks.md``."""
    return _DOCUMENT.format(
        date=datetime.now(UTC).date(),
        machine=machine.describe(),
        table=_table(figures),
        verdicts=_verdicts(promised),
        warm_texts=WARM_TEXTS,
        echo_3=_echo_3(figures),
        journal_calls=figures.journal_calls,
        pairs=plan.pairs,
        run=plan.run,
        windows=", ".join(
            f"{NAMES.get(name, name)} {window}" for name, window in figures.windows.items()
        ),
        generator_share=_shares(figures, lambda run: run.generator_share),
        broker_share=_shares(figures, lambda run: run.broker_share),
        others_share=_shares(figures, lambda run: run.others_share),
        fleet=_fleet(figures, plan),
        asked=_asked(figures),
        seed_way=_seed_way(figures),
        resident=f"{figures.resident_mb:.0f} MB",
        growth=figures.growth_bytes / 1e6,
        growth_run=plan.growth,
    )


def _fleet(figures: Figures, plan: Plan) -> str:
    if figures.fleet is None:
        return f"Not measured in this run: {figures.no_fleet}"
    return fleet_report.section(figures.fleet, plan)


def _table(figures: Figures) -> str:
    rows = [
        [what, *(form.format(figures.middle(name, figure)) for name in NAMES)]
        + [f"{figures.ratio(name, figure):.2f}" for name in (WARM, NEW)]
        for what, figure, form in _ROWS
    ]
    for percent in (50, 99):
        values = {name: np.percentile(figures.latencies_ms[name], percent) for name in NAMES}
        what = f"latency at {figures.paced_per_s:,.0f} a second, p{percent} (ms)"
        ratios = [f"{values[name] / values[ECHO]:.2f}" for name in (WARM, NEW)]
        rows.append([what, *(f"{value:.2f}" for value in values.values()), *ratios])
    return markdown.table(["", *NAMES.values(), "(b) / (a)", "(c) / (a)"], rows)


def _verdicts(promised: Iterable[Promise]) -> str:
    rows = [
        [
            promise.what,
            f"{promise.figure:.2f}{promise.unit}",
            _bound(promise, promise.must),
            "-" if promise.goal is None else _bound(promise, promise.goal),
            "yes" if promise.is_kept else "**no**",
            "-" if promise.goal is None else ("yes" if promise.is_reached else "no"),
        ]
        for promise in promised
    ]
    return markdown.table(["promised", "measured", "must be", "goal", "kept", "goal reached"], rows)


def _bound(promise: Promise, bound: float) -> str:
    return f"{'at most' if promise.is_ceiling else 'at least'} {bound:g}{promise.unit}"


def _shares(figures: Figures, figure: Callable[[Throughput], float]) -> str:
    return " / ".join(f"{100 * figures.middle(name, figure):.0f} %" for name in NAMES)


def _echo_3(figures: Figures) -> str:
    return (
        f"It speaks MQTT 5, as the bridge does. In MQTT 3.1.1, without properties, paho takes"
        f" {figures.middle(ECHO_3, cpu_us):.1f} us and sends"
        f" {figures.middle(ECHO_3, per_s):,.0f} messages a second; by that echo, (b) is"
        f" {figures.ratio(WARM, per_s, ECHO_3):.2f} times as fast at"
        f" {figures.ratio(WARM, cpu_us, ECHO_3):.2f} times the CPU, (c)"
        f" {figures.ratio(NEW, per_s, ECHO_3):.2f} times as fast."
    )


def _asked(figures: Figures) -> str:
    asked = figures.asked
    return (
        f"With (b) at full load, {PER_S} questions a second (in turns the newest calls of a device"
        f" with {asked.calls:,} calls, and the counts of all devices): {len(asked.calls_ms)} pages"
        f" of calls took {median(asked.calls_ms):.0f} ms each, {len(asked.stats_ms)} tables of"
        f" counts {median(asked.stats_ms):.0f} ms (medians). Meanwhile the path kept"
        f" {100 * asked.kept:.0f} % of its speed ({len(asked.asked_per_s)} pairs of runs, without"
        f" and with questions)."
    )


def _seed_way(figures: Figures) -> str:
    seed_way = figures.seed_way
    if seed_way is None:
        return f"Not measured in this run, for it needs TensorFlow: {figures.no_seed_way}."
    ratio = figures.middle(NEW, per_s) / seed_way.per_s
    return (
        f"The `workshop` network (untrained weights, which cost the same) behind the echo of (a),"
        f" Keras' `predict` for one text at a time: {seed_way.per_s:,.1f} messages a second at"
        f" {seed_way.cpu_us / 1000:,.0f} ms of CPU each. The bridge with new texts answers"
        f" **{ratio:,.0f} times** as many."
    )
