"""What a verdict costs: preparation and inference, as serving does them."""

import time
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from bridge.inference import bundle as serving
from training import data, svc
from training.config import Config, ModelConfig, SvcConfig, WorkshopConfig
from training.export import MODELS

HOW: Final = (
    "Cost: CPU time, of all threads together, in microseconds. Ours: the shipped bundle,"
    " preparation + inference in batches of 64 over the whole data set (in brackets: preparation"
    " alone; a text alone). The n-gram machine: scikit-learn, batches of 64. The workshop's:"
    " Keras `predict`, one text at a time, as it was served."
)
_BATCH: Final = 64
_REPEATS: Final = 3
_ALONE: Final = 300
_SVC_TEXTS: Final = 1_280
_WORKSHOP_TEXTS: Final = 20


def measure(config: Config) -> str:
    """Measure a configuration's cost per text, in microseconds, as a cell of the report."""
    if isinstance(config, WorkshopConfig):
        return f"{_workshop(config):,.0f}"
    if isinstance(config, SvcConfig):
        return f"{_svc(config):,.0f}"
    return _ours(config)


def _ours(config: ModelConfig) -> str:
    directory = MODELS / config.name / str(config.version)
    if not (directory / "bundle.json").is_file():
        return "not exported"
    bundle = serving.load(directory)
    texts = data.workshop().texts
    batches = [texts[start : start + _BATCH] for start in range(0, len(texts), _BATCH)]
    whole = _best_us(lambda: [bundle.scores(batch) for batch in batches]) / len(texts)
    prepared = _best_us(lambda: [_prepare(bundle, batch) for batch in batches]) / len(texts)
    alone = _best_us(lambda: [bundle.scores([text]) for text in texts[:_ALONE]]) / _ALONE
    return f"{whole:.0f} ({prepared:.0f}; {alone:.0f})"


def _prepare(bundle: serving.Bundle, texts: Sequence[str]) -> None:
    """Prepare texts for both paths."""
    batch = bundle.prepare(texts)
    if batch.wide_bits is not None:
        _ = batch.grams


def _svc(config: SvcConfig) -> float:
    """Time batches as ours are; what a machine was fitted to changes its cost little."""
    texts = data.workshop()
    model = svc.fit(config, texts.at(np.arange(0, len(texts), 2)))
    batches = [texts.texts[start : start + _BATCH] for start in range(0, _SVC_TEXTS, _BATCH)]
    return _best_us(lambda: [model.probabilities(batch) for batch in batches]) / _SVC_TEXTS


def _workshop(config: WorkshopConfig) -> float:
    """Time untrained weights: what they hold does not change the cost."""
    from training import network, workshop  # noqa: PLC0415  TensorFlow

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
