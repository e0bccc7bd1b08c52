"""What the bundles of a study answer: to attacks, to shortcuts, to texts from elsewhere."""

import csv
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import matthews_corrcoef

from bridge.inference import bundle as serving
from bridge.inference.bundle import Bundle
from training import data, folds
from training.attacks import Attack
from training.calibration import Platt
from training.metrics import Figures, figures
from training.protocol import Part, Study

DEVELOPMENT: Final = Path(__file__).parents[2] / "shared" / "data"
"""The development sets: not in the repository, so not on every machine."""

OTHER_VIDEOS: Final = "dev_youtube_othervideos.csv"
TRANSACTIONS: Final = "dev_otp_transactional.csv"

SHORTCUTS: Final[dict[str, Callable[[str], str]]] = {
    "a telephone number behind it": lambda text: f"{text} 08712345678",
    "`&lt;#&gt;` behind it": lambda text: f"{text} &lt;#&gt;",
    "a BOM behind it": lambda text: f"{text}\ufeff",
}


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """How a model does on a development set.

    Attributes:
        mcc: Matthews' correlation coefficient at the threshold.
        blocked: Share of the ham called spam.
        caught: Share of the spam called spam.
    """

    mcc: float
    blocked: float
    caught: float


@lru_cache(maxsize=32)
def _bundle(directory: Path) -> Bundle:
    return serving.load(directory)


def thresholds(study: Study, seed: int) -> NDArray[np.float64]:
    """Give the threshold that each text is judged by, (n,): its fold's bundle has it."""
    chosen = np.full(len(study.texts), 0.5)
    for bundle, test in _bundles(study, seed):
        chosen[test] = bundle.threshold
    return chosen


def path(study: Study, seed: int, output: str) -> Figures:
    """Judge one path alone: its logit, out of fold, at the bundle's threshold."""
    spam = np.empty(len(study.texts))
    for bundle, test in _bundles(study, seed):
        logits = bundle.logits(study.texts.at(test).texts, output)
        spam[test] = Platt(1.0, 0.0).probability(logits)
    return figures(study.texts.labels, spam, thresholds(study, seed))


def recall(study: Study, seed: int, attack: Attack) -> float:
    """Give the share of the spam that is caught out of fold when all of it is attacked."""
    chance = np.random.default_rng(seed)
    caught = []
    for bundle, test in _bundles(study, seed):
        judged = study.texts.at(test[study.texts.labels[test] == 1])
        attacked = [attack(text, chance) for text in judged.texts]
        caught.append(bundle.scores(attacked)[:, 1] >= bundle.threshold)
    return float(np.concatenate(caught).mean())


def moves(study: Study, seed: int, change: Callable[[str], str]) -> NDArray[np.float64]:
    """Tell by how much a change moves each text's score out of fold, (n,)."""
    moved = np.empty(len(study.texts))
    for bundle, test in _bundles(study, seed):
        texts = study.texts.at(test).texts
        changed = [change(text) for text in texts]
        moved[test] = bundle.scores(changed)[:, 1] - bundle.scores(texts)[:, 1]
    return moved


def elsewhere(study: Study, seed: int, name: str) -> list[Elsewhere]:
    """Judge a development set by each fold's bundle; nothing where the set is not at hand."""
    if not (DEVELOPMENT / name).is_file():
        return []
    texts, labels = _development(name)
    judged = []
    for bundle, _ in _bundles(study, seed):
        called = bundle.scores(texts)[:, 1] >= bundle.threshold
        mcc = float(matthews_corrcoef(labels, called))
        judged.append(
            Elsewhere(mcc, float(called[labels == 0].mean()), float(called[labels == 1].mean()))
        )
    return judged


def _development(name: str) -> tuple[list[str], NDArray[np.int8]]:
    with (DEVELOPMENT / name).open(encoding="utf-8", newline="") as file:
        rows: list[Mapping[str, str]] = list(csv.DictReader(file))
    labels = [data.LABELS.index(row["label"]) for row in rows]
    return [row["text"] for row in rows], np.array(labels, np.int8)


def _bundles(study: Study, seed: int) -> Iterator[tuple[Bundle, NDArray[np.int64]]]:
    for fold, _, test in folds.outer(study.texts):
        yield _bundle(study.bundle(Part(seed, fold))), test
