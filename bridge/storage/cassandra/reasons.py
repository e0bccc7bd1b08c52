"""Why Cassandra cannot be used, in words that name the setting. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection

import cassandra
from cassandra.cluster import NoHostAvailable

from bridge.errors import BridgeError
from bridge.settings import Cassandra

_FOR_GOOD = (
    cassandra.InvalidRequest,
    cassandra.protocol.SyntaxException,
    TypeError,
    ValueError,
    OverflowError,
)
_SCHEMA = re.compile(r"unconfigured|does not exist|Undefined column")
"""What the server says where it is the schema that is wrong, and not the row."""


def is_refusal(error: BaseException) -> bool:
    """Say whether the server would refuse the same values again, whatever else changes."""
    return isinstance(error, _FOR_GOOD) and not _is_of_schema(error)


def connect_reason(
    error: Exception, settings: Cassandra, data_centers: Collection[str] = ()
) -> str:
    """Explain a first connect that failed.

    Args:
        error: What the driver said.
        settings: The cluster.
        data_centers: Those that it has, where that was found out.
    """
    if isinstance(error, BridgeError):
        return str(error)
    if any(isinstance(cause, cassandra.AuthenticationFailed) for cause in _causes(error)):
        return (
            "Cassandra refuses the login: check BRIDGE_CASSANDRA__USERNAME and"
            " BRIDGE_CASSANDRA__PASSWORD"
        )
    if isinstance(error, cassandra.UnresolvableContactPoints):
        return f"BRIDGE_CASSANDRA__CONTACT_POINTS: no such host: {settings.contact_points}"
    is_elsewhere = data_centers and settings.local_datacenter not in data_centers
    if is_elsewhere and not settings.secure_bundle:
        return (
            f"BRIDGE_CASSANDRA__LOCAL_DATACENTER: no node of the cluster is in"
            f" {settings.local_datacenter}; there is {', '.join(sorted(data_centers))}"
        )
    if isinstance(error, cassandra.InvalidRequest | cassandra.Unauthorized):
        return call_reason(error, settings)
    return _no_answer(settings)


def call_reason(error: BaseException, settings: Cassandra) -> str:
    """Explain a call that failed; the driver's own text may quote values, so it stays here."""
    if isinstance(error, cassandra.InvalidRequest) and "eyspace" in str(error):
        return (
            f"BRIDGE_CASSANDRA__KEYSPACE: there is no keyspace {settings.keyspace};"
            " make it with `bridge store migrate`"
        )
    if _is_of_schema(error):
        return (
            f"BRIDGE_CASSANDRA__KEYSPACE: {settings.keyspace} lacks a table or a column that the"
            " bridge needs; where `bridge store status` finds nothing to apply, somebody dropped it"
        )
    if isinstance(error, cassandra.Unauthorized):
        return (
            f"BRIDGE_CASSANDRA__USERNAME: {settings.username} may not read and write"
            f" {settings.keyspace}"
        )
    if isinstance(error, NoHostAvailable):
        return "Cassandra: no host answers"
    return f"Cassandra: {type(error).__name__}"


def _no_answer(settings: Cassandra) -> str:
    if settings.secure_bundle:
        return (
            f"Astra DB does not answer by {settings.secure_bundle}"
            " (BRIDGE_CASSANDRA__SECURE_BUNDLE)"
        )
    where = f"{','.join(settings.addresses)}:{settings.port}"
    return f"Cassandra does not answer at {where} (BRIDGE_CASSANDRA__CONTACT_POINTS)"


def _is_of_schema(error: BaseException) -> bool:
    return isinstance(error, cassandra.InvalidRequest) and bool(_SCHEMA.search(str(error)))


def _causes(error: Exception) -> list[object]:
    """Return what each host said; the driver gives a dict or a list, as it likes."""
    if not isinstance(error, NoHostAvailable):
        return [error]
    return list(error.errors.values() if isinstance(error.errors, dict) else error.errors)
