"""Why there is no connection to Cassandra, in words that name the setting. Pure."""

from __future__ import annotations

from cassandra import AuthenticationFailed, InvalidRequest, Unauthorized
from cassandra.cluster import NoHostAvailable

from bridge.errors import BridgeError
from bridge.settings import Cassandra


def connect_reason(error: Exception, settings: Cassandra) -> str:
    """Explain a first connect that failed."""
    if isinstance(error, BridgeError):
        return str(error)
    causes = _causes(error)
    if any(isinstance(cause, AuthenticationFailed) for cause in causes):
        return (
            "Cassandra refuses the login: check BRIDGE_CASSANDRA__USERNAME and"
            " BRIDGE_CASSANDRA__PASSWORD"
        )
    if isinstance(error, InvalidRequest) and "eyspace" in str(error):
        return (
            f"BRIDGE_CASSANDRA__KEYSPACE: there is no keyspace {settings.keyspace};"
            " make it with `bridge store migrate`"
        )
    if isinstance(error, Unauthorized):
        return (
            f"BRIDGE_CASSANDRA__USERNAME: {settings.username} may not use keyspace"
            f" {settings.keyspace}"
        )
    if isinstance(error, NoHostAvailable) and not causes:
        return (
            "BRIDGE_CASSANDRA__LOCAL_DATACENTER: no node of the cluster is in"
            f" {settings.local_datacenter}"
        )
    where = settings.secure_bundle or f"{','.join(settings.addresses)}:{settings.port}"
    return f"Cassandra does not answer at {where} (BRIDGE_CASSANDRA__CONTACT_POINTS)"


def _causes(error: Exception) -> list[object]:
    """Return what each host said; the driver gives a dict or a list, as it likes."""
    if not isinstance(error, NoHostAvailable):
        return [error]
    return list(error.errors.values() if isinstance(error.errors, dict) else error.errors)
