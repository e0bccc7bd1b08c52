"""Attacks that nothing was trained against: written when training was done, never tuned for."""

from typing import Final

import numpy as np

from training.attacks import Attack, of_words

_SOUNDS: Final = (
    ("ck", "k"), ("ph", "f"), ("qu", "kw"), ("tion", "shun"), ("ee", "ea"), ("ea", "ee"),
    ("ll", "l"), ("ss", "z"), ("c", "k"), ("s", "z"), ("f", "ph"), ("y", "ie"), ("i", "y"),
)  # fmt: skip
_BREAKS: Final = "-_/'"


def _as_it_sounds(word: str, chance: np.random.Generator) -> str:
    """Respell up to two sounds: "cash" becomes "kash", "free" becomes "phrea"."""
    there = [pair for pair in _SOUNDS if pair[0] in word.lower()]
    for place in chance.permutation(len(there))[:2]:
        sound, other = there[place]
        word = word.lower().replace(sound, other, 1)
    return word


def _broken(word: str, chance: np.random.Generator) -> str:
    """Put one sign into the word: "fr-ee"."""
    place = int(chance.integers(1, len(word)))
    return word[:place] + _BREAKS[chance.integers(len(_BREAKS))] + word[place:]


def _stretched(word: str, chance: np.random.Generator) -> str:
    """Hold one letter: "freeeee"."""
    place = int(chance.integers(len(word)))
    return word[:place] + word[place] * int(chance.integers(3, 7)) + word[place + 1 :]


NEW: Final[dict[str, Attack]] = {
    "as it sounds": of_words(0.8, _as_it_sounds),
    "broken words": of_words(0.8, _broken),
    "stretched letters": of_words(0.8, _stretched),
}
