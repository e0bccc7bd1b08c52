"""The split published with the SMS collection (Almeida 2011): train on less than a third of it."""

from pathlib import Path
from typing import Final

import numpy as np

from bridge.inference import bundle as serving
from training import data
from training.config import ModelConfig
from training.metrics import Figures, figures
from training.protocol import Advance, Study

TRAINED_ON: Final = 1_674


def missing(study: Study) -> list[int]:
    """List the seeds that have not run yet."""
    return [seed for seed in study.config.seeds if not _path(study, seed).is_file()]


def run(study: Study, seed: int, advance: Advance) -> None:
    """Train on the first messages and keep the figures' ground for the others."""
    from training import export, model  # noqa: PLC0415  TensorFlow

    texts = data.sms_in_order()
    train = texts.at(np.arange(TRAINED_ON))
    train = train if study.extra is None else train.and_also(study.extra)
    assert isinstance(study.config, ModelConfig)  # noqa: S101  only ours is judged here
    trained = model.fit(study.config, train, seed, advance)
    path = _path(study, seed)
    directory = path.with_suffix("")
    export.export(study.config, trained, {}, directory)
    bundle = serving.load(directory)
    np.save(path, np.append(bundle.scores(texts.texts[TRAINED_ON:])[:, 1], bundle.threshold))


def judged(study: Study) -> list[Figures]:
    """Judge each seed that has run on the messages it was not trained on."""
    labels = data.sms_in_order().labels[TRAINED_ON:]
    kept = [np.load(_path(study, seed)) for seed in study.config.seeds]
    return [figures(labels, one[:-1], one[-1]) for one in kept]


def _path(study: Study, seed: int) -> Path:
    return study.directory / f"sms-seed-{seed}.npy"
