"""The house around the code: what is tracked, what is run, what is started."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from bridge.settings import load

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "docker-compose.yml"
SERVICES = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))

REGISTRY = re.compile(
    r"pypi\.org|pythonhosted|/simple/?\b|--(?:extra-)?index-url|--find-links|repo\d?\.maven|"
    r"registry\.npmjs|artifactory|pkg\.dev"
)
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:root|home/\w+|Users/\w+|work/main|opt/wheels)/")


def tracked() -> list[Path]:
    """Return the tracked text files; in a copy without git, what would be tracked."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    files = [ROOT / name for name in listed.stdout.split("\0") if name]
    return [file for file in files if file.suffix not in {".onnx", ".png", ".csv"}]


@pytest.mark.parametrize("what", [REGISTRY, MACHINE_PATH], ids=["registry", "machine path"])
def test_no_file_names_a_registry_or_a_path_of_someones_machine(what: re.Pattern[str]):
    """The repository works with everyone's package index and in every folder."""
    guilty = [
        f"{file.relative_to(ROOT)}: {found[0]}"
        for file in tracked()
        if file != Path(__file__).resolve()
        if (found := what.search(file.read_text(encoding="utf-8", errors="replace")))
    ]
    assert guilty == []


def test_no_lock_file_of_another_kind():
    """Requirements are locked in one place."""
    assert not [name for name in ("uv.lock", "pylock.toml") if (ROOT / name).exists()]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_locked_requirement_has_a_hash_and_no_address(lock: Path):
    """What is installed is what was locked, from whichever index."""
    text = lock.read_text(encoding="utf-8")
    pins = re.findall(
        r"^[a-z0-9][^\s=]*==.*(?:\n    --hash=sha256:[0-9a-f]{64}.*)*", text, re.MULTILINE
    )
    assert pins
    assert [pin for pin in pins if "--hash" not in pin] == []
    assert "://" not in text


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_requirement_of_an_in_file_is_locked(lock: Path):
    """An `.in` file that was changed without `make lock` is found."""
    wanted = re.findall(
        r"^([A-Za-z0-9][\w.-]*)", lock.with_suffix(".in").read_text(encoding="utf-8"), re.MULTILINE
    )
    locked = set(
        re.findall(r"^([a-z0-9][\w.-]*)==", lock.read_text(encoding="utf-8"), re.MULTILINE)
    )
    assert {re.sub(r"[._]+", "-", name.lower()) for name in wanted} <= locked


def test_development_serves_with_what_serving_locks():
    """What is tested is what serves: equal versions in both locks."""
    serving, development = (_pins(ROOT / "requirements" / f"{name}.txt") for name in _BOTH)
    assert serving <= development


def test_ci_runs_only_what_the_readme_names():
    """`.ci/run` is make targets that anyone may type."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    commands = [line for line in lines if line and not line.startswith(("#", "set ", "cd "))]
    assert commands == ["make check", "make test"]
    assert all(command in readme for command in commands)


def test_compose_file_fits_the_compose_schema():
    """docker-compose.yml validates against the Compose specification's own schema."""
    told = subprocess.run(
        [
            *(sys.executable, "-m", "check_jsonschema"),
            *("--builtin-schema", "vendor.compose-spec", str(COMPOSE)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stdout


def test_compose_sets_only_real_settings():
    """What the services' environments say is what the bridge would accept."""
    for service in SERVICES.values():
        environment = service.get("environment", {})
        load({name: re.sub(r"\$\{\w+:-(.*?)\}", r"\1", v) for name, v in environment.items()})


def test_compose_mounts_files_that_are_there():
    """Every path of the repository that a service mounts exists."""
    mounts = [mount for service in SERVICES.values() for mount in service.get("volumes", [])]
    paths = [mount.split(":")[0] for mount in mounts if mount.startswith(".")]
    assert paths
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_compose_opens_ports_on_loopback_only():
    """A broker without passwords is nobody else's to reach."""
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


def test_image_copies_what_is_there_and_what_its_context_lets_in():
    """Each source of a COPY exists and is not kept out by .dockerignore."""
    allowed = {
        line[1:]
        for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
        if line.startswith("!")
    }
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    copies = re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile, re.MULTILINE)
    sources = {source for line in copies for source in line.split()}
    assert sources
    assert [source for source in sources if not (ROOT / source).exists()] == []
    assert [source for source in sources if not _is_under(source, allowed)] == []


def test_image_names_only_real_settings():
    """The Dockerfile's own environment is one that the bridge would accept."""
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    load(dict(re.findall(r"(BRIDGE_\w+)=(\S+)", dockerfile)))


@pytest.mark.parametrize("name", ["mosquitto.conf", "compose.conf"])
def test_broker_configurations_include_the_limits(name: str):
    """Both brokers have the limits that the bridge relies on, from one file."""
    text = (ROOT / "mosquitto" / name).read_text(encoding="utf-8")
    assert re.search(r"^include_dir \S*limits\.d$", text, re.MULTILINE)


def test_development_broker_listens_on_loopback_only():
    """Each listener of mosquitto.conf is bound to 127.0.0.1."""
    text = (ROOT / "mosquitto" / "mosquitto.conf").read_text(encoding="utf-8")
    assert re.findall(r"^listener \d+ ?(.*)$", text, re.MULTILINE) == ["127.0.0.1"] * 2


_BOTH = ("serving", "development")


def _pins(lock: Path) -> set[str]:
    return set(
        re.findall(r"^[a-z0-9][^\s\\]*==[^\\]*", lock.read_text(encoding="utf-8"), re.MULTILINE)
    )


def _is_under(source: str, allowed: set[str]) -> bool:
    parts = Path(source).parts
    return any("/".join(parts[: n + 1]) in allowed for n in range(len(parts)))
