"""Tokens to the arrays that the LSTM reads: hashed words and parts, none out of vocabulary.

Each token becomes six numbers: the hash of the word, of the word with the next one, of the three
characters at its head, in its middle and at its tail, and its shape (kind and length). So a word
never seen, or misspelled, still shares parts with those that were. Each number is a row of a table
of the network, 0 meaning "nothing here".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from bridge.inference.tokens import CLASSES, OTHER, POWERS, SCRAMBLED, UPPER, index

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bridge.inference.tokens import Tokens

FEATURES: Final = ("word", "pair", "head", "middle", "tail", "shape")
SHAPES: Final = 64
"""Rows of the table of shapes: seven kinds of token in eight lengths, after 0."""

LONGEST_TOKENS: Final = 96
"""Of a longer text the first 64 and the last 32 tokens are read: spam stands at either end."""
_FIRST_TOKENS: Final = 64


@dataclass(frozen=True, slots=True)
class Encoded:
    """A batch of texts, one behind the other.

    Attributes:
        ids: (6, 1 + total tokens) int32, in the order of ``FEATURES``; column 0 is padding.
        starts: (n,) int64, the column at which each text begins.
        lengths: (n,) int64, tokens that are read of each text, 1 to ``LONGEST_TOKENS``.
    """

    ids: NDArray[np.int32]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]


def encode(tokens: Tokens, table_bits: int) -> Encoded:
    """Number the tokens of a batch.

    Args:
        tokens: Of at least one text.
        table_bits: Each hashed table of the network has ``2 ** table_bits`` rows.
    """
    starts = np.cumsum(tokens.counts) - tokens.counts + 1
    return _without_middles(Encoded(_features(tokens, table_bits), starts, tokens.counts.copy()))


def pad(encoded: Encoded, rows: NDArray[np.int64]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Lay some texts side by side.

    Args:
        encoded: A batch.
        rows: (k,) int64, which of its texts.

    Returns:
        ids, (6, k, tokens of the longest) int32; steps, (k,) int32, the tokens of each.
    """
    lengths = encoded.lengths[rows]
    offsets = np.arange(lengths.max())
    columns = encoded.starts[rows][:, None] + offsets
    columns *= offsets < lengths[:, None]
    return encoded.ids.take(columns, axis=1), lengths.astype(np.int32)


def _without_middles(encoded: Encoded) -> Encoded:
    """Leave out the middle of texts that have too many tokens: rare, so one text at a time."""
    for text in np.flatnonzero(encoded.lengths > LONGEST_TOKENS):
        start, length = encoded.starts[text], encoded.lengths[text]
        kept = encoded.ids[:, start + length - (LONGEST_TOKENS - _FIRST_TOKENS) : start + length]
        encoded.ids[:, start + _FIRST_TOKENS : start + LONGEST_TOKENS] = kept
        encoded.lengths[text] = LONGEST_TOKENS
    return encoded


def _features(tokens: Tokens, bits: int) -> NDArray[np.int32]:
    flat, starts, lengths, hashes = tokens.flat, tokens.starts, tokens.lengths, tokens.hashes
    ids = np.zeros((len(FEATURES), 1 + len(starts)), np.int32)
    ids[0, 1:] = _row(hashes, bits)
    ids[1, 1:-1] = _row(hashes[:-1] * POWERS[3] + hashes[1:], bits)
    ids[1, 1:] *= ~tokens.last  # a text's last token has no pair
    long = lengths > 2  # noqa: PLR2004  the characters of a part
    ids[2, 1:] = _row(np.where(long, _trigrams(flat, starts), hashes) + POWERS[4], bits)
    ids[3, 1:] = _row(_trigrams(flat, starts + (lengths - 3) // 2) + POWERS[5], bits)
    ids[3, 1:] *= lengths > 4  # noqa: PLR2004  a shorter one is all head and tail
    tails = np.where(long, _trigrams(flat, starts + lengths - 3), hashes)
    ids[4, 1:] = _row(tails + POWERS[6], bits)
    ids[5, 1:] = _shapes(tokens)
    return ids


def _trigrams(flat: NDArray[np.uint8], starts: NDArray[np.int64]) -> NDArray[np.uint32]:
    numbers = [SCRAMBLED[flat[starts + place]] * POWERS[place] for place in range(3)]
    total: NDArray[np.uint32] = numbers[0] + numbers[1] + numbers[2]
    return total


def _row(hashes: NDArray[np.uint32], bits: int) -> NDArray[np.uint32]:
    """Number a table's row, 0 being kept for "nothing"."""
    return np.maximum(index(hashes, bits), np.uint32(1))


def _shapes(tokens: Tokens) -> NDArray[np.int64]:
    """Number the kinds of token (digits, UPPER, Title, lower, mixed, code, signs) and lengths."""
    lengths = tokens.lengths
    lower, upper, digits = (tokens.cases >> shift & 1023 for shift in (0, 10, 20))
    first = tokens.flat[tokens.starts]
    kinds = np.where(CLASSES[first] == OTHER, 6, 5)  # then the more telling over the less
    kinds[digits > 0] = 4
    kinds[lower == lengths] = 3
    kinds[(upper == 1) & (UPPER[first] == 1)] = 2
    kinds[upper == lengths] = 1
    kinds[digits == lengths] = 0
    return 1 + kinds * 8 + np.minimum(lengths, 8) - 1
