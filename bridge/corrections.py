"""What people have corrected: it goes before every cache and every model. Pure."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence

from pydantic_core import to_json

from bridge.ports import CacheKey, Classification
from bridge.requests import Cached

LABELS = ("ham", "spam")


def corrected(label: str, model: str) -> Classification:
    """Return what a person says, in the shape of what a model says."""
    scores = {name: float(name == label) for name in LABELS}
    return Classification(label, scores["spam"], to_json(scores).decode(), model, corrected=True)


class Corrections:
    """The corrections that this bridge has heard of, as the nearest level of the cache.

    Args:
        entries: How many are remembered; with Cassandra, older ones are read again from there.
    """

    name: Cached = "corrected"

    def __init__(self, entries: int) -> None:
        self._max = entries
        self._labels: OrderedDict[bytes, str] = OrderedDict()

    def hear(self, text_key: bytes, label: str) -> None:
        """Take in a correction."""
        self._labels[text_key] = label
        self._labels.move_to_end(text_key)
        while len(self._labels) > self._max:
            self._labels.popitem(last=False)

    def get_many(
        self,
        keys: Sequence[CacheKey],
        deadline_s: float,  # noqa: ARG002 - memory answers at once
    ) -> dict[CacheKey, Classification]:
        """Return what is known of ``keys``, under any model version."""
        if not self._labels:
            return {}
        return {
            key: corrected(self._labels[key[1]], key[0]) for key in keys if key[1] in self._labels
        }

    def put_many(self, entries: Mapping[CacheKey, Classification]) -> None:
        """Learn from nobody but people."""
