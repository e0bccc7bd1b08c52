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


def hold_out(texts: Texts, share: float, seed: int) -> tuple[Texts, Texts]:
    """Split off a share of the groups.

    Returns:
        The rows to train on and those held out.
    """
    groups = np.unique(texts.groups)
    drawn = np.random.default_rng(seed).permutation(groups)[: max(1, round(share * len(groups)))]
    held_out = np.isin(texts.groups, drawn)
    return texts.at(np.flatnonzero(~held_out)), texts.at(np.flatnonzero(held_out))
