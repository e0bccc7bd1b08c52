"""Cassandra down, frozen, killed: verdicts go on, and every call arrives once."""

import pytest
from bridge_process import eventually, let_pass
from cassandra_server import new_server
from outages import LATE_S, each_arrived_once, new_text, state, why
from streams import Stream

from bridge.storage.cassandra.migrate import migrate

KEY = "0123456789abcdef"
_FROZEN_S = 30


@pytest.fixture(scope="module")
def mortal(tmp_path_factory):
    """A server of this module's own, not started; it loses nothing when it is killed."""
    server = new_server(tmp_path_factory.mktemp("mortal"), "--sync", "batch")
    yield server
    server.kill()


@pytest.fixture
def settings(mortal):
    """A keyspace on it that nobody has made yet."""
    return mortal.settings()


@pytest.fixture
def running(mortal, settings):
    """The server, with the keyspace."""
    mortal.start()
    migrate(settings, lambda _: None)
    return mortal


@pytest.fixture
def start(start_bridge, settings):
    """Start a bridge that ships there."""

    def started(**more):
        return start_bridge(
            CASSANDRA__CONTACT_POINTS=settings.contact_points,
            CASSANDRA__PORT=settings.port,
            CASSANDRA__KEYSPACE=settings.keyspace,
            CASSANDRA__CONSISTENCY="ONE",
            STORE__KEY=KEY,
            **more,
        )

    return started


def test_down_at_the_start_is_no_matter(mortal, settings, start, client):
    """Verdicts flow at once, the state says why, and the rows arrive when the server is there."""
    mortal.kill()
    start()
    with Stream(client, new_text) as stream:
        eventually(lambda: len(client.answers("gw-7")) >= 20)
        eventually(lambda: "BRIDGE_CASSANDRA__CONTACT_POINTS" in why(client), "the reason")
        assert state(client) == "degraded"
        mortal.start()
        migrate(settings, lambda _: None)
        eventually(lambda: state(client) == "online", "the state")
    stream.latencies_s()
    each_arrived_once(client, settings, stream.sent_s)


def test_frozen_under_load_it_delays_nobody_for_long(running, settings, start, client):
    """By the cache's deadline at the most, and then by nothing: the breaker is open."""
    start()
    with Stream(client, new_text) as stream:
        eventually(lambda: len(client.answers("gw-7")) >= 20 and state(client) == "online")
        running.pause()
        try:
            let_pass(_FROZEN_S)
            assert state(client) == "degraded"
        finally:
            running.resume()
        eventually(lambda: state(client) == "online", "the state")
    assert max(stream.latencies_s()) < LATE_S
    each_arrived_once(client, settings, stream.sent_s)


def test_killed_under_load_it_has_every_row_once_afterwards(running, settings, start, client):
    """Whatever it had taken and not said so is shipped again, onto the same rows."""
    start()
    with Stream(client, new_text) as stream:
        eventually(lambda: len(client.answers("gw-7")) >= 20 and state(client) == "online")
        running.kill()
        eventually(lambda: state(client) == "degraded", "the state")
        running.start()
        eventually(lambda: state(client) == "online", "the state")
    assert max(stream.latencies_s()) < LATE_S
    each_arrived_once(client, settings, stream.sent_s)


@pytest.mark.usefixtures("running")
def test_a_bridge_killed_while_it_ships_ships_the_rest_later(settings, start, client):
    """Loop and clerk, in the middle of it; nothing is counted twice."""
    bridge = start()
    with Stream(client, new_text) as stream:
        eventually(lambda: len(client.answers("gw-7")) >= 20)
        bridge.kill()
        start()
        sent = len(stream.sent_s)
        eventually(lambda: len(client.answered_ids("gw-7")) > sent)
    eventually(lambda: client.answered_ids("gw-7") >= stream.sent_s.keys(), "the answers")
    each_arrived_once(client, settings, stream.sent_s)
