"""The two networks, in Keras."""

import keras
import tensorflow as tf
from keras import layers, ops

from bridge.inference.encode import FEATURES, SHAPES
from training.config import DeepNetwork, WorkshopNetwork

# One thread and deterministic kernels: the same seed gives the same weights on the same machine.
tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)
tf.config.experimental.enable_op_determinism()


@keras.saving.register_keras_serializable("training")
class StepMask(layers.Layer):
    """Say which steps of a sequence belong to the text: (n,) steps to (n, time) bool."""

    def call(self, sequence: keras.KerasTensor, steps: keras.KerasTensor) -> keras.KerasTensor:
        """Compare each step's number with the text's count of steps."""
        return ops.arange(ops.shape(sequence)[1]) < steps[:, None]


@keras.saving.register_keras_serializable("training")
class MaskedPooling(layers.Layer):
    """Pool a sequence by its maximum and by attention: (n, time, d) to (n, 2 d)."""

    supports_masking = True

    def compute_mask(self, *_: object) -> None:
        """Say that no mask goes on: time is gone."""

    def build(self, shape: tuple[int, ...]) -> None:
        """Make the vector that rates a step."""
        self.attention = self.add_weight(shape=(shape[-1], 1), name="attention")

    def call(self, sequence: keras.KerasTensor, present: keras.KerasTensor) -> keras.KerasTensor:
        """Leave the steps behind a text's end out of both."""
        absent = (1.0 - ops.cast(present, "float32"))[:, :, None] * -1e9
        weights = ops.softmax(ops.matmul(sequence, self.attention) + absent, axis=1)
        return ops.concatenate(
            [ops.max(sequence + absent, axis=1), ops.sum(sequence * weights, axis=1)], axis=-1
        )


def deep(network: DeepNetwork) -> keras.Model:
    """Build the LSTM's path of the shipped model.

    Returns:
        A model from ids (n, 6, tokens) int32 and steps (n,) int32 to a logit (n, 1) of spam.
    """
    ids = keras.Input((len(FEATURES), None), dtype="int32", name="ids")
    steps = keras.Input((), dtype="int32", name="steps")
    embedded = [
        layers.Embedding(
            SHAPES if name == "shape" else 1 << network.table_bits,
            network.width,
            embeddings_initializer=keras.initializers.RandomNormal(stddev=0.05),
            name=name,
        )(ids[:, place])
        for place, name in enumerate(FEATURES)
    ]
    tokens = layers.SpatialDropout1D(network.spatial_dropout)(layers.Add()(embedded))
    present = StepMask(name="present")(tokens, steps)
    read = layers.Bidirectional(layers.LSTM(network.lstm, return_sequences=True), name="lstm")(
        tokens, mask=present
    )
    pooled = layers.Dropout(network.dropout)(MaskedPooling(name="pooling")(read, present))
    dense = layers.Dense(network.dense, activation="relu", name="dense")(pooled)
    logit = layers.Dense(1, name="logit")(layers.Dropout(network.dropout / 2)(dense))
    return keras.Model([ids, steps], logit, name="deep")


def workshop(network: WorkshopNetwork) -> keras.Model:
    """Build the workshop's network.

    Returns:
        A model from word numbers (n, length) int32 to probabilities (n, 2) of ham and spam.
    """
    return keras.Sequential(
        [
            keras.Input((network.length,), dtype="int32"),
            layers.Embedding(network.words, network.width),
            layers.SpatialDropout1D(network.spatial_dropout),
            layers.LSTM(network.lstm),
            layers.Dense(2, activation="softmax"),
        ],
        name="workshop",
    )
