"""Calibration, ROC and precision-recall in one picture."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve, roc_curve

from training.metrics import reliability

mpl.use("Agg")
from matplotlib import pyplot as plt


def write(labels: NDArray[np.int8], pooled: dict[int, NDArray[np.float64]], path: Path) -> None:
    """Draw one line per seed.

    Args:
        labels: (n,), 1 is spam.
        pooled: By seed, (n,) probabilities of spam out of fold.
        path: The PNG file.
    """
    figure, (calibration, roc, recall) = plt.subplots(1, 3, figsize=(12, 4))
    calibration.plot([0, 1], [0, 1], color="grey", linewidth=0.5)
    for seed, spam in pooled.items():
        _, predicted, observed, _ = reliability(labels, spam)
        calibration.plot(predicted, observed, marker="o", markersize=3, label=f"seed {seed}")
        blocked, caught, _ = roc_curve(labels, spam)
        roc.plot(blocked, caught)
        precision, found, _ = precision_recall_curve(labels, spam)
        recall.plot(found, precision)
    calibration.set(title="calibration", xlabel="score", ylabel="share of spam")
    roc.set(title="ROC", xlabel="ham blocked", ylabel="spam caught", xlim=(0, 0.1), ylim=(0.7, 1))
    recall.set(title="precision and recall", xlabel="recall", ylabel="precision", ylim=(0.7, 1))
    calibration.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=90, metadata={"Software": None})
    plt.close(figure)
