"""The grouped 5-fold protocol, out of fold, one seed and fold at a time and resumable."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bridge.text import VERSION
from training import data, folds
from training.config import Config, HashedConfig
from training.data import Texts

BUILD: Final = Path(__file__).parents[1] / "build" / "training"

Advance = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Part:
    """One training run of the protocol: a seed and the fold that it is tested on."""

    seed: int
    fold: int


@dataclass(frozen=True, slots=True)
class Study:
    """A configuration under the protocol."""

    config: Config
    texts: Texts
    extra: Texts | None
    directory: Path

    def parts(self) -> list[Part]:
        """List the runs, seed by seed."""
        return [Part(seed, fold) for seed in self.config.seeds for fold in range(folds.FOLDS)]

    def is_done(self, part: Part) -> bool:
        """Tell whether a run's probabilities are there already."""
        return self._path(part).is_file()

    def run(self, part: Part, advance: Advance) -> None:
        """Train on four folds and keep the probabilities for the fifth."""
        _, train, test = list(folds.outer(self.texts))[part.fold]
        spam = _fit(self.config, _with(self.texts.at(train), self.extra), part.seed, advance)(
            self.texts.at(test).texts
        )
        path = self._path(part)
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, spam)

    def pooled(self, seed: int) -> NDArray[np.float64]:
        """Give each text's probability of spam from the network that had not seen it, (n,)."""
        spam = np.empty(len(self.texts))
        for fold, _, test in folds.outer(self.texts):
            spam[test] = np.load(self._path(Part(seed, fold)))
        return spam

    def _path(self, part: Part) -> Path:
        return self.directory / f"seed-{part.seed}-fold-{part.fold}.npy"


def study(config: Config, texts: Texts | None = None) -> Study:
    """Set a configuration up.

    Args:
        config: What to train.
        texts: The labelled texts; the workshop's distinct rows if not given.

    Raises:
        TrainingError: The data cannot be read.
    """
    texts = data.workshop() if texts is None else texts
    extra = data.synthetic() if config.synthetic else None
    return Study(config, texts, extra, BUILD / config_name(config) / _stamp(config, texts))


def config_name(config: Config) -> str:
    """Name a configuration as its file is named."""
    return config.name if config.kind == "workshop" else f"{config.name}-{config.version}"


def _with(texts: Texts, extra: Texts | None) -> Texts:
    return texts if extra is None else texts.and_also(extra)


def _stamp(config: Config, texts: Texts) -> str:
    """Name what the outcome depends on, so that a stale result is never taken for a new one."""
    digest = hashlib.sha256(config.model_dump_json().encode())
    digest.update(f"preparation {VERSION}".encode())
    for text in texts.texts:
        digest.update(text.encode())
    return digest.hexdigest()[:12]


def _fit(
    config: Config, texts: Texts, seed: int, advance: Advance
) -> Callable[[tuple[str, ...]], NDArray[np.float64]]:
    """Train one network; TensorFlow is imported here, so that a report alone is quick."""
    if isinstance(config, HashedConfig):
        from training import hashed  # noqa: PLC0415

        return hashed.fit(config, texts, seed, advance).probabilities
    from training import workshop  # noqa: PLC0415

    return workshop.fit(config, texts, seed, advance).probabilities


def missing(studies: list[Study]) -> Iterator[tuple[Study, Part]]:
    """List what has not run yet."""
    for each in studies:
        yield from ((each, part) for part in each.parts() if not each.is_done(part))
