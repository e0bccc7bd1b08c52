"""From logits to probabilities that mean what they say."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

_PRIOR: Final = 100.0  # the inverse variance of a slope around 1
_STEPS: Final = 25


@dataclass(frozen=True, slots=True)
class Platt:
    """A logistic curve: probability = sigmoid(slope * logit + intercept) (Platt 1999)."""

    slope: float
    intercept: float

    def probability(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """Turn logits (n,) into probabilities (n,)."""
        return 0.5 + 0.5 * np.tanh(0.5 * (self.slope * logits + self.intercept))


def fit_platt(logits: NDArray[np.float64], labels: NDArray[np.int8]) -> Platt:
    """Fit the curve to texts that the model was not trained on.

    Args:
        logits: (n,)
        labels: (n,), 1 is spam.
    """
    curve = LogisticRegression(C=10.0).fit(logits[:, None], labels)
    return Platt(float(curve.coef_[0, 0]), float(curve.intercept_[0]))


def stretch(logits: NDArray[np.float64], labels: NDArray[np.int8]) -> Platt:
    """Fit the slope alone, by Newton's method: for logits that are nearly right already.

    From a few hundred texts a correction is mostly noise. Between folds a free shift varied by .4
    and a free slope by .35, which cost .009 and .003 of Matthews' coefficient; so there is no
    shift, and the slope leaves 1 only where the texts insist.
    """
    slope = 1.0
    for _ in range(_STEPS):
        spam = Platt(slope, 0.0).probability(logits)
        curvature = logits**2 @ (spam * (1 - spam)) + _PRIOR
        slope -= float((logits @ (spam - labels) + _PRIOR * (slope - 1.0)) / curvature)
    return Platt(slope, 0.0)
