"""What a verdict costs: preparation and inference, as serving does them."""

import time
from collections.abc import Callable
from typing import Final

import numpy as np

from bridge.inference import bundle as serving
from bridge.inference.encode import encode, pad
from bridge.text import canonicalise
from training import data, network, workshop
from training.config import Config, HashedConfig, WorkshopConfig
from training.export import MODELS

HOW: Final = (
    "Cost: CPU time on one thread. Hashed networks: the shipped bundle, preparation + inference in"
    " batches of 64 over the whole data set (in brackets: preparation alone; a text alone). The"
    " workshop's: Keras `predict`, one text at a time, as it was served."
)
_BATCH: Final = 64
_REPEATS: Final = 3
_ALONE: Final = 300
_WORKSHOP_TEXTS: Final = 20


def measure(config: Config) -> str:
    """Measure a configuration's cost per text, in microseconds, as a cell of the report."""
    if isinstance(config, WorkshopConfig):
        return f"{_workshop(config):,.0f}"
    return _hashed(config)


def _hashed(config: HashedConfig) -> str:
    directory = MODELS / config.name / str(config.version)
    if not (directory / "bundle.json").is_file():
        return "not exported"
    bundle = serving.load(directory)
    texts = data.workshop().texts
    batches = [texts[start : start + _BATCH] for start in range(0, len(texts), _BATCH)]
    whole = _best_us(lambda: [bundle.scores(batch) for batch in batches]) / len(texts)
    prepared = _best_us(lambda: _prepare(batches)) / len(texts)
    alone = _best_us(lambda: [bundle.scores([text]) for text in texts[:_ALONE]]) / _ALONE
    return f"{whole:.0f} ({prepared:.0f}; {alone:.0f})"


def _prepare(batches: list[tuple[str, ...]]) -> None:
    """Do what `Bundle.scores` does before it asks the network."""
    for texts in batches:
        encoded = encode([canonicalise(text) for text in texts])
        for rows in serving.sub_batches(encoded.lengths):
            pad(encoded, rows)


def _workshop(config: WorkshopConfig) -> float:
    """Time untrained weights: what they hold does not change the cost."""
    texts = data.workshop().texts
    model = network.workshop(config.network)
    numbers = workshop.vocabulary(texts, config.network.words)

    def ask() -> None:
        for text in texts[:_WORKSHOP_TEXTS]:
            model.predict(workshop.encode((text,), numbers, config.network.length), verbose=0)

    return _best_us(ask) / _WORKSHOP_TEXTS


def _best_us(work: Callable[[], object]) -> float:
    """Take the CPU time of some work, the best of a few: a busy machine slows its caches too."""
    times = []
    for _ in range(_REPEATS):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return float(np.min(times)) * 1e6
