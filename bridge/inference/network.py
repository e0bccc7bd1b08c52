"""ONNX Runtime, and nothing else of it in the project."""

from __future__ import annotations

import os

import numpy as np
from numpy.typing import NDArray

from bridge.errors import BadBundle

# Its wheel can report to its maker; only this, before the import, keeps it from it.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime

_OUTPUTS = ["logit"]


class Network:
    """An inference session.

    Args:
        model: An ONNX model from ``ids`` and ``steps``, as ``encode.pad`` gives them, to ``logit``.
        threads: How many threads one inference may use.

    Raises:
        BadBundle: ONNX Runtime cannot load the model.
    """

    def __init__(self, model: bytes, *, threads: int) -> None:
        try:
            self._session = onnxruntime.InferenceSession(
                model, _options(threads), providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # its errors share no base but this
            raise BadBundle(
                f"ONNX Runtime cannot load model.onnx: {type(error).__name__}"
            ) from error

    def logits(self, ids: NDArray[np.int32], steps: NDArray[np.int32]) -> NDArray[np.float32]:
        """Run the network once.

        Args:
            ids: (6, steps of the longest, k, stride) int32.
            steps: (k,) int32.

        Returns:
            (k,) float32, the logit of spam.
        """
        (logit,) = self._session.run(_OUTPUTS, {"ids": ids, "steps": steps})
        return logit  # type: ignore[no-any-return]


def _options(threads: int) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.enable_mem_pattern = False  # it would keep a plan for every shape that ever came
    options.enable_cpu_mem_arena = False  # one lock: two threads are slower by a fifth
    options.log_severity_level = 3
    # Workers that spin between two batches would burn a core of an idle bridge.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options
