"""Canonical texts to one buffer of bytes and the tokens in it, hashed: what every encoding reads.

A token is a run of letters and digits or a run of other characters. A hash is a polynomial modulo
2^32 over lower-cased bytes, worked out for a whole batch at once; its top bits index a table.
"""

from __future__ import annotations

import string
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

GAP: Final = b"\0\0\0"
"""Stands before, between and behind texts: no token and no trigram reaches into the next one."""

_FIRST_BYTES: Final = 640  # of a longer text both ends are read: a bound on the work
_LAST_BYTES: Final = 320

_BASE: Final = 0x9E3779B1  # odd, as a multiplier modulo 2^32 must be to lose nothing
_MIX: Final = np.uint32(0x85EBCA6B)


@dataclass(frozen=True, slots=True)
class Tokens:
    """A batch of texts, one behind the other, and its tokens.

    Attributes:
        flat: (bytes,) uint8, the texts with ``GAP`` around each.
        sizes: (n,) int64, bytes of each text.
        counts: (n,) int64, tokens of each text, at least 1.
        text_of: (t,) int64, which text a token belongs to.
        last: (t,) bool, whether it is its text's last.
        starts: (t,) int64, the first byte of each token in ``flat``.
        lengths: (t,) int64, bytes.
        hashes: (t,) uint32, of all its bytes.
        cases: (t,) int32, counts of lower, upper and digit bytes, ten bits each.
    """

    flat: NDArray[np.uint8]
    sizes: NDArray[np.int64]
    counts: NDArray[np.int64]
    text_of: NDArray[np.int64]
    last: NDArray[np.bool_]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    hashes: NDArray[np.uint32]
    cases: NDArray[np.int32]


def tokenise(texts: Sequence[str]) -> Tokens:
    """Find and hash the tokens of canonical texts.

    Args:
        texts: What ``bridge.text.canonicalise`` returned, at least one.
    """
    octets = [_cut(text.encode("latin-1")) for text in texts]
    flat = np.frombuffer(GAP + GAP.join(octets) + GAP, np.uint8)
    sizes = np.fromiter(map(len, octets), np.int64, len(octets))
    starts, lengths, hashes, cases = _runs(flat)
    text_of = np.searchsorted(np.cumsum(sizes + len(GAP)), starts)
    counts = np.bincount(text_of, minlength=len(octets))
    last = np.zeros(len(starts), bool)
    last[np.cumsum(counts) - 1] = True
    return Tokens(flat, sizes, counts, text_of, last, starts, lengths, hashes, cases)


def index(hashes: NDArray[np.uint32], bits: int) -> NDArray[np.uint32]:
    """Take the top bits of scrambled hashes as rows of a table of ``2 ** bits``."""
    rows: NDArray[np.uint32] = (hashes * _MIX) >> np.uint32(32 - bits)
    return rows


def _cut(octets: bytes) -> bytes:
    """Bound a text's bytes; one without a single token is a token of its own."""
    if len(octets) > _FIRST_BYTES + _LAST_BYTES:
        octets = octets[:_FIRST_BYTES] + b" " + octets[-_LAST_BYTES:]
    return octets.strip(b" ") or b"\x83"


# --- runs of bytes of one class ------------------------------------------------------------------

_SPACE, _WORD, OTHER = range(3)
_FIRST_CODE: Final = 0x86  # letters of other scripts, see bridge.text
_LAST_CODE: Final = 0x8D


def _class(code: int) -> int:
    if code in b"\0 ":
        return _SPACE
    in_word = chr(code).isalnum() if code < 128 else _FIRST_CODE <= code <= _LAST_CODE  # noqa: PLR2004  ASCII
    return _WORD if in_word or code in b"$'" else OTHER


CLASSES: Final = np.array([_class(code) for code in range(256)], np.uint8)
_LOWER: Final = np.isin(np.arange(256), list(string.ascii_lowercase.encode())).astype(np.int32)
UPPER: Final = np.isin(np.arange(256), list(string.ascii_uppercase.encode())).astype(np.int32)
DIGIT: Final = np.isin(np.arange(256), list(string.digits.encode())).astype(np.int32)
# One sum over a run counts all three; a run is shorter than 1,024 bytes.
_CASES: Final = _LOWER + (UPPER << 10) + (DIGIT << 20)


def _runs(flat: NDArray[np.uint8]) -> tuple[NDArray[Any], ...]:
    """Give starts, lengths, hashes and cases of the tokens, as ``Tokens`` has them."""
    classes = CLASSES[flat]
    changes = np.flatnonzero(classes[1:] != classes[:-1]) + 1  # the buffer begins and ends blank
    lengths = np.append(changes[1:], len(flat)) - changes
    positions = np.arange(changes[0], len(flat)) - np.repeat(changes, lengths)
    numbers = SCRAMBLED[flat[changes[0] :]] * POWERS[positions]
    hashes = np.add.reduceat(numbers, changes - changes[0], dtype=np.uint32)
    cases = np.add.reduceat(_CASES[flat], changes)
    tokens = np.flatnonzero(classes[changes])
    return changes[tokens], lengths[tokens], hashes[tokens], cases[tokens]


def _scramble() -> NDArray[np.uint32]:
    """Give each byte a number of 32 bits, upper case that of lower case."""
    octets = np.arange(256, dtype=np.uint64)
    octets[ord("A") : ord("Z") + 1] += np.uint64(32)
    octets *= np.uint64(0x9E3779B97F4A7C15)
    octets ^= octets >> np.uint64(29)
    octets *= np.uint64(0xBF58476D1CE4E5B9)
    return (octets >> np.uint64(32)).astype(np.uint32)


SCRAMBLED: Final = _scramble()
POWERS: Final = np.array([pow(_BASE, power, 1 << 32) for power in range(1024)], np.uint32)
