"""The LSTM's network as an ONNX graph, written from its weights with the native LSTM op.

Keras' own exporter turns an LSTM into a loop of small ops, several times slower.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from bridge.inference.encode import FEATURES

OPSET: Final = 17
Weights = Mapping[str, NDArray[np.float32]]


class _Graph:
    """Nodes and constants in the order in which they were named."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, value: NDArray[np.generic]) -> str:
        self.constants.append(numpy_helper.from_array(np.array(value, order="C"), name))
        return name

    def add(self, op: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))
        return output


def build(weights: Weights, stride: int) -> onnx.ModelProto:
    """Write the network down.

    Args:
        weights: Keras' arrays by ``layer/weight``, those of the LSTM as ``forward/kernel``, …
        stride: How many tokens the LSTM reads in a step.

    Returns:
        A checked model from ``ids`` (6, steps, n, stride) int32 and ``steps`` (n,) int32 to
        ``logit`` (n,) float32.
    """
    graph = _Graph()
    _decide(graph, weights, _pool(graph, _read(graph, weights, _embed(graph, weights, stride))))
    ids = [len(FEATURES), "steps", "n", stride]
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "spam",
            [
                helper.make_tensor_value_info("ids", TensorProto.INT32, ids),
                helper.make_tensor_value_info("steps", TensorProto.INT32, ["n"]),
            ],
            [helper.make_tensor_value_info("logit", TensorProto.FLOAT, ["n"])],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        producer_name="training",
        ir_version=8,
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def _embed(graph: _Graph, weights: Weights, stride: int) -> str:
    """Sum the embeddings of a token, and lay those of a step side by side: (steps, n, in).

    Gather by Gather, which is faster than one Gather and a ReduceSum.
    """
    total = ""
    for place, name in enumerate(FEATURES):
        table = _table(graph, name, weights[f"{name}/embeddings"])
        number = graph.constant(f"{name}.place", np.array(place, np.int64))
        ids = graph.add("Gather", ["ids", number], f"{name}.ids")
        rows = graph.add("Gather", [table, ids], f"{name}.rows")
        total = graph.add("Add", [total, rows], f"{name}.sum") if total else rows
    width = stride * weights["word/embeddings"].shape[1]
    shape = graph.constant("step.shape", np.array([0, 0, width], np.int64))
    return graph.add("Reshape", [total, shape], "sequence")


def _table(graph: _Graph, name: str, rows: NDArray[np.float32]) -> str:
    """Keep a table in half precision: half the file, and the runtime widens it once, at load."""
    half = graph.constant(f"{name}.table.half", rows.astype(np.float16))
    return graph.add("Cast", [half], f"{name}.table", to=TensorProto.FLOAT)


def _read(graph: _Graph, weights: Weights, sequence: str) -> tuple[str, str]:
    """Run the LSTM both ways.

    Returns:
        What it read, (steps, 2, n, units), 0 behind each text's end; the last of it, (2, n, units).
    """
    directions = [_lstm_weights(weights, way) for way in ("forward", "backward")]
    stacked = [
        graph.constant(f"lstm.{name}", np.stack(pair))
        for name, pair in zip("WRB", zip(*directions, strict=True), strict=True)
    ]
    units = directions[0][1].shape[1]
    graph.nodes.append(
        helper.make_node(
            "LSTM",
            [sequence, *stacked, "steps"],
            ["read", "read.last"],
            name="read",
            direction="bidirectional",
            hidden_size=units,
        )
    )
    return "read", "read.last"


def _lstm_weights(weights: Weights, way: str) -> tuple[NDArray[np.float32], ...]:
    """Give W, R and B of one direction as ONNX wants them; Keras adds no recurrent bias."""
    bias = _reorder(weights[f"{way}/bias"][None])[:, 0]
    return (
        _reorder(weights[f"{way}/kernel"]),
        _reorder(weights[f"{way}/recurrent_kernel"]),
        np.concatenate([bias, np.zeros_like(bias)]),
    )


def _reorder(kernel: NDArray[np.float32]) -> NDArray[np.float32]:
    """Turn (in, 4 units) with gates i, f, c, o into (4 units, in) with gates i, o, f, c."""
    i, f, c, o = np.split(kernel.T, 4)
    return np.concatenate([i, o, f, c])


def _pool(graph: _Graph, read: tuple[str, str]) -> str:
    """Pool as ``training.network.Pooling`` does: (n, 4 units), the highest, then the last."""
    sequence, last = read
    highest = graph.add("ReduceMax", [sequence], "highest", axes=[0], keepdims=0)
    parts = [graph.add("Relu", [highest], "highest.positive"), last]
    flat = graph.constant("flat", np.array([0, -1], np.int64))
    pooled = []
    for part in parts:
        by_text = graph.add("Transpose", [part], f"{part}.by.text", perm=[1, 0, 2])
        pooled.append(graph.add("Reshape", [by_text, flat], f"{part}.flat"))
    return graph.add("Concat", pooled, "pooled", axis=1)


def _decide(graph: _Graph, weights: Weights, pooled: str) -> None:
    hidden = graph.add("Relu", [_dense(graph, weights, "dense", pooled)], "hidden")
    logit = _dense(graph, weights, "logit", hidden, "logit.column")
    axis = graph.constant("column", np.array([1], np.int64))
    graph.add("Squeeze", [logit, axis], "logit")


def _dense(
    graph: _Graph, weights: Weights, name: str, given: str, output: str | None = None
) -> str:
    kernel = graph.constant(f"{name}.kernel", weights[f"{name}/kernel"])
    bias = graph.constant(f"{name}.bias", weights[f"{name}/bias"])
    return graph.add("Gemm", [given, kernel, bias], output or f"{name}.given")
