"""Texts as they were received to the arrays of a network's inputs, by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bridge.inference.encode import Encoded, encode, pad
from bridge.inference.tokens import tokenise
from bridge.inference.wide import Grams, grams
from bridge.text import canonicalise, won_back

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Batch:
    """Prepared texts.

    Attributes:
        encoded: What the LSTM reads.
        grams: What the linear path reads; None for a network without one.
    """

    encoded: Encoded
    grams: Grams | None

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Count the tokens of each text, (n,) int64."""
        return self.encoded.lengths

    def inputs(self, rows: NDArray[np.int64]) -> dict[str, NDArray[np.generic]]:
        """Lay some texts out for one inference.

        Args:
            rows: (k,) int64, which texts.
        """
        ids, steps = pad(self.encoded, rows)
        if self.grams is None:
            return {"ids": ids, "steps": steps}
        values, counts = self.grams.take(rows)
        return {"ids": ids, "steps": steps, "grams": values, "counts": counts}


def prepare(texts: Sequence[str], table_bits: int, wide_bits: int | None) -> Batch:
    """Prepare texts for a network.

    Args:
        texts: As they were received, at least one.
        table_bits: Each table of the LSTM's tokens has ``2 ** table_bits`` rows.
        wide_bits: Likewise for n-grams; None for a network without the linear path.
    """
    plain = [canonicalise(text) for text in texts]
    tokens = tokenise(plain)
    encoded = encode(tokens, table_bits)
    if wide_bits is None:
        return Batch(encoded, None)
    letters = np.fromiter(map(won_back, texts, plain), np.int64, len(plain))
    return Batch(encoded, grams(tokens, letters, wide_bits))
