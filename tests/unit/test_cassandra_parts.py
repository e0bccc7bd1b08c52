"""The breaker, the migrations' files, the reasons and the cluster's options: nothing connects."""

import json
import logging
import zipfile
from pathlib import Path

import cassandra
import pytest
from cassandra.cluster import NoHostAvailable
from fakes import FakeClock

from bridge.errors import Unavailable
from bridge.settings import Cassandra, load
from bridge.storage.cassandra import cluster
from bridge.storage.cassandra.breaker import Breaker
from bridge.storage.cassandra.migrate import Migration, migrations
from bridge.storage.cassandra.reasons import call_reason, connect_reason, is_refusal

SETTINGS = Cassandra(contact_points="10.0.0.1, b", username="bridge")


@pytest.fixture
def clock():
    """A clock that stands."""
    return FakeClock()


def test_a_breaker_opens_after_failures_in_a_row(clock):
    """One success starts the count anew."""
    breaker = Breaker(3, 5.0, clock)
    for _ in range(2):
        breaker.failed(clock.monotonic_s())
    breaker.succeeded()
    for _ in range(2):
        breaker.failed(clock.monotonic_s())
    assert not breaker.is_open
    breaker.failed(clock.monotonic_s())
    assert breaker.is_open


def test_an_open_breaker_lets_one_try_when_its_time_is_over(clock):
    """The others wait for what comes of it."""
    breaker = Breaker(1, 5.0, clock)
    breaker.failed(clock.monotonic_s())
    clock.go_on(4.9)
    assert breaker.is_open
    clock.go_on(0.1)
    assert [breaker.is_open for _ in range(3)] == [False, True, True]
    breaker.failed(clock.monotonic_s())
    clock.go_on(4.9)
    assert breaker.is_open
    clock.go_on(0.1)
    assert not breaker.is_open
    breaker.succeeded()
    assert not breaker.is_open


def test_what_was_sent_together_fails_once(clock):
    """A late batch is one trouble, however many statements it was."""
    breaker = Breaker(2, 5.0, clock)
    sent_s = clock.monotonic_s()
    clock.go_on(0.2)
    for _ in range(4):
        breaker.failed(sent_s)
    assert not breaker.is_open
    breaker.failed(clock.monotonic_s())
    assert breaker.is_open


def test_migrations_are_numbered_without_a_gap():
    """Their order is their number's."""
    assert [one.version for one in migrations()] == list(range(1, len(migrations()) + 1))


def test_a_migration_is_statements_with_settings_filled_in():
    """Comments and empty statements are left out."""
    migration = Migration(1, "0001.cql", "-- why; because\nCREATE $a;\n\n-- b\nDROP\n  $b;\n;\n")
    assert migration.statements({"a": "x", "b": "y"}) == ["CREATE x", "DROP\n  y"]


def test_a_setting_that_is_missing_stops_a_migration():
    """Never half a statement."""
    with pytest.raises(KeyError):
        Migration(1, "0001.cql", "CREATE $nobody_set_it").statements({})


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            NoHostAvailable("x", {"h": cassandra.AuthenticationFailed("secret")}),
            (
                "Cassandra refuses the login: check BRIDGE_CASSANDRA__USERNAME and"
                " BRIDGE_CASSANDRA__PASSWORD"
            ),
        ),
        (
            NoHostAvailable("x", {"h": ConnectionRefusedError()}),
            "Cassandra does not answer at 10.0.0.1,b:9042 (BRIDGE_CASSANDRA__CONTACT_POINTS)",
        ),
        (
            cassandra.Unauthorized("User bridge has no SELECT permission on 'secret'"),
            "BRIDGE_CASSANDRA__USERNAME: bridge may not read and write spam_bridge",
        ),
        (Unavailable("said before"), "said before"),
    ],
    ids=["login", "silent", "rights", "ours"],
)
def test_a_failed_connect_is_explained(error, told):
    """By the setting that mends it, in our words only."""
    assert connect_reason(error, SETTINGS) == told


@pytest.mark.parametrize(
    ("error", "is_for_good"),
    [
        (cassandra.InvalidRequest("Key length of 70000 is longer than maximum"), True),
        (TypeError("Received an argument of invalid type"), True),
        (cassandra.InvalidRequest("unconfigured table calls"), False),
        (cassandra.InvalidRequest("Undefined column name text in table"), False),
        (cassandra.OperationTimedOut(), False),
        (cassandra.Unauthorized("no"), False),
        (cassandra.WriteTimeout("no", write_type=0), False),
    ],
    ids=lambda case: type(case).__name__,
)
def test_only_what_a_row_itself_is_wrong_about_is_refused(error, is_for_good):
    """All else may be mended, and the rows wait."""
    assert is_refusal(error) is is_for_good


def test_no_reason_quotes_what_the_driver_says():
    """Its words may be a device's."""
    for error in (
        cassandra.InvalidRequest("canary"),
        cassandra.InvalidRequest("unconfigured canary"),
        NoHostAvailable("canary", {}),
        ValueError("canary"),
    ):
        assert "canary" not in call_reason(error, SETTINGS)
        assert "canary" not in connect_reason(error, SETTINGS)


def test_the_driver_writes_no_log_of_its_own():
    """Its words may be a device's, and go past our log."""
    assert not logging.getLogger("cassandra.cluster").isEnabledFor(logging.ERROR)


class Recorder:
    """Takes the place of the driver's Cluster, which would go to the network."""

    def __init__(self, *contact_points, **options):
        self.contact_points = contact_points
        self.options = options


@pytest.fixture
def made(monkeypatch):
    """Return what a Cluster is made with."""
    monkeypatch.setattr(cluster, "Cluster", Recorder)
    return cluster.make_cluster


def bundle(folder: Path) -> Path:
    """Write what Astra DB's console hands out, with nothing secret in it."""
    path = folder / "secure-connect-spam.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps({"host": "db.example", "port": 29080}))
        for name in ("ca.crt", "cert", "key"):
            archive.writestr(name, "")
    return path


def test_astra_is_reached_by_its_bundle_and_token(tmp_path, made):
    """No address, no protocol version, no data center: the bundle says where."""
    path = bundle(tmp_path)
    settings = load(
        {
            "BRIDGE_STORE__KEY": "0123456789abcdef",
            "BRIDGE_CASSANDRA__SECURE_BUNDLE": str(path),
            "BRIDGE_CASSANDRA__USERNAME": "token",
            "BRIDGE_CASSANDRA__PASSWORD": "AstraCS:example",
        }
    ).cassandra
    assert settings.is_configured
    astra = made(settings)
    assert astra.contact_points == ()
    assert astra.options["cloud"] == {"secure_connect_bundle": str(path)}
    login = astra.options["auth_provider"]
    assert (login.username, login.password) == ("token", "AstraCS:example")
    assert not {"port", "protocol_version"} & astra.options.keys()
    profile = next(iter(astra.options["execution_profiles"].values()))
    assert not profile.load_balancing_policy._child_policy.local_dc


def test_astra_s_reasons_name_the_bundle(tmp_path):
    """Contact points are nobody's business there."""
    settings = Cassandra(secure_bundle=bundle(tmp_path))
    told = connect_reason(NoHostAvailable("x", {}), settings, ["eu-west-1"])
    assert "BRIDGE_CASSANDRA__SECURE_BUNDLE" in told


def test_a_cluster_is_asked_as_the_settings_say(made):
    """Addresses, port, consistency; a login only where one is set."""
    there = made(Cassandra(contact_points="a, b", port=9999, consistency="QUORUM"))
    [addresses] = there.contact_points
    profile = next(iter(there.options["execution_profiles"].values()))
    assert (addresses, there.options["port"]) == (["a", "b"], 9999)
    assert profile.consistency_level == cassandra.ConsistencyLevel.QUORUM
    assert there.options["auth_provider"] is None
