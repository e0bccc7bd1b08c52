"""Canonical texts to the arrays that the network reads: hashed n-grams, nothing out of vocabulary.

Every byte of a text becomes five numbers: itself, the hash of its character 3-gram and 5-gram, and
where a word begins the hash of that word and of it with the next one. A hash is a rolling
polynomial modulo 2^32 over the lower-cased bytes, worked out for a whole batch at once; its top
bits index a table of the network, 0 being kept for "nothing here".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

FEATURES: Final = ("char", "trigram", "fivegram", "word", "bigram")
TABLE_BITS: Final = 14
"""Each hashed table of the network has ``2 ** TABLE_BITS`` rows."""

STRIDE: Final = 8
"""Bytes per step of the LSTM: its convolution is two strides wide and moves by one."""

LONGEST_BYTES: Final = 320
"""Of a longer text the first 208 bytes and the last 111 are read: spam stands at either end."""
_HEAD_BYTES: Final = 208

_GAP: Final = 5  # zero bytes behind each text: no n-gram reaches into the next one
_BASE: Final = 0x9E3779B1  # odd, so that its powers have inverses modulo 2^32
_MIX: Final = np.uint32(0x85EBCA6B)


@dataclass(frozen=True, slots=True)
class Encoded:
    """A batch of texts, one behind the other.

    Attributes:
        ids: (5, total bytes) int32, in the order of ``FEATURES``; column 0 is padding.
        starts: (n,) int64, the column at which each text begins.
        lengths: (n,) int64, bytes of each text, 1 to ``LONGEST_BYTES``.
    """

    ids: NDArray[np.int32]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]


def encode(texts: Sequence[str]) -> Encoded:
    """Hash canonical texts.

    Args:
        texts: What ``bridge.text.canonicalise`` returned, at least one; the empty text is a space.
    """
    octets = [_cut(text.encode("latin-1")) for text in texts]
    lengths = np.fromiter(map(len, octets), np.int64, len(octets))
    starts = np.cumsum(lengths + _GAP) - lengths
    gap = b"\0" * _GAP
    flat = np.frombuffer(gap + gap.join(octets) + gap, np.uint8)
    return Encoded(_hash(flat), starts, lengths)


def pad(encoded: Encoded, rows: NDArray[np.int64]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Lay some texts side by side.

    Args:
        encoded: A batch.
        rows: (k,) int64, which of its texts.

    Returns:
        ids, (5, k, width) int32 with width a multiple of ``STRIDE``, one stride longer than the
        longest text; steps, (k,) int32, the LSTM's steps for each.
    """
    lengths = encoded.lengths[rows]
    steps = (lengths + STRIDE - 1) // STRIDE
    offsets = np.arange((int(steps.max()) + 1) * STRIDE)
    columns = encoded.starts[rows][:, None] + offsets
    columns *= offsets < lengths[:, None]
    return encoded.ids.take(columns, axis=1), steps.astype(np.int32)


def _cut(octets: bytes) -> bytes:
    if len(octets) <= LONGEST_BYTES:
        return octets or b" "
    return octets[:_HEAD_BYTES] + b" " + octets[_HEAD_BYTES + 1 - LONGEST_BYTES :]


def _scramble() -> NDArray[np.uint32]:
    """Give each byte a number of 32 bits, upper case that of lower case, 0 for padding."""
    octets = np.arange(256, dtype=np.uint64)
    octets[ord("A") : ord("Z") + 1] += np.uint64(32)
    octets *= np.uint64(0x9E3779B97F4A7C15)
    octets ^= octets >> np.uint64(29)
    octets *= np.uint64(0xBF58476D1CE4E5B9)
    return (octets >> np.uint64(32)).astype(np.uint32)


def _powers(count: int) -> NDArray[np.uint32]:
    return np.array([pow(_BASE, exponent, 1 << 32) for exponent in range(count)], np.uint32)


_SCRAMBLED: Final = _scramble()
_POWERS: Final = _powers(LONGEST_BYTES)
_IN_WORD: Final = np.array([chr(code).isalnum() or code in b"$'" or code > 127 for code in range(256)])  # noqa: PLR2004  ASCII ends at 127


def _hash(flat: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Work out the five features of every byte; a gap has none.

    n-grams are centred, and gaps count as zeros in them, so that a text's two ends are known.
    """
    numbers = _SCRAMBLED[flat]
    base = _POWERS[1]
    pairs = numbers[:-1] * base + numbers[1:]
    trigrams = pairs[:-1] * base + numbers[2:]
    fivegrams = trigrams[:-2] * _POWERS[2] + pairs[3:]
    ids = np.zeros((len(FEATURES), len(flat)), np.int32)
    ids[0] = flat
    ids[1, 1:-1] = _index(trigrams)
    ids[2, 2:-2] = _index(fivegrams)
    ids[1:3] *= flat != 0
    _hash_words(flat, numbers, ids)
    return ids


def _hash_words(
    flat: NDArray[np.uint8], numbers: NDArray[np.uint32], ids: NDArray[np.int32]
) -> None:
    """Write words and pairs of words where they begin; a text's last word has no pair."""
    inside = _IN_WORD[flat]
    begins = inside.copy()
    begins[1:] &= ~inside[:-1]
    starts = np.flatnonzero(begins)
    if not len(starts):
        return
    positions = np.arange(len(flat))
    positions -= starts[np.maximum(np.cumsum(begins) - 1, 0)]
    positions *= inside
    words = np.add.reduceat(numbers * _POWERS[positions] * inside, starts, dtype=np.uint32)
    ids[3, starts] = _index(words)
    gaps = np.cumsum(flat == 0)[starts]
    ids[4, starts[:-1]] = _index(words[:-1] * _POWERS[3] + words[1:]) * (gaps[:-1] == gaps[1:])


def _index(hashes: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Take the top bits of scrambled hashes as rows of a table, 0 being kept for "nothing"."""
    return np.maximum((hashes * _MIX) >> np.uint32(32 - TABLE_BITS), np.uint32(1))
