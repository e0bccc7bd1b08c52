"""Train the workshop's network, the baseline, and ask it."""

import itertools
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np
from numpy.typing import NDArray

from training import network
from training.config import WorkshopConfig
from training.data import Texts

Advance = Callable[[float], None]
_SEPARATORS = str.maketrans(dict.fromkeys('!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n', " "))


@dataclass(frozen=True, slots=True)
class WorkshopModel:
    """A trained network with its vocabulary."""

    network: keras.Model
    numbers: dict[str, int]
    length: int

    def probabilities(self, texts: tuple[str, ...]) -> NDArray[np.float64]:
        """Give probabilities of spam, (n,)."""
        sequences = encode(texts, self.numbers, self.length)
        answers = self.network.predict(sequences, batch_size=256, verbose=0)
        return np.asarray(answers[:, 1], np.float64)


def fit(config: WorkshopConfig, texts: Texts, seed: int, advance: Advance) -> WorkshopModel:
    """Train as the workshop did: three epochs, no calibration."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    numbers = vocabulary(texts.texts, config.network.words)
    model = network.workshop(config.network)
    model.compile("adam", "sparse_categorical_crossentropy")
    batches = -(-len(texts) // config.training.batch)
    seen = itertools.count(1)

    def count(_batch: int, logs: object) -> None:
        del logs  # Keras passes it by name
        advance(next(seen) / (batches * config.training.epochs))

    model.fit(
        encode(texts.texts, numbers, config.network.length),
        texts.labels.astype(np.int32),
        batch_size=config.training.batch,
        epochs=config.training.epochs,
        callbacks=[keras.callbacks.LambdaCallback(on_train_batch_end=count)],
        verbose=0,
    )
    return WorkshopModel(model, numbers, config.network.length)


def vocabulary(texts: tuple[str, ...], words: int) -> dict[str, int]:
    """Number the most frequent words from 1; 0 is padding, and so one word fewer than ``words``."""
    counts = Counter(word for text in texts for word in split(text))
    return {word: place for place, (word, _) in enumerate(counts.most_common(words - 1), 1)}


def split(text: str) -> list[str]:
    """Split as Keras' tokenizer does: lower case, punctuation becomes space."""
    return text.lower().translate(_SEPARATORS).split()


def encode(texts: tuple[str, ...], numbers: dict[str, int], length: int) -> NDArray[np.int32]:
    """Write known words as numbers, (n, length), at the row's end; unknown words are left out."""
    sequences = np.zeros((len(texts), length), np.int32)
    for row, text in enumerate(texts):
        known = [numbers[word] for word in split(text) if word in numbers][-length:]
        if known:
            sequences[row, -len(known) :] = known
    return sequences
