"""Session, pipeline and journal as the daemon joins them, and a process that can die anywhere."""

from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

from fakes import FakeClassifier, FakeClock
from sessions import INPUTS, new_session

from bridge.errors import JournalUnavailable
from bridge.fingerprints import Fingerprints
from bridge.inference.memory_cache import MemoryCache
from bridge.lookup import Lookup
from bridge.mqtt.packets import Subscription
from bridge.mqtt.session import Connected
from bridge.pipeline import Pipeline, Rules
from bridge.ports import OUTCOMES, CallRow, Delivery
from bridge.storage.journal.writer import SegmentedJournal
from bridge.topics import Topics

KEY = b"0123456789abcdef"


class Killed(BaseException):
    """The process is gone; like SIGKILL, it is no `Exception` that anyone could handle."""


class MortalJournal:
    """A real journal whose process dies, or whose disk is full, when it is told to."""

    def __init__(self, journal: SegmentedJournal) -> None:
        self._journal = journal
        self.is_full = False
        self.dies = ""
        """``before`` or ``after`` the next record."""

    def find(self, keys: Sequence[int]) -> list[CallRow | None]:
        """Return the recorded call of each key."""
        return self._journal.find(keys)

    def record(self, rows: Sequence[CallRow], tally: Mapping[str, int]) -> None:
        """Write rows and counters, or do not live to tell."""
        if self.is_full:
            raise JournalUnavailable("the journal cannot be written: disk full")
        if self.dies == "before":
            raise Killed
        self._journal.record(rows, tally)
        if self.dies == "after":
            raise Killed


class MortalBridge:
    """One life of a bridge, one step at a time.

    Args:
        folder: The journal's.
        clock: The time.
        model: The model.
    """

    def __init__(self, folder: Path, clock: FakeClock, model: FakeClassifier) -> None:
        self.folder = folder
        self._clock = clock
        self._real = SegmentedJournal(
            folder, clock, segment_rows=8, window_s=1_000_000, repeats_max=800
        )
        self.journal = MortalJournal(self._real)
        self.session = new_session(receive_maximum=6)
        self.deliveries: deque[Delivery] = deque()
        self._pipeline = Pipeline(
            topics=Topics("spam/v1"),
            rules=Rules(payload_bytes=1000, text_chars=100, keep_text=True),
            fingerprints=Fingerprints(KEY),
            lookup=Lookup({"spam@1": model}, [MemoryCache(4, 600, clock)]),
            active="spam@1",
            journal=self.journal,
            connection=self.session,
            clock=clock,
        )

    def connect(self) -> None:
        """Start a new connection; what was pending is forgotten."""
        self._real.count("returned", len(self.deliveries))
        self.deliveries.clear()
        self.session.connect(self._clock.monotonic_s())

    def read(self, data: bytes) -> None:
        """Take in what has arrived."""
        for event in self.session.receive(data, self._clock.monotonic_s()):
            if isinstance(event, Delivery):
                self._real.count("received")
                self.deliveries.append(event)
            elif isinstance(event, Connected):
                self.session.subscribe([Subscription(INPUTS)])

    def process(self, count: int) -> None:
        """Answer one batch of what has arrived.

        Raises:
            Killed: Where the journal was told so.
        """
        batch = list(self.deliveries)[:count]
        if not batch:
            return
        try:
            self._pipeline.process(batch)
        except JournalUnavailable:
            return  # the batch waits
        for _ in batch:
            self.deliveries.popleft()

    def ledger(self) -> tuple[int, int]:
        """Return what was received, and the sum of what became of it."""
        totals = self._real.totals
        outcomes = sum(totals[outcome] for outcome in OUTCOMES)
        return totals["received"], outcomes + len(self.deliveries)

    def clean_up(self) -> None:
        """Give files back; the life itself ends without a word."""
        self._real.close()
