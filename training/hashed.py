"""Train the bidirectional LSTM over hashed features, and ask it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from bridge.inference.encode import FEATURES, Encoded, encode, pad
from bridge.text import canonicalise
from training import network
from training.augment import Augmentation
from training.calibration import Platt, fit_platt
from training.config import HashedConfig
from training.data import Texts
from training.folds import hold_out

Advance = Callable[[float], None]
"""Told the share of the work that is done, 0 to 1."""

_IDS = tf.TensorSpec((None, len(FEATURES), None), tf.int32)
_STEPS = tf.TensorSpec((None,), tf.int32)
_TARGETS = tf.TensorSpec((None,), tf.float32)
_BATCHES_SORTED_TOGETHER = 16  # texts of similar length share a batch, and chance mixes enough
_TEXTS_ASKED_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class HashedModel:
    """A trained network with its calibration."""

    network: keras.Model
    calibration: Platt

    def logits(self, texts: tuple[str, ...]) -> NDArray[np.float64]:
        """Give the network's logits, (n,)."""
        return _logits(self.network, _encode(texts))

    def probabilities(self, texts: tuple[str, ...]) -> NDArray[np.float64]:
        """Give calibrated probabilities of spam, (n,)."""
        return self.calibration.probability(self.logits(texts))


def fit(config: HashedConfig, texts: Texts, seed: int, advance: Advance) -> HashedModel:
    """Train on nine tenths of the groups; the last tenth is for the calibration.

    Args:
        config: Sizes and schedule.
        texts: The training rows.
        seed: Fixes the split, the start, the batches and what is drawn.
        advance: Told how far the work is.
    """
    kept, held_out = hold_out(texts, config.training.held_out, seed)
    model = _train(config, kept, seed, advance)
    calibration = fit_platt(_logits(model, _encode(held_out.texts)), held_out.labels)
    return HashedModel(model, calibration)


def _train(config: HashedConfig, texts: Texts, seed: int, advance: Advance) -> keras.Model:
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    chance = np.random.default_rng(seed)
    settings = config.training
    plain = [canonicalise(text) for text in texts.texts]
    targets = _smooth(texts.labels, settings.label_smoothing)
    augmentation = Augmentation(**config.augmentation.model_dump())
    batches_per_epoch = -(-len(texts) // settings.batch)
    model = network.hashed(config.network)
    optimizer = _optimizer(config, settings.epochs * batches_per_epoch)
    step = _step(model, optimizer)
    for epoch in range(settings.epochs):
        encoded = encode(augmentation.apply(plain, chance))
        for done, rows in enumerate(_shuffled(encoded.lengths, settings.batch, chance)):
            ids, steps = pad(encoded, rows)
            _hide(ids, settings.hidden, chance)
            step(ids.transpose(1, 0, 2), steps, targets[rows])
            advance((epoch + done / batches_per_epoch) / settings.epochs)
    optimizer.finalize_variable_values(model.trainable_variables)
    _round_tables(model)
    return model


def _step(model: keras.Model, optimizer: keras.Optimizer) -> Callable[..., None]:
    """Compile one step of gradient descent, for batches of any size and width."""
    optimizer.build(model.trainable_variables)

    @tf.function(input_signature=[_IDS, _STEPS, _TARGETS])  # type: ignore[untyped-decorator]
    def step(ids: tf.Tensor, steps: tf.Tensor, targets: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            logits = model([ids, steps], training=True)[:, 0]
            losses = tf.nn.sigmoid_cross_entropy_with_logits(targets, logits)
            loss = tf.reduce_mean(losses)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))

    return step  # type: ignore[no-any-return]


def _optimizer(config: HashedConfig, steps: int) -> keras.optimizers.AdamW:
    """Warm up over a tenth, then fall along a cosine; keep a moving average of the weights."""
    settings = config.training
    warm_up = steps // 10
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, steps - warm_up, warmup_target=settings.learning_rate, warmup_steps=warm_up
    )
    return keras.optimizers.AdamW(
        rate,
        weight_decay=settings.weight_decay,
        epsilon=1e-4,
        clipnorm=1.0,
        use_ema=True,
        ema_momentum=0.995,
    )


def _encode(texts: tuple[str, ...]) -> Encoded:
    return encode([canonicalise(text) for text in texts])


def _smooth(labels: NDArray[np.int8], smoothing: float) -> NDArray[np.float32]:
    return (labels * (1 - smoothing) + smoothing / 2).astype(np.float32)


def _shuffled(
    lengths: NDArray[np.int64], batch: int, chance: np.random.Generator
) -> list[NDArray[np.int64]]:
    """Draw batches of similar lengths, in any order, each row once."""
    rows = chance.permutation(len(lengths))
    size = batch * _BATCHES_SORTED_TOGETHER
    batches = []
    for start in range(0, len(rows), size):
        chunk = rows[start : start + size]
        chunk = chunk[np.argsort(lengths[chunk], kind="stable")]
        batches += [chunk[first : first + batch] for first in range(0, len(chunk), batch)]
    return [batches[place] for place in chance.permutation(len(batches))]


def _hide(ids: NDArray[np.int32], share: float, chance: np.random.Generator) -> None:
    """Hide some features (0 is "nothing here"): what is rare must not be learnt by heart."""
    ids[1:] *= chance.random(ids[1:].shape, np.float32) >= share  # words always stay


def _round_tables(model: keras.Model) -> None:
    """Round the embeddings to half precision, in which the bundle stores them."""
    for name in FEATURES:
        (table,) = model.get_layer(name).get_weights()
        model.get_layer(name).set_weights([table.astype(np.float16).astype(np.float32)])


def _logits(model: keras.Model, encoded: Encoded) -> NDArray[np.float64]:
    @tf.function(input_signature=[_IDS, _STEPS])  # type: ignore[untyped-decorator]
    def ask(ids: tf.Tensor, steps: tf.Tensor) -> tf.Tensor:
        return model([ids, steps], training=False)[:, 0]

    logits = np.empty(len(encoded.lengths))
    for rows in _by_length(encoded.lengths):
        ids, steps = pad(encoded, rows)
        logits[rows] = ask(ids.transpose(1, 0, 2), steps)
    return logits


def _by_length(lengths: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    rows = np.argsort(lengths, kind="stable")
    for start in range(0, len(rows), _TEXTS_ASKED_AT_ONCE):
        yield rows[start : start + _TEXTS_ASKED_AT_ONCE]
