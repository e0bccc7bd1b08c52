"""From logits to probabilities that mean what they say."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression


@dataclass(frozen=True, slots=True)
class Platt:
    """A logistic curve: probability = sigmoid(slope * logit + intercept) (Platt 1999)."""

    slope: float
    intercept: float

    def probability(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """Turn logits (n,) into probabilities (n,)."""
        return 0.5 + 0.5 * np.tanh(0.5 * (self.slope * logits + self.intercept))


def fit_platt(logits: NDArray[np.float64], labels: NDArray[np.int8]) -> Platt:
    """Fit the curve to texts that the network was not trained on.

    Args:
        logits: (n,)
        labels: (n,), 1 is spam.
    """
    curve = LogisticRegression(C=10.0).fit(logits[:, None], labels)
    return Platt(float(curve.coef_[0, 0]), float(curve.intercept_[0]))
