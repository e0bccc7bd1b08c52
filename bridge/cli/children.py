"""The processes that a demonstration needs: started on loopback, ended whatever happens."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from bridge.errors import Unavailable

PROJECT = Path(__file__).resolve().parents[2]
"""Where the repository is, when the package is run from it."""

_END_WITHIN_S = 10
_LOOK_EVERY_S = 0.02

_LIMITS = PROJECT / "mosquitto" / "limits.d"
_NO_LIMITS = """\
set_tcp_nodelay true
max_inflight_messages 1000
max_queued_messages 100000
max_queued_bytes 0
"""


class Children:
    """Child processes with a log file each; leaving the context ends them, the youngest first.

    Args:
        folder: Where their logs go.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[str, subprocess.Popen[str]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        for name in reversed(list(self._running)):
            self.end(name)

    def start(
        self, name: str, command: list[str], environment: Mapping[str, str], *, piped: bool = False
    ) -> subprocess.Popen[str]:
        """Start a child in a session of its own: Ctrl-C is for us, who end it in its turn.

        Args:
            name: What it is called, in its log's name too.
            command: Program and arguments.
            environment: All that it gets.
            piped: Whether its output is read by us; otherwise it goes to its log.
        """
        with (self._folder / f"{name}.log").open("wb") as log:
            self._running[name] = child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if piped else log,
                stderr=subprocess.PIPE if piped else log,
                cwd=self._folder,  # out of reach of an .env that is not about this
                env=environment,
                start_new_session=True,
                text=True,
            )
        return child

    def wait_until(self, name: str, is_there: Callable[[], bool], within_s: float) -> None:
        """Return when ``is_there``.

        Raises:
            Unavailable: The child called ``name`` has ended, or the time is over.
        """
        until_s = time.monotonic() + within_s
        while not is_there():
            self.check()
            if time.monotonic() > until_s:
                raise Unavailable(f"the {name} is not up after {within_s:g} s")
            time.sleep(_LOOK_EVERY_S)

    def check(self) -> None:
        """Make sure that all children are alive.

        Raises:
            Unavailable: One has ended; with the last line of its log.
        """
        for name, child in self._running.items():
            if child.poll() is not None:
                raise Unavailable(f"the {name} has ended ({child.returncode}): {self._last(name)}")

    def end(self, name: str) -> None:
        """End a child, politely first."""
        child = self._running.pop(name)
        child.terminate()
        try:
            child.wait(_END_WITHIN_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()

    def _last(self, name: str) -> str:
        lines = (self._folder / f"{name}.log").read_text(errors="replace").split("\n")
        return next((line for line in reversed(lines) if line.strip()), "it has said nothing")


def environment(**settings: str) -> dict[str, str]:
    """Return our environment without its settings, and with these."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("BRIDGE_")}
    path = os.pathsep.join(filter(None, [str(PROJECT), ours.get("PYTHONPATH")]))
    return {**ours, "PYTHONPATH": path, "COLUMNS": "200", **settings}


def python(module: str, *arguments: str) -> list[str]:
    """Return the command that runs ``module`` with our own Python."""
    return [sys.executable, "-m", module, *arguments]


def mosquitto() -> str:
    """Return the broker's program.

    Raises:
        Unavailable: It is not installed.
    """
    folders = f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/opt/homebrew/sbin"
    program = shutil.which("mosquitto", path=folders)
    if program is None:
        raise Unavailable(
            "mosquitto is missing: `apt install mosquitto mosquitto-clients` (Debian, Ubuntu),"
            " `brew install mosquitto` (macOS); `make demo` looks after it by itself"
        )
    return program


def mosquitto_config(folder: Path, port: int) -> Path:
    """Write the configuration of a broker that forgets everything, with the project's limits."""
    limits = f"include_dir {_LIMITS}\n" if _LIMITS.is_dir() else _NO_LIMITS
    config = folder / "mosquitto.conf"
    config.write_text(
        f"{limits}listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n"
        "log_dest stderr\nconnection_messages false\n"
    )
    return config


def free_port() -> int:
    """Return a loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    """Say whether something takes connections on a loopback port."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
