"""The figures of the protocol."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics as sk

BINS = 15
BLOCKED = 0.005


@dataclass(frozen=True, slots=True)
class Figures:
    """How well probabilities of spam agree with labels.

    Attributes:
        texts: How many were judged.
        accuracy: Share of right verdicts.
        macro_f1: F1 averaged over ham and spam.
        mcc: Matthews' correlation coefficient.
        auc: Area under the ROC curve.
        ece: Expected calibration error over ``BINS`` bins of equal width (Guo 2017).
        caught: Share of the spam called spam.
        blocked: Share of the ham called spam.
        caught_at: Share of the spam caught by the threshold that blocks ``BLOCKED`` of the ham.
    """

    texts: int
    accuracy: float
    macro_f1: float
    mcc: float
    auc: float
    ece: float
    caught: float
    blocked: float
    caught_at: float


def figures(
    labels: NDArray[np.int8], spam: NDArray[np.float64], threshold: float | NDArray[np.float64]
) -> Figures:
    """Judge probabilities.

    Args:
        labels: (n,), 1 is spam.
        spam: (n,), the probability of spam.
        threshold: Spam from here on; (n,) if each fold chose its own.
    """
    called = spam >= threshold
    return Figures(
        texts=len(labels),
        accuracy=float(sk.accuracy_score(labels, called)),
        macro_f1=float(sk.f1_score(labels, called, average="macro")),
        mcc=float(sk.matthews_corrcoef(labels, called)),
        auc=float(sk.roc_auc_score(labels, spam)),
        ece=calibration_error(labels, spam),
        caught=float(called[labels == 1].mean()),
        blocked=float(called[labels == 0].mean()),
        caught_at=float((spam[labels == 1] > np.quantile(spam[labels == 0], 1 - BLOCKED)).mean()),
    )


def cross_entropy(labels: NDArray[np.int8], logits: NDArray[np.float64]) -> float:
    """Average the surprise, in nats, that the labels (n,) are to logits (n,)."""
    return float(np.mean(np.logaddexp(0.0, np.where(labels == 1, -logits, logits))))


def confusion(
    labels: NDArray[np.int8], spam: NDArray[np.float64], threshold: float | NDArray[np.float64]
) -> NDArray[np.int64]:
    """Count label against verdict: [[ham as ham, ham as spam], [spam as ham, spam as spam]]."""
    counts: NDArray[np.int64] = sk.confusion_matrix(labels, spam >= threshold, labels=[0, 1])
    return counts


def calibration_error(labels: NDArray[np.int8], spam: NDArray[np.float64]) -> float:
    """Average the gap between probability and share of spam, weighted by the bins' sizes."""
    _, predicted, observed, counts = reliability(labels, spam)
    return float(np.abs(predicted - observed) @ counts / counts.sum())


def reliability(
    labels: NDArray[np.int8], spam: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Sort probabilities into bins.

    Returns:
        For each bin that is not empty: its number, mean probability, share of spam, count.
    """
    bins = np.minimum((spam * BINS).astype(np.int64), BINS - 1)
    numbers, places, counts = np.unique(bins, return_inverse=True, return_counts=True)
    predicted = np.bincount(places, weights=spam) / counts
    observed = np.bincount(places, weights=labels) / counts
    return numbers, predicted, observed, counts
