"""The data set, the folds, and what is wrong with a file of them. No text leaves in an error."""

import csv
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from training.errors import TrainingError

DATA: Final = Path(__file__).parent / "data"
WORKSHOP: Final = "workshop_spam_dataset.csv"
FOLDS: Final = "workshop_groups_folds.csv"
SYNTHETIC: Final = "train_synthetic_transactional_ham.csv"
TEMPLATES: Final = "templates.toml"
REVIEWED: Final = "reviewed_labels.csv"
LABELS: Final = ("ham", "spam")
COMMENTS: Final = "youtube-spam"  # the source of the texts that are no SMS
FILES: Final = (WORKSHOP, FOLDS, SYNTHETIC, TEMPLATES)
OWN_GROUPS: Final = 1_000_000
"""Groups of one's own texts count up from here."""
WRITTEN_GROUPS: Final = -1_000_000
"""Groups of texts made from templates count down from here; those of other files from -1."""


@dataclass(frozen=True, slots=True)
class Texts:
    """Labelled texts as they were received.

    Attributes:
        texts: n texts.
        labels: (n,) int8, an index into ``LABELS``.
        sources: (n,) where each came from.
        groups: (n,) int64, near-duplicates share one; below 0 it is never judged on.
        folds: (n,) int64, 0 to 4; -1 is never tested on.
    """

    texts: tuple[str, ...] = field(repr=False)  # never in a traceback
    labels: NDArray[np.int8]
    sources: NDArray[np.str_]
    groups: NDArray[np.int64]
    folds: NDArray[np.int64]

    @property
    def is_judged(self) -> NDArray[np.bool_]:
        """Tell for each text whether figures and calibrations may count it, (n,)."""
        return self.groups >= 0

    def __len__(self) -> int:
        """Count the texts."""
        return len(self.texts)

    def at(self, rows: NDArray[np.int64]) -> "Texts":
        """Pick rows, in the order given."""
        texts = tuple(self.texts[row] for row in rows)
        return Texts(
            texts, self.labels[rows], self.sources[rows], self.groups[rows], self.folds[rows]
        )

    def in_groups_from(self, first: int) -> "Texts":
        """Number the groups from here on, so that they are nobody else's."""
        return Texts(self.texts, self.labels, self.sources, self.groups + first, self.folds)

    def and_also(self, other: "Texts") -> "Texts":
        """Put other texts behind these."""
        return Texts(
            self.texts + other.texts,
            np.concatenate([self.labels, other.labels]),
            np.concatenate([self.sources, other.sources]),
            np.concatenate([self.groups, other.groups]),
            np.concatenate([self.folds, other.folds]),
        )


def workshop(directory: Path = DATA) -> Texts:
    """Read the distinct rows of the workshop's set with their groups and folds.

    Raises:
        TrainingError: A file is missing or malformed, or the two do not belong together.
    """
    texts = labelled(directory / WORKSHOP)
    table = _integers(directory / FOLDS, ("row", "group", "fold", "keep"))
    if len(table) != len(texts) or (table[:, 0] != np.arange(len(texts))).any():
        raise TrainingError(f"{FOLDS} does not belong to {WORKSHOP}: {_MEND}")
    folded = Texts(texts.texts, texts.labels, texts.sources, table[:, 1], table[:, 2])
    return folded.at(np.flatnonzero(table[:, 3]))


def workshop_rows(directory: Path = DATA) -> NDArray[np.int64]:
    """Give the row in the workshop's file of each text of ``workshop``."""
    table = _integers(directory / FOLDS, ("row", "group", "fold", "keep"))
    return np.flatnonzero(table[:, 3])


def sms_in_order(directory: Path = DATA) -> Texts:
    """Read every SMS of the collection in its own order, repeated ones too, with their groups."""
    texts = labelled(directory / WORKSHOP)
    table = _integers(directory / FOLDS, ("row", "group", "fold", "keep"))
    grouped = Texts(texts.texts, texts.labels, texts.sources, table[:, 1], table[:, 2])
    return grouped.at(np.flatnonzero(texts.sources == "sms-spam"))


def reviewed(texts: Texts, directory: Path = DATA) -> NDArray[np.int8]:
    """Give the labels of texts as the review of the workshop's set has them, (n,).

    A text is known by its wording, so that any part of the set can be asked for.

    Raises:
        TrainingError: The list is missing or malformed, or does not belong to the set.
    """
    corrected = _corrections(directory)
    labels = zip(texts.texts, texts.labels, strict=True)
    return np.array([corrected.get(text, label) for text, label in labels], np.int8)


def synthetic(directory: Path = DATA) -> Texts:
    """Read the project's own transactional messages: for training alone, each its own group.

    Raises:
        TrainingError: The file is missing or malformed.
    """
    return labelled(directory / SYNTHETIC)


def labelled(path: Path) -> Texts:
    """Read a CSV file of label, text and source.

    Raises:
        TrainingError: The file is missing or malformed; the message names the line.
    """
    texts, labels, sources = [], [], []
    for line, row in _rows(path, ("label", "text", "source")):
        if row["label"] not in LABELS:
            raise TrainingError(f"{path.name} line {line}: label must be ham or spam")
        if not row["text"].strip():
            raise TrainingError(f"{path.name} line {line}: text is empty")
        texts.append(row["text"])
        labels.append(LABELS.index(row["label"]))
        sources.append(row["source"])
    groups = -1 - np.arange(len(texts), dtype=np.int64)  # the folds' groups count from 0 up
    folds = np.full(len(texts), -1, np.int64)
    return Texts(tuple(texts), np.array(labels, np.int8), np.array(sources), groups, folds)


def _corrections(directory: Path) -> dict[str, int]:
    """Read the review's list: the label that each text on it should have had."""
    published = labelled(directory / WORKSHOP)
    corrected: dict[int, int] = {}
    for line, row in _rows(directory / REVIEWED, ("row", "old", "new", "reason")):
        here = f"{REVIEWED} line {line}"
        if not row["row"].isdecimal() or int(row["row"]) >= len(published):
            raise TrainingError(f"{here}: {WORKSHOP} has no such row")
        if {row["old"], row["new"]} != set(LABELS):
            raise TrainingError(f"{here}: one of old and new must be ham, the other spam")
        number, new = int(row["row"]), LABELS.index(row["new"])
        if published.labels[number] == new:
            raise TrainingError(f"{here}: old is not the label that {WORKSHOP} has")
        if number in corrected:
            raise TrainingError(f"{here}: row {number} is listed already")
        corrected[number] = new
    return {published.texts[number]: new for number, new in corrected.items()}


_MEND: Final = "restore it with `git checkout -- training/data`"


def _integers(path: Path, columns: tuple[str, ...]) -> NDArray[np.int64]:
    table = []
    for line, row in _rows(path, columns):
        try:
            table.append([int(row[column]) for column in columns])
        except ValueError as error:
            raise TrainingError(f"{path.name} line {line}: not a whole number: {_MEND}") from error
    return np.array(table, np.int64)


def _rows(path: Path, columns: tuple[str, ...]) -> list[tuple[int, dict[str, str]]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            if tuple(reader.fieldnames or ()) != columns:
                raise TrainingError(f"{path.name}: its first line must be {','.join(columns)}")
            rows = [(reader.line_num, row) for row in reader]
    except FileNotFoundError as error:
        raise TrainingError(f"{path.name} is missing: {_MEND}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise TrainingError(f"{path.name} is not UTF-8 CSV: {_MEND}") from error
    for line, row in rows:
        if None in row or None in row.values():
            raise TrainingError(f"{path.name} line {line}: needs {len(columns)} fields")
    if not rows:
        raise TrainingError(f"{path.name} has no rows: {_MEND}")
    return rows
