"""One real Cassandra for the session, and a keyspace of its own for each test."""

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import pytest
from conftest import free_port

from bridge.life.clock import SystemClock
from bridge.settings import Cassandra
from bridge.storage.cassandra import statements
from bridge.storage.cassandra.migrate import migrate
from bridge.storage.cassandra.session import CassandraSession

ROOT = Path(__file__).resolve().parents[1]
STATEMENTS = [value for name, value in vars(statements).items() if name.isupper()]

_START_WITHIN_S = 300.0
_CONNECT_WITHIN_S = 30.0
_END_WITHIN_S = 20.0
_FORGETS_TABLES_WHEN_KILLED = "-Dcassandra.test.flush_local_schema_changes=false"
"""Makes tables in half the time."""


def pytest_report_header() -> str:
    """Name the database that the suites run against."""
    return f"cassandra: {cassandra_version()}"


def cassandra_version() -> str:
    """Return the version that ``scripts/cassandra`` starts."""
    pom = (ROOT / "scripts" / "cassandra_server" / "pom.xml").read_text(encoding="utf-8")
    return re.search(r"cassandra-all</artifactId>\s*<version>([^<]+)<", pom)[1]


@dataclass(frozen=True, slots=True)
class CassandraServer:
    """A server on loopback, started and ended by ``scripts/cassandra``."""

    folder: Path
    port: int
    storage_port: int
    options: Sequence[str] = ()
    java_options: str = ""

    def start(self) -> None:
        """Return when it answers; say with the script's own words why it does not."""
        told = self._script("start", "--storage-port", str(self.storage_port), *self.options)
        if told.returncode != 0:
            pytest.fail(f"scripts/cassandra start: {told.stderr}", pytrace=False)

    def pause(self) -> None:
        """Freeze it: it takes connections and answers nothing."""
        self._process().suspend()

    def resume(self) -> None:
        """Let it go on."""
        self._process().resume()

    def kill(self, node: int = 1) -> None:
        """Kill a node, where it runs, as a power cut would: its memory is lost."""
        with suppress(FileNotFoundError, psutil.NoSuchProcess):
            process = self._process(node)
            process.kill()
            process.wait(_END_WITHIN_S)

    def settings(self, **others: Any) -> Cassandra:
        """Return the settings of a bridge that uses it, with a keyspace that nobody else has."""
        return Cassandra(
            **{
                "contact_points": "127.0.0.1",
                "port": self.port,
                "keyspace": f"test_{uuid4().hex[:12]}",
                "consistency": "ONE",
                "replication_factor": 1,
                **others,
            }
        )

    def _process(self, node: int = 1) -> psutil.Process:
        pid = int((self.folder / f"node{node}" / "pid").read_text("ascii"))
        process = psutil.Process(pid)
        if not any(str(self.folder) in word for word in process.cmdline()):
            raise psutil.NoSuchProcess(pid)  # its number has gone to somebody else
        return process

    def _script(self, verb: str, *options: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [
                *(ROOT / "scripts" / "cassandra", verb, *options),
                *("--data", self.folder, "--port", str(self.port)),
            ],
            env=os.environ | {"JDK_JAVA_OPTIONS": self.java_options},
            capture_output=True,
            text=True,
            timeout=_START_WITHIN_S,
            check=False,
        )


def new_server(folder: Path, *options: str, java_options: str = "") -> CassandraServer:
    """Return a server that is not started yet."""
    return CassandraServer(folder, free_port(), free_port(), options, java_options)


@pytest.fixture(scope="session")
def cassandra(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CassandraServer]:
    """A real Cassandra for the whole session."""
    server = new_server(
        tmp_path_factory.mktemp("cassandra"), java_options=_FORGETS_TABLES_WHEN_KILLED
    )
    server.start()
    yield server
    server.kill()  # nothing of it is kept, and a polite end takes seven seconds


@pytest.fixture
def keyspace(cassandra: CassandraServer) -> Cassandra:
    """Settings of a migrated keyspace of the test's own; it goes with the server."""
    settings = cassandra.settings()
    migrate(settings, lambda _: None)
    return settings


@pytest.fixture
def connect() -> Iterator[Callable[..., CassandraSession]]:
    """Sessions that are connected when they are returned, and closed after the test."""
    opened: list[CassandraSession] = []

    def connected(settings: Cassandra) -> CassandraSession:
        session = CassandraSession(settings, STATEMENTS, SystemClock())
        session.start()
        opened.append(session)
        session.wait(_CONNECT_WITHIN_S)
        return session

    yield connected
    for session in opened:
        session.close()


class Cql:
    """Reads and spoils a keyspace, past the bridge."""

    def __init__(self, session: CassandraSession) -> None:
        self._session = session

    def __call__(self, cql: str) -> list[Any]:
        """Return the rows of a statement."""
        return list(self._session._session.execute(cql))

    def tables(self) -> dict[str, list[dict[str, Any]]]:
        """Return all rows of all tables."""
        keyspace = self._session._settings.keyspace
        named = self(
            f"SELECT table_name FROM system_schema.tables WHERE keyspace_name = '{keyspace}'"  # noqa: S608
        )
        return {
            name: [json.loads(row.json) for row in self(f'SELECT JSON * FROM "{name}"')]  # noqa: S608
            for (name,) in named
        }


@pytest.fixture
def cql(keyspace: Cassandra, connect: Callable[..., CassandraSession]) -> Cql:
    """What reads the test's keyspace past the bridge."""
    return Cql(connect(keyspace))
