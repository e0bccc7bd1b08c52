"""The settings: one frozen tree, read once from the environment and ``.env``.

``BRIDGE_MQTT__HOST`` is ``settings.mqtt.host``; every secret is also read from the file that
``…_FILE`` names (as Docker and Kubernetes hand secrets out).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal

from dotenv import dotenv_values
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    StringConstraints,
    ValidationError,
)
from pydantic_core import ErrorDetails

from bridge.errors import ConfigurationError

PREFIX = "BRIDGE_"

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Port = Annotated[int, Field(ge=1, le=65535)]
Root = Annotated[str, StringConstraints(pattern=r"^[^/+#$\x00]([^+#\x00]{0,198}[^/+#\x00])?$")]


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Account(_Group):
    """Who logs in."""

    username: str | None = None
    password: SecretStr | None = None


class Mqtt(Account):
    """The broker."""

    host: str = "127.0.0.1"
    port: Port = 1883
    keep_alive_s: Annotated[int, Field(ge=5, le=65535)] = 30
    session_expiry_interval_s: Annotated[int, Field(ge=60, le=4294967295)] = 7 * 86400
    receive_maximum: Annotated[int, Field(ge=1, le=65535)] = 1000
    answer_expiry_s: PositiveInt = 3600
    tls_ca: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None


class Topics(_Group):
    """Where the topics stand."""

    root: Root = "spam/v1"
    share: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{0,64}$")] = ""


class Journal(_Group):
    """The journal on this machine's disk."""

    path: Path = Path("var/journal")
    keep_days: PositiveFloat = 30
    max_bytes: PositiveInt | None = None
    segment_rows: Annotated[int, Field(ge=1, le=250_000)] = 250_000


class Repeats(_Group):
    """For how long a repeated id gets its first answer."""

    window_s: PositiveInt = 3600
    max: PositiveInt = 2_000_000


class Rate(_Group):
    """How many messages a device may send."""

    per_device: PositiveFloat | None = Field(default=None, description="Messages a second.")
    burst: PositiveInt = 20


class Limits(_Group):
    """What is too large."""

    payload_bytes: Annotated[int, Field(ge=1, le=262_144)] = 65_536
    text_chars: PositiveInt = 10_000


class Cache(_Group):
    """The verdict cache in memory."""

    max: PositiveInt = 100_000
    ttl_s: PositiveFloat = 86_400


class Store(_Group):
    """What all bridges of an installation share."""

    key: SecretStr | None = Field(default=None, description="At least 16 characters.")


class Model(_Group):
    """Which model serves."""

    directory: Path = Path("models")
    active: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]{1,32}@[0-9]{1,9}$")] = "spam@1"
    threads: PositiveInt = 1


class Log(_Group):
    """What the call log and the program's own log say."""

    text: Literal["full", "hash", "none"] = "full"
    level: Literal["debug", "info", "warning", "error"] = "info"


class Settings(_Group):
    """Everything that can be set."""

    instance: Name = "bridge-1"
    batch_max: Annotated[int, Field(ge=1, le=4096)] = 256
    mqtt: Mqtt = Mqtt()
    topics: Topics = Topics()
    journal: Journal = Journal()
    repeats: Repeats = Repeats()
    rate: Rate = Rate()
    limits: Limits = Limits()
    cache: Cache = Cache()
    store: Store = Store()
    model: Model = Model()
    log: Log = Log()
    clerk: Account = Account()
    door: Account = Account()


def load(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from ``environment``, by default the process's own above ``.env``.

    Raises:
        ConfigurationError: A variable is unknown or wrong; the message names it.
    """
    if environment is None:
        environment = {**_dotenv(), **os.environ}
    tree = _tree(_with_secret_files(environment))
    try:
        return Settings.model_validate(tree)
    except ValidationError as error:
        raise ConfigurationError("\n".join(_mend(detail) for detail in error.errors())) from None


def variable(path: tuple[int | str, ...]) -> str:
    """Return the environment variable of a setting: ``("mqtt", "host")`` is ``BRIDGE_MQTT__HOST``."""
    return PREFIX + "__".join(str(part).upper() for part in path)


def _dotenv() -> dict[str, str]:
    return {name: value for name, value in dotenv_values(".env").items() if value is not None}


def _with_secret_files(environment: Mapping[str, str]) -> dict[str, str]:
    """Replace each ``…_FILE`` of a secret by what that file holds."""
    resolved = {k: v for k, v in environment.items() if k.startswith(PREFIX)}
    for secret in _secrets():
        file = resolved.pop(f"{secret}_FILE", None)
        if file is None:
            continue
        try:
            resolved[secret] = Path(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(
                f"{secret}_FILE names a file that cannot be read ({type(error).__name__}): {file}"
            ) from None
    return resolved


def _secrets() -> Iterator[str]:
    for group, field in Settings.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            for name, leaf in kind.model_fields.items():
                if "SecretStr" in str(leaf.annotation):
                    yield variable((group, name))


def _tree(environment: Mapping[str, str]) -> dict[str, object]:
    tree: dict[str, object] = {}
    for name, value in environment.items():
        *groups, leaf = name.removeprefix(PREFIX).lower().split("__")
        branch = tree
        for group in groups:
            inner = branch.setdefault(group, {})
            if not isinstance(inner, dict):
                raise ConfigurationError(f"{name} is no setting; `bridge config` lists them all")
            branch = inner
        if value != "":  # an empty variable is an unset one: compose files write them so
            branch[leaf] = value
    return tree


def _mend(detail: ErrorDetails) -> str:
    name = variable(detail["loc"])
    if detail["type"] == "extra_forbidden":
        return f"{name} is no setting; `bridge config` lists them all"
    return f"{name}: {detail['msg'][:1].lower()}{detail['msg'][1:]}"
