"""What is known of a text: caches, nearest first, then one inference over the rest. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from bridge.errors import Unavailable
from bridge.ports import Cache, CacheKey, Classification, Classifier
from bridge.requests import Cached

_DEADLINE_S = 0.2
"""What a cache may take: less than an inference is worth waiting for a lookup."""


class Found(NamedTuple):
    """What came of it."""

    key: CacheKey
    classification: Classification | None
    """Nothing where the inference failed."""
    cached: Cached
    degraded: list[str] | None
    """Which caches did not answer, where that may have cost an inference."""


class Lookup:
    """Caches and models.

    Args:
        models: Every model version that serves, by name (``spam@1``).
        caches: Levels of the verdict cache, nearest first.
    """

    def __init__(self, models: Mapping[str, Classifier], caches: Sequence[Cache]) -> None:
        self.models = models
        self._caches = caches

    def classify(
        self, texts: Mapping[CacheKey, str], skip: Collection[CacheKey]
    ) -> Iterator[Found]:
        """Classify distinct texts, each once; new results go to the caches.

        Args:
            texts: By model version and text key.
            skip: Keys that no cache is asked for.

        Yields:
            One answer for each, in any order.
        """
        unknown = dict(texts)
        degraded: list[str] = []
        for depth, cache in enumerate(self._caches):
            found = self._ask(cache, [key for key in unknown if key not in skip], degraded)
            for nearer in self._caches[:depth]:
                nearer.put_many(found)
            for key, classification in found.items():
                del unknown[key]
                cached = "corrected" if classification.corrected else cache.name
                yield Found(key, classification, cached, degraded or None)
        if unknown:
            new = self._infer(unknown)
            for cache in self._caches:
                cache.put_many(new)
            for key in unknown:
                yield Found(key, new.get(key), "no", degraded or None)

    def _ask(
        self, cache: Cache, keys: Sequence[CacheKey], degraded: list[str]
    ) -> dict[CacheKey, Classification]:
        if not keys:
            return {}
        try:
            return cache.get_many(keys, _DEADLINE_S)
        except Unavailable as error:
            degraded.append(str(error))
            return {}

    def _infer(self, texts: Mapping[CacheKey, str]) -> dict[CacheKey, Classification]:
        results: dict[CacheKey, Classification] = {}
        for model in {model for model, _ in texts}:
            keys = [key for key in texts if key[0] == model]
            try:
                classified = self.models[model].classify([texts[key] for key in keys])
            except Unavailable:
                continue  # said by its absence: the caller answers 503
            results.update(zip(keys, classified, strict=True))
        return results
