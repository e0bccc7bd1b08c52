"""What the daemon holds on to: nothing more after the work than before, and a full disk passes."""

import resource
import sys

import psutil
import pytest
from bridge_process import Client, eventually

FULL = (8_192, resource.RLIM_INFINITY)
"""No file may grow past this: the journal's has already, the log's has some way to go."""
EMPTY = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)


def held(bridge):
    """Return descriptors, threads and children of a bridge."""
    process = psutil.Process(bridge.process.pid)
    return process.num_fds(), process.num_threads(), len(process.children())


def at_work(bridge, client):
    """Return a bridge's baseline: online, its clerk too, and one message answered."""
    client.ask("gw-0", b"hello")
    eventually(lambda: client.document("health").get("journal", {}).get("segments"), "the clerk")
    return held(bridge)


def test_everything_is_given_back_after_the_work(start_bridge, client, broker, topics):
    """I6: after thousands of messages, of many clients and of every kind, as before."""
    bridge = start_bridge()
    baseline = at_work(bridge, client)
    others = [Client(broker, topics) for _ in range(5)]
    for number in range(2_000):
        payload = b"{" if number % 7 == 0 else b"hello %d" % number
        others[number % 5].publish_soon(f"gw-{number % 5}", payload)
    told = [f"gw-{number}" for number in range(5)]
    eventually(lambda: sum(len(client.answers(device)) for device in told) >= 2_001)
    for other in others:
        other.close()
    client.settled_ledger()
    health = client.document("health")
    assert health["queues"] == {"waiting": 0, "unanswered": 0, "unacknowledged": 0}
    eventually(lambda: held(bridge) == baseline, f"the baseline {baseline}")


def test_a_clerk_that_dies_leaves_nothing_behind(start_bridge, client):
    """Its successor has its place, and the loop no descriptor more."""
    bridge = start_bridge()
    baseline = at_work(bridge, client)
    for _ in range(2):
        (clerk,) = eventually(bridge.children)
        clerk.kill()
        assert client.ask("gw-1", b"meanwhile")["model"] == "spam@2"
        eventually(lambda old=clerk: old not in bridge.children())
        eventually(lambda: held(bridge) == baseline, f"the baseline {baseline}")


def test_the_clerk_leaves_with_a_killed_bridge(start_bridge):
    """No orphan, no lock left behind: the next one starts at once."""
    bridge = start_bridge()
    (clerk,) = eventually(bridge.children)
    bridge.kill()
    eventually(lambda: not clerk.is_running(), "the clerk's end")
    start_bridge()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits another process's files")
def test_a_full_disk_withholds_answers_until_there_is_room(start_bridge, client):
    """Nothing is answered that is not recorded: degraded with the reason, then all goes on."""
    bridge = start_bridge()
    client.ask("gw-1", b"hello")
    process = psutil.Process(bridge.process.pid)
    process.rlimit(resource.RLIMIT_FSIZE, FULL)
    for number in range(20):
        client.publish_soon("gw-2", {"id": f"m-{number}", "text": "hello"})
    eventually(lambda: client.document("state")["state"] == "degraded", "the trouble")
    assert "journal cannot be written" in client.document("state")["why"][0]
    assert client.answers("gw-2") == []
    process.rlimit(resource.RLIMIT_FSIZE, EMPTY)
    eventually(lambda: client.answered_ids("gw-2") == {f"m-{number}" for number in range(20)})
    eventually(lambda: client.document("state")["state"] == "online", "the recovery")
    ledger = client.settled_ledger()
    assert ledger["received"] == ledger["verdicts"] == 21, ledger


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits another process's files")
def test_a_full_disk_does_not_keep_it_from_leaving(start_bridge, client):
    """Exit 1 says that something read was left unanswered; it comes again at the next start."""
    bridge = start_bridge()
    client.ask("gw-1", b"hello")
    process = psutil.Process(bridge.process.pid)
    process.rlimit(resource.RLIMIT_FSIZE, FULL)
    client.publish("gw-2", {"id": "m-1", "text": "hello"})
    eventually(lambda: client.document("state")["state"] == "degraded", "the trouble")
    assert bridge.stop() == 1, bridge.log_text
    assert client.document("state")["state"] == "stopped", bridge.log_text
    start_bridge()
    eventually(lambda: client.answered_ids("gw-2") == {"m-1"})
    ledger = client.settled_ledger()
    assert ledger.pop("received") == sum(ledger.values())
