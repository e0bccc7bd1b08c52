"""Who is measured: how each is reached, and what it costs."""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import cycle, islice
from typing import TYPE_CHECKING

from tests.bench import messages, processes
from tests.bench.load import StalledError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.bench.load import Load, Run
    from tests.bench.processes import Program

WARM_TEXTS = 5_000
_ASK_AGAIN_S = 0.5
_START_S = 60.0


@dataclass(frozen=True, slots=True)
class Contender:
    """One of those that take turns.

    Attributes:
        name: As the report calls it.
        root: What its topics start with.
        program: Its processes.
        texts: Gives as many texts as are asked for.
        cached: Where its verdicts must come from; nothing where it gives none.
        strays_max: What share of them may come from elsewhere.
    """

    name: str
    root: str
    program: Program
    texts: Callable[[int], list[str]]
    cached: str | None = None
    strays_max: float = 0.0


@dataclass(frozen=True, slots=True)
class Throughput:
    """One run at full load; CPU in microseconds a message."""

    per_s: float
    cpu_us: float
    broker_us: float
    generator_us: float
    generator_share: float
    """Of one core: below 1, or the generator was the bottleneck."""
    broker_share: float
    others_share: float
    """What programs that have no part in it took: they spoil a run, and the report says so."""
    strays: float = 0.0
    """Share of the answers that were not from where they should be."""


class Arena:
    """Where the contenders are measured: one broker, one load generator.

    Args:
        load: The generator.
        broker: The broker's process.
        helper: What else has a part in it: CPU that it has used, in seconds.
    """

    def __init__(
        self, load: Load, broker: Program, helper: Callable[[], float] = lambda: 0.0
    ) -> None:
        self._load = load
        self._broker = broker
        self._helper = helper

    def await_first_answer(self, contender: Contender) -> None:
        """Ask until ``contender`` answers: before it has subscribed, nothing is kept for it."""
        while True:
            (question,) = messages.encode(contender.root, ["hello"]).packets
            self._load.ask(question)
            if self._load.is_answered(_ASK_AGAIN_S):
                break
            if not contender.program.is_running:
                raise StalledError(f"{contender.name} has ended before its first answer")
        while self._load.is_answered(_ASK_AGAIN_S):
            pass  # it was slow, and has been asked more than once

    def time_to_answer(self, root: str, start: Callable[[], Program]) -> float:
        """Return the seconds from a process's start to its answer to what waited for it."""
        (waiting,) = messages.encode(root, ["a message that waited"]).packets
        self._load.ask(waiting)
        started_s = time.perf_counter()
        with start():
            if not self._load.is_answered(_START_S):
                raise StalledError(f"no answer {_START_S:g} s after the start")
            return time.perf_counter() - started_s

    def saturate(
        self,
        contender: Contender,
        count: int,
        window: int,
        when_answered: Callable[[], None] = lambda: None,
    ) -> Throughput:
        """Measure ``count`` messages, sent as fast as they are answered.

        Args:
            contender: Who answers.
            count: How many.
            window: How many may be without an answer at any time.
            when_answered: Called after the last answer, before they are looked at.
        """
        batch = messages.encode(contender.root, contender.texts(count))
        machine_before_s = processes.machine_cpu_s() - self._helper()
        before_s, broker_before_s = contender.program.cpu_s(), self._broker.cpu_s()
        run = self._load.saturate(batch.packets, window)
        cpu_s = contender.program.cpu_s() - before_s
        broker_s = self._broker.cpu_s() - broker_before_s
        machine_s = processes.machine_cpu_s() - self._helper() - machine_before_s
        others_s = machine_s - cpu_s - broker_s - run.cpu_s
        when_answered()
        strays = messages.check(batch, run.stream, contender.cached, contender.strays_max)
        return Throughput(
            per_s=count / run.seconds,
            cpu_us=1e6 * cpu_s / count,
            broker_us=1e6 * broker_s / count,
            generator_us=1e6 * run.cpu_s / count,
            generator_share=run.cpu_s / run.seconds,
            broker_share=broker_s / run.seconds,
            others_share=max(0.0, others_s / run.seconds),
            strays=strays,
        )

    def pace(self, contender: Contender, count: int, per_s: float) -> Run:
        """Measure ``count`` messages, sent at a rate."""
        batch = messages.encode(contender.root, contender.texts(count))
        run = self._load.pace(batch.packets, per_s)
        messages.check(batch, run.stream, contender.cached)
        return run

    def best_window(self, contender: Contender, windows: tuple[int, ...], count: int) -> int:
        """Return the window in which ``contender`` is quickest."""
        tries = {window: self.saturate(contender, count, window).per_s for window in windows}
        return max(tries, key=lambda window: tries[window])


def endless(texts: list[str]) -> Callable[[int], list[str]]:
    """Return a source that gives ``texts`` over and over, going on where it left off."""
    source = cycle(texts)
    return lambda count: list(islice(source, count))
