"""The command as a whole: help, and how it leaves."""

import json

import pytest

from bridge.cli import COMMANDS, main


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path, monkeypatch):
    """No ``.env`` of the developer's."""
    monkeypatch.chdir(tmp_path)


def leave(*arguments):
    """Run a command and return its exit code."""
    with pytest.raises(SystemExit) as left:
        main(arguments)
    return left.value.code or 0


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(name, capsys):
    """The example is what people copy."""
    assert leave(name, "--help") == 0
    assert "Example" in capsys.readouterr().out


def test_help_lists_all_commands(capsys):
    """Also when nothing was typed at all."""
    assert leave("--help") == 0
    told = capsys.readouterr().out
    assert all(name in told for name in COMMANDS)


def test_an_unknown_command_is_a_wrong_call(capsys):
    """Exit code 2, as for a wrong setting."""
    assert leave("aks") == 2
    assert "aks" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["ask", "x"], ["watch"], ["calls", "d"], ["stats"], ["run"]])
def test_a_wrong_setting_is_one_line_and_exit_code_2(command, capsys, monkeypatch):
    """No traceback, ever."""
    monkeypatch.setenv("BRIDGE_MQTT__PORT", "99999")
    assert leave(*command) == 2
    assert capsys.readouterr().err == (
        "bridge: BRIDGE_MQTT__PORT must be a whole number from 1 to 65535, not '99999'\n"
    )


def test_without_a_broker_there_is_one_line_and_exit_code_1(capsys, monkeypatch, unused_port):
    """It says what to do about it."""
    monkeypatch.setenv("BRIDGE_MQTT__PORT", str(unused_port))
    assert leave("ask", "hello") == 1
    told = capsys.readouterr().err
    assert told.startswith(f"bridge: no broker listens on 127.0.0.1:{unused_port}: start one")
    assert told.count("\n") == 1


@pytest.fixture
def unused_port():
    """A port that nobody listens on."""
    import socket  # noqa: PLC0415 - only here

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.parametrize(
    "arguments", [["calls", "a/b"], ["watch", "--device", "+"], ["stats", "#"]]
)
def test_a_device_that_cannot_be_one_is_refused(arguments, capsys):
    """Wildcards are no devices."""
    assert leave(*arguments) == 2
    assert "must be 1 to 64 letters, digits, _ or -" in capsys.readouterr().err


def test_config_tells_values_and_where_they_are_from(capsys, monkeypatch, tmp_path):
    """Default, environment, .env, file; secrets hidden."""
    (tmp_path / ".env").write_text("BRIDGE_MQTT__HOST=broker.local\n", encoding="utf-8")
    (tmp_path / "secret").write_text("s3cret-password", encoding="utf-8")
    monkeypatch.setenv("BRIDGE_MQTT__PASSWORD_FILE", str(tmp_path / "secret"))
    monkeypatch.setenv("BRIDGE_MQTT__PORT", "8883")
    assert leave("config", "--json") == 0
    told = capsys.readouterr().out
    settings = {it["variable"]: (it["value"], it["origin"]) for it in json.loads(told)}
    assert settings["BRIDGE_MQTT__HOST"] == ("broker.local", ".env")
    assert settings["BRIDGE_MQTT__PORT"] == ("8883", "environment")
    assert settings["BRIDGE_MQTT__PASSWORD"] == ("********", "file")
    assert settings["BRIDGE_TOPICS__ROOT"] == ("spam/v1", "default")
    assert settings["BRIDGE_DOOR__PASSWORD"] == ("", "default")
    assert "s3cret" not in told


def test_config_as_a_table_has_every_setting_on_a_line(capsys):
    """For people, and for grep."""
    assert leave("config") == 0
    told = capsys.readouterr().out
    assert "BRIDGE_JOURNAL__PATH" in told
    assert "Folder of the journal; it belongs to one bridge." in told


def test_config_shows_its_table_even_when_a_setting_is_wrong(capsys, monkeypatch):
    """Who mends settings wants to see them."""
    monkeypatch.setenv("BRIDGE_MQTT__PORT", "x")
    assert leave("config") == 2
    told = capsys.readouterr()
    assert "BRIDGE_MQTT__PORT" in told.out
    assert "must be a whole number" in told.err
