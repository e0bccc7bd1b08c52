"""The session on a real server: what it says when it cannot work, and how it comes back."""

import threading

import pytest
from bridge_process import eventually
from cassandra_server import STATEMENTS

from bridge.errors import Unavailable
from bridge.life.clock import SystemClock
from bridge.storage.cassandra.migrate import migrate
from bridge.storage.cassandra.session import CassandraSession, Refused
from bridge.storage.cassandra.statements import (
    READ_COUNTS,
    READ_VERDICTS,
    WRITE_COUNT,
    WRITE_HOUR,
)


@pytest.fixture
def starting():
    """Sessions that may never connect."""
    opened = []

    def started(settings):
        session = CassandraSession(settings, STATEMENTS, SystemClock())
        session.start()
        opened.append(session)
        return session

    yield started
    for session in opened:
        session.close()


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"keyspace": "nobody_has_it"}, "BRIDGE_CASSANDRA__KEYSPACE: there is no keyspace"),
        ({"port": 1}, "127.0.0.1:1 (BRIDGE_CASSANDRA__CONTACT_POINTS)"),
        ({"contact_points": "a.invalid"}, "BRIDGE_CASSANDRA__CONTACT_POINTS: no such host"),
        ({"local_datacenter": "moon"}, "BRIDGE_CASSANDRA__LOCAL_DATACENTER: no node"),
    ],
    ids=lambda case: next(iter(case)) if isinstance(case, dict) else "",
)
def test_a_wrong_setting_is_named(cassandra, starting, wrong, told):
    """One line, from the first attempt on, while the bridge goes on without Cassandra."""
    session = starting(cassandra.settings(**wrong))
    eventually(lambda: told in (session.why or ""))
    assert "\n" not in session.why
    with pytest.raises(Unavailable):
        session.send(READ_VERDICTS, ["spam@1", [b"k"]], timeout_s=1)


def test_a_keyspace_made_later_is_found(cassandra, starting):
    """Nobody has to start the bridge again."""
    settings = cassandra.settings()
    session = starting(settings)
    eventually(lambda: "no keyspace" in (session.why or ""))
    migrate(settings, lambda _: None)
    session.wait(30)
    assert session.why is None


def test_a_table_that_is_missing_is_no_refusal_of_a_row(keyspace, connect, starting, cql):
    """Neither at the start nor later: the rows wait, and the setting is named."""
    session = connect(keyspace)
    cql("DROP TABLE verdict_cache")
    with pytest.raises(Unavailable, match=r"BRIDGE_CASSANDRA__KEYSPACE: .* lacks a table"):
        session.send(READ_VERDICTS, ["spam@1", [b"k"]], timeout_s=5).result()
    assert "lacks a table" in session.why
    late = starting(keyspace)
    eventually(lambda: "lacks a table" in (late.why or ""))


@pytest.mark.parametrize(
    "values", [["", 1], ["d" * 70_000, 1], ["d", 1 << 70], ["\udc00", 1]], ids=range(4)
)
def test_a_row_that_cannot_be_taken_is_refused(keyspace, connect, values):
    """By the server or by the driver; neither opens the breaker."""
    session = connect(keyspace)
    for _ in range(10):
        with pytest.raises(Refused):
            session.send(WRITE_HOUR, values, timeout_s=5).result()
    assert session.why is None


def test_a_stream_asks_page_by_page(keyspace, connect):
    """Each page is a call of its own, and is given back once."""
    session = connect(keyspace)
    rows = [(WRITE_COUNT, [0, "j", f"d{n:03d}", "ham", n]) for n in range(250)]
    for start in range(0, 250, 50):
        session.send_batch(rows[start : start + 50], timeout_s=5).result()
    before = session.calls
    found = [row.calls for row in session.stream(READ_COUNTS, [0], timeout_s=5, page_rows=100)]
    assert found == list(range(250))
    assert session.calls - before == 3
    eventually(lambda: session._room._value == session._room._initial_value)


def test_a_stream_that_is_left_gives_everything_back(keyspace, connect):
    """Who asks for one page of calls leaves most streams early."""
    session = connect(keyspace)
    rows = [(WRITE_COUNT, [0, "j", f"d{n:03d}", "ham", n]) for n in range(50)]
    session.send_batch(rows, timeout_s=5).result()
    for _ in range(500):
        next(session.stream(READ_COUNTS, [0], timeout_s=5, page_rows=10))
    eventually(lambda: session._room._value == session._room._initial_value)


def test_a_session_leaves_no_thread_behind(keyspace):
    """Closed, it is gone; the driver's own threads too."""
    before = set(threading.enumerate())
    session = CassandraSession(keyspace, STATEMENTS, SystemClock())
    session.start()
    session.wait(30)
    session.close()
    eventually(
        lambda: (
            not [
                one
                for one in set(threading.enumerate()) - before
                if one.name != "cassandra_driver_event_loop"
            ]
        )
    )
