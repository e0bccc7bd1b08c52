"""The report: what `evaluate` found, as Markdown, plots and numbers."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from training import costs, plots
from training.export import THRESHOLD
from training.metrics import Figures, confusion, figures
from training.protocol import Study, config_name

REPORTS: Final = Path(__file__).parent / "reports"
_NAMES: Final = ("accuracy", "macro_f1", "mcc", "auc", "ece", "caught", "blocked")
_HEADINGS: Final = ("accuracy", "macro F1", "MCC", "AUC", "ECE", "spam caught", "ham blocked")


def write(studies: list[Study], directory: Path = REPORTS) -> Path:
    """Write the report of finished studies.

    Returns:
        The Markdown file.
    """
    directory.mkdir(parents=True, exist_ok=True)
    sections = [_OPENING, _comparison(studies), *(_section(each, directory) for each in studies)]
    path = directory / "README.md"
    path.write_text("\n".join(sections), "utf-8")
    return path


_OPENING: Final = """# How good the models are

Written by `make evaluate`; do not edit. The grouped 5-fold protocol: near-duplicates never stand on
both sides of a split, everything (calibration too) is fitted inside the training folds, and the
figures are pooled over the five folds, so each of the 6,810 distinct texts is judged once, by a
network that has not seen it. Mean over seeds; behind ± the standard deviation between seeds.
"""


def _comparison(studies: list[Study]) -> str:
    rows = [["configuration", "seeds", *_HEADINGS, "us per text"]]
    for study in studies:
        name = config_name(study.config)
        cost = costs.measure(study.config)
        rows.append([name, str(len(study.config.seeds)), *_with_spread(_seeds(study)), cost])
    return _table(rows) + f"\n{costs.HOW}\n"


def _section(study: Study, directory: Path) -> str:
    name = config_name(study.config)
    _keep_numbers(study, directory / f"{name}.json")
    pooled = [study.pooled(seed) for seed in study.config.seeds]
    by_seed = dict(zip(study.config.seeds, pooled, strict=True))
    plots.write(study.texts.labels, by_seed, directory / f"{name}.png")
    parts = [
        f"## {name}\n",
        _sources(study, pooled),
        f"First seed, threshold {THRESHOLD}, label against verdict:\n",
        _confusion(study, pooled[0]),
        f"![Calibration, ROC and precision-recall of {name}]({name}.png)\n",
    ]
    return "\n".join(parts)


def _seeds(study: Study) -> list[Figures]:
    labels = study.texts.labels
    return [figures(labels, study.pooled(seed), THRESHOLD) for seed in study.config.seeds]


def _sources(study: Study, pooled: list[NDArray[np.float64]]) -> str:
    rows = [["source", "texts", *_HEADINGS]]
    for source in sorted(set(study.texts.sources)):
        of_it = study.texts.sources == source
        labels = study.texts.labels[of_it]
        judged = [figures(labels, spam[of_it], THRESHOLD) for spam in pooled]
        rows.append([source, str(of_it.sum()), *_with_spread(judged)])
    return _table(rows)


def _confusion(study: Study, spam: NDArray[np.float64]) -> str:
    counts = confusion(study.texts.labels, spam, THRESHOLD)
    return _table(
        [
            ["", "called ham", "called spam"],
            ["ham", *map(str, counts[0])],
            ["spam", *map(str, counts[1])],
        ]
    )


def _with_spread(judged: list[Figures]) -> list[str]:
    cells = []
    for name in _NAMES:
        values = [getattr(one, name) for one in judged]
        spread = f" ± {np.std(values, ddof=1):.4f}" if len(values) > 1 else ""
        cells.append(f"{np.mean(values):.4f}{spread}")
    return cells


def _keep_numbers(study: Study, path: Path) -> None:
    """Keep the figures for the bundle and its card, and for whoever compares."""
    judged = _seeds(study)
    kept = {
        "mean": {
            name: round(float(np.mean([getattr(one, name) for one in judged])), 4)
            for name in _NAMES
        },
        "seeds": {
            str(seed): asdict(one) for seed, one in zip(study.config.seeds, judged, strict=True)
        },
    }
    path.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n", "utf-8")


def _table(rows: list[list[str]]) -> str:
    rule = ["---"] * len(rows[0])
    return "".join(f"| {' | '.join(row)} |\n" for row in [rows[0], rule, *rows[1:]])
