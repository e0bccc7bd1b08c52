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
_FIRST_KINDS: Final = (0, len(ORDERS), len(ORDERS) + _WORD_TABLES)  # of each block

TRAITS: Final = (
    "bytes", "capitals", "digits", "codes", "currency", "exclaims", "asks", "links", "won back",
)  # fmt: skip
_BUCKETS: Final = 16
_SHARES: Final = np.array([0.0, 0.03, 0.06, 0.12, 0.25, 0.5])


@dataclass(frozen=True, slots=True)
class Grams:
    """A batch of texts as the linear path reads it.

    Attributes:
        ids: (total,) int32, rows of the table; those between the segments mean nothing.
        begins: (6, n) int64, where the segment of each kind and text begins: n-grams of 3, 4 and 5
            characters, words, pairs of words, traits.
        counts: (6, n) int64, how long it is; 0 is possible.
        sizes: (3, n) int64, features of each of ``BLOCKS``.
    """

    ids: NDArray[np.int32]
    begins: NDArray[np.int64]
    counts: NDArray[np.int64]
    sizes: NDArray[np.int64]

    def sums(self, table: NDArray[np.float32]) -> NDArray[np.float64]:
        """Add each text's rows up, each block divided by the square root of its size, (n,).

        In double precision and segment by segment: no text's sum depends on another text.
        """
        bounds = np.stack([self.begins, self.begins + self.counts], axis=-1).ravel()
        kinds = np.add.reduceat(table.take(self.ids), bounds, dtype=np.float64)[::2]
        kinds = np.where(self.counts > 0, kinds.reshape(self.counts.shape), 0.0)
        blocks = np.add.reduceat(kinds, _FIRST_KINDS, axis=0)
        total: NDArray[np.float64] = (blocks / np.sqrt(np.maximum(self.sizes, 1))).sum(axis=0)
        return total

    def of_block(self, name: str) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """List one block's features, kind by kind: each one's text and its row of the table."""
        place = BLOCKS.index(name)
        kinds = slice(_FIRST_KINDS[place], [*_FIRST_KINDS, len(self.counts)][place + 1])
        begins, counts = self.begins[kinds].ravel(), self.counts[kinds].ravel()
        texts = np.tile(np.arange(self.counts.shape[1]), len(counts) // self.counts.shape[1])
        skipped = np.repeat(begins - (np.cumsum(counts) - counts), counts)
        return np.repeat(texts, counts), self.ids[skipped + np.arange(len(skipped))]


def table_rows(bits: int) -> int:
    """Count the rows of the one table."""
    return first_trait(bits) + len(TRAITS) * _BUCKETS


@dataclass(frozen=True, slots=True)
class Wide:
    """The linear path.

    Attributes:
        table: (``table_rows(bits)``,) float32, the weight of each feature.
        intercept: Added to each text's sum.
        share: Of this path in the logit; the rest is the LSTM's.
    """

    table: NDArray[np.float32]
    intercept: float
    share: float

    def logits(self, grams: Grams) -> NDArray[np.float64]:
        """Give this path's logits of spam, (n,)."""
        return grams.sums(self.table) + self.intercept


def grams(tokens: Tokens, won_back: NDArray[np.int64], bits: int) -> Grams:
    """Number the features of a batch.

    Args:
        tokens: Of canonical texts.
        won_back: (n,) int64, letters that the preparation won back, ``bridge.text.won_back``.
        bits: Each order of n-grams has ``2 ** bits`` rows.
    """
    parts = [_characters(tokens, bits), _words(tokens, bits), _traits(tokens, won_back, bits)]
    shifts = np.cumsum([0, *(len(ids) for ids, *_ in parts)]).tolist()
    begins = [begins + shift for (_, begins, _), shift in zip(parts, shifts, strict=False)]
    counts = [counts for *_, counts in parts]
    sizes = np.stack([kinds.sum(axis=0) for kinds in counts])
    ids = np.concatenate([*(ids for ids, *_ in parts), _NOTHING])  # a segment may end here
    return Grams(ids, np.concatenate(begins), np.concatenate(counts), sizes)


_Segments = tuple["NDArray[np.int32]", "NDArray[np.int64]", "NDArray[np.int64]"]
"""Rows of the table, and where the segments of each kind and text begin and how long they are."""
_NOTHING: Final = np.zeros(1, np.int32)


def _characters(tokens: Tokens, bits: int) -> _Segments:
    """Number the n-grams of each text's characters, its two edges included, spaces left out."""
    inside = slice(len(GAP) - 1, -1)
    octets = np.frombuffer(tokens.octets, np.uint8)[inside]
    kept = np.flatnonzero(octets != ord(" "))
    edges = np.flatnonzero(octets.take(kept) == 0)  # before a text, behind it, and one more
    begins, sizes = edges[::3], edges[1::3] - edges[::3] + 1
    numbers = tokens.numbers[inside].take(kept)
    gram = numbers.copy()
    rolling = np.empty((len(ORDERS), len(kept)), np.uint32)
    for order in range(2, ORDERS[-1] + 1):
        gram[: 1 - order] += numbers[order - 1 :] * POWERS[order - 1]
        if order in ORDERS:
            np.add(gram, np.uint32(order), out=rolling[order - ORDERS[0]])
    ids = index(rolling, bits).view(np.int32)
    ids += _bases(0, len(ORDERS), bits)
    counts = np.maximum(sizes - np.array(ORDERS)[:, None] + 1, 0)
    return ids.ravel(), begins + np.arange(len(ORDERS))[:, None] * len(kept), counts


def _words(tokens: Tokens, bits: int) -> _Segments:
    ids = index(np.stack([tokens.hashes, tokens.pairs]), bits).view(np.int32)
    ids += _bases(len(ORDERS), _WORD_TABLES, bits)
    begins = tokens.firsts + np.array([[0], [len(tokens.hashes)]])
    return ids.ravel(), begins, np.stack([tokens.counts, tokens.counts - 1])


def _bases(first: int, tables: int, bits: int) -> NDArray[np.int32]:
    return np.arange(first, first + tables, dtype=np.int32)[:, None] << bits


# --- traits: what a text looks like --------------------------------------------------------------


def first_trait(bits: int) -> int:
    """Name the row where the traits begin, which stand last."""
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


def _traits(tokens: Tokens, won_back: NDArray[np.int64], bits: int) -> _Segments:
    """Sort each trait into buckets: shares of the text, or counts up to three."""
    sizes = tokens.sizes
    packed = np.add.reduceat(_PACKED.take(tokens.flat), tokens.begins)  # with the gap behind
    counts = packed[:, None] >> _EACH & 1023
    links = np.flatnonzero((tokens.hashes == _LINKS[:, None]).any(axis=0))
    texts = np.searchsorted(tokens.firsts, links, side="right") - 1
    buckets = np.empty((len(sizes), len(TRAITS)), np.int32)
    buckets[:, 0] = np.log2(sizes)
    buckets[:, 1:4] = np.searchsorted(_SHARES, counts[:, :3] / sizes[:, None])
    buckets[:, 4:7] = np.minimum(counts[:, 3:], 3)
    buckets[:, 7] = np.minimum(np.bincount(texts, minlength=len(sizes)), 3)
    buckets[:, 8] = np.searchsorted(_SHARES, won_back / sizes)
    buckets += first_trait(bits) + np.arange(len(TRAITS), dtype=np.int32) * _BUCKETS
    begins = np.arange(len(sizes)) * len(TRAITS)
    return buckets.ravel(), begins[None], np.full((1, len(sizes)), len(TRAITS))
