"""Whole bridges on a real Cassandra: what they share, and what they keep to themselves."""

import json
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from bridge_process import Client, eventually

from bridge.topics import Topics

KEY = "0123456789abcdef"
CANARY = "canary8c51f2"
SHIPPED = "SELECT device_id, message_id, text_key FROM calls_by_device_hour"


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
def lines(command):
    """Run one of people's commands, and return its lines."""

    def run(*arguments, **variables):
        told = command(*arguments, **variables)
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


def test_two_in_one_group_answer_for_the_whole_installation(start, client, cql, lines):
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
    calls = lines("calls", "gw-7", "--json", "-n", "1000")
    assert sorted(json.loads(line)["id"] for line in calls) == sorted(ids)
    table = lines("calls", "gw-7", "--csv", "-n", "7")
    assert (table[0].split(",")[0], len(table)) == ("called_at", 8)
    [counted] = lines("stats", "gw-7", "--json")
    hours = json.loads(counted)["hours"]
    assert sum(sum(hour["counts"].values()) for hour in hours) == 40


class Traces:
    """What is left of a text: in every table, and in every file of a test."""

    def __init__(self, cql, folder):
        self.cql = cql
        self._folder = folder

    def guilty(self):
        """Return the tables and the kinds of files that hold the canary."""
        tables = {name for name, rows in self.cql.tables().items() if CANARY in json.dumps(rows)}
        files = [path for path in self._folder.rglob("*") if path.is_file()]
        return tables | {_kind(path) for path in files if CANARY.encode() in path.read_bytes()}


def _kind(path):
    """Return what a file is; SQLite's own stand beside what they belong to."""
    if path.name.startswith("clerk.sqlite"):
        return "notebook"
    return "journal" if ".sqlite" in path.name else path.name


@pytest.fixture
def traces(cql, tmp_path):
    """What the test leaves."""
    return Traces(cql, tmp_path)


@pytest.mark.parametrize("keeps", ["full", "hash", "none"])
def test_a_text_is_kept_only_as_the_setting_says(keeps, start, client, lines, traces):
    """In no table and no file while it runs or afterwards; `full` in the log and corrections."""
    bridge = start(LOG__TEXT=keeps)
    eventually(lambda: is_online(client))
    text = f"{CANARY} free prize"
    client.ask("gw-7", {"id": "m-1", "text": text})
    client.ask("gw-7", {"id": "m-2", "text": text})
    client.ask("gw-7", f'{{"id":"m-3","text":["{CANARY}"]}}'.encode())
    assert client.ask("gw-7", {"id": "m-4", "text": text, "echo": True})["text"] == text
    eventually(lambda: traces.cql("SELECT label FROM verdict_cache"))
    eventually(lambda: len(traces.cql(SHIPPED)) == 4)
    lines("correct", "ham", text)
    eventually(lambda: client.ask("gw-8", {"text": text})["cached"] == "corrected")
    eventually(lambda: "gw-8" in {row.device_id for row in traces.cql(SHIPPED)})
    allowed = {"calls_by_device_hour", "corrections", "journal", "notebook"}
    expected = allowed if keeps == "full" else set()
    assert traces.guilty() == expected
    assert bridge.stop() == 0
    assert traces.guilty() == expected
    rows = traces.cql(SHIPPED)
    keyed = {row.message_id for row in rows if row.text_key is not None}
    assert keyed == (set() if keeps == "none" else {row.message_id for row in rows} - {"m-3"})


def test_a_machine_in_kathmandu_logs_by_the_hours_of_utc(start, client, cql, lines, monkeypatch):
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
    [line] = lines("calls", "gw-7", "--hour", name, "--json", TZ="Asia/Kathmandu")
    assert json.loads(line)["called_at"] == said["ts"]
