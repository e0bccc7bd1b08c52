"""The processes that are measured: started, weighed, and ended again."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import psutil

from tests import conftest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).parents[2]
_BROKER = f"""\
include_dir {ROOT / "mosquitto" / "limits.d"}
allow_anonymous true
persistence false
"""


@dataclass(frozen=True, slots=True)
class Program:
    """A process, with all of its children."""

    process: subprocess.Popen[bytes]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        conftest.stop(self.process)

    @property
    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        return self.process.poll() is None

    def cpu_s(self) -> float:
        """Return the CPU time that it has used, user and system, children included."""
        return sum(_cpu_s(each) for each in self._family())

    def resident_bytes(self) -> dict[str, int]:
        """Return what each of its processes holds in memory, by name."""
        loop, *children = self._family()
        clerk = sum(child.memory_info().rss for child in children)
        return {"loop": loop.memory_info().rss, "clerk": clerk}

    def _family(self) -> list[psutil.Process]:
        own = psutil.Process(self.process.pid)
        return [own, *own.children(recursive=True)]


def broker(folder: Path) -> tuple[Program, int]:
    """Start Mosquitto with the project's limits; return it and its port."""
    port = conftest.free_port()
    return Program(conftest.start_mosquitto(folder, port, _BROKER)), port


def python(
    module: str,
    *arguments: str,
    executable: str | Path = sys.executable,
    stdout: int | None = None,
) -> Program:
    """Start ``python -m module`` from the top of the repository."""
    return start([str(executable), "-m", module, *arguments], stdout)


def bridge(command: Sequence[str], port: int, root: str, journal: Path, **others: str) -> Program:
    """Start the bridge, every setting that does not say where things are at its default.

    Args:
        command: What starts it.
        port: The broker's.
        root: What its topics start with.
        journal: Its folder.
        others: Further settings, as variables.
    """
    return start(
        command,
        BRIDGE_MQTT__PORT=str(port),
        BRIDGE_TOPICS__ROOT=root,
        BRIDGE_JOURNAL__PATH=str(journal),
        BRIDGE_LOG__LEVEL="error",
        **others,
    )


def start(command: Sequence[str], stdout: int | None = None, **variables: str) -> Program:
    """Start ``command`` from the top of the repository, with no settings but ``variables``."""
    environment = _environment(variables)
    return Program(subprocess.Popen(command, cwd=ROOT, env=environment, stdout=stdout))


def machine_cpu_s() -> float:
    """Return the CPU time that all programs of this machine have used together."""
    times = psutil.cpu_times()
    return sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0)


def _environment(variables: Mapping[str, str]) -> dict[str, str]:
    inherited = {name: v for name, v in os.environ.items() if not name.startswith("BRIDGE_")}
    return inherited | dict(variables)


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system
