"""Whole bridges on a real Cassandra: what they share, and what they keep to themselves."""

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from bridge_process import Client, eventually

from bridge.topics import Topics

KEY = "0123456789abcdef"
CANARY = "canary8c51f2"


@pytest.fixture
def variables(keyspace):
    """What tells a bridge of the keyspace."""
    return {
        "CASSANDRA__CONTACT_POINTS": keyspace.contact_points,
        "CASSANDRA__PORT": keyspace.port,
        "CASSANDRA__KEYSPACE": keyspace.keyspace,
        "CASSANDRA__CONSISTENCY": "ONE",
        "STORE__KEY": KEY,
    }


@contextmanager
def listening(broker, topics):
    """A client of its own for a root."""
    client = Client(broker, topics)
    try:
        yield client
    finally:
        client.close()


def is_online(client, instance=None):
    """Say whether a bridge has nothing to complain about."""
    return client.document("state", instance).get("state") == "online"


@pytest.fixture
def start(start_bridge, variables):
    """Start a bridge that uses the keyspace."""

    def started(name="bridge", **settings):
        return start_bridge(name, **(variables | settings))

    return started


@pytest.fixture
def command(broker, topics, tmp_path):
    """Run one of people's commands, and return its lines."""

    def run(*arguments, **more):
        environment = os.environ | {
            "BRIDGE_MQTT__HOST": broker.host,
            "BRIDGE_MQTT__PORT": str(broker.port),
            "BRIDGE_TOPICS__ROOT": topics.root,
            **more,
        }
        told = subprocess.run(
            [sys.executable, "-m", "bridge", *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert told.returncode == 0, told.stderr
        return told.stdout.splitlines()

    return run


def test_a_text_classified_by_one_is_a_store_hit_for_the_other(broker, topics, start, client, cql):
    """On roots of their own: nothing but Cassandra is between them."""
    other = Topics(f"{topics.root}/other")
    start("one")
    start("two", INSTANCE="two", TOPICS__ROOT=other.root)
    with listening(broker, other) as second:
        eventually(lambda: is_online(client) and is_online(second, "two"))
        first = client.ask("gw-7", {"text": "a prize for you"})
        eventually(lambda: cql("SELECT label FROM verdict_cache"))
        said = second.ask("gw-8", {"text": "a prize for you"})
        again = second.ask("gw-8", {"text": "a prize for you"})
    assert (first["cached"], said["cached"], again["cached"]) == ("no", "store", "memory")
    assert first["scores"] == said["scores"] == again["scores"]


def test_two_in_one_group_answer_for_the_whole_installation(start, client, cql, command):
    """Either has a part of the calls; asked together they tell each once, and count it once."""
    names = ("one", "two")
    for name in names:
        start(name, INSTANCE=name, share="fleet")
    eventually(lambda: all(is_online(client, name) for name in names))
    ids = {f"m-{n}" for n in range(40)}
    for name in sorted(ids):
        client.publish_soon("gw-7", {"id": name, "text": f"text {name}"})
    eventually(lambda: client.answered_ids("gw-7") >= ids)
    eventually(lambda: len(cql("SELECT message_id FROM calls_by_device_hour")) == 40)
    eventually(lambda: sum(row.calls for row in cql("SELECT calls FROM counts_by_hour")) == 40)
    lines = command("calls", "gw-7", "--json", "-n", "1000")
    assert sorted(json.loads(line)["id"] for line in lines) == sorted(ids)
    table = command("calls", "gw-7", "--csv", "-n", "7")
    assert (table[0].split(",")[0], len(table)) == ("called_at", 8)
    [counted] = command("stats", "gw-7", "--json")
    hours = json.loads(counted)["hours"]
    assert sum(sum(hour["counts"].values()) for hour in hours) == 40


@pytest.mark.parametrize("keeps", ["full", "hash", "none"])
def test_a_text_is_kept_only_as_the_setting_says(keeps, start, client, cql, tmp_path):
    """In no table and no file: journal, notebook, SQLite's own, logs; `full` in the log only."""
    bridge = start(LOG__TEXT=keeps)
    eventually(lambda: is_online(client))
    client.ask("gw-7", {"id": "m-1", "text": f"{CANARY} free prize"})
    client.ask("gw-7", {"id": "m-2", "text": f"{CANARY} free prize"})
    client.ask("gw-7", f'{{"id":"m-3","text":["{CANARY}"]}}'.encode())
    eventually(lambda: len(cql("SELECT message_id FROM calls_by_device_hour")) == 3)
    eventually(lambda: cql("SELECT label FROM verdict_cache"))
    assert bridge.stop() == 0
    guilty = {name for name, rows in cql.tables().items() if CANARY in json.dumps(rows)}
    guilty |= {
        path.suffix
        for path in tmp_path.rglob("*")
        if path.is_file() and CANARY.encode() in path.read_bytes()
    }
    assert guilty == ({"calls_by_device_hour", ".sqlite"} if keeps == "full" else set())
    keys = [row.text_key for row in cql("SELECT text_key FROM calls_by_device_hour")]
    assert sum(key is not None for key in keys) == (0 if keeps == "none" else 2)


def test_a_machine_in_kathmandu_logs_by_the_hours_of_utc(start, client, cql, command, monkeypatch):
    """Its clock is 5:45 ahead, and the devices' are wrong."""
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    start()
    eventually(lambda: is_online(client))
    said = client.ask("gw-7", {"id": "m-1", "text": "hello", "ts": "1999-12-31T23:59:59+14:00"})
    eventually(lambda: cql("SELECT message_id FROM calls_by_device_hour"))
    called_at = datetime.fromisoformat(said["ts"])
    [row] = cql("SELECT hour, called_at, device_ts FROM calls_by_device_hour")
    hour = called_at.replace(minute=0, second=0, microsecond=0)
    assert (row.hour.replace(tzinfo=UTC), row.called_at.replace(tzinfo=UTC)) == (hour, called_at)
    assert row.device_ts == datetime(1999, 12, 31, 9, 59, 59)  # noqa: DTZ001 - as the driver says
    name = hour.strftime("%Y-%m-%dT%HZ")
    [line] = command("calls", "gw-7", "--hour", name, "--json", TZ="Asia/Kathmandu")
    assert json.loads(line)["called_at"] == said["ts"]
