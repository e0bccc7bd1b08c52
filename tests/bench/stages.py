"""Where a message's time goes: ``python -m tests.bench.stages`` prints CPU by stage of the path.

Session, pipeline and journal as the daemon composes them, in this process, with packets from
memory instead of a broker: what is missing is the socket, and the network (every text is known).
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import mqtt5

from bridge.fingerprints import Fingerprints
from bridge.inference.memory_cache import MemoryCache
from bridge.life.clock import SystemClock
from bridge.lookup import Lookup
from bridge.mqtt.packets import Identity, Will
from bridge.mqtt.session import Session
from bridge.pipeline import Pipeline, Rules
from bridge.ports import Classification, Delivery
from bridge.storage.journal.writer import SegmentedJournal
from bridge.topics import Topics
from tests.bench import contenders, messages, texts
from tests.bench.processes import ROOT

_BATCH = 256
_ROUNDS = 10


class Stopwatch:
    """CPU time of this thread, by stage."""

    def __init__(self) -> None:
        self.spent_ns: Counter[str] = Counter()
        self._at_ns = 0

    def start(self) -> None:
        """Begin a lap."""
        self._at_ns = time.thread_time_ns()

    def lap(self, stage: str) -> None:
        """Book the time since the last lap on ``stage``."""
        now_ns = time.thread_time_ns()
        self.spent_ns[stage] += now_ns - self._at_ns
        self._at_ns = now_ns


class TimedPipeline(Pipeline):
    """The path with a stopwatch between its stages."""

    watch: Stopwatch

    def process(self, deliveries: Sequence[Delivery]) -> None:
        """Answer one batch."""
        super().process(deliveries)
        self.watch.lap("publish")

    def _admit(self, *arguments: Any) -> None:
        self.watch.lap("decode")
        super()._admit(*arguments)
        self.watch.lap("admit")

    def _classify(self, *arguments: Any) -> None:
        super()._classify(*arguments)
        self.watch.lap("classify")

    def _record(self, *arguments: Any) -> None:
        super()._record(*arguments)
        self.watch.lap("record")


class Model:
    """Says the same of every text."""

    model_version = "spam@1"

    def classify(self, asked: Sequence[str]) -> list[Classification]:
        """Classify at no cost."""
        scores = '{"ham":0.983,"spam":0.017}'
        return [Classification("ham", 0.017, scores, self.model_version) for _ in asked]


class Bench:
    """The path without a broker.

    Args:
        folder: For the journal.
    """

    def __init__(self, folder: Path) -> None:
        clock, model = SystemClock(), Model()
        identity = Identity("bench", None, None, 30, 60, 1000, Will("bench/will", b""))
        self._session = Session(identity, answer_expiry_s=3600)
        self._pipeline = TimedPipeline(
            topics=Topics("bench"),
            rules=Rules(payload_bytes=65_536, text_chars=10_000, keep_text=True),
            fingerprints=Fingerprints(bytes(32)),
            lookup=Lookup({model.model_version: model}, [MemoryCache(100_000, 86_400, clock)]),
            active=model.model_version,
            journal=SegmentedJournal(folder, clock),
            connection=self._session,
            clock=clock,
        )
        self._session.connect(0.0)
        self._session.outgoing(0.0)
        self._session.receive(mqtt5.ConnAckPacket(receive_max=1000).write(), 0.0)

    def measure(self, packets: Sequence[bytes]) -> Stopwatch:
        """Send ``packets`` through the path, in full batches."""
        watch = self._pipeline.watch = Stopwatch()
        for first in range(0, len(packets), _BATCH):
            data = b"".join(packets[first : first + _BATCH])
            watch.start()
            deliveries = self._session.receive(data, 0.0)
            watch.lap("read")
            self._pipeline.process(cast("list[Delivery]", deliveries))
            written = self._session.outgoing(0.0)
            watch.lap("write")
            acknowledged = _pubacks(written)
            watch.start()
            self._session.receive(acknowledged, 0.0)
            self._session.outgoing(0.0)
            watch.lap("acknowledge")
        return watch


def main() -> None:
    """Print the table: the quickest of some rounds, for what slows a round down is not ours."""
    known = texts.distinct(contenders.WARM_TEXTS)
    var = ROOT / "var"
    var.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=var) as folder:
        bench = Bench(Path(folder) / "journal")
        rounds = [bench.measure(messages.encode("bench", known).packets) for _ in range(_ROUNDS)]
    quickest = min(rounds[1:], key=lambda watch: watch.spent_ns.total())
    rows = [*quickest.spent_ns.items(), ("total", quickest.spent_ns.total())]
    sys.stdout.write("| stage | us a message |\n| --- | ---: |\n")
    for stage, spent_ns in rows:
        sys.stdout.write(f"| {stage} | {spent_ns / len(known) / 1000:.1f} |\n")


def _pubacks(written: bytes) -> bytes:
    """Acknowledge every answer in ``written``, as the broker would."""
    view, pubacks = memoryview(written), []
    while view:
        packet, size = mqtt5.read(view)
        view = view[size:]
        if isinstance(packet, mqtt5.PublishPacket):
            pubacks.append(mqtt5.PubAckPacket(packet.packet_id or 0).write())
    return b"".join(pubacks)


if __name__ == "__main__":
    main()
