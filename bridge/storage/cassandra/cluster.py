"""How a driver's Cluster is made: addresses, login, policies. A new one for every attempt."""

from __future__ import annotations

import logging
import socket
import warnings
from collections import namedtuple
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from cassandra import ConsistencyLevel, ProtocolVersion
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile
from cassandra.policies import (
    DCAwareRoundRobinPolicy,
    ExponentialReconnectionPolicy,
    FallthroughRetryPolicy,
    TokenAwarePolicy,
)

from bridge.settings import Cassandra

# The session says what matters. The driver would write to stderr, past our log, in its own words.
logging.getLogger("cassandra").setLevel(logging.CRITICAL)

_CONNECT_TIMEOUT_S = 5.0
_REQUEST_TIMEOUT_S = 30.0
"""For schema changes; whatever a device may wait for has a deadline of its own."""


def make_cluster(settings: Cassandra) -> Cluster:
    """Return a Cluster that has not connected yet.

    A Cluster whose first connect failed is dead for good (measured), so nobody keeps one.
    It is made of names that must resolve, and of a bundle that must be readable, so making it
    fails as connecting does: with any of the driver's errors.
    """
    profile = ExecutionProfile(
        load_balancing_policy=TokenAwarePolicy(
            # A bundle leads to one data center, and only the service knows its name.
            DCAwareRoundRobinPolicy(
                local_dc="" if settings.secure_bundle else settings.local_datacenter
            )
        ),
        # Whoever sent a statement knows whether it is worth another attempt; the driver does not.
        retry_policy=FallthroughRetryPolicy(),
        consistency_level=ConsistencyLevel.name_to_value[settings.consistency],
        row_factory=_rows,
        request_timeout=_REQUEST_TIMEOUT_S,
    )
    options: dict[str, object] = {
        "execution_profiles": {EXEC_PROFILE_DEFAULT: profile},
        # The default policy gives up after 64 attempts (measured).
        "reconnection_policy": ExponentialReconnectionPolicy(0.5, 10, max_attempts=None),
        "connect_timeout": _CONNECT_TIMEOUT_S,
        "compression": False,
        # The driver writes 4 KB at a time, and without this the rest of a statement waits for the
        # server's delayed acknowledgement: 44 ms a batch (measured).
        "sockopts": [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
        "auth_provider": _login(settings),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the driver's own internals
        if settings.secure_bundle:
            cloud = {"secure_connect_bundle": str(settings.secure_bundle)}
            return Cluster(cloud=cloud, **options)
        # Cassandra 5's own; the driver would try two newer ones first, at each connect.
        options["protocol_version"] = ProtocolVersion.V5
        return Cluster(settings.addresses, port=settings.port, **options)


def data_centers(cluster: Cluster) -> set[str]:
    """Return the data centers that a cluster has told of; none before it was reached."""
    return {host.datacenter for host in cluster.metadata.all_hosts() if host.datacenter}


def _login(settings: Cassandra) -> PlainTextAuthProvider | None:
    if settings.username is None or settings.password is None:
        return None
    return PlainTextAuthProvider(settings.username, settings.password.get_secret_value())


def _rows(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[Any]:
    """Name the columns of an answer, as the driver does; it makes a new class for each answer."""
    return list(map(_row_class(tuple(names))._make, rows))


@cache
def _row_class(names: tuple[str, ...]) -> Any:
    columns = [name.strip("[]") for name in names]  # a transaction's [applied]
    return namedtuple("Row", columns)  # noqa: PYI024 - known only when the answer is there
