"""The one way to Cassandra: connects in the background, and times, counts and wraps every call."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import structlog
from cassandra.cluster import Cluster, ResponseFuture, Session
from cassandra.query import UNSET_VALUE, BatchStatement, BatchType, PreparedStatement

from bridge.errors import BridgeError, Unavailable
from bridge.ports import Clock
from bridge.settings import Cassandra
from bridge.storage.cassandra.breaker import Breaker
from bridge.storage.cassandra.cluster import data_centers, make_cluster
from bridge.storage.cassandra.migrate import check_schema
from bridge.storage.cassandra.reasons import call_reason, connect_reason, is_refusal

_RETRY_S = (0.5, 10.0)
_IN_FLIGHT_MAX = 256
"""Well below the 32,768 stream ids of a connection: what cannot be sent soon is refused soon."""
_FAILURES_MAX = 5
_OPEN_S = 5.0
_PAGE_ROWS = 1_000

_log = structlog.get_logger()


class Refused(BridgeError):
    """The server will never take this: trying again would bring the same answer."""


class Pending:
    """A call that has been sent."""

    def __init__(self, future: ResponseFuture, settings: Cassandra) -> None:
        self._future = future
        self._settings = settings
        self.next_page: bytes | None = None
        """What to ask for next, where the rows were a page of a stream and not its last."""

    def result(self) -> list[Any]:
        """Wait for the rows; the deadline was given when it was sent.

        Raises:
            Unavailable: No answer in time, or none that counts.
            Refused: The server will never take it.
        """
        try:
            found = self._future.result()
        except Exception as error:  # noqa: BLE001 - the driver's errors have no root
            raise _wrapped(error, self._settings) from None
        self.next_page = found.paging_state
        return list(found.current_rows)


class CassandraSession:
    """A session that is there when the cluster is, and says why when it is not.

    Args:
        settings: The cluster.
        statements: What is prepared as soon as there is a connection.
        clock: The time.
    """

    def __init__(self, settings: Cassandra, statements: Sequence[str], clock: Clock) -> None:
        self._settings = settings
        self._statements = statements
        self._clock = clock
        self._breaker = Breaker(_FAILURES_MAX, _OPEN_S, clock)
        self._room = threading.BoundedSemaphore(_IN_FLIGHT_MAX)
        self._cluster: Cluster | None = None
        self._session: Session | None = None
        self._prepared: dict[str, PreparedStatement] = {}
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._connect, name="cassandra", daemon=True)
        self.why: str | None = "Cassandra: not connected yet"
        """Why it cannot be used just now; nothing where it can."""
        self.calls = 0
        """Statements and batches that were sent."""
        self.failures = 0
        """Those that failed."""

    def start(self) -> None:
        """Connect in the background, as often as it takes."""
        self._thread.start()

    def close(self) -> None:
        """Disconnect."""
        self._closing.set()
        self._thread.join()
        if self._cluster:
            self._cluster.shutdown()

    def wait(self, timeout_s: float) -> None:
        """Return when there is a connection.

        Raises:
            Unavailable: There is none after ``timeout_s`` seconds.
        """
        self._thread.join(timeout_s)
        if self._session is None:
            raise Unavailable(self.why or "Cassandra: not connected yet")

    def send(
        self,
        statement: str,
        values: Sequence[object],
        *,
        timeout_s: float,
        near: bytes | None = None,
    ) -> Pending:
        """Send one prepared statement.

        Args:
            statement: One of those given at the start.
            values: Its values, in order.
            timeout_s: Deadline, counted from now.
            near: A routing key, where the driver cannot derive it (``IN``).

        Raises:
            Unavailable: There is no connection, the circuit is open, or too much is in flight.
            Refused: The values do not fit the statement.
        """
        return self._send(partial(self._bind, statement, values, near), timeout_s)

    def stream(
        self,
        statement: str,
        values: Sequence[object],
        *,
        timeout_s: float,
        page_rows: int = _PAGE_ROWS,
    ) -> Iterator[Any]:
        """Yield the rows of one prepared statement; no more than a page of them is held.

        Each page is a call of its own (the driver would settle all of them as one call, once for
        each page) and has the whole of ``timeout_s``.

        Raises:
            Unavailable: As for ``send``, at any row.
        """
        next_page: bytes | None = None
        while True:
            make = partial(self._bind, statement, values, None, page_rows)
            pending = self._send(make, timeout_s, next_page)
            yield from pending.result()
            next_page = pending.next_page
            if next_page is None:
                return

    def send_batch(
        self, rows: Sequence[tuple[str, Sequence[object]]], *, timeout_s: float
    ) -> Pending:
        """Send writes to replicas in common as one UNLOGGED batch."""
        return self._send(partial(self._batch, rows), timeout_s)

    def replica(self, routing_key: bytes) -> object:
        """Return what is equal for keys whose first replica is the same."""
        metadata = self._cluster.metadata if self._cluster else None
        token_map = metadata.token_map if metadata else None
        if token_map is None:
            return None
        replicas = token_map.get_replicas(
            self._settings.keyspace, token_map.token_class.from_key(routing_key)
        )
        return replicas[0] if replicas else None

    def _bind(
        self,
        statement: str,
        values: Sequence[object],
        near: bytes | None,
        page_rows: int | None = None,
    ) -> object:
        bound = self._prepared[statement].bind(values)
        bound.fetch_size = page_rows
        if near is not None:
            bound._routing_key = near  # noqa: SLF001 - the driver has no other way for IN
        return bound

    def _batch(self, rows: Sequence[tuple[str, Sequence[object]]]) -> object:
        batch = BatchStatement(batch_type=BatchType.UNLOGGED)
        for statement, values in rows:
            # Left out, where there is none: a null would be written, as a tombstone.
            present = [UNSET_VALUE if value is None else value for value in values]
            batch.add(self._prepared[statement].bind(present))
        batch.is_idempotent = True
        return batch

    def _send(
        self, make: Callable[[], object], timeout_s: float, page: bytes | None = None
    ) -> Pending:
        session = self._session
        if session is None:
            raise Unavailable(self.why or "Cassandra: not connected yet")
        if self._breaker.is_open:
            raise Unavailable("Cassandra: does not answer, is left alone for some seconds")
        if not self._room.acquire(timeout=timeout_s):
            raise Unavailable("Cassandra: too much is in flight")
        self.calls += 1
        settle = partial(self._settle, self._clock.monotonic_s())
        try:
            future = session.execute_async(make(), timeout=timeout_s, paging_state=page)
        except Exception as error:  # noqa: BLE001 - the driver's errors have no root
            settle(error)
            raise _wrapped(error, self._settings) from None
        # Settled by the driver's thread: nobody has to wait for an answer for it to count.
        future.add_callbacks(lambda _: settle(None), settle)
        return Pending(future, self._settings)

    def _settle(self, sent_s: float, error: BaseException | None) -> None:
        """Count what came of a call."""
        self._room.release()
        if error is None or is_refusal(error):
            self._breaker.succeeded()  # it answers
            self.why = None
            return
        self.failures += 1
        self._breaker.failed(sent_s)
        self.why = call_reason(error, self._settings)

    def _connect(self) -> None:
        first, last = _RETRY_S
        delay_s = first
        while not self._closing.is_set():
            self.why = self._try_to_connect()
            if self.why is None:
                _log.info("cassandra.up", keyspace=self._settings.keyspace)
                return
            _log.warning("cassandra.down", reason=self.why, retry_in_s=delay_s)
            self._closing.wait(delay_s)
            delay_s = min(last, 2 * delay_s)

    def _try_to_connect(self) -> str | None:
        """Return why it did not work; nothing where it did."""
        cluster = None
        try:
            cluster = make_cluster(self._settings)
            session = cluster.connect()
            session.set_keyspace(self._settings.keyspace)  # connect would hide why it fails
            check_schema(session)
            self._prepared = {cql: _prepare(session, cql) for cql in self._statements}
        except Exception as error:  # noqa: BLE001 - whatever it was, it is said and tried again
            known = data_centers(cluster) if cluster else ()
            if cluster:
                cluster.shutdown()
            return connect_reason(error, self._settings, known)
        self._cluster, self._session = cluster, session
        return None


def _prepare(session: Session, cql: str) -> PreparedStatement:
    prepared = session.prepare(cql)
    prepared.is_idempotent = True  # every write of ours is an upsert of absolute values
    return prepared


def _wrapped(error: Exception, settings: Cassandra) -> BridgeError:
    """Turn a driver's exception into one of ours; its text may quote values, so it stays here."""
    if is_refusal(error):
        return Refused(f"Cassandra refuses: {type(error).__name__}")
    return Unavailable(call_reason(error, settings))
