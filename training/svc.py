"""The n-gram baseline: TF-IDF and support vector machine of scikit-learn."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import Pipeline, make_pipeline, make_union
from sklearn.svm import LinearSVC

from bridge.text import canonicalise
from training.calibration import Platt, fit_platt
from training.config import SvcConfig
from training.data import Texts
from training.folds import grouped

_INNER_FOLDS = 4


@dataclass(frozen=True, slots=True)
class SvcModel:
    """A trained machine with its calibration."""

    machine: Pipeline
    calibration: Platt

    def probabilities(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Give probabilities of spam, (n,)."""
        return self.calibration.probability(self.machine.decision_function(texts))


def fit(config: SvcConfig, texts: Texts) -> SvcModel:
    """Fit by inner grouped folds for the calibration, then on every row."""
    distances = np.empty(len(texts))
    for groups in grouped(texts.groups, _INNER_FOLDS):
        inside = np.isin(texts.groups, groups)
        inner = _machine(config, texts.at(np.flatnonzero(~inside)))
        distances[inside] = inner.decision_function(texts.at(np.flatnonzero(inside)).texts)
    return SvcModel(_machine(config, texts), fit_platt(distances, texts.labels))


def _machine(config: SvcConfig, texts: Texts) -> Pipeline:
    prepare = _plain if config.canonical else None  # None: its own, which lowers the case
    words = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True, preprocessor=prepare)
    characters = TfidfVectorizer(
        analyzer="char", ngram_range=(2, 5), min_df=2, sublinear_tf=True, preprocessor=prepare
    )
    machine = make_pipeline(make_union(words, characters), LinearSVC(C=config.c, random_state=0))
    return machine.fit(texts.texts, texts.labels)  # type: ignore[no-any-return]


def _plain(text: str) -> str:
    return canonicalise(text).lower()
