"""The schema: numbered CQL files, applied once each, by one process at a time."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from string import Template

import cassandra
from cassandra.cluster import Cluster, Session

from bridge.errors import ConfigurationError, Unavailable
from bridge.settings import Cassandra
from bridge.storage.cassandra.cluster import make_cluster
from bridge.storage.cassandra.reasons import connect_reason

_LOCK_S = 120
_WINDOWS = 25
"""Time windows that a table has over its TTL: 20 to 30 are what TWCS is made for."""

_VERSIONS = (
    "CREATE TABLE IF NOT EXISTS schema_version (id int, version int, name text,"
    " applied_at timestamp, PRIMARY KEY ((id), version))"
)
_LOCKS = "CREATE TABLE IF NOT EXISTS schema_lock (id int PRIMARY KEY, holder uuid)"


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file."""

    version: int
    name: str
    cql: str

    def statements(self, values: dict[str, str]) -> list[str]:
        """Return its statements, with the settings filled in."""
        lines = (line for line in self.cql.splitlines() if not line.startswith("--"))
        filled = Template("\n".join(lines)).substitute(values)
        return [statement.strip() for statement in filled.split(";") if statement.strip()]


def migrations() -> list[Migration]:
    """Return all that this version of the bridge knows, in order."""
    folder = files(__package__) / "migrations"
    return [
        Migration(int(file.name[:4]), file.name, file.read_text(encoding="utf-8"))
        for file in sorted(folder.iterdir(), key=lambda file: file.name)
        if file.name.endswith(".cql")
    ]


def check_schema(session: Session) -> None:
    """See that the schema is the one that this version of the bridge knows.

    Raises:
        ConfigurationError: It is missing, older or newer.
    """
    applied = _applied(session)
    known = {migration.version for migration in migrations()}
    if not applied >= known:
        raise ConfigurationError(
            f"Cassandra's schema is at {max(applied, default=0)}, the bridge needs {max(known)}:"
            " run `bridge store migrate`"
        )
    if applied > known:
        raise ConfigurationError(
            f"Cassandra's schema is at {max(applied)}, newer than this bridge knows"
            f" ({max(known)}): update the bridge"
        )


def status(settings: Cassandra) -> list[tuple[Migration, bool]]:
    """Return every migration, and whether it has been applied."""
    cluster = make_cluster(settings)
    try:
        session = _connect(cluster, settings, settings.keyspace)
        applied = _applied(session)
    finally:
        cluster.shutdown()
    return [(migration, migration.version in applied) for migration in migrations()]


def migrate(settings: Cassandra, tell: Callable[[str], None]) -> int:
    """Bring the schema up to date; safe to run twice, and by two at once.

    Args:
        settings: The cluster, with a role that may create tables.
        tell: Given a line for each thing done.

    Returns:
        How many migrations were applied.

    Raises:
        ConfigurationError: The login or its rights do not allow it.
        Unavailable: The cluster does not answer, or another migration takes too long.
    """
    cluster = make_cluster(settings)
    try:
        session = _connect(cluster, settings, None)
        if not settings.secure_bundle:  # Astra makes keyspaces in its console only
            session.execute(_keyspace(settings))
        session.set_keyspace(settings.keyspace)
        session.execute(_VERSIONS)
        session.execute(_LOCKS)
        return _apply(session, settings, tell)
    except cassandra.Unauthorized:
        raise ConfigurationError(
            f"BRIDGE_CASSANDRA__USERNAME: {settings.username} may not create tables;"
            " migrate with a role that may"
        ) from None
    finally:
        cluster.shutdown()


def _connect(cluster: Cluster, settings: Cassandra, keyspace: str | None) -> Session:
    try:
        session = cluster.connect()
        if keyspace:
            session.set_keyspace(keyspace)  # not in connect, which hides why it fails
    except Exception as error:  # noqa: BLE001 - the driver's errors have no root of their own
        raise ConfigurationError(connect_reason(error, settings)) from None
    return session


def _keyspace(settings: Cassandra) -> str:
    return (
        f"CREATE KEYSPACE IF NOT EXISTS {settings.keyspace} WITH replication ="
        f" {{'class': 'NetworkTopologyStrategy',"
        f" '{settings.local_datacenter}': {settings.replication_factor}}}"
    )


def _apply(session: Session, settings: Cassandra, tell: Callable[[str], None]) -> int:
    holder = uuid.uuid4()
    _lock(session, holder)
    try:
        applied = _applied(session)
        pending = [one for one in migrations() if one.version not in applied]
        for migration in pending:
            for statement in migration.statements(_values(settings)):
                session.execute(statement)
            session.execute(
                "INSERT INTO schema_version (id, version, name, applied_at) VALUES (0, %s, %s, %s)",
                (migration.version, migration.name, datetime.now(UTC)),
            )
            tell(f"applied {migration.name}")
        return len(pending)
    finally:
        session.execute("DELETE FROM schema_lock WHERE id = 0 IF holder = %s", (holder,))


def _lock(session: Session, holder: uuid.UUID) -> None:
    """Wait for the lock; one whose holder died goes by its TTL."""
    until_s = time.monotonic() + _LOCK_S
    while time.monotonic() < until_s:
        took = session.execute(
            "INSERT INTO schema_lock (id, holder) VALUES (0, %s) IF NOT EXISTS USING TTL %s",
            (holder, _LOCK_S),
        ).one()
        if took.applied:
            return
        time.sleep(0.2)
    raise Unavailable("another migration holds the lock; try again when it is through")


def _applied(session: Session) -> set[int]:
    try:
        rows = session.execute("SELECT version FROM schema_version WHERE id = 0")
    except cassandra.InvalidRequest:
        return set()  # no such table: nothing was ever applied
    return {row.version for row in rows}


def _values(settings: Cassandra) -> dict[str, str]:
    hours = max(1, round(settings.log_ttl_days * 24 / _WINDOWS))
    return {
        "log_ttl_s": str(round(settings.log_ttl_days * 86_400)),
        "cache_ttl_s": str(round(settings.cache_ttl_days * 86_400)),
        "window_hours": str(hours),
    }
