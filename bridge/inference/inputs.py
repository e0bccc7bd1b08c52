"""Texts as they were received to the arrays of a network's inputs, by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bridge.inference.encode import Encoded, encode
from bridge.inference.tokens import tokenise
from bridge.inference.wide import Grams, grams
from bridge.text import canonicalise_all, won_back

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Batch:
    """Prepared texts.

    Attributes:
        encoded: What the LSTM reads.
        grams: What the linear path reads; None for a model without one.
    """

    encoded: Encoded
    grams: Grams | None


def prepare(texts: Sequence[str], table_bits: int, wide_bits: int | None) -> Batch:
    """Prepare texts for a model.

    Args:
        texts: As they were received, at least one.
        table_bits: Each table of the LSTM's tokens has ``2 ** table_bits`` rows.
        wide_bits: Likewise for n-grams; None for a model without the linear path.
    """
    plain = canonicalise_all(texts)
    tokens = tokenise(plain)
    encoded = encode(tokens, table_bits)
    if wide_bits is None:
        return Batch(encoded, None)
    letters = np.fromiter(map(won_back, texts, plain), np.int64, len(plain))
    return Batch(encoded, grams(tokens, letters, wide_bits))
