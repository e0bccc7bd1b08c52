"""Canonical texts to the arrays that the network reads: hashed tokens, none out of vocabulary.

A token is a run of letters and digits or a run of other characters. Each becomes six numbers: the
hash of the word, of the word with the next one, of the three characters at its head, in its middle
and at its tail, and its shape (kind and length). So a word never seen, or misspelled, still shares
parts with those that were. A hash is a polynomial modulo 2^32 over lower-cased bytes, worked out
for a whole batch at once; its top bits index a table of the network, 0 meaning "nothing here".
"""

from __future__ import annotations

import string
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

FEATURES: Final = ("word", "pair", "head", "middle", "tail", "shape")
TABLE_BITS: Final = 14
"""Each hashed table of the network has ``2 ** TABLE_BITS`` rows."""

SHAPES: Final = 64
"""Rows of the table of shapes: seven kinds of token in eight lengths, after 0."""

LONGEST_TOKENS: Final = 96
"""Of a longer text the first 64 and the last 32 tokens are read: spam stands at either end."""
_FIRST_TOKENS: Final = 64

_FIRST_BYTES: Final = 640  # likewise before the tokens are known: a bound on the work
_LAST_BYTES: Final = 320

_BASE: Final = 0x9E3779B1  # odd, as a multiplier modulo 2^32 must be to lose nothing
_MIX: Final = np.uint32(0x85EBCA6B)
_GAP: Final = b"\0\0\0"  # between texts: no token reaches into the next one


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


def encode(texts: Sequence[str]) -> Encoded:
    """Hash canonical texts.

    Args:
        texts: What ``bridge.text.canonicalise`` returned, at least one.
    """
    octets = [_cut(text.encode("latin-1")) for text in texts]
    flat = np.frombuffer(_GAP + _GAP.join(octets) + _GAP, np.uint8)
    runs = _runs(flat)
    sizes = np.fromiter(map(len, octets), np.int64, len(octets))
    ends = np.cumsum(sizes + len(_GAP))
    text_of = np.searchsorted(ends, runs.starts)
    counts = np.bincount(text_of, minlength=len(octets))
    last = np.zeros(len(runs.starts), bool)
    last[np.cumsum(counts) - 1] = True
    ids = _features(flat, runs, last)
    starts = np.cumsum(counts) - counts + 1
    return _without_middles(Encoded(ids, starts, counts))


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


def _cut(octets: bytes) -> bytes:
    """Bound a text's bytes; one without a single token is a token of its own."""
    if len(octets) > _FIRST_BYTES + _LAST_BYTES:
        octets = octets[:_FIRST_BYTES] + b" " + octets[-_LAST_BYTES:]
    return octets.strip(b" ") or b"\x83"


def _without_middles(encoded: Encoded) -> Encoded:
    """Leave out the middle of texts that have too many tokens: rare, so one text at a time."""
    for text in np.flatnonzero(encoded.lengths > LONGEST_TOKENS):
        start, length = encoded.starts[text], encoded.lengths[text]
        kept = encoded.ids[:, start + length - (LONGEST_TOKENS - _FIRST_TOKENS) : start + length]
        encoded.ids[:, start + _FIRST_TOKENS : start + LONGEST_TOKENS] = kept
        encoded.lengths[text] = LONGEST_TOKENS
    return encoded


# --- runs of bytes of one class ------------------------------------------------------------------

_SPACE, _WORD, _OTHER = range(3)
_FIRST_CODE: Final = 0x86  # letters of other scripts, see bridge.text
_LAST_CODE: Final = 0x8D


def _class(code: int) -> int:
    if code in b"\0 ":
        return _SPACE
    in_word = chr(code).isalnum() if code < 128 else _FIRST_CODE <= code <= _LAST_CODE  # noqa: PLR2004  ASCII
    return _WORD if in_word or code in b"$'" else _OTHER


_CLASSES: Final = np.array([_class(code) for code in range(256)], np.uint8)
_LOWER: Final = np.isin(np.arange(256), list(string.ascii_lowercase.encode())).astype(np.int32)
_UPPER: Final = np.isin(np.arange(256), list(string.ascii_uppercase.encode())).astype(np.int32)
_DIGIT: Final = np.isin(np.arange(256), list(string.digits.encode())).astype(np.int32)
# One sum over a run counts all three; a run is shorter than 1,024 bytes.
_CASES: Final = _LOWER + (_UPPER << 10) + (_DIGIT << 20)


@dataclass(frozen=True, slots=True)
class _Runs:
    """Tokens as runs of bytes.

    Attributes:
        starts: (t,) int64, the first byte of each.
        lengths: (t,) int64, bytes.
        hashes: (t,) uint32, of all its bytes.
        cases: (t,) int32, counts of lower, upper and digit bytes, ten bits each.
    """

    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    hashes: NDArray[np.uint32]
    cases: NDArray[np.int32]


def _runs(flat: NDArray[np.uint8]) -> _Runs:
    classes = _CLASSES[flat]
    changes = np.flatnonzero(classes[1:] != classes[:-1]) + 1  # the buffer begins and ends blank
    lengths = np.append(changes[1:], len(flat)) - changes
    positions = np.arange(changes[0], len(flat)) - np.repeat(changes, lengths)
    numbers = _SCRAMBLED[flat[changes[0] :]] * _POWERS[positions]
    hashes = np.add.reduceat(numbers, changes - changes[0], dtype=np.uint32)
    cases = np.add.reduceat(_CASES[flat], changes)
    tokens = np.flatnonzero(classes[changes])
    return _Runs(changes[tokens], lengths[tokens], hashes[tokens], cases[tokens])


# --- features of tokens --------------------------------------------------------------------------


def _scramble() -> NDArray[np.uint32]:
    """Give each byte a number of 32 bits, upper case that of lower case."""
    octets = np.arange(256, dtype=np.uint64)
    octets[ord("A") : ord("Z") + 1] += np.uint64(32)
    octets *= np.uint64(0x9E3779B97F4A7C15)
    octets ^= octets >> np.uint64(29)
    octets *= np.uint64(0xBF58476D1CE4E5B9)
    return (octets >> np.uint64(32)).astype(np.uint32)


_SCRAMBLED: Final = _scramble()
_POWERS: Final = np.array([pow(_BASE, power, 1 << 32) for power in range(1024)], np.uint32)


def _features(flat: NDArray[np.uint8], runs: _Runs, last: NDArray[np.bool_]) -> NDArray[np.int32]:
    ids = np.zeros((len(FEATURES), 1 + len(runs.starts)), np.int32)
    ids[0, 1:] = _index(runs.hashes)
    ids[1, 1:-1] = _index(runs.hashes[:-1] * _POWERS[3] + runs.hashes[1:])
    ids[1, 1:] *= ~last  # a text's last token has no pair
    starts, lengths = runs.starts, runs.lengths
    long = lengths > 2  # noqa: PLR2004  the characters of a part
    ids[2, 1:] = _index(np.where(long, _trigrams(flat, starts), runs.hashes) + _POWERS[4])
    ids[3, 1:] = _index(_trigrams(flat, starts + (lengths - 3) // 2) + _POWERS[5])
    ids[3, 1:] *= lengths > 4  # noqa: PLR2004  a shorter one is all head and tail
    tails = np.where(long, _trigrams(flat, starts + lengths - 3), runs.hashes)
    ids[4, 1:] = _index(tails + _POWERS[6])
    ids[5, 1:] = _shapes(flat, runs)
    return ids


def _trigrams(flat: NDArray[np.uint8], starts: NDArray[np.int64]) -> NDArray[np.uint32]:
    numbers = [_SCRAMBLED[flat[starts + place]] * _POWERS[place] for place in range(3)]
    total: NDArray[np.uint32] = numbers[0] + numbers[1] + numbers[2]
    return total


def _index(hashes: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Take the top bits of scrambled hashes as rows of a table, 0 being kept for "nothing"."""
    rows: NDArray[np.uint32] = (hashes * _MIX) >> np.uint32(32 - TABLE_BITS)
    return np.maximum(rows, np.uint32(1))


def _shapes(flat: NDArray[np.uint8], runs: _Runs) -> NDArray[np.int64]:
    """Number the kinds of token (digits, UPPER, Title, lower, mixed, code, signs) and lengths."""
    lengths = runs.lengths
    lower, upper, digits = (runs.cases >> shift & 1023 for shift in (0, 10, 20))
    first = flat[runs.starts]
    kinds = np.where(_CLASSES[first] == _OTHER, 6, 5)  # then the more telling over the less
    kinds[digits > 0] = 4
    kinds[lower == lengths] = 3
    kinds[(upper == 1) & (_UPPER[first] == 1)] = 2
    kinds[upper == lengths] = 1
    kinds[digits == lengths] = 0
    return 1 + kinds * 8 + np.minimum(lengths, 8) - 1
