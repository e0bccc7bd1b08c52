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
class Pooling(layers.Layer):
    """Pool what an LSTM read both ways: (n, time, 2 units) to (n, 4 units).

    The highest of each number, 0 at least, and what was read last, forward and backward: neither
    asks which steps are there in a graph in which those behind a text's end are 0.
    """

    supports_masking = True

    def compute_mask(self, *_: object) -> None:
        """Say that no mask goes on: time is gone."""

    def call(self, sequence: keras.KerasTensor, present: keras.KerasTensor) -> keras.KerasTensor:
        """Leave the steps behind a text's end out."""
        units = sequence.shape[-1] // 2
        there = ops.cast(present, "float32")[:, :, None]
        highest = ops.relu(ops.max(sequence * there, axis=1))
        is_last = there - ops.pad(there[:, 1:], [[0, 0], [0, 1], [0, 0]])
        last = ops.sum(sequence[:, :, :units] * is_last, axis=1)
        return ops.concatenate([highest, last, sequence[:, 0, units:]], axis=-1)


def deep(network: DeepNetwork) -> keras.Model:
    """Build the LSTM's path of the shipped model.

    Returns:
        A model from ids (n, 6, tokens) int32, a multiple of ``stride``, and steps (n,) int32, the
        strides that hold a token, to a logit (n, 1) of spam.
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
    tokens = layers.Reshape((-1, network.stride * network.width), name="strides")(tokens)
    present = StepMask(name="present")(tokens, steps)
    read = layers.Bidirectional(layers.LSTM(network.lstm, return_sequences=True), name="lstm")(
        tokens, mask=present
    )
    pooled = layers.Dropout(network.dropout)(Pooling(name="pooling")(read, present))
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
