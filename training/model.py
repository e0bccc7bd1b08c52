"""The shipped model: the linear path, the LSTM taught by it, and one calibrated logit of both."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import keras
import numpy as np
from numpy.typing import NDArray

from training import deep, linear
from training.augment import Augmentation
from training.calibration import Platt, stretch
from training.config import ModelConfig
from training.data import Texts
from training.folds import hold_out
from training.linear import Linear

BLOCKED: Final = 0.008
"""Share of the ham that the linear path may call spam out of fold, when the threshold is chosen.

Both paths together block less, and there Matthews' coefficient is at its best.
"""


@dataclass(frozen=True, slots=True)
class Model:
    """A trained model.

    Attributes:
        bits: Of the linear path's tables.
        share: Of the linear path in the logit.
        linear: The linear path.
        network: The LSTM's path.
        calibration: From the logit to the probability.
        threshold: A text is spam from this probability on.
    """

    bits: int
    share: float
    linear: Linear
    network: keras.Model
    calibration: Platt
    threshold: float

    def logits(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Give the blended logits, (n,)."""
        wide = self.linear.logits(linear.features(texts, self.bits))
        return self.share * wide + (1 - self.share) * deep.logits(self.network, texts)

    def probabilities(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Give calibrated probabilities of spam, (n,)."""
        return self.calibration.probability(self.logits(texts))


def fit(config: ModelConfig, texts: Texts, seed: int, advance: Callable[[float], None]) -> Model:
    """Train both paths.

    The linear path judges every row out of fold first: those probabilities calibrate it and teach
    the LSTM, which sees no row of the groups held out. They stop its training and stretch the
    blended logit: there neither path has seen them.

    Args:
        config: Sizes and schedule.
        texts: The training rows.
        seed: Fixes the split, the start, the batches and what is drawn.
        advance: Told how far the work is.
    """
    settings = config.wide
    rows = linear.prepared(settings, Augmentation(**config.augmentation.model_dump()), texts, seed)
    teacher, curve = linear.out_of_fold(settings, rows)
    path = linear.fit(settings, rows, curve)
    held = np.isin(texts.groups, hold_out(texts, config.training.held_out, seed))
    kept, out = np.flatnonzero(~held), texts.at(np.flatnonzero(held))
    targets = _targets(config, texts.labels, teacher)[kept]
    network = deep.fit(
        config, texts.at(kept).texts, targets, (out.texts, out.labels), seed=seed, advance=advance
    )
    blended = settings.share * teacher[held]
    blended += (1 - settings.share) * deep.logits(network, out.texts)
    calibration = stretch(blended, out.labels)
    threshold = _threshold(teacher[texts.is_judged], texts.labels[texts.is_judged])
    return Model(settings.bits, settings.share, path, network, calibration, threshold)


def _threshold(teacher: NDArray[np.float64], labels: NDArray[np.int8]) -> float:
    """Choose the probability from which at most ``BLOCKED`` of the ham would be called spam.

    By the linear path's logits out of fold: calibrated as the blend is, and of every text, where
    the groups held out are too few to count what is this rare. In tenths, upwards: even so the
    count rests on some forty texts, and a finer threshold would follow their noise.
    """
    logit = np.quantile(teacher[labels == 0], 1 - BLOCKED)
    tenths = np.ceil(10 * Platt(1.0, 0.0).probability(logit))
    return float(np.clip(tenths, 2, 8)) / 10


def _targets(
    config: ModelConfig, labels: NDArray[np.int8], teacher: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Mix the smoothed label with what the linear path thinks of a text it has not seen."""
    smoothing, soft = config.training.label_smoothing, config.training.soft
    hard = labels * (1 - smoothing) + smoothing / 2
    thought = Platt(1.0, 0.0).probability(teacher)
    return ((1 - soft) * hard + soft * thought).astype(np.float32)
