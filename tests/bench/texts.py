"""Texts as devices send them: distinct ones, and ever new ones of the data set's lengths."""

from __future__ import annotations

import csv
import random
import string
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

DATASET = Path(__file__).parents[2] / "training" / "data" / "workshop_spam_dataset.csv"

_REPLACED = 3
"""Words of a text that are replaced at the most: enough that no cache has seen it."""
_TRIES = 8


def dataset() -> list[str]:
    """Read the texts of the data set, in its order."""
    with DATASET.open(encoding="utf-8", newline="") as file:
        return [row["text"] for row in csv.DictReader(file)]


def distinct(count: int) -> list[str]:
    """Return the first ``count`` texts of the data set that differ from each other."""
    return list(islice(dict.fromkeys(dataset()), count))


class NewTexts:
    """Texts that were never sent before, as long as those of the data set.

    A text is one of the data set in which up to three words are replaced by others of the same
    length, from anywhere in it; so lengths, letters and tokens are those of real messages.

    Args:
        seed: The same seed makes the same texts.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._texts = [text for text in dataset() if not text.isspace()]
        self._seen = set(self._texts)
        self._words: dict[int, list[str]] = {}
        for word in {word for text in self._texts for word in text.split(" ")}:
            self._words.setdefault(len(word), []).append(word)

    def take(self, count: int) -> list[str]:
        """Return ``count`` new texts."""
        return list(islice(self._endless(), count))

    def _endless(self) -> Iterator[str]:
        while True:
            text = self._altered(self._random.choice(self._texts))
            if text not in self._seen:
                self._seen.add(text)
                yield text

    def _altered(self, text: str) -> str:
        words = text.split(" ")
        for _ in range(_TRIES):
            for place in self._random.choices(range(len(words)), k=_REPLACED):
                words[place] = self._random.choice(self._words[len(words[place])])
            altered = " ".join(words)
            if altered not in self._seen:
                return altered
        # The shortest texts run out of variants: those grow by three letters.
        return f"{text} {''.join(self._random.choices(string.ascii_lowercase, k=2))}"
