"""The schema on a real server: numbered, once each, by one at a time."""

import os
import subprocess
import sys

import pytest
from fakes import call_row
from fleets import Member

from bridge.errors import ConfigurationError
from bridge.storage.cassandra.migrate import migrate, migrations, status

NAMES = [migration.name for migration in migrations()]


def environment(settings):
    """Return what a person would export."""
    return os.environ | {
        "BRIDGE_CASSANDRA__CONTACT_POINTS": settings.contact_points,
        "BRIDGE_CASSANDRA__PORT": str(settings.port),
        "BRIDGE_CASSANDRA__KEYSPACE": settings.keyspace,
        "BRIDGE_CASSANDRA__CONSISTENCY": "ONE",
        "BRIDGE_CASSANDRA__REPLICATION_FACTOR": "1",
        "BRIDGE_STORE__KEY": "0123456789abcdef",
    }


def store(verb, settings, folder, **more):
    """Start ``bridge store VERB``."""
    return subprocess.Popen(
        [sys.executable, "-m", "bridge", "store", verb],
        cwd=folder,
        env=environment(settings) | more,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_two_migrations_at_once_apply_each_file_once(cassandra, tmp_path):
    """Both end well, and what one has applied the other leaves alone."""
    settings = cassandra.settings()
    started = [store("migrate", settings, tmp_path) for _ in range(2)]
    told = [process.communicate(timeout=120) for process in started]
    assert [process.returncode for process in started] == [0, 0], told
    lines = [line for out, _ in told for line in out.splitlines() if line.startswith("applied")]
    assert sorted(lines) == [f"applied {name}" for name in NAMES]
    assert not status(settings).pending


def test_whoever_makes_the_lock_makes_the_same_table(keyspace, cql):
    """Two nodes that make it at once must not end with two tables; and a keyspace can come back."""
    found = f"SELECT id FROM system_schema.tables WHERE keyspace_name = '{keyspace.keyspace}'"  # noqa: S608
    by_name = f"{found} AND table_name = 'schema_lock'"
    before = cql(by_name)
    cql(f"DROP KEYSPACE {keyspace.keyspace}")
    assert migrate(keyspace, lambda _: None) == len(NAMES)
    assert cql(by_name) == before


def test_a_second_migration_changes_nothing(keyspace):
    """It says how much it has done: nothing."""
    assert migrate(keyspace, pytest.fail) == 0


def test_status_tells_what_is_missing_and_leaves_with_1(cql, keyspace, tmp_path):
    """Per migration a line; a script can tell by the exit code."""
    cql("DELETE FROM schema_version WHERE id = 0 AND version = 3")
    asked = store("status", keyspace, tmp_path)
    out, err = asked.communicate(timeout=60)
    assert (asked.returncode, err) == (1, "")
    assert [line.split()[0] for line in out.splitlines()[:3]] == ["applied", "applied", "missing"]
    assert "bridge store migrate" in out


def test_status_shows_what_was_set_aside(connect, keyspace, tmp_path):
    """How many calls, whose, which and why, and nothing of their texts."""
    member = Member(tmp_path / "journal", connect(keyspace))
    refused = call_row(1)._replace(message_id="x" * 70_000, text="a canary")
    member.record(refused, call_row(2))
    member.ship()
    asked = store("status", keyspace, tmp_path, BRIDGE_JOURNAL__PATH=str(member.folder))
    out, err = asked.communicate(timeout=60)
    assert (asked.returncode, err) == (0, "")
    heading, letter = out.splitlines()[len(NAMES) :]
    assert heading == f"1 call was set aside for good, in {member.folder}:"
    assert letter.split() == ["1", "gw-7", "x" * 64, "Cassandra", "refuses:", "InvalidRequest"]
    assert "canary" not in out
    member.close()


def test_a_bridge_waits_for_a_migration_that_is_missing(connect, cql, keyspace):
    """It says which command mends it."""
    cql("DELETE FROM schema_version WHERE id = 0 AND version = 3")
    with pytest.raises(Exception, match=r"lacks 0003_people.cql: run `bridge store migrate`"):
        _connect_at_once(connect, keyspace)


def test_an_older_bridge_says_that_the_schema_is_newer(connect, cql, keyspace, tmp_path):
    """So do both of its commands, with exit code 2; none of them changes anything."""
    cql("INSERT INTO schema_version (id, version, name) VALUES (0, 99, '0099_later.cql')")
    with pytest.raises(Exception, match="at 99, newer than this bridge knows"):
        _connect_at_once(connect, keyspace)
    for verb in ("migrate", "status"):
        asked = store(verb, keyspace, tmp_path)
        _, err = asked.communicate(timeout=60)
        assert asked.returncode == 2
        assert err.startswith("bridge: Cassandra's schema is at 99, newer than this bridge knows")


def test_a_dead_migration_holds_the_lock_for_a_while_only(cql, keyspace, monkeypatch):
    """Its lock has a TTL; who waits for too long is told."""
    cql("INSERT INTO schema_lock (id, holder) VALUES (0, uuid()) USING TTL 2")
    assert migrate(keyspace, pytest.fail) == 0
    cql("INSERT INTO schema_lock (id, holder) VALUES (0, uuid()) USING TTL 60")
    monkeypatch.setattr("bridge.storage.cassandra.migrate._LOCK_S", 1)
    with pytest.raises(Exception, match="another migration holds the lock"):
        migrate(keyspace, pytest.fail)


def test_tables_expire_as_the_settings_say(cassandra, connect):
    """TTLs and windows are written into the tables."""
    settings = cassandra.settings(log_ttl_days=50, cache_ttl_days=2)
    migrate(settings, lambda _: None)
    tables = {
        name: (ttl, compaction)
        for name, ttl, compaction in connect(settings)._session.execute(
            "SELECT table_name, default_time_to_live, compaction FROM system_schema.tables"
            " WHERE keyspace_name = %s",
            (settings.keyspace,),
        )
    }
    ttl, compaction = tables["calls_by_device_hour"]
    assert (ttl, compaction["compaction_window_size"]) == (50 * 86_400, "48")
    assert tables["verdict_cache"][0] == 2 * 86_400
    assert tables["corrections"][0] == tables["forgotten"][0] == 0


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"keyspace": "nobody_has_it"}, "BRIDGE_CASSANDRA__KEYSPACE: there is no keyspace"),
        ({"port": 1}, r"does not answer at 127.0.0.1:1 \(BRIDGE_CASSANDRA__CONTACT_POINTS\)"),
        ({"contact_points": "a.invalid"}, "CONTACT_POINTS: no such host: a.invalid"),
        ({"local_datacenter": "moon"}, "LOCAL_DATACENTER: .* in moon; there is datacenter1"),
    ],
    ids=lambda case: next(iter(case)) if isinstance(case, dict) else "",
)
def test_a_wrong_setting_is_one_line_that_names_it(cassandra, wrong, told):
    """The same line for the command and for the bridge."""
    with pytest.raises(ConfigurationError, match=told) as refused:
        status(cassandra.settings(**wrong))
    assert "\n" not in str(refused.value)


def _connect_at_once(connect, settings):
    """Fail with the first reason why there is no session."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cassandra_server._CONNECT_WITHIN_S", 2)
        connect(settings)
