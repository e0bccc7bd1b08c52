"""The one text preparation, for training and for serving.

Spam dresses up: entities, look-alike letters, zero-width characters, s p a c e d words, l33t.
``canonicalise`` undresses it into a small alphabet (printable ASCII and a few codes), so that the
model meets one spelling of a word, whoever typed it. It also closes the data set's shortcuts: what
is true of the collection and not of spam (a BOM, ``&lt;#&gt;``, the length of a digit run).

Pure: no I/O, no clock, no state but a bounded cache of single characters.
"""

import html
import re
import string
import unicodedata
from typing import Final

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
_LEET: Final = re.compile(
    r"(?<=[A-Za-z])[013457$|]{1,2}(?=[A-Za-z])"
    r"|(?<=[A-Za-z])@(?=[A-Za-z]+(?![A-Za-z@.]))"  # an address keeps its @
    r"|(?<=[a-z])!(?=[a-z])"
    r"|(?<=[A-Za-z]{2})[03$]{2}(?![\w$@!|])"
    r"|(?<![\w$@!|.])[0$@](?=[A-Za-z]{3})"
)
_LEET_LETTERS: Final = str.maketrans("013457$@!|", "oieastsail")
_DIGITS: Final = re.compile(r"[0-9]{3,}")

_NO_LETTERS: Final = bytes(set(range(128)) - set(string.ascii_letters.encode()))

# What a character is to the patterns above: the test for the fast path is a search in C.
_SINGLE_SHAPE: Final = bytes(
    120
    if chr(code).isascii() and (chr(code).isalnum() or chr(code) in "$@")
    else 46
    if chr(code) in " ._*|/~+-"
    else 0
    for code in range(256)
)
_LEET_SHAPE: Final = bytes(
    97 if chr(code).isascii() and chr(code).isalpha() else 49 if chr(code) in "013457$@!|" else 32
    for code in range(256)
)
_DIGIT_SHAPE: Final = bytes(48 if chr(code) in string.digits else 32 for code in range(256))


def canonicalise(text: str) -> str:
    """Write a text the plain way.

    Args:
        text: Any string, lone surrogates included.

    Returns:
        Printable ASCII and ``CODES``, single spaces, case kept, about ``LONGEST_CHARS`` at most.
        ``canonicalise`` of it is itself.
    """
    return _respell(_cut(_narrow(_cut(text))))  # twice: one character can become eighteen


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
        text = text.translate(_CHARACTERS)
    if "&" in text:
        text = _unescape(text)
    if "<#>" in text:  # a number that the collection's authors hid, and an app's mark for its SMS
        text = text.replace("<#>", "0")
    return text


def _unescape(text: str) -> str:
    """Resolve HTML entities, escaped twice too; no ampersand stays, so nothing resolves later."""
    text = html.unescape(html.unescape(text))
    return text.translate(_CHARACTERS).replace("&", "+")


def _respell(text: str) -> str:
    """Rejoin spaced words, undo leet in words, cut digit runs to three zeros."""
    if "  " in text:
        text = _BETWEEN.sub(" ", _SINGLES.sub(_rejoin, text))
    elif b"x.x.x.x" in text.encode("latin-1").translate(_SINGLE_SHAPE):
        text = _SINGLES.sub(_rejoin, text)
    text = text.strip(" ")
    octets = text.encode("latin-1")
    if _may_be_leet(octets.translate(_LEET_SHAPE)):
        text = _unleet(text)
    if b"000" in octets.translate(_DIGIT_SHAPE):
        text = _DIGITS.sub("000", text)
    return text


def _may_be_leet(shape: bytes) -> bool:
    return b"a1a" in shape or b"a11" in shape or b"1aaa" in shape


def _unleet(text: str) -> str:
    """Undo leet until nothing changes: a letter won back can be the context of the next."""
    while (plain := _LEET.sub(lambda match: match[0].translate(_LEET_LETTERS), text)) != text:
        text = plain
    return text


def _rejoin(match: re.Match[str]) -> str:
    """Join single letters; wider gaps part words, unless a word would be a single letter again."""
    words = [_SEPARATORS.sub("", word) for word in _BETWEEN.split(match[0])]
    return (" " if min(map(len, words)) > 1 else "").join(words)


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
