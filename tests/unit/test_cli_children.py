"""The processes of a demonstration: none stays behind, and what goes wrong is told."""

import sys

import pytest

from bridge.cli import children as kids
from bridge.cli.children import Children
from bridge.errors import Unavailable

FOREVER = [sys.executable, "-c", "import time; time.sleep(600)"]


def test_children_end_with_their_context(tmp_path):
    """Also when it ends by an exception."""
    started = []

    def interrupted():
        with Children(tmp_path) as children:
            started.append(children.start("sleeper", FOREVER, kids.environment()))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    (child,) = started
    assert child.poll() is not None


def test_a_child_that_dies_is_told_with_its_last_words(tmp_path):
    """Name, exit code and the last line of its log."""
    dying = [sys.executable, "-c", "import sys; sys.exit('no model there\\n')"]
    with Children(tmp_path) as children:
        children.start("bridge", dying, kids.environment())
        with pytest.raises(Unavailable, match=r"the bridge has ended \(1\): no model there"):
            children.wait_until("bridge", lambda: False, within_s=30)


def test_what_does_not_come_up_is_not_waited_for_for_ever(tmp_path):
    """The time is bounded."""
    with Children(tmp_path) as children:
        children.start("sleeper", FOREVER, kids.environment())
        with pytest.raises(Unavailable, match=r"the sleeper is not up after 0\.05 s"):
            children.wait_until("sleeper", lambda: False, within_s=0.05)


def test_children_do_not_get_our_settings(monkeypatch):
    """A demonstration must not speak to somebody's real broker."""
    monkeypatch.setenv("BRIDGE_MQTT__HOST", "production.example")
    environment = kids.environment(BRIDGE_MQTT__PORT="1")
    assert "BRIDGE_MQTT__HOST" not in environment
    assert environment["BRIDGE_MQTT__PORT"] == "1"


def test_a_missing_mosquitto_is_told_with_how_to_get_it(monkeypatch):
    """For each of the usual systems."""
    monkeypatch.setattr(kids.shutil, "which", lambda *_, **__: None)
    with pytest.raises(Unavailable, match="apt install mosquitto"):
        kids.mosquitto()


def test_the_demonstration_s_broker_listens_on_loopback_only(tmp_path):
    """And forgets everything."""
    config = kids.mosquitto_config(tmp_path, 12345).read_text()
    assert "listener 12345 127.0.0.1\n" in config
    assert "persistence false" in config
