"""Splits that never part near-duplicates: a random split leaks (see ``data/README.md``)."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from training.data import Texts

FOLDS = 5


def outer(texts: Texts) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.int64]]]:
    """Give each fold's number, its training rows and its test rows."""
    for fold in range(FOLDS):
        yield fold, np.flatnonzero(texts.folds != fold), np.flatnonzero(texts.folds == fold)


def hold_out(texts: Texts, share: float, seed: int) -> NDArray[np.int64]:
    """Draw a share of the groups that are judged, to be kept from a training.

    Returns:
        The groups.
    """
    groups = np.unique(texts.groups[texts.is_judged])
    drawn = np.random.default_rng(seed).permutation(groups)
    return drawn[: max(1, round(share * len(groups)))]


def grouped(groups: NDArray[np.int64], folds: int) -> list[NDArray[np.int64]]:
    """Part groups into folds of about as many; the same groups are always parted the same way."""
    return np.array_split(np.random.default_rng(0).permutation(np.unique(groups)), folds)
