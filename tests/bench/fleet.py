"""The path with Cassandra beside it, against the embedded default and the naive way."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from bridge.storage.journal.outbox import Outbox
from tests.bench import contenders, processes, texts
from tests.bench.contenders import Arena, Contender
from tests.bench.fleet_figures import (
    ALONE,
    FLEET,
    FRESH,
    KNOWN,
    NAIVE,
    STORE,
    FleetFigures,
    Turn,
)
from tests.bench.load import StalledError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tests.bench.cassandra import Server
    from tests.bench.plan import Plan
    from tests.bench.processes import Program

_ROOTS = {name: f"bench/{name}" for name in ("embedded", "alone", "fleet", "naive")}
_STRAYS_MAX = 1.0
"""Where the database was late, a text is classified anew; the report says and judges how many."""
_DRAIN_WITHIN_S = 120.0
_LOOK_AGAIN_S = 0.05
_NAIVE_WINDOW = 100
_FORGETFUL = {"BRIDGE_CACHE__MAX": "1"}
"""A memory that knows nothing: what such a bridge knows, it knows from Cassandra, or infers."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """The journal of a bridge, seen as what Cassandra still lacks.

    Attributes:
        folder: The journal's.
    """

    folder: Path

    def rows(self) -> int:
        """Return how many calls are still to be shipped."""
        return Outbox(self.folder).backlog(self._shipped(), now_ms=0).rows

    def drain(self) -> None:
        """Return when nothing is to be shipped any more.

        Raises:
            StalledError: It takes too long.
        """
        until_s = time.perf_counter() + _DRAIN_WITHIN_S
        while rows := self.rows():
            if time.perf_counter() > until_s:
                raise StalledError(f"{rows} calls are still to be shipped")
            time.sleep(_LOOK_AGAIN_S)

    def _shipped(self) -> int:
        try:
            with closing(sqlite3.connect(f"{self._notebook}?mode=ro", uri=True)) as file:
                return int(file.execute("SELECT shipped FROM journal").fetchone()[0])
        except (sqlite3.OperationalError, TypeError):
            return 0  # the clerk has only just started, and not made its notebook yet

    @property
    def _notebook(self) -> str:
        return (self.folder / "clerk.sqlite").absolute().as_uri()


class FleetSuite:
    """All that is measured with Cassandra.

    Args:
        plan: How much.
        folder: An empty one, for the journals.
        arena: Where the contenders are measured.
        server: The database, which runs.
        start: Starts a bridge: given its root, its journal and its variables.
        tell: Told what is being measured, and how far along it is (0 to 1).
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what it joins, each once
        self,
        plan: Plan,
        folder: Path,
        arena: Arena,
        server: Server,
        start: Callable[..., Program],
        tell: Callable[[str, float], None],
    ) -> None:
        self._plan = plan
        self._arena = arena
        self._server = server
        self._start = start
        self._tell = tell
        self._folder = folder
        self._backlog = Backlog(folder / "fleet")
        self.figures = FleetFigures()

    def run(self, port: int) -> FleetFigures:
        """Measure.

        Args:
            port: The broker's.
        """
        self._tell("starting with Cassandra", 0)
        cql = str(self._server.port), self._server.settings().keyspace
        naive = processes.python("tests.bench.naive", str(port), _ROOTS["naive"], *cql)
        with (
            naive,
            self._bridge("embedded") as embedded,
            self._bridge("alone", **_FORGETFUL) as alone,
            self._bridge("fleet", **_FORGETFUL, **self._server.variables()) as fleet,
        ):
            self._measure(embedded, alone, fleet, naive)
        return self.figures

    def _bridge(self, name: str, **variables: str) -> Program:
        return self._start(
            _ROOTS[name], self._folder / name, BRIDGE_INSTANCE=f"bench-{name}", **variables
        )

    def _measure(self, embedded: Program, alone: Program, fleet: Program, naive: Program) -> None:
        distinct, again, once_more = (
            contenders.endless(texts.distinct(contenders.WARM_TEXTS)) for _ in range(3)
        )
        new = texts.NewTexts(seed=4).take
        lenient = partial(Contender, strays_max=_STRAYS_MAX)
        known = Contender(KNOWN, _ROOTS["embedded"], embedded, distinct, "memory")
        store = lenient(STORE, _ROOTS["fleet"], fleet, again, "store")
        inferring = Contender(ALONE, _ROOTS["alone"], alone, once_more, "no")
        fresh = Contender(FRESH, _ROOTS["embedded"], embedded, new, "no")
        fleeting = lenient(FLEET, _ROOTS["fleet"], fleet, new, "no")
        bare = Contender(NAIVE, _ROOTS["naive"], naive, new)
        for contender in (known, store, inferring, bare):
            self._arena.await_first_answer(contender)
        for contender in (known, store):
            self._warm_up(contender)
        self._warm_the_server_up((store, fleeting))
        self._find_windows((known, store, inferring, fresh, fleeting))
        self.figures.windows[NAIVE] = _NAIVE_WINDOW
        self._take_turns((known, store, inferring, fresh, fleeting, bare))

    def _warm_up(self, contender: Contender) -> None:
        """Send each of the distinct texts once, and have Cassandra know of them."""
        anyhow = Contender(contender.name, contender.root, contender.program, contender.texts)
        self._arena.saturate(anyhow, contenders.WARM_TEXTS, window=400)
        if contender.name == STORE:
            self._backlog.drain()

    def _warm_the_server_up(self, contenders_of_it: Sequence[Contender]) -> None:
        """Send what the turns will: Java compiles what it runs often, and takes a core for it."""
        for number in range(self._plan.fleet_warm_ups):
            self._tell("warming Cassandra up", number / self._plan.fleet_warm_ups)
            for contender in contenders_of_it:
                self._arena.saturate(contender, self._plan.fleet_run, window=400)
                self._backlog.drain()

    def _find_windows(self, all_of_them: Sequence[Contender]) -> None:
        for contender in all_of_them:
            self._tell("windows with Cassandra", len(self.figures.windows) / len(all_of_them))
            self._backlog.drain()
            self.figures.windows[contender.name] = self._arena.best_window(
                contender, self._plan.windows, self._plan.trial
            )

    def _take_turns(self, all_of_them: Sequence[Contender]) -> None:
        self._backlog.drain()
        for pair in range(self._plan.fleet_pairs):
            for contender in all_of_them:
                self._tell("taking turns with Cassandra", pair / self._plan.fleet_pairs)
                if contender.name == KNOWN:
                    self._warm_up(contender)
                self.figures.turns.setdefault(contender.name, []).append(self._turn(contender))

    def _turn(self, contender: Contender) -> Turn:
        count = self._plan.naive if contender.name == NAIVE else self._plan.fleet_run
        before_s, server_before_s = contender.program.cpu_s(), self._server.cpu_s()
        ends: list[_End] = []

        def finish() -> None:
            lacking, answered_s = self._backlog.rows(), time.perf_counter()
            self._backlog.drain()
            took_s = time.perf_counter() - answered_s
            ends.append(_End(lacking, took_s, contender.program.cpu_s(), self._server.cpu_s()))

        run = self._arena.saturate(
            contender, count, self.figures.windows[contender.name], when_answered=finish
        )
        (end,) = ends
        return Turn(
            run=run,
            cpu_us=1e6 * (end.cpu_s - before_s) / count,
            server_us=1e6 * (end.server_cpu_s - server_before_s) / count,
            shipped=1 - end.lacking / count,
            drained_per_s=count / (count / run.per_s + end.drain_s),
        )


class _End(NamedTuple):
    """How it stood when all was answered, and what had been used when all was shipped."""

    lacking: int
    drain_s: float
    cpu_s: float
    server_cpu_s: float
