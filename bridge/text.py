"""The one text preparation, for training and for serving.

Spam dresses up: entities, look-alike letters, zero-width characters, s p a c e d words, l33t.
``canonicalise`` undresses it into a small alphabet (printable ASCII and a few codes), so that the
model meets one spelling of a word, whoever typed it. It also closes the data set's shortcuts: what
is true of the collection and not of spam (a BOM, ``&lt;#&gt;``, the length of a digit run).

Pure: no I/O, no clock, no state but a bounded cache of single characters.
"""

import html
import re
import unicodedata
from typing import Final

VERSION: Final = 1
"""Changes whenever the same text would be prepared differently: a bundle names the one it needs."""

LONGEST_CHARS: Final = 4_096
"""Only the two ends of a longer text are prepared: a bound on the work, whatever is sent."""

HEART: Final = "\x81"
BLOCK: Final = "\x82"  # box drawings and bars, from which pictures are made
PUNCTUATION: Final = "\x83"
UNKNOWN: Final = "\x84"  # unassigned, private, lone surrogates
_LETTERS: Final = "\x86\x87\x88\x89\x8a\x8b\x8c\x8d"  # other scripts, by code point modulo 8
_SYMBOLS: Final = "\x98\x99\x9a\x9b\x9c\x9d\x9e\x9f"  # emoji and the like, the same way
CODES: Final = HEART + BLOCK + PUNCTUATION + UNKNOWN + _LETTERS + _SYMBOLS
"""C1 controls that no encoding gives a glyph (Windows-1252 uses the others by mistake)."""

_CACHED_CHARACTERS: Final = 16_384  # of 1.1 million: an attacker must not fill the memory

# Look-alikes that Unicode does not decompose. Latin variants are found by their names instead.
_CONFUSABLES: Final = dict(
    zip(
        "АВЕКМНОРСТУХаеорсухіјѕԁһԛԝвкмнтпгігІЈЅҮүΑΒΕΖΗΙΚΜΝΟΡΤΥΧαβγεικνορτυχωηℓıɑɡΙѵԍՕօսԱտհոցքᎪᏴᏟᎠᎬᎻᎫᏦᏞᎷᏢᏒᏚᎢᏙᎳᏃ",
        "ABEKMHOPCTYXaeopcyxijsdhqwbkmhtnririJSYyABEZHIKMNOPTYXabyeikvoptuxwnliagIvgOouUwhngpABCDEHJKLMPRSTVWZ",
        strict=False,
    )
)
