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

from bridge.inference.tokens import CLASSES, OTHER, POWERS, UPPER, index

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bridge.inference.tokens import Tokens

FEATURES: Final = ("word", "pair", "head", "middle", "tail", "shape")
SHAPES: Final = 64
"""Rows of the table of shapes: seven kinds of token in eight lengths, after 0."""

LONGEST_TOKENS: Final = 96
"""Of a longer text the first 64 and the last 32 tokens are read: spam stands at either end."""
_FIRST_TOKENS: Final = 64
_PART: Final = 3  # characters

_UPPER_FIRST: Final = UPPER == 1
_SIGN_FIRST: Final = CLASSES == OTHER
_KINDS: Final = (0, 1, 2, 3, 4, 6, 5)  # by the lowest bit that is told, the last if none is
_KIND_ROWS: Final = 8 * np.array(
    [
        next((kind for bit, kind in enumerate(_KINDS[:6]) if code >> bit & 1), 5)
        for code in range(64)
    ]
)


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
    lengths = tokens.counts.copy()
    return _without_middles(Encoded(_features(tokens, table_bits), tokens.firsts + 1, lengths))


def pad(
    encoded: Encoded, rows: NDArray[np.int64], stride: int
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Lay some texts side by side, time first, as the LSTM reads them.

    Args:
        encoded: A batch.
        rows: (k,) int64, which of its texts.
        stride: How many tokens the LSTM reads in a step.

    Returns:
        ids, (6, steps of the longest, k, stride) int32; steps, (k,) int32, those of each text.
    """
    lengths = encoded.lengths[rows]
    steps = (lengths + (stride - 1)) // stride
    offsets = np.arange(steps.max() * stride).reshape(-1, 1, stride)
    columns = encoded.starts[rows][:, None] + offsets
    columns *= offsets < lengths[:, None]
    return encoded.ids.take(columns, axis=1), steps.astype(np.int32)


def _without_middles(encoded: Encoded) -> Encoded:
    """Leave out the middle of texts that have too many tokens: rare, so one text at a time."""
    for text in np.flatnonzero(encoded.lengths > LONGEST_TOKENS):
        start, length = encoded.starts[text], encoded.lengths[text]
        kept = encoded.ids[:, start + length - (LONGEST_TOKENS - _FIRST_TOKENS) : start + length]
        encoded.ids[:, start + _FIRST_TOKENS : start + LONGEST_TOKENS] = kept
        encoded.lengths[text] = LONGEST_TOKENS
    return encoded


def _features(tokens: Tokens, bits: int) -> NDArray[np.int32]:
    starts, ends = tokens.starts, tokens.ends
    lengths = ends - starts
    short = lengths < _PART
    ids = np.zeros((len(FEATURES), 1 + len(starts)), np.uint32)
    word, pair, head, middle, tail, shape = ids[:, 1:]
    word[:] = tokens.hashes
    pair[:] = tokens.pairs
    head[:] = np.where(short, tokens.hashes, tokens.trigrams[starts]) + POWERS[4]
    middle[:] = tokens.trigrams[starts + (lengths - _PART) // 2] + POWERS[5]
    tail[:] = np.where(short, tokens.hashes, tokens.trigrams[ends - _PART]) + POWERS[6]
    ids[:5] = np.maximum(index(ids[:5], bits), 1)  # 0 is kept for "nothing here"
    pair[tokens.firsts[1:] - 1] = pair[-1] = 0  # a text's last token has no pair
    middle *= lengths > _PART + 1  # a shorter one is all head and tail
    ids[:, 0] = 0
    shape[:] = _shapes(tokens, lengths)
    return ids.view(np.int32)


def _shapes(tokens: Tokens, lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number the kinds of token (digits, UPPER, Title, lower, mixed, code, signs) and lengths."""
    lower, upper, digits = (
        tokens.cases >> np.uint32(shift) & np.uint32(1023) for shift in (0, 10, 20)
    )
    first = tokens.flat[tokens.starts]
    told = [
        digits == lengths,
        upper == lengths,
        (upper == 1) & _UPPER_FIRST[first],
        lower == lengths,
        digits > 0,
        _SIGN_FIRST[first],
    ]
    code = told[0].astype(np.uint8)
    for place, flag in enumerate(told[1:], 1):
        code |= flag.view(np.uint8) << np.uint8(place)
    rows: NDArray[np.int64] = _KIND_ROWS[code] + np.minimum(lengths, 8)
    return rows
