"""A real Cassandra for the benchmark, started and ended by ``scripts/cassandra``."""

from __future__ import annotations

import re
import secrets
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import psutil

from bridge.settings import Cassandra
from bridge.storage.cassandra.migrate import migrate
from tests.bench.processes import ROOT
from tests.conftest import free_port

if TYPE_CHECKING:
    from pathlib import Path

_KEYSPACE = "bench"
_START_WITHIN_S = 300.0


class NoServerError(Exception):
    """``scripts/cassandra`` could not do what it was asked to."""


@dataclass(frozen=True, slots=True)
class Server:
    """One node on loopback, with a keyspace.

    Attributes:
        folder: Where it keeps all that it writes.
        port: Of the native protocol.
        storage_port: Of the ring.
        store_key: What every bridge of the installation hashes with.
    """

    folder: Path
    port: int = field(default_factory=free_port)
    storage_port: int = field(default_factory=free_port)
    store_key: str = field(default_factory=lambda: secrets.token_hex(16))

    def __enter__(self) -> Self:
        self._script("start", "--storage-port", str(self.storage_port))
        try:
            migrate(self.settings(), lambda _: None)
        except BaseException:
            self._script("stop")
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._script("stop")

    def settings(self) -> Cassandra:
        """Return how it is reached."""
        return Cassandra(
            contact_points="127.0.0.1",
            port=self.port,
            keyspace=_KEYSPACE,
            consistency="ONE",
            replication_factor=1,
        )

    def variables(self) -> dict[str, str]:
        """Return what a bridge is told of it."""
        named = self.settings().model_dump(exclude_defaults=True)
        told = {f"BRIDGE_CASSANDRA__{name.upper()}": str(value) for name, value in named.items()}
        return told | {"BRIDGE_STORE__KEY": self.store_key}

    def cpu_s(self) -> float:
        """Return the CPU time that it has used, user and system."""
        times = psutil.Process(int((self.folder / "node1" / "pid").read_text("ascii"))).cpu_times()
        return times.user + times.system

    def _script(self, verb: str, *options: str) -> None:
        command = [
            *(ROOT / "scripts" / "cassandra", verb, *options),
            *("--data", self.folder, "--port", str(self.port)),
        ]
        told = subprocess.run(
            command, capture_output=True, text=True, timeout=_START_WITHIN_S, check=False
        )
        if told.returncode != 0:
            raise NoServerError(told.stderr)


def version() -> str:
    """Return the version that ``scripts/cassandra`` starts."""
    pom = (ROOT / "scripts" / "cassandra_server" / "pom.xml").read_text(encoding="utf-8")
    found = re.search(r"cassandra-all</artifactId>\s*<version>([^<]+)<", pom)
    return found[1] if found else "unknown"
