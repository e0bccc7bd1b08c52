"""Train the bidirectional LSTM over hashed tokens, and ask it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from bridge.inference.encode import FEATURES, encode, pad
from bridge.inference.tokens import tokenise
from bridge.text import canonicalise_all
from training import network
from training.augment import Augmentation
from training.config import ModelConfig
from training.metrics import cross_entropy

Advance = Callable[[float], None]
"""Told the share of the work that is done, 0 to 1."""

_IDS = tf.TensorSpec((None, len(FEATURES), None), tf.int32)
_STEPS = tf.TensorSpec((None,), tf.int32)
_TARGETS = _WEIGHTS = tf.TensorSpec((None,), tf.float32)
_BATCHES_SORTED_TOGETHER = 16  # texts of similar length share a batch, and chance mixes enough
_TEXTS_ASKED_AT_ONCE = 256
_FIRST_JUDGED: Final = 0.5  # of the epochs: the moving average lags behind before


@dataclass(frozen=True, slots=True)
class Lesson:
    """What is learnt.

    Attributes:
        texts: n texts as they were received.
        targets: (n,) the probability of spam to learn, between label and teacher.
        weights: (n,) how much each text counts, in any unit.
    """

    texts: Sequence[str] = field(repr=False)  # never in a traceback
    targets: NDArray[np.float32]
    weights: NDArray[np.float64]


def fit(
    config: ModelConfig,
    lesson: Lesson,
    held_out: tuple[Sequence[str], NDArray[np.int8]],
    *,
    seed: int,
    advance: Advance,
) -> keras.Model:
    """Train until the groups held out are judged no better, and keep the best weights.

    Args:
        config: Sizes and schedule.
        lesson: The texts to learn.
        held_out: Other texts with their labels.
        seed: Fixes the start, the batches and what is drawn.
        advance: Told how far the work is.
    """
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    chance = np.random.default_rng(seed)
    settings = config.training
    augmentation = Augmentation(**config.augmentation.model_dump())
    batches = -(-len(lesson.texts) // settings.batch)
    weights = (lesson.weights / lesson.weights.mean()).astype(np.float32)
    model = network.deep(config.network)
    optimizer = _optimizer(config, settings.epochs * batches)
    step = _step(model, optimizer)
    stopping = _Stopping(model, optimizer, settings.patience, *held_out)
    for epoch in range(settings.epochs):
        tokens = tokenise(canonicalise_all(augmentation.apply(lesson.texts, chance)))
        encoded = encode(tokens, config.network.table_bits)
        for done, rows in enumerate(_shuffled(encoded.lengths, settings.batch, chance)):
            ids, steps = pad(encoded, rows, config.network.stride)
            _hide(ids, settings.hidden, chance)
            step(_by_text(ids), steps, lesson.targets[rows], weights[rows])
            advance((epoch + done / batches) / settings.epochs)
        if epoch + 1 >= _FIRST_JUDGED * settings.epochs and stopping.is_over():
            break
    stopping.keep_best()
    _round_tables(model)
    return model


class _Stopping:
    """Early stopping by the averaged weights, which are those that will be kept."""

    def __init__(
        self,
        model: keras.Model,
        optimizer: keras.Optimizer,
        patience: int,
        texts: Sequence[str],
        labels: NDArray[np.int8],
    ) -> None:
        self._model = model
        self._optimizer = optimizer
        self._patience = patience
        self._texts = texts
        self._labels = labels
        self._best_loss = float("inf")
        self._best: list[NDArray[np.float32]] = []
        self._since = 0

    def is_over(self) -> bool:
        """Judge the averaged weights; say whether they have not got better for long."""
        current = self._model.get_weights()
        self._optimizer.finalize_variable_values(self._model.trainable_variables)
        loss = cross_entropy(self._labels, logits(self._model, self._texts))
        self._since += 1
        if loss < self._best_loss:
            self._best_loss, self._best, self._since = loss, self._model.get_weights(), 0
        self._model.set_weights(current)
        return self._since >= self._patience

    def keep_best(self) -> None:
        """Give the network the best averaged weights."""
        self._model.set_weights(self._best)


def _step(model: keras.Model, optimizer: keras.Optimizer) -> Callable[..., None]:
    """Compile one step of gradient descent, for batches of any size and width."""
    optimizer.build(model.trainable_variables)

    @tf.function(input_signature=[_IDS, _STEPS, _TARGETS, _WEIGHTS])  # type: ignore[untyped-decorator]
    def step(ids: tf.Tensor, steps: tf.Tensor, targets: tf.Tensor, weights: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            logits = model([ids, steps], training=True)[:, 0]
            losses = tf.nn.sigmoid_cross_entropy_with_logits(targets, logits)
            loss = tf.reduce_mean(losses * weights)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))

    return step  # type: ignore[no-any-return]


def _optimizer(config: ModelConfig, steps: int) -> keras.optimizers.AdamW:
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


def _by_text(ids: NDArray[np.int32]) -> NDArray[np.int32]:
    """Turn (6, steps, n, stride), as serving reads them, into (n, 6, tokens)."""
    features, steps, count, stride = ids.shape
    return ids.transpose(2, 0, 1, 3).reshape(count, features, steps * stride)


def _hide(ids: NDArray[np.int32], share: float, chance: np.random.Generator) -> None:
    """Hide some features (0 is "nothing here"): what is rare must not be learnt by heart."""
    ids[1:] *= chance.random(ids[1:].shape, np.float32) >= share  # words always stay


def _round_tables(model: keras.Model) -> None:
    """Round the embeddings to half precision, in which the bundle stores them."""
    for name in FEATURES:
        (table,) = model.get_layer(name).get_weights()
        model.get_layer(name).set_weights([table.astype(np.float16).astype(np.float32)])


def logits(model: keras.Model, texts: Sequence[str]) -> NDArray[np.float64]:
    """Give the network's logits of texts as they were received, (n,)."""
    bits = int(np.log2(model.get_layer("word").input_dim))
    stride = model.get_layer("strides").target_shape[-1] // model.get_layer("word").output_dim
    encoded = encode(tokenise(canonicalise_all(texts)), bits)
    ask = _ask(model)
    answers = np.empty(len(texts))
    for rows in _by_length(encoded.lengths):
        ids, steps = pad(encoded, rows, stride)
        answers[rows] = ask(_by_text(ids), steps)
    return answers


@lru_cache(maxsize=1)
def _ask(model: keras.Model) -> Callable[..., tf.Tensor]:
    @tf.function(input_signature=[_IDS, _STEPS])  # type: ignore[untyped-decorator]
    def ask(ids: tf.Tensor, steps: tf.Tensor) -> tf.Tensor:
        return model([ids, steps], training=False)[:, 0]

    return ask  # type: ignore[no-any-return]


def _by_length(lengths: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    rows = np.argsort(lengths, kind="stable")
    for start in range(0, len(rows), _TEXTS_ASKED_AT_ONCE):
        yield rows[start : start + _TEXTS_ASKED_AT_ONCE]
