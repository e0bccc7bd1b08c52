"""``python -m tests.bench [--quick] [--pairs N] [--only PART]``: measure, judge, write."""

from __future__ import annotations

import argparse
import dataclasses
import shlex
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from bridge import logs
from tests.bench import plan as plans
from tests.bench import plot, report
from tests.bench.figures import Figures, promises
from tests.bench.processes import ROOT
from tests.bench.promise import Promise, all_kept
from tests.bench.suite import BRIDGE, Suite

_DOCS = ROOT / "docs"


def main() -> int:
    """Run the benchmark.

    Returns:
        0, or 1 where something that must be was missed. A quick run judges nothing, and neither
        it nor a part writes anything.
    """
    options = _options()
    logs.configure("error")  # the journal is built with the bridge's own code
    plan = plans.QUICK if options.quick else plans.Plan()
    if options.pairs:
        plan = dataclasses.replace(plan, pairs=options.pairs, fleet_pairs=options.pairs)
    if options.only:
        plan = dataclasses.replace(plan, parts=(options.only,))
    figures = _measure(plan, shlex.split(options.bridge))
    promised = promises(figures)
    Console().print(report.summary(figures, promised))
    if options.quick:
        return 0
    if not options.only:
        _write(figures, promised, plan)
    return 0 if all_kept(promised) and not figures.no_fleet else 1


def _write(figures: Figures, promised: Sequence[Promise], plan: plans.Plan) -> None:
    plot.write(figures, _DOCS / "benchmarks.svg")
    (_DOCS / "benchmarks.md").write_text(report.document(figures, promised, plan), encoding="utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only see whether it works")
    parser.add_argument("--pairs", type=int, help="turns that each takes")
    parser.add_argument("--only", choices=plans.PARTS, help="measure this part, write nothing")
    parser.add_argument("--bridge", default=shlex.join(BRIDGE), help="what starts the bridge")
    return parser.parse_args()


def _measure(plan: plans.Plan, command: list[str]) -> Figures:
    columns = (TextColumn("{task.description:<30}"), BarColumn(), TimeElapsedColumn())
    # Beside the default journal: what a disk costs is part of the answer, and /tmp may be none.
    var = ROOT / "var"
    var.mkdir(exist_ok=True)
    with (
        Progress(*columns, console=Console(stderr=True)) as progress,
        tempfile.TemporaryDirectory(prefix="bench-", dir=var) as folder,
    ):
        Path(folder).chmod(0o755)  # Mosquitto gives root's rights away before it reads
        task = progress.add_task("", total=1.0)

        def tell(what: str, done: float) -> None:
            progress.update(task, description=what, completed=done)

        return Suite(plan, Path(folder), tell, command).run()


if __name__ == "__main__":
    sys.exit(main())
