"""The loop: read what has arrived, answer it as one batch, write, repeat."""

from __future__ import annotations

import selectors
import socket
from collections.abc import Callable
from itertools import islice
from typing import Any

import structlog

from bridge.errors import JournalUnavailable
from bridge.life.clerk_process import ClerkProcess
from bridge.life.house import House
from bridge.mqtt.link import Link
from bridge.pipeline import Pipeline
from bridge.ports import Clock, Delivery

_TICK_S = 1.0
_JOURNAL_RETRY_S = 1.0
_LEAVE_S = 6.0
_GOODBYE_S = 2.0  # both together are less than the 10 s after which Docker kills

_log = structlog.get_logger()


class Loop:
    """One thread, one socket, one batch at a time.

    Args:
        link: The connection to the broker.
        pipeline: The path.
        clerk: The second process.
        house: What else is to be looked after.
        clock: The time.
        batch_max: Messages in a batch at the most.
    """

    def __init__(  # noqa: PLR0913 - what it turns, each once
        self,
        *,
        link: Link,
        pipeline: Pipeline,
        clerk: ClerkProcess,
        house: House,
        clock: Clock,
        batch_max: int,
    ) -> None:
        self._link = link
        self._pipeline = pipeline
        self._clerk = clerk
        self._house = house
        self._clock = clock
        self._batch_max = batch_max
        self._selector = selectors.DefaultSelector()
        self._watched: dict[str, tuple[Any, int]] = {}
        self._connections = 0
        self._retry_s = self._tick_s = 0.0
        self._stopping = False

    def stop(self) -> None:
        """Ask the loop to leave; safe in a signal handler."""
        self._stopping = True

    def run(self, wakeup: socket.socket) -> int:
        """Turn until told to stop, then leave.

        Args:
            wakeup: Becomes readable when a signal has come.

        Returns:
            0, or 1 where messages that were read could not be answered.
        """
        self._house.started()
        with self._selector as selector:
            selector.register(wakeup, selectors.EVENT_READ, lambda: wakeup.recv(64))
            while not self._stopping:
                self._turn()
            return self._leave()

    def _turn(self) -> None:
        self._link.open()
        self._watch("broker", self._link.transport, self._events(), self._link.read)
        self._watch("clerk", self._clerk.pipe, selectors.EVENT_READ, self._clerk.read)
        for key, _ in self._selector.select(self._timeout_s()):
            key.data()
        self._house.count()
        self._answer()
        self._look_around()
        self._link.flush()

    def _leave(self) -> int:
        """Finish what was read, say goodbye, disconnect."""
        self._link.takes_inputs = False
        self._turn_while(lambda: bool(self._link.deliveries), _LEAVE_S)
        unfinished = len(self._link.deliveries)
        self._house.say_goodbye()
        self._turn_while(lambda: self._link.is_busy, _GOODBYE_S)
        self._house.count()
        self._link.leave()
        _log.info("bridge.stopped", unfinished=unfinished)
        return 1 if unfinished else 0

    def _turn_while(self, condition: Callable[[], bool], timeout_s: float) -> None:
        until_s = self._clock.monotonic_s() + timeout_s
        while self._link.is_online and condition() and self._clock.monotonic_s() < until_s:
            self._turn()

    def _answer(self) -> None:
        """Answer one batch of what has arrived; the next turn takes the next."""
        link = self._link
        if not link.deliveries or not link.is_online or self._clock.monotonic_s() < self._retry_s:
            return
        try:
            self._process(list(islice(link.deliveries, self._batch_max)))
        except JournalUnavailable as error:
            # No answer and no acknowledgement: the batch waits here, and all behind it.
            self._retry_s = self._clock.monotonic_s() + _JOURNAL_RETRY_S
            self._house.journal_failed(str(error))
            return
        self._house.journal_failed(None)

    def _process(self, batch: list[Delivery]) -> None:
        try:
            self._pipeline.process(batch)
        except JournalUnavailable:
            raise
        except Exception:  # noqa: BLE001 - logged, and answered
            # What nobody foresaw must not take its neighbours with it, nor come back for ever.
            _log.exception("pipeline.failed", messages=len(batch))
            if len(batch) > 1:
                for delivery in batch:
                    self._process([delivery])
                return
            self._pipeline.excuse(batch[0])
        for _ in batch:
            self._link.deliveries.popleft()

    def _look_around(self) -> None:
        if self._link.is_online and self._connections != self._link.connections:
            self._connections = self._link.connections
            self._house.greet()
        now_s = self._clock.monotonic_s()
        if now_s >= self._tick_s:
            self._tick_s = now_s + _TICK_S
            self._clerk.keep_running()
            self._house.tick()

    def _timeout_s(self) -> float:
        """Wait for nothing but the next tick, the next attempt, or messages that wait for us."""
        now_s = self._clock.monotonic_s()
        until_s = self._tick_s
        if self._link.deliveries and self._link.is_online:
            until_s = min(until_s, self._retry_s)
        timeout_s = max(0.0, until_s - now_s)
        return timeout_s if self._link.transport else min(timeout_s, self._link.due_in_s())

    def _events(self) -> int:
        transport = self._link.transport
        has_unsent = transport is not None and transport.has_unsent
        return selectors.EVENT_READ | (selectors.EVENT_WRITE if has_unsent else 0)

    def _watch(self, name: str, source: Any, events: int, on_ready: Callable[[], None]) -> None:
        """Have the selector wait for ``source``, in place of what it waited for under ``name``."""
        watched = self._watched.get(name)
        if watched == (source, events) or (watched is None and source is None):
            return
        if watched:
            self._selector.unregister(watched[0])
            del self._watched[name]
        if source:
            self._selector.register(source, events, on_ready)
            self._watched[name] = (source, events)
