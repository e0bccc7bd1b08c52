"""The load generator: two sockets, nothing encoded or decoded while the clock runs."""

from __future__ import annotations

import select
import socket
import time
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import mqtt5
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_READ_BYTES = 1 << 18
_PATIENCE_S = 30.0
_REFILLS = 4
"""Parts in which a window is refilled: a system call for each answer would be the bottleneck."""
_CONTINUES = 0x80
"""The bit of a length that says that another byte follows (MQTT 5, section 1.5.5)."""


class StalledError(Exception):
    """Answers have stopped coming."""


@dataclass(slots=True)
class Run:
    """What one run of messages has brought."""

    seconds: float = 0.0
    cpu_s: float = 0.0
    """The generator's own."""
    arrivals: list[tuple[float, int]] = field(default_factory=list)
    """When how many answers had come in all."""
    due: NDArray[np.float64] | None = None
    """When each message should have been sent, where the pace was given."""
    chunks: list[bytes] = field(default_factory=list)

    @property
    def latencies_ms(self) -> NDArray[np.float64]:
        """From when a message was due to its answer, so that a late sender hides nothing."""
        counts = [0, *(count for _, count in self.arrivals)]
        arrived = np.repeat([at for at, _ in self.arrivals], [b - a for a, b in pairwise(counts)])
        return (arrived - self.due) * 1000

    @property
    def stream(self) -> bytes:
        """All that the subscriber read."""
        return b"".join(self.chunks)


class Load:
    """A publisher, and a subscriber at QoS 0: what it costs the broker is the same for everyone.

    Args:
        port: The broker's, on loopback.
        answers: The filter that all answers match.
    """

    def __init__(self, port: int, answers: str) -> None:
        self._publisher = _connected(port, "bench-publisher")
        self._subscriber = _connected(port, "bench-subscriber")
        topics = [mqtt5.TopicFilter(answers, max_qos=mqtt5.QoS.AT_MOST_ONCE)]
        self._subscriber.sendall(mqtt5.SubscribePacket(1, topics).write())
        self._subscriber.recv(_READ_BYTES)
        self._partial = b""

    def close(self) -> None:
        """Leave."""
        self._publisher.close()
        self._subscriber.close()

    def ask(self, packet: bytes) -> None:
        """Send one message, whether somebody listens or not."""
        self._publisher.sendall(packet)

    def is_answered(self, within_s: float) -> bool:
        """Wait for an answer, and drop it."""
        until_s = time.perf_counter() + within_s
        while (left_s := until_s - time.perf_counter()) > 0:
            if self._wait(Run(), 0, left_s):
                return True
        return False

    def saturate(self, packets: Sequence[bytes], window: int) -> Run:
        """Send as fast as answers come.

        Args:
            packets: What to send.
            window: Messages that may be without an answer at any time.
        """
        run, sent, answered = Run(), 0, 0
        started_s, started_cpu_s = time.perf_counter(), time.process_time()
        while answered < len(packets):
            room = min(answered + window, len(packets)) - sent
            if room >= window // _REFILLS or (room and sent + room == len(packets)):
                self._publisher.sendall(b"".join(packets[sent : sent + room]))
                sent += room
            answered = self._wait(run, answered, _PATIENCE_S)
        return _finished(run, started_s, started_cpu_s)

    def pace(self, packets: Sequence[bytes], per_s: float) -> Run:
        """Send ``per_s`` messages a second, whether answers come or not."""
        run, sent, answered = Run(), 0, 0
        started_s, started_cpu_s = time.perf_counter(), time.process_time()
        run.due = started_s + np.arange(len(packets)) / per_s
        while answered < len(packets):
            elapsed_s = time.perf_counter() - started_s
            due = min(len(packets), int(elapsed_s * per_s) + 1)
            if due > sent:
                self._publisher.sendall(b"".join(packets[sent:due]))
                sent = due
            until_next_s = _PATIENCE_S if sent == len(packets) else sent / per_s - elapsed_s
            answered = self._wait(run, answered, max(0.0, until_next_s))
        return _finished(run, started_s, started_cpu_s)

    def _wait(self, run: Run, answered: int, timeout_s: float) -> int:
        """Take in what comes within ``timeout_s``; return how many answers there are now."""
        readable, _, _ = select.select([self._publisher, self._subscriber], [], [], timeout_s)
        if not readable and timeout_s >= _PATIENCE_S:
            raise StalledError(f"no answer after {answered} for {timeout_s:g} s")
        if self._publisher in readable:
            self._publisher.recv(_READ_BYTES)  # PUBACKs: the answers say more
        if self._subscriber in readable:
            chunk = self._subscriber.recv(_READ_BYTES)
            run.chunks.append(chunk)
            answered += self._count(chunk)
            run.arrivals.append((time.perf_counter(), answered))
        return answered

    def _count(self, chunk: bytes) -> int:
        """Count the packets that end in ``chunk``; all are PUBLISH."""
        data = self._partial + chunk
        packets, at, end = 0, 0, len(data)
        while at + 4 < end:  # the longest header is not cut off
            size, header = data[at + 1], 2
            if size >= _CONTINUES:
                size, header = size - _CONTINUES + (data[at + 2] << 7), 3
            if at + header + size > end:
                break
            at += header + size
            packets += 1
        self._partial = data[at:]
        return packets


def _connected(port: int, client_id: str) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(mqtt5.ConnectPacket(client_id, clean_start=True).write())
    connection.recv(_READ_BYTES)  # CONNACK
    return connection


def _finished(run: Run, started_s: float, started_cpu_s: float) -> Run:
    run.seconds = time.perf_counter() - started_s
    run.cpu_s = time.process_time() - started_cpu_s
    return run
