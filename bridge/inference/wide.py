"""Tokens to the rows that the linear path adds up: n-grams of characters and words, and traits.

The characters' n-grams are read with the spaces left out, so that "w i n f r e e", "winfree" and
"win free" are the same to them. Every feature is a row of one table; a text's logit is the sum of
its rows, each block divided by the square root of how many it has: no counting, no norms.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from bridge.inference.tokens import DIGIT, GAP, POWERS, SCRAMBLED, UPPER, index

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bridge.inference.tokens import Tokens

BLOCKS: Final = ("characters", "words", "traits")
ORDERS: Final = (3, 4, 5)
_WORD_TABLES: Final = 2  # of words, and of pairs of words

TRAITS: Final = (
    "bytes", "capitals", "digits", "codes", "currency", "exclaims", "asks", "links", "won back",
)  # fmt: skip
_BUCKETS: Final = 16
_SHARES: Final = np.array([0.0, 0.03, 0.06, 0.12, 0.25, 0.5])


@dataclass(frozen=True, slots=True)
class Ragged:
    """Rows of the table, one text behind the other.

    Attributes:
        values: (total,) int32.
        starts: (n,) int64, the place of each text's first.
        counts: (n,) int64, how many each text has.
    """

    values: NDArray[np.int32]
    starts: NDArray[np.int64]
    counts: NDArray[np.int64]

    def of(self, rows: NDArray[np.int64]) -> list[NDArray[np.int32]]:
        """Give the values of some texts, (count,) int32 each."""
        bounds = zip(self.starts[rows].tolist(), self.counts[rows].tolist(), strict=True)
        return [self.values[start : start + count] for start, count in bounds]


@dataclass(frozen=True, slots=True)
class Grams:
    """A batch of texts as the linear path reads it, one ``Ragged`` for each of ``BLOCKS``."""

    blocks: tuple[Ragged, ...]

    def take(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Lay some texts out, block by block.

        Returns:
            grams, (total,) int32; counts, (3, k) int64, how many of them each text has.
        """
        grams = np.concatenate([part for block in self.blocks for part in block.of(rows)])
        return grams, np.stack([block.counts[rows] for block in self.blocks])


def table_rows(bits: int) -> int:
    """Count the rows of the one table."""
    return _trait_base(bits) + len(TRAITS) * _BUCKETS


def grams(tokens: Tokens, won_back: NDArray[np.int64], bits: int) -> Grams:
    """Number the features of a batch.

    Args:
        tokens: Of canonical texts.
        won_back: (n,) int64, letters that the preparation won back, ``bridge.text.won_back``.
        bits: Each order of n-grams has ``2 ** bits`` rows.
    """
    return Grams((_characters(tokens, bits), _words(tokens, bits), _traits(tokens, won_back, bits)))


def _characters(tokens: Tokens, bits: int) -> Ragged:
    """Number the n-grams of each text's characters, its two edges included, spaces left out."""
    solid = tokens.flat != ord(" ")
    first = np.cumsum(tokens.sizes + len(GAP)) - tokens.sizes  # of each text, in flat
    sizes = np.add.reduceat(solid, first, dtype=np.int64) - len(GAP)  # each with the gap behind it
    octets = tokens.flat[solid][len(GAP) - 1 : -1]  # from the edge before the first text
    spans = sizes + len(GAP)
    left = np.repeat(np.cumsum(spans) - 1, spans) - np.arange(len(octets))  # to its text's edge
    hashes = np.zeros((len(octets), len(ORDERS)), np.uint32)
    numbers = SCRAMBLED[octets]
    rolling = numbers.copy()
    for order in range(2, ORDERS[-1] + 1):
        rolling = rolling[:-1] + numbers[order - 1 :] * POWERS[order - 1]
        if order >= ORDERS[0]:
            hashes[: len(rolling), order - ORDERS[0]] = rolling + np.uint32(order)
    ids = index(hashes, bits).astype(np.int32) + (np.arange(len(ORDERS), dtype=np.int32) << bits)
    counts = sum(np.maximum(sizes + 3 - order, 0) for order in ORDERS)
    return _ragged(ids[left[:, None] >= np.array(ORDERS)], np.asarray(counts))


def _words(tokens: Tokens, bits: int) -> Ragged:
    hashes = np.zeros((len(tokens.hashes), _WORD_TABLES), np.uint32)
    hashes[:, 0] = tokens.hashes
    hashes[:-1, 1] = tokens.hashes[:-1] * POWERS[3] + tokens.hashes[1:]
    base = (np.arange(_WORD_TABLES, dtype=np.int32) + len(ORDERS)) << bits
    ids = index(hashes, bits).astype(np.int32) + base
    present = np.stack([np.ones_like(tokens.last), ~tokens.last], axis=1)
    return _ragged(ids[present], 2 * tokens.counts - 1)


# --- traits: what a text looks like --------------------------------------------------------------


def _trait_base(bits: int) -> int:
    return (len(ORDERS) + _WORD_TABLES) << bits


def _link_hashes() -> NDArray[np.uint32]:
    words = (b"http", b"https", b"www", b"com", b"net", b"ly", b"uk", b"info", b"xyz")
    hashed = [SCRAMBLED[np.frombuffer(word, np.uint8)] * POWERS[: len(word)] for word in words]
    return np.array([word.sum(dtype=np.uint32) for word in hashed])


_LINKS: Final = _link_hashes()
_BYTES: Final = np.arange(256)
_MARKS: Final = np.stack(
    [UPPER, DIGIT, _BYTES >= 128, *(ord(mark) == _BYTES for mark in "$!?")],  # noqa: PLR2004  ASCII ends
    axis=1,
).astype(np.int64)
_EACH: Final = np.arange(_MARKS.shape[1]) * 10  # bits for each count: a text is below 1,024 bytes
_PACKED: Final = _MARKS @ (1 << _EACH)


def _traits(tokens: Tokens, won_back: NDArray[np.int64], bits: int) -> Ragged:
    """Sort each trait into buckets: shares of the text, or counts up to three."""
    first = np.cumsum(tokens.sizes + len(GAP)) - tokens.sizes
    packed = np.add.reduceat(_PACKED[tokens.flat], first)
    counts = packed[:, None] >> _EACH & 1023
    links = np.bincount(tokens.text_of, np.isin(tokens.hashes, _LINKS), len(tokens.sizes))
    buckets = np.empty((len(tokens.sizes), len(TRAITS)), np.int32)
    buckets[:, 0] = np.log2(tokens.sizes)
    buckets[:, 1:4] = np.searchsorted(_SHARES, counts[:, :3] / tokens.sizes[:, None])
    buckets[:, 4:7] = np.minimum(counts[:, 3:], 3)
    buckets[:, 7] = np.minimum(links, 3)
    buckets[:, 8] = np.searchsorted(_SHARES, won_back / tokens.sizes)
    base = _trait_base(bits) + np.arange(len(TRAITS), dtype=np.int32) * _BUCKETS
    return _ragged((buckets + base).ravel(), np.full(len(tokens.sizes), len(TRAITS)))


def _ragged(values: NDArray[np.int32], counts: NDArray[np.int64]) -> Ragged:
    return Ragged(values, np.cumsum(counts) - counts, counts)
