"""The second level of the verdict cache: what any bridge of the installation has classified.

Only read here. New verdicts are written by the clerk from the journal's own rows: nobody waits,
and nothing is queued that is not on disk already. Corrections, which are few, are not asked for
text by text (that was half of all keys read): the clerk reads them all now and then, and tells.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

from pydantic_core import to_json

from bridge.errors import BridgeError
from bridge.ports import CacheKey, Classification, Clock
from bridge.requests import Cached
from bridge.settings import Cassandra
from bridge.storage.cassandra.session import CassandraSession
from bridge.storage.cassandra.statements import READ_VERDICTS
from bridge.storage.cassandra.writes import composite

STATEMENTS = (READ_VERDICTS,)

_PROBE_S = 1.0
_KEYS_MAX = 256
"""Keys of one ``IN``: a whole batch. In fours it took as long, and the client twice the CPU."""


class CassandraCache:
    """Verdicts of the whole installation."""

    name: Cached = "store"

    def __init__(self, session: CassandraSession) -> None:
        self._session = session

    @property
    def why(self) -> str | None:
        """Why it cannot be used just now; nothing where it can."""
        return self._session.why

    def figures(self) -> dict[str, int]:
        """Return what was asked of Cassandra since the start."""
        return {"calls": self._session.calls, "failures": self._session.failures}

    def close(self) -> None:
        """Disconnect."""
        self._session.close()

    def get_many(
        self, keys: Sequence[CacheKey], deadline_s: float
    ) -> dict[CacheKey, Classification]:
        """Return what is known of ``keys``.

        Raises:
            Unavailable: Cassandra did not answer in time.
        """
        verdicts = [
            (
                model,
                self._session.send(READ_VERDICTS, [model, group], timeout_s=deadline_s, near=near),
            )
            for model in {model for model, _ in keys}
            for near, group in self._grouped(model, [key for name, key in keys if name == model])
        ]
        found: dict[CacheKey, Classification] = {}
        for model, pending in verdicts:
            for key, label, score, scores in pending.result():
                found[model, key] = Classification(
                    label, score, to_json(dict(scores)).decode(), model
                )
        return found

    def probe(self) -> None:
        """Find out whether Cassandra answers again, where it did not: nobody may be asking now."""
        if self._session.why:
            with suppress(BridgeError):
                values = ["nobody@0", [b"nothing"]]
                self._session.send(READ_VERDICTS, values, timeout_s=_PROBE_S)

    def put_many(self, entries: Mapping[CacheKey, Classification]) -> None:
        """Leave it to the clerk, who has every new verdict in the journal."""

    def _grouped(self, model: str, keys: Sequence[bytes]) -> Iterator[tuple[bytes, list[bytes]]]:
        """Yield text keys by replica, with a routing key that leads there."""
        groups: dict[object, list[bytes]] = {}
        before = composite(model.encode())
        for key in keys:
            groups.setdefault(self._session.replica(before + composite(key)), []).append(key)
        for group in groups.values():
            for start in range(0, len(group), _KEYS_MAX):
                some = group[start : start + _KEYS_MAX]
                yield before + composite(some[0]), some


def open_cache(settings: Cassandra, clock: Clock) -> CassandraCache:
    """Return the cache of an installation; it connects in the background."""
    session = CassandraSession(settings, STATEMENTS, clock)
    session.start()
    return CassandraCache(session)
