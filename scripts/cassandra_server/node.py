"""One Cassandra process: its configuration, its start, its end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cql import Connection, Refused
from runtime import HERE, CannotRun

_POLL_S: Final = 0.1
_STOP_WITHIN_S: Final = 30.0
_LOG_LINES_SHOWN: Final = 15

_OPENED: Final = {
    "java.base": (
        *("java.io", "java.lang", "java.lang.module", "java.lang.ref", "java.lang.reflect"),
        *("java.math", "java.net", "java.nio", "java.util", "java.util.concurrent"),
        *("java.util.concurrent.atomic", "jdk.internal.loader", "jdk.internal.math"),
        *("jdk.internal.module", "jdk.internal.ref", "jdk.internal.reflect"),
        *("jdk.internal.util.jar", "sun.nio.ch"),
    ),
    "java.rmi": ("sun.rmi.transport.tcp",),
    "jdk.management": ("com.sun.management.internal",),
}
_EXPORTED: Final = {
    "java.base": ("jdk.internal.misc", "jdk.internal.ref", "sun.nio.ch"),
    "java.management.rmi": ("com.sun.jmx.remote.internal.rmi",),
    "java.rmi": ("sun.rmi.registry", "sun.rmi.server"),
    "java.sql": ("java.sql",),
}


# What Cassandra 5 recommends to who has nothing older to go with (its cassandra_latest.yaml), and
# blocks of files that stay unpacked in memory. Rows outside the heap begin with small regions: on
# it, a slab of 1 MB for each table would end a small heap after some 30 tests' keyspaces.
_STORAGE: Final[dict[str, object]] = {
    "storage_compatibility_mode": "NONE",
    "memtable": {"configurations": {"default": {"class_name": "TrieMemtable"}}},
    "memtable_allocation_type": "offheap_objects",
    "memtable_offheap_space": "256MiB",
    "sstable": {"selected_format": "bti"},
    "uuid_sstable_identifiers_enabled": True,
    "default_compaction": {
        "class_name": "UnifiedCompactionStrategy",
        "parameters": {"scaling_parameters": "T4"},
    },
    "file_cache_enabled": True,
    "file_cache_size": "64MiB",
}


@dataclass(frozen=True, slots=True)
class Options:
    """What all nodes of a ring have in common.

    Args:
        data: The ring's folder; each node has one of its own in it.
        port: Where clients connect, on each node's address.
        storage_port: Where nodes talk to each other.
        sync: When the commit log is written: ``periodic`` (every 10 s) or ``batch`` (before a
            write is acknowledged, so that it survives a kill).
        auth: Whether clients log in (``cassandra``/``cassandra`` at first) and need rights.
        heap_mb: Heap of each node, in megabytes.
    """

    data: Path
    port: int
    storage_port: int
    sync: str
    auth: bool
    heap_mb: int


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the ring, running or not.

    Args:
        number: 1, 2 or 3; the node's address is 127.0.0.number.
        options: What it shares with the others.
    """

    number: int
    options: Options

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"127.0.0.{self.number}"

    @property
    def folder(self) -> Path:
        """Where all that it writes is."""
        return self.options.data / f"node{self.number}"

    @property
    def log(self) -> Path:
        """What it says."""
        return self.folder / "server.log"

    @property
    def pid(self) -> int | None:
        """The process, if it runs; a number that has gone to somebody else's is not taken."""
        try:
            pid = int(self._pid_file.read_text("ascii"))
        except (OSError, ValueError):
            return None
        return pid if self._storage_flag in _words_of(pid) else None

    @property
    def last_port(self) -> int | None:
        """The clients' port that it was started with, if it ever was."""
        try:
            written = json.loads(self._configuration_file.read_text("utf-8"))
        except (OSError, ValueError):
            return None
        return int(written["native_transport_port"])

    def start(self, java: Path, jars: Path) -> None:
        """Start the process and return at once."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._configuration_file.write_text(json.dumps(self._configuration(), indent=2), "utf-8")
        with self.log.open("wb") as log:
            process = subprocess.Popen(
                self._command(java, jars),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C in the terminal is not meant for it
            )
        self._pid_file.write_text(str(process.pid), "ascii")
        while self.pid is None and process.poll() is None:  # a new process has no name at first
            time.sleep(_POLL_S)

    def wait_until_ready(self, peers: int, deadline_s: float) -> None:
        """Return when it answers clients and knows ``peers`` other nodes.

        Raises:
            CannotRun: The process has ended, or the deadline has passed; with the log's last lines.
        """
        until = time.monotonic() + deadline_s
        while not (self.is_ready() and self.knows(peers)):
            if self.pid is None:
                raise CannotRun(f"node {self.number} has ended:\n{self._last_words()}")
            if time.monotonic() > until:
                raise CannotRun(
                    f"node {self.number} is not ready after {deadline_s:g} s:\n{self._last_words()}"
                )
            time.sleep(_POLL_S)

    def is_ready(self) -> bool:
        """Say whether it answers a client."""
        try:
            with Connection(self.address, self.options.port) as connection:
                return connection.speaks()
        except OSError:
            return False

    def knows(self, peers: int) -> bool:
        """Say whether it knows so many other nodes, as a driver would learn of them from it."""
        try:
            with Connection(self.address, self.options.port) as connection:
                return connection.peers() >= peers
        except OSError:
            return False
        except Refused:
            return True  # someone has changed the password: this cannot be asked any more

    def stop(self) -> None:
        """End the process, gently if it lets us, and return when it has gone."""
        pid = self.pid
        if pid is not None:
            _end(self, pid)
        self._pid_file.unlink(missing_ok=True)

    @property
    def _pid_file(self) -> Path:
        return self.folder / "pid"

    @property
    def _configuration_file(self) -> Path:
        return self.folder / "cassandra.yaml"  # JSON is YAML

    @property
    def _storage_flag(self) -> str:
        return f"-Dcassandra.storagedir={self.folder}"

    def _configuration(self) -> dict[str, object]:
        return {
            "cluster_name": "mqtt-inference-bridge",
            "num_tokens": 16,
            "partitioner": "org.apache.cassandra.dht.Murmur3Partitioner",
            "endpoint_snitch": "SimpleSnitch",
            "listen_address": self.address,
            "rpc_address": self.address,
            "native_transport_port": self.options.port,
            "storage_port": self.options.storage_port,
            "seed_provider": [
                {
                    "class_name": "org.apache.cassandra.locator.SimpleSeedProvider",
                    "parameters": [{"seeds": f"127.0.0.1:{self.options.storage_port}"}],
                }
            ],
            "data_file_directories": [str(self.folder / "data")],
            "commitlog_directory": str(self.folder / "commitlog"),
            "saved_caches_directory": str(self.folder / "saved_caches"),
            "hints_directory": str(self.folder / "hints"),
            "cdc_raw_directory": str(self.folder / "cdc_raw"),
            "auto_snapshot": False,  # dropping a test's keyspace frees its disk
            **_STORAGE,
            **self._commit_log(),
            **self._access(),
        }

    def _commit_log(self) -> dict[str, object]:
        if self.options.sync == "batch":
            return {"commitlog_sync": "batch"}
        return {"commitlog_sync": "periodic", "commitlog_sync_period": "10000ms"}

    def _access(self) -> dict[str, object]:
        if not self.options.auth:
            return {"authenticator": "AllowAllAuthenticator", "authorizer": "AllowAllAuthorizer"}
        return {"authenticator": "PasswordAuthenticator", "authorizer": "CassandraAuthorizer"}

    def _command(self, java: Path, jars: Path) -> list[str]:
        heap = f"{self.options.heap_mb}M"
        return [
            str(java),
            *(f"-Xms{heap}", f"-Xmx{heap}", "-XX:+ExitOnOutOfMemoryError"),
            # G1, the default, takes a third more CPU for the same reads of so small a heap.
            *("-XX:+UseParallelGC", "-XX:+PerfDisableSharedMem"),
            f"-Dcassandra.config={self._configuration_file.as_uri()}",
            self._storage_flag,
            f"-Dlogback.configurationFile={(HERE / 'logback.xml').as_uri()}",
            "-Dcassandra.jmx.local.port=0",
            "-Djava.net.preferIPv4Stack=true",
            # A ring on one machine has little to wait for: a seed that is asked for the first time
            # may take more than a second, and who has not heard of it by then gives up (measured).
            "-Dcassandra.skip_wait_for_gossip_to_settle=0",
            f"-Dcassandra.ring_delay_ms={1_000 if self.number == 1 else 4_000}",
            "-Dcassandra.superuser_setup_delay_ms=0",
            "-Djdk.attach.allowAttachSelf=true",
            *("--add-modules", "java.se"),
            *_module_flags("--add-opens", _OPENED),
            *_module_flags("--add-exports", _EXPORTED),
            *("-classpath", f"{jars}/*"),
            "org.apache.cassandra.service.CassandraDaemon",
        ]

    def _last_words(self) -> str:
        lines = self.log.read_text("utf-8", errors="replace").splitlines()
        return "\n".join([*lines[-_LOG_LINES_SHOWN:], f"(more in {self.log})"])


def _module_flags(flag: str, packages: dict[str, tuple[str, ...]]) -> list[str]:
    return [
        word
        for module, names in packages.items()
        for name in names
        for word in (flag, f"{module}/{name}=ALL-UNNAMED")
    ]


def _words_of(pid: int) -> list[str]:
    """Return the command line of a process; nothing where it has ended."""
    if Path("/proc/self").exists():  # Linux, where a small machine may have no `ps`
        try:
            return Path(f"/proc/{pid}/cmdline").read_text("utf-8").split("\0")
        except OSError:
            return []
    told = subprocess.run(
        ["ps", "-ww", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return told.stdout.split()


def _end(node: Node, pid: int) -> None:
    """Ask, wait, and insist."""
    for word in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.kill(pid, word)
        until = time.monotonic() + _STOP_WITHIN_S
        while time.monotonic() < until:
            if node.pid is None:
                return
            time.sleep(_POLL_S)
