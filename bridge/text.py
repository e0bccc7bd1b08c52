"""The one text preparation, for training and for serving.

Spam dresses up: entities, look-alike letters, zero-width characters, s p a c e d words, l33t.
``canonicalise`` undresses it into a small alphabet (printable ASCII and a few codes), so that the
model meets one spelling of a word, whoever typed it. It also closes the data set's shortcuts: what
is true of the collection and not of spam (a BOM, ``&lt;#&gt;``, the length of a digit run).

Pure: no I/O, no clock, no state but a bounded cache of single characters.
"""

from __future__ import annotations

import html
import re
import string
import unicodedata
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

VERSION: Final = 1
"""Changes whenever the same text would be prepared differently: a bundle names the one it needs."""

LONGEST_CHARS: Final = 4_096
"""Only the two ends of a longer text are read: a bound on the work, whatever is sent."""

HEART: Final = "\x81"
BLOCK: Final = "\x82"  # box drawings and bars, from which pictures are made
PUNCTUATION: Final = "\x83"
UNKNOWN: Final = "\x84"  # unassigned, private, lone surrogates
LETTERS: Final = "\x86\x87\x88\x89\x8a\x8b\x8c\x8d"  # other scripts, by code point modulo 8
SYMBOLS: Final = "\x98\x99\x9a\x9b\x9c\x9d\x9e\x9f"  # emoji and the like, the same way
CODES: Final = HEART + BLOCK + PUNCTUATION + UNKNOWN + LETTERS + SYMBOLS
"""C1 controls without a Windows-1252 glyph: nobody types them, so each stands for itself."""

_CACHED_CHARACTERS: Final = 16_384  # of 1.1 million: a sender must not be able to fill the memory

_MOJIBAKE: Final = {
    0x80: "$",  # Windows-1252 read as Latin-1: the data set has it in SMS
    0x85: "...",
    0x91: "'",
    0x92: "'",
    0x93: '"',
    0x94: '"',
    0x95: "*",
    0x96: "-",
    0x97: "-",
}

# Look-alikes that Unicode does not decompose; variants of Latin letters are found by name instead.
_LOOK_ALIKES: Final = (
    ("АВЕКМНОРСТУХІЈЅҮԌԚԜ", "ABEKMHOPCTYXIJSYGQW"),
    ("аеорсухіјѕԁһԛԝүвкмнтпгѵ", "aeopcyxijsdhqwybkmhtnrv"),
    ("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABEZHIKMNOPTYX"),  # noqa: RUF001  Greek
    ("αβγεικνορτυχωη", "abyeikvoptuxwn"),
    ("ՕօսհոցᎪᏴᏟᎠᎬᎻᎫᏦᏞᎷᏢᏒᏚᎢᏙᎳᏃ", "OouhngABCDEHJKLMPRSTVWZ"),  # noqa: RUF001  Armenian, Cherokee
)
_CONFUSABLES: Final = {
    odd: plain for odds, plains in _LOOK_ALIKES for odd, plain in zip(odds, plains, strict=True)
}
_LATIN_VARIANT: Final = re.compile(
    r"LATIN (SMALL |CAPITAL |)LETTER (?:SMALL CAPITAL |DOTLESS |SCRIPT )?([A-Z]|ALPHA)(?: WITH .*)?"
    r"|(?:NEGATIVE )?(?:SQUARED|CIRCLED) LATIN (CAPITAL) LETTER ([A-Z])"
    r"|REGIONAL INDICATOR (SYMBOL) LETTER ([A-Z])"
)
_HEARTS: Final = re.compile(r"\bHEART\b")

_SINGLES: Final = re.compile(
    r"(?<![A-Za-z0-9$@])"
    r"[A-Za-z0-9$@](?:(?: +|[._*|/~+-])[A-Za-z0-9$@]){3,}"
    r"(?![A-Za-z0-9$@])"
)
_BETWEEN: Final = re.compile(r" {2,}")
_SEPARATORS: Final = re.compile(r"[ ._*|/~+-]")
_LEET: Final = re.compile(  # the sign first, so that the search skips what is none
    r"[013457$@!|](?:"
    r"(?<=[A-Za-z][013457$|])[013457$|]?(?=[A-Za-z])"
    r"|(?<=[A-Za-z]@)(?=[A-Za-z]+(?![A-Za-z@.]))"  # an address keeps its @
    r"|(?<=[a-z]!)(?=[a-z])"
    r"|(?<=[A-Za-z]{2}[03$])[03$](?![\w$@!|])"
    r"|(?<=[0$@])(?<![\w$@!|.][0$@])(?=[A-Za-z]{3})"
    r")"
)
_LEET_LETTERS: Final = str.maketrans("013457$@!|", "oieastsail")
_DIGITS: Final = re.compile(r"[0-9]{3,}")
_ODD: Final = re.compile(r"[^ -~]+")

_NO_LETTERS: Final = bytes(set(range(128)) - set(string.ascii_letters.encode()))


def canonicalise(text: str) -> str:
    """Write a text the plain way.

    Args:
        text: Any string, lone surrogates included.

    Returns:
        Printable ASCII and ``CODES``, single spaces, case kept, about ``LONGEST_CHARS`` at most.
        ``canonicalise`` of it is itself.
    """
    return canonicalise_all([text])[0]


def canonicalise_all(texts: Sequence[str]) -> list[str]:
    """Write texts the plain way, each as ``canonicalise`` does.

    What can be looked for in all of them at once says which texts a pattern may match.
    """
    plain = [_cut(_narrow(_cut(text))) for text in texts]  # one character can become eighteen
    few = len(texts) < _WORTH_A_SEARCH
    every = range(len(plain))
    for row in every if few else _spaced(plain):
        plain[row] = _respace(plain[row])
    leet, digits = (every, every) if few else _leet_and_digits(plain)
    for row in leet:
        plain[row] = _unleet(plain[row])
    for row in digits:
        plain[row] = _DIGITS.sub("000", plain[row])
    return plain


def won_back(text: str, plain: str) -> int:
    """Count the letters that a text hid and its canonical form shows: a trait of its own.

    A BOM, an entity or a digit run wins none back, so that they stay without a trace.
    """
    return max(0, _letters(plain) - _letters(text)) if text != plain else 0


def _letters(text: str) -> int:
    return len(text.encode("ascii", "ignore").translate(None, _NO_LETTERS))


def _cut(text: str) -> str:
    """Keep the two ends of an endless text; cut again, it stays as it is."""
    if len(text) <= LONGEST_CHARS:
        return text
    return text[: LONGEST_CHARS // 2] + " " + text[-LONGEST_CHARS // 2 :]


def _narrow(text: str) -> str:
    """Bring a text into the small alphabet; whitespace becomes spaces, however many."""
    if not (text.isascii() and text.isprintable()):
        text = _ODD.sub(_translate, text)
    if "&" in text:
        text = _unescape(text)
    if "<#>" in text:  # a number that the collection's authors hid, and an app's mark for its SMS
        text = text.replace("<#>", "0")
    return text


def _translate(match: re.Match[str]) -> str:
    return match[0].translate(_CHARACTERS)


def _unescape(text: str) -> str:
    """Resolve HTML entities, escaped twice too; no ampersand stays, so nothing resolves later."""
    text = html.unescape(text)
    if "&" in text:
        text = html.unescape(text)
    return _ODD.sub(_translate, text).replace("&", "+")


def _respace(text: str) -> str:
    """Rejoin spaced words and leave one space between any two."""
    single = _BETWEEN.sub(" ", text)
    if b"x.x.x.x" in single.encode("latin-1").translate(_SINGLE_SHAPE):
        single = _BETWEEN.sub(" ", _SINGLES.sub(_rejoin, text))
    return single.strip(" ")


def _rejoin(match: re.Match[str]) -> str:
    """Join single letters; wider gaps part words, unless a word would be a single letter again."""
    words = [_SEPARATORS.sub("", word) for word in _BETWEEN.split(match[0])]
    return (" " if min(map(len, words)) > 1 else "").join(words)


def _unleet(text: str) -> str:
    """Undo leet until nothing changes: a letter won back can be the context of the next."""
    while (plain := _LEET.sub(lambda match: match[0].translate(_LEET_LETTERS), text)) != text:
        text = plain
    return text


# --- which texts a pattern may match -------------------------------------------------------------

_WORTH_A_SEARCH: Final = 4  # texts: for fewer the patterns themselves are as quick
_EDGE: Final = "\0"  # around each text; in no narrowed one
_AHEAD: Final = 8  # characters that a search looks ahead, at most
_SINGLE: Final = string.ascii_letters + string.digits + "$@"
_SEPARATING: Final = " ._*|/~+-"
_SINGLE_SHAPE: Final = bytes(
    ord("x") if chr(code) in _SINGLE else ord(".") if chr(code) in _SEPARATING else 0
    for code in range(256)
)


def _kinds(*kinds: str) -> bytes:
    """Give a table for ``bytes.translate``: a bit for each kind that a character is of."""
    return bytes(
        sum(1 << bit for bit, kind in enumerate(kinds) if chr(code) in kind) for code in range(256)
    )


_SPACING: Final = _kinds(_SINGLE, _SEPARATING, " ", " " + _EDGE)
_SPELLING: Final = _kinds(
    string.ascii_letters, string.ascii_lowercase, string.digits, "013457$|@", "03$@", "!"
)


class _Search:
    """Texts, one behind the other, and of which kinds each character is."""

    def __init__(self, texts: Sequence[str], table: bytes) -> None:
        joined = _EDGE + _EDGE.join(texts) + _EDGE * _AHEAD
        self._bits = np.frombuffer(joined.encode("latin-1").translate(table), np.uint8)
        self._ends = np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)) + len(_EDGE))

    def kinds(self, count: int) -> list[NDArray[np.bool_]]:
        """Say of each character whether it is of a kind, for the first ``count`` kinds."""
        return [(self._bits & np.uint8(1 << bit)) != 0 for bit in range(count)]

    def rows(self, found: NDArray[np.bool_]) -> list[int]:
        """Name the texts in which something begins, or right before which."""
        rows = np.searchsorted(self._ends, np.flatnonzero(found), side="right")
        return sorted(set(rows.tolist()))


def _spaced(texts: Sequence[str]) -> list[int]:
    """Find the texts that ``_respace`` may change."""
    search = _Search(texts, _SPACING)
    single, separator, space, blank = search.kinds(4)
    found = np.zeros_like(space)
    found[:-1] = space[:-1] & blank[1:] | blank[:-1] & space[1:]
    pairs = single[:-1] & separator[1:]  # four singles with a separator between any two
    found[:-7] |= pairs[:-6] & pairs[2:-4] & pairs[4:-2] & single[6:-1] & ~single[7:]
    return search.rows(found)


def _leet_and_digits(texts: Sequence[str]) -> tuple[list[int], list[int]]:
    """Find the texts that ``_unleet`` may change, and those with a run of digits to be cut."""
    search = _Search(texts, _SPELLING)
    letter, lower, digit, odd, zero, bang = search.kinds(6)
    word = letter | digit
    found = letter[:-4] & odd[1:-3] & (letter[2:-2] | odd[2:-2] & letter[3:-1])
    found |= lower[:-4] & bang[1:-3] & lower[2:-2]
    found |= letter[:-4] & letter[1:-3] & zero[2:-2] & zero[3:-1] & ~word[4:]
    found |= ~word[:-4] & zero[1:-3] & letter[2:-2] & letter[3:-1] & letter[4:]
    return search.rows(found), search.rows(digit[:-2] & digit[1:-1] & digit[2:])


class _Characters(dict[int, str]):
    """What each character becomes, worked out once: the mapping that ``str.translate`` reads."""

    def __missing__(self, code: int) -> str:
        plain = _plain(chr(code))
        if len(self) < _CACHED_CHARACTERS:
            self[code] = plain
        return plain


def _plain(character: str) -> str:
    """Decompose a character (NFKD) and write each part in the small alphabet."""
    if character in CODES:
        return character
    if ord(character) in _MOJIBAKE:
        return _MOJIBAKE[ord(character)]
    return "".join(map(_plain_part, unicodedata.normalize("NFKD", character)))


def _plain_part(part: str) -> str:
    if part.isspace():
        return " "
    if part in _CONFUSABLES:
        return _CONFUSABLES[part]
    if part.isascii():
        return part if part.isprintable() else ""
    return _latin_variant(part) or _by_category(part)


def _latin_variant(part: str) -> str:
    """Give the letter that a character's Unicode name says it is a variant of, if any."""
    match = _LATIN_VARIANT.fullmatch(unicodedata.name(part, ""))
    if match is None:
        return ""
    case, letter = (group for group in match.groups() if group is not None)
    return letter[0].lower() if case == "SMALL " else letter[0]


def _by_category(part: str) -> str:
    category = unicodedata.category(part)
    if category in {"Mn", "Me", "Mc", "Cf", "Cc"}:  # marks, zero-width and control characters
        return ""
    if category == "Sc":
        return "$"
    if category == "Nd":
        return str(unicodedata.digit(part))
    if category == "Pd":
        return "-"
    if category in {"Pi", "Pf"}:
        return "'"
    return _code(part, category[0])


def _code(part: str, major: str) -> str:
    if major in "LN":
        return LETTERS[ord(part) % 8]
    if major == "P":
        return PUNCTUATION
    if "\u2500" <= part <= "\u25ff":
        return BLOCK
    if major != "S":
        return UNKNOWN
    return HEART if _HEARTS.search(unicodedata.name(part, "")) else SYMBOLS[ord(part) % 8]


_CHARACTERS: Final = _Characters()
