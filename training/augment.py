"""Other ways to write the same text: what a model must not depend on is drawn anew each time."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from training import attacks
from training.attacks import Attack

_DROPPED_WORDS = 0.15
_UPPER = 0.4  # of those whose case changes; the others become lower


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How many of the rows are changed in each way, whatever their label.

    Attributes:
        case: Share written all lower or all upper case.
        words: Share that loses some of its words.
        disguised: Share that is attacked in one of the known ways.
        numbers: Share that gets a number, as long as a telephone's.
        attacks: The ways.
    """

    case: float
    words: float
    disguised: float
    numbers: float
    attacks: tuple[Attack, ...] = field(default=tuple(attacks.KNOWN.values()))

    def apply(self, texts: Sequence[str], chance: np.random.Generator) -> list[str]:
        """Change texts as they were received; what is drawn never depends on what a text says."""
        draws = chance.random((len(texts), 3)) < (self.case, self.words, self.disguised)
        changed = [
            self._change(text, draw, chance) if draw.any() else text
            for text, draw in zip(texts, draws, strict=True)
        ]
        return self.numbered(changed, chance)

    def numbered(self, texts: Sequence[str], chance: np.random.Generator) -> list[str]:
        """Give some texts a number: having one must not decide."""
        draws = chance.random(len(texts)) < self.numbers
        return [
            _number(text, chance) if draw else text for text, draw in zip(texts, draws, strict=True)
        ]

    def _change(self, text: str, draw: np.ndarray, chance: np.random.Generator) -> str:
        case, words, disguised = draw
        if case:
            text = text.upper() if chance.random() < _UPPER else text.lower()
        if words:
            text = _drop_words(text, chance)
        return attacks.disguise([text], self.attacks, chance)[0] if disguised else text


def _drop_words(text: str, chance: np.random.Generator) -> str:
    words = text.split(" ")
    kept = [
        word
        for word, draw in zip(words, chance.random(len(words)), strict=True)
        if draw >= _DROPPED_WORDS
    ]
    return " ".join(kept) or text


def _number(text: str, chance: np.random.Generator) -> str:
    """Put a number of 3 to 11 digits in front of a word or behind the last."""
    words = text.split(" ")
    digits = "".join(map(str, chance.integers(0, 10, chance.integers(3, 12))))
    words.insert(int(chance.integers(len(words) + 1)), digits)
    return " ".join(words)
