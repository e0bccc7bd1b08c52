"""The benchmark from its first start to its last question, a method for each part."""

from __future__ import annotations

import subprocess
import sys
import time
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from paho.mqtt.enums import MQTTProtocolVersion

from tests.bench import contenders, journal, processes, texts
from tests.bench.cassandra import NoServerError, Server
from tests.bench.contenders import Arena, Contender
from tests.bench.figures import ECHO, ECHO_3, NEW, WARM, Asked, Figures, per_s
from tests.bench.fleet import FleetSuite
from tests.bench.load import Load, StalledError
from tests.bench.messages import UnexpectedAnswerError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tests.bench.plan import Plan
    from tests.bench.processes import Program

BRIDGE = [sys.executable, "-m", "bridge", "run"]
_ROOTS = {name: f"bench/{name}" for name in ("echo", "echo-3", "bridge", "workshop")}
_TRAINING_PYTHON = processes.ROOT / ".venv-training" / "bin" / "python"
_FLAT_SPREAD = 4
"""Runs that the growth is measured over: memory is looked at between them."""
_LOOKS_AT_REST = 12
_BETWEEN_LOOKS_S = 0.25


class Suite:
    """Everything that is measured in one run.

    Args:
        plan: How much.
        folder: An empty one, on the disk that a journal would be on.
        tell: Told what is being measured, and how far along it is (0 to 1).
        command: What starts the bridge.
    """

    def __init__(
        self,
        plan: Plan,
        folder: Path,
        tell: Callable[[str, float], None],
        command: Sequence[str] = BRIDGE,
    ) -> None:
        self._plan = plan
        self._folder = folder
        self._tell = tell
        self._command = command
        self.figures = Figures(journal_calls=plan.journal_calls)

    def run(self) -> Figures:
        """Measure."""
        broker, self._port = processes.broker(self._folder)
        with broker:
            load = Load(self._port, "bench/+/devices/+/out")
            self._arena = Arena(load, broker)
            if "path" in self._plan.parts:
                self._measure_path()
            if "cassandra" in self._plan.parts:
                self._try_fleet(load, broker)
            load.close()
        return self.figures

    def _measure_path(self) -> None:
        self._build_journal()
        self._measure_start()
        with (
            self._bridge() as bridge,
            self._echo(_ROOTS["echo"], MQTTProtocolVersion.MQTTv5) as echo,
            self._echo(_ROOTS["echo-3"], MQTTProtocolVersion.MQTTv311) as echo_3,
        ):
            self._load_paths(bridge, echo, echo_3)
        self._measure_seed_way()

    def _try_fleet(self, load: Load, broker: Program) -> None:
        try:
            self._measure_fleet(load, broker)
        except (NoServerError, StalledError, UnexpectedAnswerError) as error:
            self.figures.no_fleet = str(error)  # all else has been measured, and must not be lost

    def _measure_fleet(self, load: Load, broker: Program) -> None:
        self._tell("starting Cassandra", 0)
        with Server(self._folder / "cassandra") as server:
            arena = Arena(load, broker, server.cpu_s)
            start = partial(processes.bridge, self._command, self._port)
            suite = FleetSuite(self._plan, self._folder, arena, server, start, self._tell)
            self.figures.fleet = suite.run(self._port)

    def _build_journal(self) -> None:
        written = 0

        def advance(calls: int) -> None:
            nonlocal written
            written += calls
            self._tell("filling the journal", written / self._plan.journal_calls)

        journal.build(self._folder / "journal", self._plan.journal_calls, advance)

    def _bridge(self) -> Program:
        return processes.bridge(
            self._command, self._port, _ROOTS["bridge"], self._folder / "journal"
        )

    def _echo(self, root: str, protocol: int) -> Program:
        return processes.python("tests.bench.echo", str(self._port), root, str(int(protocol)))

    def _measure_start(self) -> None:
        """The broker keeps a message for a bridge that it knows."""
        with self._bridge() as bridge:
            self._arena.await_first_answer(Contender(WARM, _ROOTS["bridge"], bridge, lambda _: []))
        for number in range(self._plan.starts):
            self._tell("starting", number / self._plan.starts)
            took_s = self._arena.time_to_answer(_ROOTS["bridge"], self._bridge)
            self.figures.start_s.append(took_s)

    # the path, and the echo beside it

    def _load_paths(self, bridge: Program, echo: Program, echo_3: Program) -> None:
        distinct = contenders.endless(texts.distinct(contenders.WARM_TEXTS))
        new = texts.NewTexts(seed=1).take
        bare = Contender(ECHO, _ROOTS["echo"], echo, distinct)
        bare_3 = Contender(ECHO_3, _ROOTS["echo-3"], echo_3, distinct)
        warm = Contender(WARM, _ROOTS["bridge"], bridge, distinct, "memory")
        fresh = Contender(NEW, _ROOTS["bridge"], bridge, new, "no")
        for contender in (bare, bare_3, warm):
            self._arena.await_first_answer(contender)
        self._fill_memory(warm, fresh)
        for contender in (bare, bare_3, warm, fresh):
            self._tell("looking for the best windows", len(self.figures.windows) / 4)
            self.figures.windows[contender.name] = self._arena.best_window(
                contender, self._plan.windows, self._plan.trial
            )
        self._take_turns((bare, bare_3, warm, fresh))
        self._measure_latency((bare, warm, fresh))
        self._measure_growth(fresh)
        self._ask_meanwhile(warm)

    def _fill_memory(self, warm: Contender, fresh: Contender) -> None:
        """Fill the cache to its brim; what it must still know of, last."""
        self._tell("filling the cache", 0)
        self._arena.saturate(fresh, self._plan.cache_entries, window=400)
        self._warm_up(warm)
        self._look_at_memory(warm.program)

    def _warm_up(self, warm: Contender) -> None:
        """Send each of the distinct texts once, wherever its verdict comes from."""
        anyhow = Contender(warm.name, warm.root, warm.program, warm.texts)
        self._arena.saturate(anyhow, contenders.WARM_TEXTS, window=400)

    def _take_turns(self, all_of_them: Sequence[Contender]) -> None:
        for pair in range(self._plan.pairs):
            for contender in all_of_them:
                self._tell("taking turns at full load", pair / self._plan.pairs)
                if contender.name == WARM:
                    self._warm_up(contender)
                run = self._arena.saturate(
                    contender, self._plan.run, self.figures.windows[contender.name]
                )
                self.figures.runs.setdefault(contender.name, []).append(run)
            self._look_at_memory(all_of_them[-1].program)

    def _measure_latency(self, all_of_them: Sequence[Contender]) -> None:
        """All at the same rate: half of what the echo can do."""
        self.figures.paced_per_s = round(self.figures.middle(ECHO, per_s) / 2, -2)
        for number, contender in enumerate(all_of_them):
            self._tell("measuring latency", number / len(all_of_them))
            run = self._arena.pace(contender, self._plan.paced, self.figures.paced_per_s)
            self.figures.latencies_ms[contender.name] = run.latencies_ms

    def _measure_growth(self, contender: Contender) -> None:
        """With window and cache full, memory must not grow any more."""
        window = self.figures.windows[contender.name]
        part = self._plan.growth // _FLAT_SPREAD
        self._arena.saturate(contender, part, window)  # allocators settle
        first = self._held_at_rest(contender.program)
        for number in range(_FLAT_SPREAD):
            self._tell("watching memory", number / _FLAT_SPREAD)
            self._arena.saturate(contender, part, window)
            self._look_at_memory(contender.program)
        self.figures.growth_bytes = self._held_at_rest(contender.program) - first

    def _held_at_rest(self, bridge: Program) -> int:
        """Return the least within some seconds: while it indexes, the clerk holds 2 MB more."""
        looks = []
        for _ in range(_LOOKS_AT_REST):
            looks.append(self._look_at_memory(bridge))
            time.sleep(_BETWEEN_LOOKS_S)
        return min(looks)

    def _look_at_memory(self, bridge: Program) -> int:
        resident = bridge.resident_bytes()
        self.figures.resident_bytes.append(resident)
        return sum(resident.values())

    # questions meanwhile

    def _ask_meanwhile(self, warm: Contender) -> None:
        asked = self.figures.asked
        run = partial(self._arena.saturate, warm, self._plan.run, self.figures.windows[WARM])
        self._warm_up(warm)
        for pair in range(self._plan.asked_pairs):
            self._tell("asking questions meanwhile", pair / self._plan.asked_pairs)
            asked.alone_per_s.append(run().per_s)
            with self._asker() as asker:
                self._note(asker, asked)  # it has connected, and been answered once
                asked.asked_per_s.append(run().per_s)
            self._note(asker, asked)
            self._look_at_memory(warm.program)

    def _asker(self) -> Program:
        where = str(self._port), _ROOTS["bridge"], journal.BUSY_DEVICE
        return processes.python("tests.bench.asker", *where, stdout=subprocess.PIPE)

    def _note(self, asker: Program, asked: Asked) -> None:
        """Take in one answer of each kind, or what is left once the asker has gone."""
        lines = asker.process.stdout
        assert lines is not None
        for line in islice(lines, None if asker.process.poll() is not None else 2):
            verb, took_ms, calls = line.decode().split()
            if verb == "calls":
                asked.calls_ms.append(float(took_ms))
                asked.calls = int(calls)
            else:
                asked.stats_ms.append(float(took_ms))

    # the seed way

    def _measure_seed_way(self) -> None:
        """Keras' predict, one text at a time, behind the same echo."""
        if not _TRAINING_PYTHON.exists():
            self.figures.no_seed_way = "`scripts/setup training` builds its environment"
            return
        self._tell("predicting the seed way", 0)
        where = str(self._port), _ROOTS["workshop"]
        with processes.python("tests.bench.workshop", *where, executable=_TRAINING_PYTHON) as keras:
            new = texts.NewTexts(seed=2).take
            contender = Contender("workshop", _ROOTS["workshop"], keras, new)
            try:
                self._arena.await_first_answer(contender)
            except StalledError as error:  # all else has been measured, and must not be lost
                self.figures.no_seed_way = str(error)
                return
            self.figures.seed_way = self._arena.saturate(contender, self._plan.seed_way, window=4)
