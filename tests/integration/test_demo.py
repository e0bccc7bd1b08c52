"""``bridge demo`` as people type it."""

import os
import re
import signal
import subprocess
import sys

import psutil
import pytest

COMMAND = [sys.executable, "-m", "bridge", "demo"]


@pytest.fixture
def folder(tmp_path):
    """A current folder without ``.env``, and temporary files beneath it."""
    (tmp_path / "tmp").mkdir()
    return tmp_path


def environment(folder):
    """Return an environment in which temporary files are seen."""
    return os.environ | {"TMPDIR": str(folder / "tmp")}


def test_the_demonstration_ends_with_nothing_lost(folder):
    """Verdicts are shown, all is answered, and no file stays behind."""
    told = subprocess.run(
        COMMAND,
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    assert re.search(r"sim-\d+ +(spam|ham) ", told.stdout)
    assert " 0 lost" in told.stdout
    assert "What to try next" in told.stdout
    assert not list((folder / "tmp").glob("bridge-demo-*"))


def test_with_keep_it_stays_until_ctrl_c_and_its_lines_work(folder):
    """The shown ``bridge ask`` gets a verdict; Ctrl-C ends broker and bridge."""
    demo = subprocess.Popen(
        [*COMMAND, "--keep"],
        cwd=folder,
        env=environment(folder) | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        told = ""
        while "Ctrl-C ends" not in told:
            line = demo.stdout.readline()
            assert line, told
            told += line
        port = re.search(r"BRIDGE_MQTT__PORT=(\d+)", told)[1]
        asked = subprocess.run(
            [sys.executable, "-m", "bridge", "ask", "hello"],
            cwd=folder,
            env=os.environ | {"BRIDGE_MQTT__PORT": port},
            timeout=60,
            check=False,
        )
        children = psutil.Process(demo.pid).children(recursive=True)
    finally:
        demo.send_signal(signal.SIGINT)
        rest, _ = demo.communicate(timeout=60)
    assert asked.returncode == 0
    assert len(children) >= 2
    assert not psutil.wait_procs(children, timeout=20)[1]
    assert "nothing is left behind" in rest
    assert not list((folder / "tmp").glob("bridge-demo-*"))


@pytest.mark.slow
def test_with_cassandra_a_second_bridge_learns_from_the_first(folder):
    """A text that one has classified is a store hit for the other; no server stays behind."""
    told = subprocess.run(
        [*COMMAND, "--cassandra"],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    assert re.search(r"second +(spam|ham) +from the store", told.stdout)
    assert not list((folder / "tmp").glob("bridge-demo-*"))
    assert not [one for one in psutil.process_iter(["cmdline"]) if str(folder) in str(one.info)]
