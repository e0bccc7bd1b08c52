"""The shipped model: the linear path, the LSTM taught by it, and one calibrated logit of both."""

from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np
from numpy.typing import NDArray

from training import deep, linear
from training.augment import Augmentation
from training.calibration import Platt, stretch
from training.config import ModelConfig, WideSettings
from training.data import Texts
from training.deep import Advance, Lesson
from training.folds import hold_out
from training.linear import Linear


@dataclass(frozen=True, slots=True)
class Model:
    """A trained model.

    Attributes:
        wide: The settings of the linear path; None if there is none.
        linear: The linear path; likewise.
        network: The LSTM's path.
        calibration: From the logit to the probability.
        threshold: A text is spam from this probability on.
    """

    wide: WideSettings | None
    linear: Linear | None
    network: keras.Model
    calibration: Platt
    threshold: float

    def logits(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Give the blended logits, (n,)."""
        read = deep.logits(self.network, texts)
        if self.wide is None or self.linear is None:
            return read
        added = self.linear.logits(linear.features(texts, self.wide.bits))
        return self.wide.share * added + (1 - self.wide.share) * read

    def probabilities(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Give calibrated probabilities of spam, (n,)."""
        return self.calibration.probability(self.logits(texts))


def fit(config: ModelConfig, texts: Texts, seed: int, advance: Advance) -> Model:
    """Train the LSTM, and the linear path first if there is one.

    Args:
        config: Sizes and schedule.
        texts: The training rows.
        seed: Fixes the split, the start, the batches and what is drawn.
        advance: Told how far the work is.
    """
    held = np.isin(texts.groups, hold_out(texts, config.training.held_out, seed))
    if config.wide is None:
        return _alone(config, texts, held, seed, advance)
    return _both(config, config.wide, texts, held, seed, advance)


def _alone(
    config: ModelConfig, texts: Texts, held: NDArray[np.bool_], seed: int, advance: Advance
) -> Model:
    """Train the LSTM by the labels; the groups held out stop its training and stretch its logit."""
    weights = np.ones(len(texts))
    network, out = _deep(
        config, texts, _smoothed(config, texts.labels), weights, held, seed, advance
    )
    calibration = stretch(deep.logits(network, out.texts), out.labels)
    return Model(None, None, network, calibration, config.threshold)


def _both(  # noqa: PLR0913, PLR0917  what a training is made of
    config: ModelConfig,
    settings: WideSettings,
    texts: Texts,
    held: NDArray[np.bool_],
    seed: int,
    advance: Advance,
) -> Model:
    """Train both paths; a text counts as much in the one as in the other.

    The linear path judges every row out of fold first: those probabilities calibrate it and teach
    the LSTM, which sees no row of the groups held out: they stop its training. So both paths speak
    in calibrated logits, and so does their blend. A correction of it from the few hundred texts
    held out is mostly noise: it cost .0003 of the AUC.
    """
    rows = linear.prepared(settings, Augmentation(**config.augmentation.model_dump()), texts, seed)
    teacher, curve = linear.out_of_fold(settings, rows)
    path = linear.fit(settings, rows, curve)
    targets = _targets(config, texts.labels, teacher)
    network, _ = _deep(config, texts, targets, rows.weights[: rows.texts], held, seed, advance)
    return Model(settings, path, network, Platt(1.0, 0.0), config.threshold)


def _deep(  # noqa: PLR0913, PLR0917  what a training is made of
    config: ModelConfig,
    texts: Texts,
    targets: NDArray[np.float32],
    weights: NDArray[np.float64],
    held: NDArray[np.bool_],
    seed: int,
    advance: Advance,
) -> tuple[keras.Model, Texts]:
    """Train the LSTM on what is not held out; give the texts that are, too."""
    kept, out = np.flatnonzero(~held), texts.at(np.flatnonzero(held))
    lesson = Lesson(texts.at(kept).texts, targets[kept], weights[kept])
    network = deep.fit(config, lesson, (out.texts, out.labels), seed=seed, advance=advance)
    return network, out


def _smoothed(config: ModelConfig, labels: NDArray[np.int8]) -> NDArray[np.float32]:
    smoothing = config.training.label_smoothing
    return (labels * (1 - smoothing) + smoothing / 2).astype(np.float32)


def _targets(
    config: ModelConfig, labels: NDArray[np.int8], teacher: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Mix the smoothed label with what the linear path thinks of a text it has not seen."""
    soft = config.training.soft
    thought = Platt(1.0, 0.0).probability(teacher)
    return ((1 - soft) * _smoothed(config, labels) + soft * thought).astype(np.float32)
