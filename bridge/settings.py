"""The settings: one frozen tree, read once from the environment and ``.env``.

``BRIDGE_MQTT__HOST`` is ``settings.mqtt.host``; every secret is also read from the file that
``…_FILE`` names (as Docker and Kubernetes hand secrets out). How variables are found and what is
said of wrong ones stands in ``bridge/variables.py``.
"""

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    model_validator,
)
from pydantic_core import PydanticCustomError

from bridge import variables
from bridge.errors import ConfigurationError

_KEY_BYTES = (16, 64)  # shorter can be guessed; BLAKE2b takes no longer (RFC 7693, section 2.1)


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise PydanticCustomError(
            "no_file", "must name a file, and there is none at {path}", {"path": str(path)}
        )
    return path


def _of_a_key_s_size(key: SecretStr) -> SecretStr:
    if not _KEY_BYTES[0] <= len(key.get_secret_value().encode()) <= _KEY_BYTES[1]:
        raise PydanticCustomError("key_size", "key of a wrong size")
    return key


Name = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9_-]{1,64}$",
        json_schema_extra={"right": "1 to 64 letters, digits, _ or -"},
    ),
]
Group = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9_-]{0,64}$",
        json_schema_extra={"right": "nothing, or 1 to 64 letters, digits, _ or -"},
    ),
]
Port = Annotated[int, Field(ge=1, le=65535)]
Root = Annotated[
    str,
    Field(
        pattern=r"^[^/+#$\x00]([^+#\x00]{0,198}[^/+#\x00])?$",
        json_schema_extra={
            "right": "a topic such as spam/v1: no + or #, no / at its ends, no $ at its start"
        },
    ),
]
Keyspace = Annotated[
    str,
    Field(
        pattern=r"^[a-z][a-z0-9_]{0,47}$",
        json_schema_extra={"right": "1 to 48 small letters, digits or _, a letter first"},
    ),
]
Version = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9_-]{1,32}@[0-9]{1,9}$",
        json_schema_extra={"right": "a model version such as spam@2"},
    ),
]
File = Annotated[Path, AfterValidator(_existing)]
Key = Annotated[
    SecretStr,
    AfterValidator(_of_a_key_s_size),
    Field(
        json_schema_extra={"right": "16 to 64 characters; `openssl rand -hex 32` makes a good one"}
    ),
]


class _Settings(BaseModel):
    """A group of settings. A field's docstring says what it is for, its type what is right."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, use_attribute_docstrings=True
    )


class Account(_Settings):
    """Who logs in."""

    username: str | None = None
    """Name at the broker; where it is not set, that of BRIDGE_MQTT__, or nobody's."""
    password: SecretStr | None = None
    """Password that belongs to the name."""


class Mqtt(Account):
    """The broker."""

    host: str = "127.0.0.1"
    """The broker's name or address."""
    port: Port = 1883
    """The broker's port."""
    keep_alive_s: Annotated[int, Field(ge=5, le=65535)] = 30
    """Silence after which either side takes the connection for dead, in seconds."""
    session_expiry_interval_s: Annotated[int, Field(ge=60, le=4294967295)] = 7 * 86400
    """How long the broker keeps queueing for a bridge that is away, in seconds."""
    receive_maximum: Annotated[int, Field(ge=1, le=65535)] = 1000
    """How many unacknowledged messages the broker may send."""
    answer_expiry_s: PositiveInt = 3600
    """How long the broker keeps an answer for a device that is away, in seconds."""
    tls: bool = False
    """Speak TLS, trusting the system's certificate authorities; a TLS_CA implies it."""
    tls_ca: File | None = None
    """Certificate authorities to trust instead of the system's (PEM)."""
    tls_cert: File | None = None
    """Client certificate (PEM), together with TLS_KEY."""
    tls_key: File | None = None
    """The client certificate's key (PEM)."""

    @model_validator(mode="after")
    def _certificate_has_its_key(self) -> Self:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise PydanticCustomError(
                "half_a_pair", "BRIDGE_MQTT__TLS_CERT and BRIDGE_MQTT__TLS_KEY: set both, or none"
            )
        return self

    def tls_context(self) -> ssl.SSLContext | None:
        """Return how to speak TLS to the broker, or nothing for a plain connection.

        Raises:
            ConfigurationError: A certificate or key cannot be read.
        """
        if not (self.tls or self.tls_ca or self.tls_cert):
            return None
        try:
            context = ssl.create_default_context(cafile=self.tls_ca)
        except (ssl.SSLError, OSError):
            raise ConfigurationError(
                f"BRIDGE_MQTT__TLS_CA must hold certificates (PEM): {self.tls_ca}"
            ) from None
        if self.tls_cert and self.tls_key:
            self._load_certificate(context, self.tls_cert, self.tls_key)
        return context

    def _load_certificate(self, context: ssl.SSLContext, cert: Path, key: Path) -> None:
        try:
            context.load_cert_chain(cert, key)
        except (ssl.SSLError, OSError):
            raise ConfigurationError(
                "BRIDGE_MQTT__TLS_CERT and BRIDGE_MQTT__TLS_KEY must hold a certificate and its"
                f" key (PEM, no passphrase): {cert}, {key}"
            ) from None


class Topics(_Settings):
    """Where the topics stand."""

    root: Root = "spam/v1"
    """What all topics start with."""
    share: Group = ""
    """Shared-subscription group of several bridges on one root."""


class Journal(_Settings):
    """The journal on this machine's disk."""

    path: Path = Path("var/journal")
    """Folder of the journal; it belongs to one bridge."""
    keep_days: PositiveFloat = 30
    """How long calls are kept, in days."""
    max_bytes: PositiveInt | None = None
    """Size from which the bridge calls itself degraded, in bytes."""
    segment_rows: Annotated[int, Field(ge=4_096, le=250_000)] = 250_000
    """Calls after which a segment is closed."""


class Repeats(_Settings):
    """For how long a repeated id gets its first answer."""

    window_s: PositiveInt = 3600
    """How long a repeated id gets its first answer again, in seconds."""
    max: PositiveInt = 2_000_000
    """How many ids are remembered at most."""


class Rate(_Settings):
    """How many messages a device may send."""

    per_device: PositiveFloat | None = None
    """Messages a second that each device may send; none is no limit."""
    burst: PositiveInt = 20
    """Messages a device may send at once before its rate counts."""


class Limits(_Settings):
    """What is too large."""

    payload_bytes: Annotated[int, Field(ge=1, le=262_144)] = 65_536
    """Largest payload, in bytes."""
    text_chars: PositiveInt = 10_000
    """Longest text, in characters."""


class Cache(_Settings):
    """The verdict cache in memory."""

    max: PositiveInt = 100_000
    """How many verdicts are kept in memory."""
    ttl_s: PositiveFloat = 86_400
    """How long a verdict is kept in memory, in seconds."""


class Store(_Settings):
    """What all bridges of an installation share."""

    key: Key | None = None
    """Key of all hashes, shared by an installation's bridges; made once where it is not set."""


class Cassandra(Account):
    """The fleet's memory; without contact points (or a secure bundle) the journal is the log."""

    username: str | None = None
    """Name at the database."""
    contact_points: str = ""
    """Some of the cluster's nodes, separated by commas; empty keeps everything on this machine."""
    port: Port = 9042
    """Port of the native protocol."""
    keyspace: Keyspace = "spam_bridge"
    """Keyspace of the installation."""
    local_datacenter: str = "datacenter1"
    """Data center whose nodes are asked."""
    secure_bundle: File | None = None
    """Secure connect bundle of Astra DB; username and password are then `token` and the token."""
    consistency: Literal["ONE", "LOCAL_ONE", "QUORUM", "LOCAL_QUORUM", "ALL"] = "LOCAL_QUORUM"
    """How many replicas must agree."""
    replication_factor: PositiveInt = 3
    """Replicas that `bridge store migrate` asks for when it makes the keyspace."""
    log_ttl_days: PositiveFloat = 90
    """How long calls are kept; `bridge store migrate` makes the tables so."""
    cache_ttl_days: PositiveFloat = 30
    """How long verdicts are kept for other bridges; `bridge store migrate` makes the table so."""

    @property
    def addresses(self) -> list[str]:
        """The contact points, each by itself."""
        return [point.strip() for point in self.contact_points.split(",") if point.strip()]

    @property
    def is_configured(self) -> bool:
        """Whether there is a cluster at all."""
        return bool(self.addresses or self.secure_bundle)


class Model(_Settings):
    """Which model serves."""

    directory: Path = Path("models")
    """Folder of the model bundles."""
    active: Version = "spam@2"
    """The model that serves."""
    threads: PositiveInt = 1
    """Threads of one inference."""


class Log(_Settings):
    """What the call log and the program's own log say."""

    text: Literal["full", "hash", "none"] = "full"
    """What the call log keeps of a text."""
    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least serious event that the program's log shows."""


class Settings(_Settings):
    """Everything that can be set."""

    instance: Name = "bridge-1"
    """This bridge's name; its client ids and topics carry it."""
    batch_max: Annotated[int, Field(ge=1, le=4096)] = 256
    """Most messages answered as one batch."""
    mqtt: Mqtt = Mqtt()
    topics: Topics = Topics()
    journal: Journal = Journal()
    repeats: Repeats = Repeats()
    rate: Rate = Rate()
    limits: Limits = Limits()
    cache: Cache = Cache()
    store: Store = Store()
    cassandra: Cassandra = Cassandra()
    model: Model = Model()
    log: Log = Log()
    clerk: Account = Account()
    door: Account = Account()

    @model_validator(mode="after")
    def _fleet_has_one_key(self) -> Self:
        if self.cassandra.is_configured and self.store.key is None:
            raise PydanticCustomError(
                "no_shared_key",
                "BRIDGE_STORE__KEY: with Cassandra it must be set, the same for every bridge;"
                " `openssl rand -hex 32` makes a good one",
            )
        return self

    def login(self, account: Account) -> Account:
        """Return ``account``, or the general one where it names nobody."""
        return account if account.username else self.mqtt


def load(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from ``environment``, by default the process's own above ``.env``.

    Raises:
        ConfigurationError: Variables are unknown or wrong; one line for each says what is right.
    """
    if environment is None:
        return variables.read(Settings, variables.sources())
    return variables.read(Settings, [variables.Source("environment", environment)])
