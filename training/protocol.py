"""The grouped 5-fold protocol, out of fold, one seed and fold at a time and resumable."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from bridge.inference import bundle as serving
from bridge.text import VERSION
from training import data, folds, templates
from training.config import Config, ModelConfig, SvcConfig
from training.data import Texts

BUILD: Final = Path(__file__).parents[1] / "build" / "training"

_TEMPLATES_SEED: Final = 1

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
        """Tell whether a run's outcome is there already."""
        return self._path(part).is_file()

    def run(self, part: Part, advance: Advance) -> None:
        """Train on four folds; keep the probabilities for the fifth, and the bundle if it is ours.

        What a bundle answers to attacks and to the development sets is asked of it later.
        """
        _, train, test = list(folds.outer(self.texts))[part.fold]
        rows, judged = _with(self.texts.at(train), self.extra), self.texts.at(test)
        path = self._path(part)
        path.parent.mkdir(parents=True, exist_ok=True)
        trained = _fit(self.config, rows, part.seed, advance)
        spam = trained.probabilities(judged.texts)
        if isinstance(self.config, ModelConfig):
            _keep_bundle(self.config, trained, self.bundle(part))
            spam = serving.load(self.bundle(part)).scores(judged.texts)[:, 1]
        np.save(path, spam)

    def bundle(self, part: Part) -> Path:
        """Name the folder of a run's bundle."""
        return self._path(part).with_suffix("")

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
    extra = written(config)
    return Study(config, texts, extra, BUILD / config_name(config) / _stamp(config, texts))


def written(config: Config) -> Texts | None:
    """Give the texts written for this project that a configuration trains on, if any."""
    extra = data.synthetic() if config.synthetic else None
    if not isinstance(config, ModelConfig) or not config.written_per_template:
        return extra
    filled = templates.written(config.written_per_template, _TEMPLATES_SEED)
    return filled if extra is None else extra.and_also(filled)


def config_name(config: Config) -> str:
    """Name a configuration as its file is named."""
    ours = isinstance(config, ModelConfig)
    return f"{config.name}-{config.version}" if ours else config.name


def _with(texts: Texts, extra: Texts | None) -> Texts:
    return texts if extra is None else texts.and_also(extra)


def _stamp(config: Config, texts: Texts) -> str:
    """Name what the outcome depends on, so that a stale result is never taken for a new one."""
    digest = hashlib.sha256(config.model_dump_json().encode())
    digest.update(f"preparation {VERSION}".encode())
    for text in texts.texts:
        digest.update(text.encode())
    if isinstance(config, ModelConfig) and config.written_per_template:
        digest.update((data.DATA / data.TEMPLATES).read_bytes())
    return digest.hexdigest()[:12]


class _Trained(Protocol):
    def probabilities(self, texts: Sequence[str]) -> NDArray[np.float64]: ...


def _fit(config: Config, texts: Texts, seed: int, advance: Advance) -> _Trained:
    """Train; TensorFlow is imported here, so that a report alone is quick."""
    if isinstance(config, ModelConfig):
        from training import model  # noqa: PLC0415

        return model.fit(config, texts, seed, advance)
    if isinstance(config, SvcConfig):
        from training import svc  # noqa: PLC0415

        return svc.fit(config, texts)
    from training import workshop  # noqa: PLC0415

    return workshop.fit(config, texts, seed, advance)


def _keep_bundle(config: ModelConfig, trained: Any, directory: Path) -> None:
    from training import export  # noqa: PLC0415

    export.export(config, trained, {}, directory)


@dataclass(frozen=True, slots=True)
class Run:
    """Something to be trained.

    Attributes:
        label: What it is called while it runs.
        seed: Its seed.
        fold: The fold that it is tested on; -1 for the split of the SMS collection.
        start: Does it, telling how far it is.
    """

    label: str
    seed: int
    fold: int
    start: Callable[[Advance], None]


def runs(studies: list[Study]) -> list[Run]:
    """List what has not run yet."""
    from training import sms  # noqa: PLC0415  it needs this module

    waiting = []
    for each in studies:
        name = config_name(each.config)
        waiting += [
            Run(f"{name} seed {part.seed} fold {part.fold}", *_of(part), partial(each.run, part))
            for part in each.parts()
            if not each.is_done(part)
        ]
        if isinstance(each.config, ModelConfig):
            waiting += [
                Run(f"{name} seed {seed} SMS", seed, -1, partial(sms.run, each, seed))
                for seed in sms.missing(each)
            ]
    return waiting


def _of(part: Part) -> tuple[int, int]:
    return part.seed, part.fold
