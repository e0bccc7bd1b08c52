"""The linear path trained again without each of its parts."""

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from bridge.inference import wide
from training import folds, linear
from training.augment import Augmentation
from training.calibration import Platt, fit_platt
from training.config import ModelConfig, WideSettings
from training.linear import Prepared
from training.metrics import Figures, figures
from training.protocol import Study

HOW: Final = """
The paths alone are the shipped bundles' own, at their threshold. The lower rows are the linear path
alone, trained again without a part (first seed; calibrated over the folds, threshold .5): compare
them with each other.
"""


def of_linear(study: Study) -> Iterator[tuple[str, Figures]]:
    """Judge the linear path, whole and without each part."""
    config = study.config
    assert isinstance(config, ModelConfig)  # noqa: S101  only ours has one
    settings = config.wide
    if settings is None:
        return
    whole = _rows(study, settings, written=True)
    tables = 1 << settings.bits
    characters, words = len(wide.ORDERS) * tables, (len(wide.ORDERS) + 2) * tables
    yield "linear path, whole", _judge(study, settings, whole)
    for name, first, end in (
        ("… without characters", 0, characters),
        ("… without words", characters, words),
        ("… without traits", words, wide.table_rows(settings.bits)),
    ):
        yield name, _judge(study, settings, _without(whole, first, end))
    plain = settings.model_copy(update={"copies": 0})
    yield "… without disguised copies", _judge(study, plain, _rows(study, plain, written=True))
    bare = _rows(study, settings, written=False)
    yield "… without texts written for it", _judge(study, settings, bare)


def _rows(study: Study, settings: WideSettings, *, written: bool) -> Prepared:
    assert isinstance(study.config, ModelConfig)  # noqa: S101
    augmentation = Augmentation(**study.config.augmentation.model_dump())
    extra = study.extra if written else None
    texts = study.texts if extra is None else study.texts.and_also(extra)
    return linear.prepared(settings, augmentation, texts, study.config.seeds[0])


def _without(rows: Prepared, first: int, end: int) -> Prepared:
    kept = np.ones(rows.features.shape[1])
    kept[first:end] = 0
    features = (rows.features @ sparse.diags(kept)).tocsr()
    features.eliminate_zeros()
    return Prepared(features, rows.labels, rows.weights, rows.groups, rows.texts)


def _judge(study: Study, settings: WideSettings, rows: Prepared) -> Figures:
    distances: NDArray[np.float64] = np.empty(len(study.texts))
    for _, _, test in folds.outer(study.texts):
        machine = linear.fit(settings, rows.without(study.texts.groups[test]), Platt(1.0, 0.0))
        distances[test] = machine.logits(rows.features[test])
    spam = fit_platt(distances, study.texts.labels).probability(distances)
    return figures(study.texts.labels, spam, 0.5)
