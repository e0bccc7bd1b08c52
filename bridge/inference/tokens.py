"""Canonical texts to one buffer of bytes and the tokens in it, hashed: what every encoding reads.

A token is a run of letters and digits or a run of other characters. A hash is a polynomial modulo
2^32 over lower-cased bytes, worked out for a whole batch at once; its top bits index a table.
"""

from __future__ import annotations

import string
import sys
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

GAP: Final = "\0\0\0"
"""Stands before, between and behind texts: no token and no trigram reaches into the next one."""

_FIRST_BYTES: Final = 640  # of a longer text both ends are read: a bound on the work
_LAST_BYTES: Final = 320
_LONGEST_BYTES: Final = _FIRST_BYTES + 1 + _LAST_BYTES  # below 1,024: counts have ten bits each

_BASE: Final = 0x9E3779B1  # odd, as a multiplier modulo 2^32 must be to lose nothing
_MIX: Final = np.uint32(0x85EBCA6B)


@dataclass(frozen=True, slots=True)
class Tokens:
    """A batch of texts, one behind the other, and its tokens.

    Attributes:
        octets: The texts in Latin-1 with ``GAP`` around each.
        flat: (bytes,) intp, the same as indices of a table.
        numbers: (bytes,) uint32, what each byte is hashed as.
        begins: (n,) int64, the first byte of each text in ``flat``.
        sizes: (n,) int64, bytes of each text.
        firsts: (n,) int64, the first token of each text.
        counts: (n,) int64, tokens of each text, at least 1.
        starts: (t,) int64, the first byte of each token in ``flat``.
        ends: (t,) int64, the byte behind it.
        hashes: (t,) uint32, of all its bytes.
        pairs: (t,) uint32, of a token and the next one; of a text's last token it says nothing.
        trigrams: (bytes - 2,) uint32, of the three bytes from each on.
        cases: (t,) uint32, counts of lower, upper and digit bytes, ten bits each.
    """

    octets: bytes
    flat: NDArray[np.intp]
    numbers: NDArray[np.uint32]
    begins: NDArray[np.int64]
    sizes: NDArray[np.int64]
    firsts: NDArray[np.int64]
    counts: NDArray[np.int64]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    hashes: NDArray[np.uint32]
    pairs: NDArray[np.uint32]
    trigrams: NDArray[np.uint32]
    cases: NDArray[np.uint32]


def tokenise(texts: Sequence[str]) -> Tokens:
    """Find and hash the tokens of canonical texts.

    Args:
        texts: What ``bridge.text.canonicalise_all`` returned, at least one.
    """
    sizes = np.fromiter(map(len, texts), np.int64, len(texts))
    if sizes.min() == 0 or sizes.max() > _LONGEST_BYTES:
        texts = [_cut(text) for text in texts]
        sizes = np.fromiter(map(len, texts), np.int64, len(texts))
    octets = GAP.join(["", *texts, ""]).encode("latin-1")
    flat = np.frombuffer(octets, np.uint8).astype(np.intp)
    begins = np.cumsum(sizes + len(GAP)) - sizes
    starts, ends = _runs(octets)
    firsts = np.searchsorted(starts, begins)
    counts = np.diff(firsts, append=len(starts))
    numbers = SCRAMBLED.take(flat)
    hashes, cases = _hashes(numbers, flat, starts, ends)
    pairs = hashes * POWERS[3]
    pairs[:-1] += hashes[1:]
    trigrams = numbers[:-2] + numbers[1:-1] * POWERS[1]
    trigrams += numbers[2:] * POWERS[2]
    return Tokens(
        octets=octets,
        flat=flat,
        numbers=numbers,
        begins=begins,
        sizes=sizes,
        firsts=firsts,
        counts=counts,
        starts=starts,
        ends=ends,
        hashes=hashes,
        pairs=pairs,
        trigrams=trigrams,
        cases=cases,
    )


def index(hashes: NDArray[np.uint32], bits: int) -> NDArray[np.uint32]:
    """Take the top bits of scrambled hashes as rows of a table of ``2 ** bits``."""
    rows = hashes * _MIX
    rows >>= np.uint32(32 - bits)
    return rows


def _cut(text: str) -> str:
    """Bound a text's bytes; one without a single token is a token of its own."""
    if len(text) > _FIRST_BYTES + _LAST_BYTES:
        text = text[:_FIRST_BYTES] + " " + text[-_LAST_BYTES:]
    return text.strip(" ") or "\x83"


# --- runs of bytes of one class ------------------------------------------------------------------

_SPACE, _WORD, OTHER = range(3)
_FIRST_CODE: Final = 0x86  # letters of other scripts, see bridge.text
_LAST_CODE: Final = 0x8D


def _class(code: int) -> int:
    if code in b"\0 ":
        return _SPACE
    in_word = chr(code).isalnum() if code < 128 else _FIRST_CODE <= code <= _LAST_CODE  # noqa: PLR2004  ASCII
    return _WORD if in_word or code in b"$'" else OTHER


_CLASS_OF: Final = bytes(_class(code) for code in range(256))
CLASSES: Final = np.frombuffer(_CLASS_OF, np.uint8)
_LOWER: Final = np.isin(np.arange(256), list(string.ascii_lowercase.encode())).astype(np.uint32)
UPPER: Final = np.isin(np.arange(256), list(string.ascii_uppercase.encode())).astype(np.uint32)
DIGIT: Final = np.isin(np.arange(256), list(string.digits.encode())).astype(np.uint32)
_CASES: Final = _LOWER + (UPPER << 10) + (DIGIT << 20)


def _runs(octets: bytes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give the starts and ends of the runs that are no spaces."""
    classes = np.frombuffer(octets.translate(_CLASS_OF), np.uint8)
    changes = classes[1:] != classes[:-1]  # the buffer begins and ends blank
    filled = classes != _SPACE
    starts = np.flatnonzero(changes & filled[1:])
    ends = np.flatnonzero(changes & filled[:-1])
    starts += 1
    ends += 1
    return starts, ends


def _hashes(
    numbers: NDArray[np.uint32],
    flat: NDArray[np.intp],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Hash each token and count its cases.

    A hash is its bytes' numbers, each times one power of the base more, added up. One running sum
    over the buffer has all of them in the upper half of 64 bits, each too large by the power at its
    start, and the counts in the lower half: a token's are too small to reach the upper one.
    """
    powers, inverses = _powers(1 << (len(numbers) - 1).bit_length())
    running = np.empty(len(numbers), np.uint64)
    lower, upper = _halves(running)
    lower[:] = _CASES.take(flat)
    np.multiply(numbers, powers[: len(numbers)], out=upper)
    np.cumsum(running, out=running)
    cases, hashes = _halves(running.take(ends - 1) - running.take(starts - 1))
    return hashes * inverses.take(starts), cases


def _halves(numbers: NDArray[np.uint64]) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """View the lower and the upper 32 bits of each number."""
    halves = numbers.view(np.uint32)
    first = int(sys.byteorder == "big")
    return halves[first::2], halves[1 - first :: 2]


@lru_cache(maxsize=24)  # a size for each power of two
def _powers(count: int) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Give the powers of the base from 0 on, and their inverses, modulo 2^32."""
    both = np.ones((2, count), np.uint32)
    both[:, 1:] = np.array([[_BASE], [pow(_BASE, -1, 1 << 32)]])
    np.multiply.accumulate(both, axis=1, out=both)
    return both[0], both[1]


def _scramble() -> NDArray[np.uint32]:
    """Give each byte a number of 32 bits, upper case that of lower case."""
    octets = np.arange(256, dtype=np.uint64)
    octets[ord("A") : ord("Z") + 1] += np.uint64(32)
    octets *= np.uint64(0x9E3779B97F4A7C15)
    octets ^= octets >> np.uint64(29)
    octets *= np.uint64(0xBF58476D1CE4E5B9)
    return (octets >> np.uint64(32)).astype(np.uint32)


SCRAMBLED: Final = _scramble()
POWERS: Final = _powers(16)[0]
