"""Ways to hide a word from a filter: to train against, and to be judged by.

Each takes a text as a person would send it and gives it back so that a person still reads it.
"""

import string
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

Attack = Callable[[str, np.random.Generator], str]

_LEET: Final = str.maketrans("aeiostAEIOST", "43105743105" + "7")
_LOOK_ALIKES: Final = str.maketrans(
    "aeiopcxysABEHKMOPCTX", "\u0430\u0435\u0456\u043e\u0440\u0441\u0445\u0443\u0455"
    "\u0410\u0412\u0415\u041d\u041a\u041c\u041e\u0420\u0421\u0422\u0425",
)  # fmt: skip
_FULL_WIDTH: Final = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}
_BOLD: Final = {
    ord(letter): 0x1D400 + place
    for place, letter in enumerate(string.ascii_uppercase + string.ascii_lowercase)
} | {ord(digit): 0x1D7CE + place for place, digit in enumerate(string.digits)}
_HARMLESS: Final = tuple(
    "ok lol home later love going tonight mum sorry really day good think happy sleep work week "  # noqa: SIM905
    "dinner haha song nice thanks morning yeah maybe friend miss class lunch feel told remember"
    .split()
)  # fmt: skip
_HARMLESS_ADDED: Final = 10
_SHORT: Final = 4
"""Words below this many letters are left alone: nobody hides them."""


def _some(share: float, change: Callable[[str], str]) -> Attack:
    """Change a share of the characters."""

    def attack(text: str, chance: np.random.Generator) -> str:
        draws = chance.random(len(text)) < share
        return "".join(change(one) if draw else one for one, draw in zip(text, draws, strict=True))

    return attack


def of_words(share: float, change: Attack) -> Attack:
    """Make an attack that changes a share of the words that are long enough."""

    def attack(text: str, chance: np.random.Generator) -> str:
        return " ".join(
            change(word, chance) if _is_hidden(word) and chance.random() < share else word
            for word in text.split(" ")
        )

    return attack


def _is_hidden(word: str) -> bool:
    return len(word) >= _SHORT and word.isalpha()


def _mistype(word: str, chance: np.random.Generator) -> str:
    """Drop, double, replace or swap one letter."""
    place = int(chance.integers(len(word) - 1))
    other = string.ascii_lowercase[chance.integers(26)]
    here, following = word[place], word[place + 1]
    middle = (following, here * 2 + following, other + following, following + here)
    return word[:place] + middle[chance.integers(4)] + word[place + 2 :]


def _mask(word: str, chance: np.random.Generator) -> str:
    """Put asterisks over one or two letters inside."""
    count = int(chance.integers(1, 3))
    place = int(chance.integers(1, len(word) - count))
    return word[:place] + "*" * count + word[place + count :]


def _full_width(text: str, _chance: np.random.Generator) -> str:
    return text.translate(_FULL_WIDTH)


def _bold(text: str, _chance: np.random.Generator) -> str:
    return text.translate(_BOLD)


def _spaced(text: str, _chance: np.random.Generator) -> str:
    return "   ".join(" ".join(word) for word in text.split())


def _spaced_closely(text: str, _chance: np.random.Generator) -> str:
    return " ".join(text.replace(" ", ""))


def _dotted(word: str, _chance: np.random.Generator) -> str:
    return ".".join(word)


def _joined(text: str, _chance: np.random.Generator) -> str:
    return "".join(text.split())


def _ham_words(text: str, chance: np.random.Generator) -> str:
    added = " ".join(chance.choice(_HARMLESS, _HARMLESS_ADDED))
    return f"{text} {added}" if chance.random() < 0.5 else f"{added} {text}"  # noqa: PLR2004


KNOWN: Final[dict[str, Attack]] = {
    "leet": _some(0.5, lambda one: one.translate(_LEET)),
    "homoglyphs": _some(0.6, lambda one: one.translate(_LOOK_ALIKES)),
    "zero-width": _some(0.4, lambda one: one + "\u200b"),
    "spaced": _spaced,
    "spaced, no gaps": _spaced_closely,
    "dotted": of_words(1.0, _dotted),
    "typos": of_words(0.5, _mistype),
    "a**k": of_words(0.7, _mask),
    "joined": _joined,
    "full-width": _full_width,
    "bold": _bold,
    "ham words": _ham_words,
}
"""The attacks of the data notes: texts are disguised by them in training, in both classes."""


def disguise(
    texts: Sequence[str], attacks: Sequence[Attack], chance: np.random.Generator
) -> list[str]:
    """Attack each text with one of the attacks, drawn anew for each."""
    return [attacks[chance.integers(len(attacks))](text, chance) for text in texts]
