"""Settings: where they come from, and what is said of wrong ones."""

import pytest
from pydantic import ValidationError

from bridge.errors import ConfigurationError
from bridge.settings import Settings, load
from bridge.variables import variables


def complaint(environment):
    """Return what is said of a wrong environment."""
    with pytest.raises(ConfigurationError) as raised:
        load(environment)
    return str(raised.value)


def test_nothing_set_is_a_bridge_on_this_machine():
    """Without any variable the bridge looks for a broker on loopback."""
    settings = load({})
    assert (settings.mqtt.host, settings.mqtt.port) == ("127.0.0.1", 1883)
    assert settings.topics.root == "spam/v1"


def test_a_variable_s_name_is_its_place_in_the_tree():
    """Groups are parted by two underscores, so a name may hold single ones."""
    settings = load({"BRIDGE_MQTT__KEEP_ALIVE_S": "60", "BRIDGE_INSTANCE": "north"})
    assert settings.mqtt.keep_alive_s == 60
    assert settings.instance == "north"


def test_an_empty_variable_is_an_unset_one():
    """Compose files pass on variables that nobody has set as empty ones."""
    assert load({"BRIDGE_MQTT__PORT": ""}).mqtt.port == 1883


def test_variables_of_other_programs_are_none_of_ours():
    """Only names with the prefix are looked at."""
    assert load({"PATH": "/bin", "BRIDGETOWN": "x"}) == Settings()


def test_settings_cannot_be_changed():
    """The tree is read once, and frozen."""
    with pytest.raises(ValidationError):
        load({}).mqtt.port = 1


@pytest.mark.parametrize(
    ("name", "value", "right"),
    [
        ("BRIDGE_MQTT__PORT", "0", "a whole number from 1 to 65535, not '0'"),
        ("BRIDGE_MQTT__PORT", "mqtt", "a whole number from 1 to 65535, not 'mqtt'"),
        ("BRIDGE_RATE__PER_DEVICE", "-1", "a number above 0, not '-1'"),
        ("BRIDGE_LIMITS__TEXT_CHARS", "1.5", "a whole number above 0, not '1.5'"),
        ("BRIDGE_LOG__TEXT", "some", "one of full, hash, none, not 'some'"),
        ("BRIDGE_MQTT__TLS", "ja", "true or false, not 'ja'"),
        ("BRIDGE_INSTANCE", "a b", "1 to 64 letters, digits, _ or -, not 'a b'"),
        ("BRIDGE_MODEL__ACTIVE", "spam", "a model version such as spam@2, not 'spam'"),
        (
            "BRIDGE_STORE__KEY",
            "short",
            "16 to 64 characters; `openssl rand -hex 32` makes a good one",
        ),
        (
            "BRIDGE_STORE__KEY",
            "é" * 33,
            "16 to 64 characters; `openssl rand -hex 32` makes a good one",
        ),
    ],
)
def test_a_wrong_value_is_told_with_what_would_be_right(name, value, right):
    """One line names the variable, what it must be and, unless it is secret, what it was."""
    assert complaint({name: value}) == f"{name} must be {right}"


@pytest.mark.parametrize("root", ["/spam", "spam/", "spam/+", "#", "$SYS", ""])
def test_a_root_that_is_no_topic_is_refused(root):
    """No wildcards, no slash at the ends, nothing of the broker's own; empty is unset."""
    if root:
        assert "BRIDGE_TOPICS__ROOT must be a topic such as" in complaint(
            {"BRIDGE_TOPICS__ROOT": root}
        )
    else:
        assert load({"BRIDGE_TOPICS__ROOT": root}).topics.root == "spam/v1"


def test_every_wrong_variable_gets_a_line():
    """Nobody mends a configuration one start at a time."""
    told = complaint({"BRIDGE_MQTT__PORT": "x", "BRIDGE_LOG__LEVEL": "x", "BRIDGE_NONSENSE": "x"})
    assert len(told.splitlines()) == 3


def test_a_misspelt_variable_is_told_its_nearest_name():
    """An unknown name with our prefix is a mistake, not something to ignore."""
    told = complaint({"BRIDGE_MQTT__HOTS": "x"})
    assert told == "BRIDGE_MQTT__HOTS is no setting; did you mean BRIDGE_MQTT__HOST?"


def test_a_group_is_no_setting():
    """A group's name alone says nothing."""
    assert "BRIDGE_MQTT is no setting" in complaint({"BRIDGE_MQTT": "x"})


def test_small_letters_are_told_to_be_capitals():
    """A variable in small letters would be ignored without a word otherwise."""
    told = complaint({"bridge_mqtt__host": "x"})
    assert told == "bridge_mqtt__host must be written in capitals: BRIDGE_MQTT__HOST"


def test_a_secret_is_read_from_the_file_that_is_named(tmp_path):
    """As Docker and Kubernetes hand secrets out; a last newline is not part of it."""
    (tmp_path / "password").write_text("s3cret\n", encoding="utf-8")
    settings = load({"BRIDGE_MQTT__PASSWORD_FILE": str(tmp_path / "password")})
    assert settings.mqtt.password.get_secret_value() == "s3cret"


def test_a_secret_s_missing_file_is_told(tmp_path):
    """The message names variable and file."""
    told = complaint({"BRIDGE_MQTT__PASSWORD_FILE": str(tmp_path / "none")})
    assert told.startswith("BRIDGE_MQTT__PASSWORD_FILE must name a readable text file")


def test_a_secret_and_its_file_contradict_each_other(tmp_path):
    """Which one is meant is for people to say."""
    told = complaint({"BRIDGE_DOOR__PASSWORD": "x", "BRIDGE_DOOR__PASSWORD_FILE": str(tmp_path)})
    assert "are both set: keep one" in told


def test_only_secrets_come_from_files():
    """A host in a file is a misunderstanding."""
    assert "is no setting" in complaint({"BRIDGE_MQTT__HOST_FILE": "/host"})


def test_a_secret_is_never_shown():
    """Neither the tree nor a complaint holds it."""
    settings = load({"BRIDGE_MQTT__PASSWORD": "s3cret", "BRIDGE_STORE__KEY": "s3cret" * 4})
    assert "s3cret" not in repr(settings)
    assert "s3cret" not in settings.model_dump_json()
    assert "s3cret" not in complaint({"BRIDGE_STORE__KEY": "s3cret"})


def test_the_environment_goes_before_dotenv(tmp_path, monkeypatch):
    """``.env`` fills in what the environment leaves open."""
    (tmp_path / ".env").write_text(
        "BRIDGE_MQTT__HOST=from-file\nBRIDGE_MQTT__PORT=1\nOTHER=x\n", encoding="utf-8"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BRIDGE_MQTT__PORT", "2")
    assert (load().mqtt.host, load().mqtt.port) == ("from-file", 2)


def test_a_certificate_goes_with_its_key(tmp_path):
    """Half a pair cannot log in."""
    (tmp_path / "cert.pem").touch()
    told = complaint({"BRIDGE_MQTT__TLS_CERT": str(tmp_path / "cert.pem")})
    assert told == "BRIDGE_MQTT__TLS_CERT and BRIDGE_MQTT__TLS_KEY: set both, or none"


def test_a_certificate_file_has_to_be_there(tmp_path):
    """Better said at the start than at the first connection."""
    told = complaint({"BRIDGE_MQTT__TLS_CA": str(tmp_path / "ca.pem")})
    assert told.startswith("BRIDGE_MQTT__TLS_CA must name a file, and there is none at ")


def test_a_certificate_file_has_to_hold_certificates(tmp_path):
    """An empty file trusts nobody."""
    (tmp_path / "ca.pem").touch()
    settings = load({"BRIDGE_MQTT__TLS_CA": str(tmp_path / "ca.pem")})
    with pytest.raises(ConfigurationError, match="BRIDGE_MQTT__TLS_CA must hold certificates"):
        settings.mqtt.tls_context()


def test_tls_is_off_unless_asked_for():
    """A plain connection has no context; BRIDGE_MQTT__TLS alone trusts the system's authorities."""
    assert load({}).mqtt.tls_context() is None
    assert load({"BRIDGE_MQTT__TLS": "true"}).mqtt.tls_context().check_hostname


def test_who_has_no_account_uses_the_general_one():
    """The clerk's and the doors' logins default to the loop's, name and password together."""
    settings = load({"BRIDGE_MQTT__USERNAME": "loop", "BRIDGE_DOOR__USERNAME": "ann"})
    assert settings.login(settings.door).username == "ann"
    assert settings.login(settings.clerk).username == "loop"


def test_every_setting_says_what_it_is_for():
    """The README's table is made of these sentences."""
    for variable in variables(Settings):
        assert variable.purpose.endswith("."), variable.name
        assert variable.right, variable.name
