"""Three nodes, each row on all of them: one that is killed is missed by nobody."""

import pytest
from bridge_process import eventually
from cassandra_server import new_server
from outages import LATE_S, each_arrived_once, new_text, state
from streams import Stream

from bridge.storage.cassandra.migrate import migrate

NODES = (1, 2, 3)
KEY = "0123456789abcdef"


@pytest.fixture(scope="module")
def ring(tmp_path_factory):
    """Three nodes that know each other."""
    server = new_server(tmp_path_factory.mktemp("ring"), "--nodes", "3", "--sync", "batch")
    server.start()
    yield server
    for node in NODES:
        server.kill(node)


@pytest.fixture
def settings(ring):
    """A migrated keyspace on it, as an installation has it by default."""
    keyspace = ring.settings(
        contact_points=",".join(f"127.0.0.{node}" for node in NODES),
        replication_factor=3,
        consistency="LOCAL_QUORUM",
    )
    migrate(keyspace, lambda _: None)
    return keyspace


@pytest.mark.slow
def test_a_node_killed_under_load_costs_nothing(ring, settings, start_bridge, client):
    """Verdicts go on, each call arrives once, and the outbox empties while the node is away."""
    start_bridge(
        CASSANDRA__CONTACT_POINTS=settings.contact_points,
        CASSANDRA__PORT=settings.port,
        CASSANDRA__KEYSPACE=settings.keyspace,
        STORE__KEY=KEY,  # consistency and replication are the defaults
    )
    with Stream(client, new_text) as stream:
        eventually(lambda: len(client.answers("gw-7")) >= 100 and state(client) == "online")
        before = len(stream.sent_s)
        ring.kill(1)  # the first contact point, and the others' seed
        eventually(lambda: len(client.answers("gw-7")) >= before + 500, "the verdicts")
    assert max(stream.latencies_s()) < LATE_S
    each_arrived_once(client, settings, stream.sent_s)
    eventually(lambda: state(client) == "online", "the state")
    ring.start()
    each_arrived_once(client, settings.model_copy(update={"consistency": "ALL"}), stream.sent_s)
