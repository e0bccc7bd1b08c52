"""Texts written for this project: templates of both labels in each style, filled in by chance."""

import re
import string
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from training import data
from training.data import Texts

TEMPLATES: Final = data.DATA / data.TEMPLATES

_SLOT: Final = re.compile(r"\{(\w+)\}")
_DRAWN: Final = re.compile("[#@]+")
_SYMBOLS: Final = {"#": string.digits, "@": string.ascii_uppercase + string.digits}


@dataclass(frozen=True, slots=True)
class Template:
    """One line of a style.

    Attributes:
        style: Such as ``bank``.
        label: An index into ``data.LABELS``.
        pattern: The text with its slots.
    """

    style: str
    label: int
    pattern: str


def written(per_template: int, seed: int, path: Path = TEMPLATES) -> Texts:
    """Fill every template in a few times; for training only, never judged on.

    Args:
        per_template: How many texts each template gives.
        seed: The same seed gives the same texts.
        path: The templates.

    Returns:
        Texts whose group is their template, in no fold.
    """
    chance = np.random.default_rng(seed)
    content = tomllib.loads(path.read_text("utf-8"))
    templates = _templates(content["style"])
    numbers = np.repeat(np.arange(len(templates)), per_template)
    rows = [templates[number] for number in numbers]
    return Texts(
        tuple(_fill(row.pattern, content["slots"], chance) for row in rows),
        np.array([row.label for row in rows], np.int8),
        np.array([f"written-{row.style}" for row in rows]),
        data.WRITTEN_GROUPS - numbers.astype(np.int64),
        np.full(len(rows), -1, np.int64),
    )


def _templates(styles: list[Mapping[str, object]]) -> list[Template]:
    return [
        Template(str(style["name"]), label, pattern)
        for style in styles
        for label, name in enumerate(data.LABELS)
        for pattern in style[name]  # type: ignore[attr-defined]
    ]


def _fill(pattern: str, slots: Mapping[str, list[str]], chance: np.random.Generator) -> str:
    """Draw lines for slots, and for those inside of them, then digits and letters."""
    while _SLOT.search(pattern):
        pattern = _SLOT.sub(lambda match: _one_of(slots[match[1]], chance), pattern)
    return _DRAWN.sub(lambda match: _symbols(match[0], chance), pattern)


def _one_of(lines: list[str], chance: np.random.Generator) -> str:
    return lines[chance.integers(len(lines))]


def _symbols(marks: str, chance: np.random.Generator) -> str:
    return "".join(_SYMBOLS[mark][chance.integers(len(_SYMBOLS[mark]))] for mark in marks)
