"""The clerk as the daemon sees it: heard line by line, buried, and started again."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes import FakeClock

from bridge.life.clerk_process import ClerkProcess

CLERK = """\
import json, os, socket, sys
pipe = socket.socket(fileno=int(sys.argv[sys.argv.index("--pipe") + 1]))
pipe.sendall(json.dumps({"pid": os.getpid()}).encode() + b"\\n" + b'{"half": ')
pipe.recv(1)
"""


@pytest.fixture
def reports() -> list[dict[str, int]]:
    """What the clerks have reported."""
    return []


@pytest.fixture
def clerk(
    reports: list[dict[str, int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ClerkProcess]:
    """A clerk of a few lines, in place of the real one; it always dies over half a line."""
    monkeypatch.setattr(sys, "executable", str(_interpreter(tmp_path)))
    process = ClerkProcess(reports.append, FakeClock())
    yield process
    process.stop()


def _interpreter(folder: Path) -> Path:
    """Return a program that runs `CLERK`, whatever module it is asked for."""
    (folder / "clerk.py").write_text(CLERK, encoding="utf-8")
    program = folder / "python"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {folder}/clerk.py "$@"\n', "utf-8")
    program.chmod(0o755)
    return program


def hear(clerk: ClerkProcess, reports: list[dict[str, int]], count: int) -> None:
    """Run the clerk until it has reported so often."""
    until_s = time.monotonic() + 20
    while len(reports) < count:
        assert time.monotonic() < until_s
        clerk.keep_running()
        clerk.read()
        time.sleep(0.01)


def test_a_killed_clerk_is_started_again(clerk, reports):
    """After a while, and half a line of the one before spoils nothing that the next one says."""
    hear(clerk, reports, 1)
    os.kill(reports[0]["pid"], signal.SIGKILL)
    while clerk.pid:
        clerk.read()
    clerk.keep_running()
    assert clerk.pid is None, "not at once: it might die over and over"
    clerk._clock.go_on(1)
    hear(clerk, reports, 2)
    assert clerk.restarts == 1
    assert reports[0]["pid"] != reports[1]["pid"] == clerk.pid


def test_the_clerk_ends_with_its_pipe(clerk, reports):
    """No signal is needed, so a daemon that is killed leaves no orphan."""
    hear(clerk, reports, 1)
    clerk.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(reports[0]["pid"], 0)
    assert (clerk.pid, clerk.pipe) == (None, None)
