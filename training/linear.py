"""The linear path: two machines, averaged, over the n-grams and traits that serving numbers."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from bridge.inference import wide
from bridge.inference.inputs import prepare
from training import attacks
from training.augment import Augmentation
from training.calibration import Platt, fit_platt
from training.config import WideSettings
from training.data import COMMENTS, Texts
from training.folds import grouped

_INNER_FOLDS: Final = 4
_RAREST: Final = 2  # texts that a feature must stand in
_ROUNDS: Final = 200  # of the solver; 1,000 change no figure in its fourth digit
_TEXTS_AT_ONCE: Final = 512


@dataclass(frozen=True, slots=True)
class Linear:
    """A trained linear path.

    Attributes:
        table: (rows,) float32, the weight of each feature, as rounded as the bundle keeps it.
        intercept: Added to each text's sum.
    """

    table: NDArray[np.float32]
    intercept: float

    def logits(self, features: sparse.csr_matrix) -> NDArray[np.float64]:
        """Give the calibrated logits of rows of ``features``, (n,)."""
        return np.asarray(features @ self.table.astype(np.float64)) + self.intercept


def features(texts: Sequence[str], bits: int) -> sparse.csr_matrix:
    """Count each text's features, each block divided by the square root of its size.

    Returns:
        (n, ``wide.table_rows(bits)``) float64.
    """
    parts = [
        _features(texts[start : start + _TEXTS_AT_ONCE], bits)
        for start in range(0, len(texts), _TEXTS_AT_ONCE)
    ]
    return sparse.vstack(parts).tocsr()


def _features(texts: Sequence[str], bits: int) -> sparse.csr_matrix:
    grams = prepare(texts, bits, bits).grams
    assert grams is not None  # noqa: S101  wide_bits is given
    rows, columns, values = [], [], []
    for name, sizes in zip(wide.BLOCKS, grams.sizes, strict=True):
        owners, ids = grams.of_block(name)
        rows.append(owners)
        columns.append(ids)
        values.append(1 / np.sqrt(sizes[owners]))
    triples = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
    return sparse.csr_matrix(triples, (len(texts), wide.table_rows(bits)))


@dataclass(frozen=True, slots=True)
class Prepared:
    """Rows to train on: the texts, then disguised copies of those that are judged.

    Attributes:
        features: (n + copies, rows of the table).
        labels: (n + copies,) int8.
        weights: (n + copies,) how much each counts.
        groups: (n + copies,) int64; a copy is in its text's group.
        texts: n, how many are no copies.
    """

    features: sparse.csr_matrix
    labels: NDArray[np.int8]
    weights: NDArray[np.float64]
    groups: NDArray[np.int64]
    texts: int

    def without(self, groups: NDArray[np.int64]) -> "Prepared":
        """Leave groups out, copies too."""
        kept = np.flatnonzero(~np.isin(self.groups, groups))
        return Prepared(
            self.features[kept], self.labels[kept], self.weights[kept], self.groups[kept],
            int((kept < self.texts).sum()),
        )  # fmt: skip


def prepared(
    settings: WideSettings, augmentation: Augmentation, texts: Texts, seed: int
) -> Prepared:
    """Turn texts and their disguised copies into features.

    Args:
        settings: Sizes and weights.
        augmentation: How a copy is written.
        texts: The training rows.
        seed: Fixes the disguises.
    """
    chance = np.random.default_rng(seed)
    judged = np.flatnonzero(texts.is_judged)
    plain = [texts.texts[row] for row in judged]
    copies = [
        text
        for _ in range(settings.copies)
        for text in augmentation.numbered(
            attacks.disguise(plain, augmentation.attacks, chance), chance
        )
    ]
    repeated = np.tile(judged, settings.copies)
    weights = _weights(settings, texts)
    return Prepared(
        features([*texts.texts, *copies], settings.bits),
        np.concatenate([texts.labels, texts.labels[repeated]]),
        np.concatenate([weights, settings.copy_weight * weights[repeated]]),
        np.concatenate([texts.groups, texts.groups[repeated]]),
        len(texts),
    )


def _weights(settings: WideSettings, texts: Texts) -> NDArray[np.float64]:
    """Say how much each text counts, (n,); those written for the project a share of the others.

    A share and not a weight each: they would drown a small set of somebody's own.
    """
    weights = np.where(texts.sources == COMMENTS, settings.comments_weight, 1.0)
    written = ~texts.is_judged
    if written.any():
        weights[written] = settings.written_share * weights[~written].sum() / written.sum()
    return weights


def fit(settings: WideSettings, rows: Prepared, calibration: Platt) -> Linear:
    """Fit two machines, average them, and turn their distances into logits.

    The support vector machine errs less at one threshold, logistic regression ranks better; their
    average is one table, and costs nothing in serving.

    Features are weighted by how few texts have them; those of a single text are left out. Traits
    weigh less: what a text looks like is quickly learnt by heart, and a number more changes it.
    """
    scale = _rarity(rows.features)
    scale[wide.first_trait(settings.bits) :] *= settings.traits_weight
    scaled = (rows.features @ sparse.diags(scale)).tocsr()
    weights, intercept = np.zeros(len(scale)), 0.0
    for machine in (
        LinearSVC(C=settings.svm_c, random_state=0, max_iter=_ROUNDS),
        LogisticRegression(C=settings.logistic_c, solver="liblinear", random_state=0),
    ):
        with warnings.catch_warnings():  # where it stops is close enough
            warnings.simplefilter("ignore", ConvergenceWarning)
            machine.fit(scaled, rows.labels, rows.weights)
        spread = float((scaled @ machine.coef_[0]).std())  # distances are comparable then
        weights += machine.coef_[0] / spread
        intercept += float(machine.intercept_[0]) / spread
    table = weights * scale * calibration.slope
    intercept = intercept * calibration.slope + calibration.intercept
    return Linear(table.astype(np.float16).astype(np.float32), intercept)


def out_of_fold(settings: WideSettings, rows: Prepared) -> tuple[NDArray[np.float64], Platt]:
    """Judge each text by machines that have not seen its group.

    Returns:
        Calibrated logits (n,), of the texts without their copies, and the calibration. Texts
        that are never judged do not count for it.
    """
    distances = np.empty(rows.texts)
    texts = rows.features[: rows.texts]
    for groups in grouped(rows.groups[: rows.texts], _INNER_FOLDS):
        machine = fit(settings, rows.without(groups), Platt(1.0, 0.0))
        inside = np.isin(rows.groups[: rows.texts], groups)
        distances[inside] = machine.logits(texts[inside])
    judged = rows.groups[: rows.texts] >= 0
    calibration = fit_platt(distances[judged], rows.labels[: rows.texts][judged])
    return calibration.slope * distances + calibration.intercept, calibration


def _rarity(rows: sparse.csr_matrix) -> NDArray[np.float64]:
    seen = np.bincount(rows.indices, minlength=rows.shape[1])
    rarity = np.log((1 + rows.shape[0]) / (1 + seen)) + 1
    rarity[seen < _RAREST] = 0
    return rarity
