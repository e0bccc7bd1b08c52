"""Texts as they were received to the arrays of a network's inputs, by name."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from bridge.inference.encode import Encoded, encode
from bridge.inference.tokens import tokenise
from bridge.inference.wide import Grams, grams
from bridge.text import canonicalise_all, won_back

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.inference.tokens import Tokens


@dataclass(frozen=True, slots=True)
class Batch:
    """Prepared texts, n of them.

    Attributes:
        texts: As they were received.
        plain: In canonical form.
        tokens: Found there.
        encoded: What the LSTM reads.
        wide_bits: See ``prepare``.
    """

    texts: Sequence[str] = field(repr=False)
    plain: Sequence[str] = field(repr=False)
    tokens: Tokens = field(repr=False)
    encoded: Encoded
    wide_bits: int | None

    @property
    def grams(self) -> Grams:
        """What the linear path reads, worked out when asked for.

        Raises:
            ValueError: The texts were prepared for a model without it.
        """
        if self.wide_bits is None:
            raise ValueError("prepared for a model without a linear path")
        letters = np.fromiter(map(won_back, self.texts, self.plain), np.int64, len(self.plain))
        return grams(self.tokens, letters, self.wide_bits)


def prepare(texts: Sequence[str], table_bits: int, wide_bits: int | None) -> Batch:
    """Prepare texts for a model.

    Args:
        texts: As they were received, at least one.
        table_bits: Each table of the LSTM's tokens has ``2 ** table_bits`` rows.
        wide_bits: Likewise for n-grams; None for a model without the linear path.
    """
    plain = canonicalise_all(texts)
    tokens = tokenise(plain)
    return Batch(texts, plain, tokens, encode(tokens, table_bits), wide_bits)
