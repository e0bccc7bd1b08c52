"""One's own messages to train on: the file is checked line by line, and no text is quoted."""

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from bridge.text import canonicalise
from training.data import LABELS, Texts
from training.errors import TrainingError

_TOLD: Final = 20  # lines that an error names
_COLUMNS: Final = ("label", "text")
_DIGITS: Final = re.compile("[0-9]+")


def read(path: Path) -> Texts:
    """Read a CSV file whose first columns are label and text, as `bridge calls --export` writes it.

    However few they are: they are learnt beside the workshop's.

    Texts that are equal but for digits, case and disguise form a group, which no split parts.

    Raises:
        TrainingError: The file cannot be used; the message has a line for each bad line of it.
    """
    rows = _rows(path)
    wrong = [f"line {line}: {fault}" for line, fault in _faults(rows)]
    if wrong:
        more = f"\n… and {len(wrong) - _TOLD} more" if len(wrong) > _TOLD else ""
        raise TrainingError(f"{path.name} cannot be used:\n" + "\n".join(wrong[:_TOLD]) + more)
    if not rows:
        raise TrainingError(f"{path.name} has no rows")
    labels = np.array([LABELS.index(row[0]) for _, row in rows], np.int8)
    texts = tuple(row[1] for _, row in rows)
    keys = [_DIGITS.sub("0", canonicalise(text).lower()) for text in texts]
    _, groups = np.unique(keys, return_inverse=True)
    sources = np.full(len(rows), "own")
    return Texts(texts, labels, sources, groups.astype(np.int64), np.full(len(rows), -1, np.int64))


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = tuple(next(reader, ()))[:2]
            rows = [(reader.line_num, row) for row in reader]
    except OSError as error:
        raise TrainingError(f"{path.name} cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error):
        raise TrainingError(f"{path.name} is not UTF-8 CSV") from None
    if header != _COLUMNS:
        raise TrainingError(f"{path.name} line 1: the first columns must be label,text")
    return rows


def _faults(rows: list[tuple[int, list[str]]]) -> Iterator[tuple[int, str]]:
    for line, row in rows:
        if len(row) < len(_COLUMNS):
            yield line, "needs a label and a text"
        elif row[0] not in LABELS:
            yield line, "label must be ham or spam"
        elif not row[1].strip():
            yield line, "text is empty"
