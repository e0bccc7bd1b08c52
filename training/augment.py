"""Other ways to write the same text: what a network must not depend on is drawn anew each epoch."""

from dataclasses import dataclass

import numpy as np

_LETTERS = "abcdefghijklmnopqrstuvwxyz*"
_DROPPED_WORDS = 0.15
_CHARACTERS_PER_TYPO = 25


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How many of the rows are changed in each way.

    Attributes:
        case: Share written all lower or all upper case.
        words: Share that loses some of its words.
        typos: Share that is mistyped.
    """

    case: float
    words: float
    typos: float

    def apply(self, texts: list[str], chance: np.random.Generator) -> list[str]:
        """Change canonical texts; what is drawn never depends on what a text says."""
        draws = chance.random((len(texts), 3)) < (self.case, self.words, self.typos)
        return [
            self._change(text, draw, chance) if draw.any() else text
            for text, draw in zip(texts, draws, strict=True)
        ]

    def _change(self, text: str, draw: np.ndarray, chance: np.random.Generator) -> str:
        case, words, typos = draw
        if case:
            text = text.upper() if chance.random() < 0.4 else text.lower()  # noqa: PLR2004
        if words:
            text = _drop_words(text, chance)
        return _mistype(text, chance) if typos else text


def _drop_words(text: str, chance: np.random.Generator) -> str:
    words = text.split(" ")
    kept = [
        word
        for word, draw in zip(words, chance.random(len(words)), strict=True)
        if draw >= _DROPPED_WORDS
    ]
    return " ".join(kept) or text


def _mistype(text: str, chance: np.random.Generator) -> str:
    """Drop, double or replace a few characters."""
    characters = list(text)
    if not characters:
        return text
    for _ in range(1 + len(characters) // _CHARACTERS_PER_TYPO):
        place = chance.integers(len(characters))
        here = characters[place]
        other = _LETTERS[chance.integers(len(_LETTERS))]
        characters[place] = ("", here * 2, other)[chance.integers(3)]
    return "".join(characters).strip()
