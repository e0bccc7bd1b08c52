"""What ``bundle.json`` and ``golden.json`` may say."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

Finite = Annotated[float, Field(allow_inf_nan=False)]
Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Bits = Annotated[int, Field(ge=8, le=18)]
FILES = ("card.md", "golden.json", "model.onnx", "network.json")
"""Every bundle holds these, and ``bundle.json`` names no others but ``WIDE_FILE``."""
WIDE_FILE = "wide.npy"
"""The linear path's table, float16, in a bundle that has one."""


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Preparation(_Strict):
    """How a text becomes the network's input; a bundle made for another one is refused.

    Attributes:
        text: The version of ``bridge.text``.
        longest_tokens: How many tokens of a text the LSTM reads.
        table_bits: Each of its tables has ``2 ** table_bits`` rows.
        stride: How many tokens the LSTM reads in a step.
        wide_bits: Likewise each table of n-grams; none in a bundle without the linear path.
    """

    text: Literal[1]
    longest_tokens: Literal[96]
    table_bits: Bits
    stride: Annotated[int, Field(ge=1, le=8)]
    wide_bits: Bits | None = None


class Blend(_Strict):
    """How the linear path counts beside the LSTM.

    Attributes:
        share: Of the linear path in the logit.
        intercept: Of its logit.
    """

    share: Probability
    intercept: Finite


class Platt(_Strict):
    """A logistic curve from the network's logit to the probability of spam (Platt 1999)."""

    method: Literal["platt"]
    slope: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    intercept: Finite

    def probability(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """Turn logits (n,) into probabilities (n,), without overflow on either side."""
        return 0.5 + 0.5 * np.tanh(0.5 * (self.slope * logits + self.intercept))


class Manifest(_Strict):
    """``bundle.json``."""

    bundle_format: Literal[1]
    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]
    version: Annotated[int, Field(ge=1)]
    labels: tuple[Literal["ham"], Literal["spam"]]
    preparation: Preparation
    wide: Blend | None = None
    calibration: Platt
    threshold: Probability
    metrics: dict[str, Finite]
    training: dict[str, object]
    files: dict[str, Sha256]

    @model_validator(mode="after")
    def _names_its_files(self) -> Manifest:
        names = FILES if self.wide is None else (*FILES, WIDE_FILE)
        if tuple(sorted(self.files)) != names:
            raise ValueError(f"files must name {', '.join(names)}")
        if (self.wide is None) != (self.preparation.wide_bits is None):
            raise ValueError("wide and preparation.wide_bits belong together")
        return self


class Golden(_Strict):
    """One example of ``golden.json``: a text and its scores in the order of the labels."""

    text: str
    scores: tuple[Probability, ...]
