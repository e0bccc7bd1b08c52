"""How the loop answers batches: what fails takes nobody with it, and nothing is done twice."""

from collections import deque
from types import SimpleNamespace

import pytest
import structlog
from fakes import FakeClock
from structlog.testing import capture_logs

from bridge.errors import JournalUnavailable
from bridge.life.loop import Loop
from bridge.ports import Delivery


class TouchyPipeline:
    """Fails at a batch with a message "poison", and with "full" as a full disk does."""

    def __init__(self) -> None:
        self.processed: list[bytes] = []
        self.excused: list[bytes] = []

    def process(self, batch: list[Delivery]) -> None:
        """Process all or none."""
        payloads = [delivery.payload for delivery in batch]
        if b"poison" in payloads:
            raise ZeroDivisionError("poison")
        if b"full" in payloads:
            raise JournalUnavailable("disk full")
        self.processed += payloads

    def excuse(self, delivery: Delivery) -> None:
        """Answer with 503."""
        self.excused.append(delivery.payload)


class Desk:
    """A loop on fakes, and what it has done."""

    def __init__(self, batch_max: int = 4) -> None:
        self.clock = FakeClock()
        self.pipeline = TouchyPipeline()
        self.troubles: list[str | None] = []
        self.link = SimpleNamespace(deliveries=deque(), is_online=True)
        self._loop = Loop(
            link=self.link,
            pipeline=self.pipeline,
            clerk=SimpleNamespace(),
            house=SimpleNamespace(journal_failed=self.troubles.append),
            clock=self.clock,
            batch_max=batch_max,
        )
        self._loop._selector.close()

    def arrive(self, *payloads: bytes) -> None:
        """Let inputs wait."""
        for payload in payloads:
            self.link.deliveries.append(Delivery("t", payload, 1, False, 1, 0.0, 1))

    def answer(self) -> None:
        """Take one turn's batch."""
        self._loop._answer()

    @property
    def waiting(self) -> list[bytes]:
        """What was not answered yet."""
        return [delivery.payload for delivery in self.link.deliveries]


@pytest.fixture
def desk() -> Desk:
    """A loop that nothing has arrived at."""
    structlog.reset_defaults()
    return Desk()


def test_one_batch_is_answered_in_a_turn(desk):
    """In the order received; the rest waits for the next."""
    desk.arrive(b"1", b"2", b"3", b"4", b"5")
    desk.answer()
    assert desk.waiting == [b"5"]
    desk.answer()
    assert (desk.waiting, desk.pipeline.processed) == ([], [b"1", b"2", b"3", b"4", b"5"])


def test_what_nobody_foresaw_is_excused_alone(desk):
    """Its neighbours are answered, it gets 503, and the log tells where, not what."""
    desk.arrive(b"1", b"poison", b"2")
    with capture_logs() as logged:
        desk.answer()
    assert (desk.pipeline.processed, desk.pipeline.excused) == ([b"1", b"2"], [b"poison"])
    assert desk.waiting == []
    assert [entry["messages"] for entry in logged] == [3, 1]


def test_a_full_disk_holds_the_batch_and_all_behind_it(desk):
    """Tried again after a second, and said until it works."""
    desk.arrive(b"full", b"1")
    desk.answer()
    assert (desk.waiting, desk.troubles) == ([b"full", b"1"], ["disk full"])
    desk.link.deliveries.popleft()
    desk.answer()
    assert desk.pipeline.processed == [], "not before a second has passed"
    desk.clock.go_on(1)
    desk.answer()
    assert (desk.waiting, desk.troubles) == ([], ["disk full", None])


def test_what_was_answered_before_the_disk_was_full_is_not_answered_again(desk):
    """Where a batch is taken apart, each message leaves the queue by itself."""
    desk.arrive(b"1", b"poison", b"full", b"2")
    with capture_logs():
        desk.answer()
    assert desk.waiting == [b"full", b"2"]
    assert (desk.pipeline.processed, desk.pipeline.excused) == ([b"1"], [b"poison"])


def test_nothing_is_answered_while_nobody_is_online(desk):
    """An answer would belong to a connection that is gone."""
    desk.arrive(b"1")
    desk.link.is_online = False
    desk.answer()
    assert desk.waiting == [b"1"]
