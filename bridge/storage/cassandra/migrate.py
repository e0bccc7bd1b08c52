"""The schema: numbered CQL files, applied once each, by one process at a time."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from string import Template
from typing import NamedTuple

import cassandra
from cassandra.cluster import NoHostAvailable, Session
from cassandra.protocol import ErrorMessage

from bridge.errors import ConfigurationError, Unavailable
from bridge.settings import Cassandra
from bridge.storage.cassandra.cluster import data_centers, make_cluster
from bridge.storage.cassandra.reasons import call_reason, connect_reason

_LOCK_S = 120
_WINDOWS = 25
"""Time windows that a table has over its TTL: 20 to 30 are what TWCS is made for."""

_VERSIONS = (
    "CREATE TABLE IF NOT EXISTS schema_version (id int, version int, name text,"
    " applied_at timestamp, PRIMARY KEY ((id), version))"
)
_LOCKS = "CREATE TABLE IF NOT EXISTS schema_lock (id int PRIMARY KEY, holder uuid)"
_NAMESPACE = uuid.UUID("5c5f4c0e-6b5e-4c1d-9d5c-3a1f0b2e7d64")


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


class Schema(NamedTuple):
    """What has become of the migrations."""

    migrations: list[tuple[Migration, bool]]
    """All that this bridge knows, in order, and whether each has been applied."""
    newer: str | None
    """What to do where some were applied that this bridge does not know."""

    @property
    def pending(self) -> list[Migration]:
        """Return those that are still to be applied, in order."""
        return [migration for migration, is_applied in self.migrations if not is_applied]


def check_schema(session: Session) -> None:
    """See that the schema is the one that this version of the bridge knows.

    Raises:
        ConfigurationError: It is missing, older or newer.
    """
    schema = _schema(session)
    if schema.newer:
        raise ConfigurationError(schema.newer)
    if schema.pending:
        raise ConfigurationError(
            f"Cassandra's schema lacks {schema.pending[0].name}: run `bridge store migrate`"
        )


def status(settings: Cassandra) -> Schema:
    """Look at the schema.

    Raises:
        ConfigurationError: There is no keyspace, or the login does not allow it.
        Unavailable: The cluster does not answer.
    """
    with _connected(settings, settings.keyspace) as session:
        return _schema(session)


def migrate(settings: Cassandra, tell: Callable[[str], None]) -> int:
    """Bring the schema up to date; safe to run twice, and by two at once.

    Args:
        settings: The cluster, with a role that may create tables.
        tell: Given a line for each thing done.

    Returns:
        How many migrations were applied.

    Raises:
        ConfigurationError: The login or its rights do not allow it, or the schema is newer.
        Unavailable: The cluster does not answer, or another migration takes too long.
    """
    with _connected(settings, None) as session:
        if not settings.secure_bundle:  # Astra makes keyspaces in its console only
            session.execute(_keyspace(settings))
        session.set_keyspace(settings.keyspace)
        session.execute(_lock_table(settings))
        return _apply(session, settings, tell)


@contextmanager
def _connected(settings: Cassandra, keyspace: str | None) -> Iterator[Session]:
    """Open a session for a short while, and turn the driver's errors into ours."""
    cluster = None
    try:
        try:
            cluster = make_cluster(settings)
            session = cluster.connect()
            if keyspace:
                session.set_keyspace(keyspace)  # not in connect, which hides why it fails
        except Exception as error:  # noqa: BLE001 - the driver's errors have no root of their own
            known = data_centers(cluster) if cluster else ()
            raise ConfigurationError(connect_reason(error, settings, known)) from None
        yield session
    except cassandra.Unauthorized:
        raise ConfigurationError(
            f"BRIDGE_CASSANDRA__USERNAME: {settings.username} may not create tables;"
            " migrate with a role that may"
        ) from None
    except (cassandra.DriverException, ErrorMessage, NoHostAvailable) as error:
        raise Unavailable(call_reason(error, settings)) from None
    finally:
        if cluster:
            cluster.shutdown()


def _keyspace(settings: Cassandra) -> str:
    return (
        f"CREATE KEYSPACE IF NOT EXISTS {settings.keyspace} WITH replication ="
        f" {{'class': 'NetworkTopologyStrategy',"
        f" '{settings.local_datacenter}': {settings.replication_factor}}}"
    )


def _lock_table(settings: Cassandra) -> str:
    """Make the one table that no lock can guard.

    Two nodes that make a table of one name at the same moment give it two ids, and the ring never
    agrees on one. So its id is given: then both make the same table.
    """
    if settings.secure_bundle:
        return _LOCKS  # Astra makes changes to a schema in one place, and takes no ids
    return f"{_LOCKS} WITH ID = {uuid.uuid5(_NAMESPACE, settings.keyspace)}"


def _apply(session: Session, settings: Cassandra, tell: Callable[[str], None]) -> int:
    holder = uuid.uuid4()
    _lock(session, holder)
    try:
        session.execute(_VERSIONS)
        schema = _schema(session)
        if schema.newer:
            raise ConfigurationError(schema.newer)
        for migration in schema.pending:
            for statement in migration.statements(_values(settings)):
                session.execute(statement)
            session.execute(
                "INSERT INTO schema_version (id, version, name, applied_at) VALUES (0, %s, %s, %s)",
                (migration.version, migration.name, datetime.now(UTC)),
            )
            tell(f"applied {migration.name}")
        return len(schema.pending)
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


def _schema(session: Session) -> Schema:
    applied = _applied(session)
    known = migrations()
    unknown = applied - {migration.version for migration in known}
    newer = (
        f"Cassandra's schema is at {max(unknown)}, newer than this bridge knows"
        f" ({known[-1].version}): update the bridge"
        if unknown
        else None
    )
    return Schema([(one, one.version in applied) for one in known], newer)


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
