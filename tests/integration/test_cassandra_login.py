"""A server that asks for logins: what is said of wrong ones, and which rights the bridge needs."""

import pytest
from bridge_process import eventually
from cassandra_server import STATEMENTS, new_server
from pydantic import SecretStr

from bridge.errors import ConfigurationError
from bridge.life.clock import SystemClock
from bridge.storage.cassandra.cluster import make_cluster
from bridge.storage.cassandra.migrate import migrate, status
from bridge.storage.cassandra.session import CassandraSession
from bridge.storage.cassandra.statements import READ_VERDICTS, WRITE_HOUR

pytestmark = pytest.mark.slow

ADMIN = {"username": "cassandra", "password": "cassandra"}
BRIDGE = {"username": "bridge", "password": "of-the-bridge"}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """A server with a role for the bridge that has no rights yet."""
    server = new_server(tmp_path_factory.mktemp("guarded"), "--auth")
    server.start()
    yield server
    server.kill()


@pytest.fixture
def admin(guarded):
    """Settings of who may do everything, and a role for the bridge."""
    settings = guarded.settings(**ADMIN)
    execute(
        settings,
        f"CREATE ROLE IF NOT EXISTS bridge WITH LOGIN = true AND PASSWORD = '{BRIDGE['password']}'",
    )
    return settings


def execute(settings, *statements):
    """Run statements past the bridge."""
    cluster = make_cluster(settings)
    try:
        session = cluster.connect()
        for statement in statements:
            session.execute(statement)
    finally:
        cluster.shutdown()


@pytest.mark.parametrize(
    "login",
    [{}, {**ADMIN, "password": "wrong"}, {"username": "nobody", "password": "x"}],
    ids=["none", "password", "name"],
)
def test_a_wrong_login_is_one_line_that_names_the_settings(guarded, login):
    """For the command and for the bridge."""
    settings = guarded.settings(**login)
    with pytest.raises(ConfigurationError, match=r"refuses the login: .*USERNAME and .*PASSWORD"):
        status(settings)
    session = CassandraSession(settings, STATEMENTS, SystemClock())
    session.start()
    eventually(lambda: "refuses the login" in (session.why or ""))
    session.close()


def test_the_bridge_needs_to_read_and_to_write_and_nothing_else(admin, connect):
    """With SELECT and MODIFY on its keyspace it works; it can make no tables, and says so."""
    migrate(admin, lambda _: None)
    grants = [
        f"GRANT {right} ON KEYSPACE {admin.keyspace} TO bridge" for right in ("SELECT", "MODIFY")
    ]
    execute(admin, *grants)
    own = admin.model_copy(update={"username": "bridge", "password": SecretStr(BRIDGE["password"])})
    session = connect(own)
    session.send(WRITE_HOUR, ["gw-7", 0], timeout_s=5).result()
    assert session.send(READ_VERDICTS, ["spam@1", [b"k"]], timeout_s=5).result() == []
    with pytest.raises(ConfigurationError, match="USERNAME: bridge may not create tables"):
        migrate(own, lambda _: None)


def test_a_bridge_without_rights_says_so(admin):
    """By the setting's name, at the start."""
    migrate(admin, lambda _: None)
    own = admin.model_copy(update={"username": "bridge", "password": SecretStr(BRIDGE["password"])})
    session = CassandraSession(own, STATEMENTS, SystemClock())
    session.start()
    eventually(lambda: "BRIDGE_CASSANDRA__USERNAME: bridge may not" in (session.why or ""))
    session.close()
