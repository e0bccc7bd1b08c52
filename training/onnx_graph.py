"""The shipped network as an ONNX graph, written from its weights with the native LSTM op.

Keras' own exporter turns an LSTM into a loop of small ops, several times slower.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from bridge.inference.encode import FEATURES
from bridge.inference.wide import BLOCKS
from training.linear import Linear

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


def build(weights: Weights, linear: Linear, share: float) -> onnx.ModelProto:
    """Write both paths down.

    Args:
        weights: Keras' arrays by ``layer/weight``, those of the LSTM as ``forward/kernel``, …
        linear: The linear path.
        share: Of the linear path in the logit.

    Returns:
        A checked model from ``ids`` (6, n, tokens) int32, ``steps`` (n,) int32, ``grams`` (total,)
        int32 and ``counts`` (3, n) int64 to ``logit`` (n,) float32; ``wide`` and ``deep`` are
        those of the two paths.
    """
    graph = _Graph()
    pooled = _pool(graph, weights, _read(graph, weights, _embed(graph, weights)))
    _decide(graph, weights, pooled)
    _add_up(graph, linear)
    _blend(graph, share)
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "spam",
            [
                helper.make_tensor_value_info(
                    "ids", TensorProto.INT32, [len(FEATURES), "n", "tokens"]
                ),
                helper.make_tensor_value_info("steps", TensorProto.INT32, ["n"]),
                helper.make_tensor_value_info("grams", TensorProto.INT32, ["total"]),
                helper.make_tensor_value_info("counts", TensorProto.INT64, [len(BLOCKS), "n"]),
            ],
            [
                helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"])
                for name in ("logit", "wide", "deep")
            ],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        producer_name="training",
        ir_version=8,
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def _embed(graph: _Graph, weights: Weights) -> str:
    """Sum the embeddings Gather by Gather, which is faster than one Gather and a ReduceSum.

    Time stands before the batch, as the LSTM wants it; the small ids are turned, not the rows.
    """
    graph.add("Transpose", ["ids"], "ids.by.time", perm=[0, 2, 1])
    total = ""
    for place, name in enumerate(FEATURES):
        table = _table(graph, name, weights[f"{name}/embeddings"])
        ids = graph.add(
            "Gather", ["ids.by.time", _scalar(graph, f"{name}.place", place)], f"{name}.ids"
        )
        rows = graph.add("Gather", [table, ids], f"{name}.rows")
        total = graph.add("Add", [total, rows], f"{name}.sum") if total else rows
    return total


def _table(graph: _Graph, name: str, rows: NDArray[np.float32]) -> str:
    """Keep a table in half precision: half the file, and the runtime widens it once, at load."""
    half = graph.constant(f"{name}.table.half", rows.astype(np.float16))
    return graph.add("Cast", [half], f"{name}.table", to=TensorProto.FLOAT)


def _read(graph: _Graph, weights: Weights, sequence: str) -> str:
    """Run the LSTM both ways: (time, n, in) to (n, time, 2 units), zero behind each text's end."""
    directions = [_lstm_weights(weights, way) for way in ("forward", "backward")]
    stacked = [
        graph.constant(f"lstm.{name}", np.stack(pair))
        for name, pair in zip("WRB", zip(*directions, strict=True), strict=True)
    ]
    units = directions[0][1].shape[1]
    graph.add(
        "LSTM",
        [sequence, *stacked, "steps"],
        "read.split",
        direction="bidirectional",
        hidden_size=units,
    )
    batch_first = graph.add("Transpose", ["read.split"], "read.batch", perm=[2, 0, 1, 3])
    shape = graph.constant("read.shape", np.array([0, 0, 2 * units], np.int64))
    return graph.add("Reshape", [batch_first, shape], "read")


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


def _pool(graph: _Graph, weights: Weights, read: str) -> str:
    absent = _absent(graph, read)
    attention = graph.constant("pooling.attention", weights["pooling/attention"])
    rated = graph.add("MatMul", [read, attention], "rated")
    shares = graph.add(
        "Softmax", [graph.add("Add", [rated, absent], "rated.present")], "shares", axis=1
    )
    weighted = graph.add("Mul", [read, shares], "weighted")
    axis = graph.constant("time", np.array([1], np.int64))
    attended = graph.add("ReduceSum", [weighted, axis], "attended", keepdims=0)
    present = graph.add("Add", [read, absent], "present")
    highest = graph.add("ReduceMax", [present], "highest", axes=[1], keepdims=0)
    return graph.add("Concat", [highest, attended], "pooled", axis=1)


def _absent(graph: _Graph, read: str) -> str:
    """Give -1e9 for each step behind a text's end, 0 for the others: (n, time, 1)."""
    shape = graph.add("Shape", [read], "read.extent")
    time = graph.add("Gather", [shape, _scalar(graph, "time.place", 1)], "time.count")
    limits = [_scalar(graph, "zero", 0), time, _scalar(graph, "one", 1)]
    numbers = graph.add("Range", limits, "step.numbers")
    steps = graph.add("Cast", ["steps"], "steps.wide", to=TensorProto.INT64)
    column = graph.add("Unsqueeze", [steps, graph.constant("last", np.array([1]))], "steps.column")
    behind = graph.add("GreaterOrEqual", [numbers, column], "behind")
    flags = graph.add("Cast", [behind], "behind.flags", to=TensorProto.FLOAT)
    lowered = graph.add(
        "Mul", [flags, graph.constant("lowest", np.array(-1e9, np.float32))], "lowered"
    )
    return graph.add("Unsqueeze", [lowered, graph.constant("depth", np.array([2]))], "absent")


def _decide(graph: _Graph, weights: Weights, pooled: str) -> None:
    hidden = graph.add("Relu", [_dense(graph, weights, "dense", pooled)], "hidden")
    logit = _dense(graph, weights, "logit", hidden, "deep.column")
    axis = graph.constant("column", np.array([1], np.int64))
    graph.add("Squeeze", [logit, axis], "deep")


def _add_up(graph: _Graph, linear: Linear) -> None:
    """Add the rows of each text's features up, block by block: differences of one running sum.

    In double precision, so that a text's sum does not depend on those before it.
    """
    table = _table(graph, "wide", linear.table)
    doubles = graph.add(
        "Cast", [graph.add("Gather", [table, "grams"], "gram.rows")], "gram.doubles",
        to=TensorProto.DOUBLE,
    )  # fmt: skip
    zero = graph.constant("place.zero", np.array(0, np.int64))
    running = graph.add("CumSum", [doubles, zero], "gram.running")
    start = graph.constant("gram.nothing", np.zeros(1))
    running = graph.add("Concat", [start, running], "gram.sums", axis=0)
    flat = graph.constant("flat", np.array([-1], np.int64))
    sizes = graph.add("Reshape", ["counts", flat], "sizes")
    ends = graph.add("CumSum", [sizes, zero], "ends")
    upto = graph.add("Gather", [running, ends], "sum.to.end")
    before = graph.add(
        "Gather", [running, graph.add("Sub", [ends, sizes], "begins")], "sum.to.begin"
    )
    sums = graph.add("Sub", [upto, before], "segment.sums")
    blocks = graph.add("Shape", ["counts"], "counts.shape")
    sums = graph.add("Reshape", [sums, blocks], "block.sums")
    present = graph.add(
        "Max", ["counts", graph.constant("at.least", np.array(1, np.int64))], "counts.present"
    )
    roots = graph.add(
        "Sqrt", [graph.add("Cast", [present], "counts.double", to=TensorProto.DOUBLE)], "roots"
    )
    axis = graph.constant("blocks", np.array([0], np.int64))
    total = graph.add(
        "ReduceSum", [graph.add("Div", [sums, roots], "shares.of.blocks"), axis], "total",
        keepdims=0,
    )  # fmt: skip
    intercept = graph.constant("intercept", np.array(linear.intercept))
    graph.add(
        "Cast", [graph.add("Add", [total, intercept], "distance")], "wide", to=TensorProto.FLOAT
    )


def _blend(graph: _Graph, share: float) -> None:
    parts = [
        graph.add(
            "Mul", [path, graph.constant(f"{path}.share", np.array(part, np.float32))],
            f"{path}.part",
        )
        for path, part in (("wide", share), ("deep", 1 - share))
    ]  # fmt: skip
    graph.add("Add", parts, "logit")


def _dense(
    graph: _Graph, weights: Weights, name: str, given: str, output: str | None = None
) -> str:
    kernel = graph.constant(f"{name}.kernel", weights[f"{name}/kernel"])
    bias = graph.constant(f"{name}.bias", weights[f"{name}/bias"])
    return graph.add("Gemm", [given, kernel, bias], output or f"{name}.given")


def _scalar(graph: _Graph, name: str, value: int) -> str:
    return graph.constant(name, np.array(value, np.int64))
