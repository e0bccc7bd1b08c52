"""The report: what `evaluate` found, as Markdown, plots and numbers."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from training import ablation, attacks, costs, data, judge, new_attacks, plots, sms
from training.config import ModelConfig
from training.metrics import Figures, confusion, figures
from training.protocol import Study, config_name

REPORTS: Final = Path(__file__).parent / "reports"
LOOKED_AT: Final = REPORTS / "development-looks.txt"

_NAMES: Final = ("accuracy", "macro_f1", "mcc", "auc", "ece", "caught", "blocked", "caught_at")
_HEADINGS: Final = (
    "accuracy", "macro F1", "MCC", "AUC", "ECE", "spam caught", "ham blocked", "at .5%",
)  # fmt: skip
_WORST: Final = 20
_MOVED: Final = 0.05  # by how much a shortcut may move a score
_ATTACKED: Final = """Share of the spam still caught, out of fold, when all of it is attacked. The
first are trained against; the last three were written when training was done.
"""


def write(studies: list[Study], directory: Path = REPORTS) -> Path:
    """Write the report of finished studies.

    Returns:
        The Markdown file.
    """
    directory.mkdir(parents=True, exist_ok=True)
    sections = [_OPENING, _comparison(studies), _reviewed(studies)]
    for study in studies:
        sections += _section(study, directory)
    path = directory / "README.md"
    path.write_text("\n".join(sections), "utf-8")
    return path


_OPENING: Final = """# How good the models are

Written by `make evaluate`; do not edit. The grouped 5-fold protocol: near-duplicates never stand on
both sides of a split, features, weights and calibration are fitted inside the training folds, and
the figures are pooled over the five folds, so each of the 6,810 distinct texts is judged once, by a
model that has not seen it. The threshold is a configuration's own, one number for every fold. Mean
over seeds; behind ± the standard deviation between seeds. "At .5%" is the spam caught by the
threshold that blocks .5% of the ham.
"""

_BASELINES: Final = """
`ngram-svc` reads texts as they are, and so the data set's shortcuts (a digit run, a BOM
and `&lt;#&gt;` tell the label here and nowhere else); `ngram-svc-canonical` is the same machine on
prepared texts, as ours.
"""


def _comparison(studies: list[Study]) -> str:
    rows = [["configuration", "seeds", *_HEADINGS, "us per text"]]
    for study in studies:
        cost = costs.measure(study.config)
        seeds = str(len(study.config.seeds))
        rows.append([config_name(study.config), seeds, *_with_spread(_seeds(study)), cost])
    return _table(rows) + f"{_BASELINES}\n{costs.HOW}\n"


_REVIEWED: Final = """## Judged by the reviewed labels

The same probabilities at the same thresholds, nothing trained again, but labels as
`training/data/reviewed_labels.csv` corrects them: {to_ham} texts from spam to ham and {to_spam}
from ham to spam (how it was made: `training/data/README.md`). The difference flatters: nearly all
were picked for the review because `spam-2` or `ngram-svc` doubted their labels, so what both err
about alike stays as it was published. The figures that count are those by the published labels,
above and below.
"""


def _reviewed(studies: list[Study]) -> str:
    rows = [["configuration", "seeds", *_HEADINGS]]
    for study in studies:
        judged = _judged(study, data.reviewed(study.texts))
        rows.append([config_name(study.config), str(len(judged)), *_with_spread(judged)])
    texts = studies[0].texts
    changes = data.reviewed(texts) - texts.labels
    counts = {"to_ham": (changes < 0).sum(), "to_spam": (changes > 0).sum()}
    return f"{_REVIEWED.format(**counts)}\n{_table(rows)}"


def _section(study: Study, directory: Path) -> list[str]:
    name = config_name(study.config)
    pooled = {seed: study.pooled(seed) for seed in study.config.seeds}
    plots.write(study.texts.labels, pooled, directory / f"{name}.png")
    kept: dict[str, object] = {"seeds": [asdict(one) for one in _seeds(study)]}
    parts = [
        f"## {name}\n",
        _sources(study, pooled),
        "First seed, label against verdict:\n",
        _confusion(study, pooled),
        f"![Calibration, ROC and precision-recall of {name}]({name}.png)\n",
    ]
    if isinstance(study.config, ModelConfig):
        parts += _of_ours(study, kept)
    kept["mean"] = _means(_seeds(study))
    kept["mean by the reviewed labels"] = _means(_judged(study, data.reviewed(study.texts)))
    (directory / f"{name}.json").write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")
    return parts


def _of_ours(study: Study, kept: dict[str, object]) -> list[str]:
    """Tell what only bundles can be asked."""
    return [
        "### Without each of its parts\n",
        _table([["model", *_HEADINGS], *_ablation(study)]),
        ablation.HOW,
        "### Attacked\n",
        _ATTACKED,
        _attacks(study, kept),
        "### Shortcuts of the data set\n",
        "How far adding one moves a score, out of fold, over every text (either way).\n",
        _shortcuts(study),
        "### Development sets\n",
        _elsewhere(study, kept),
        "### SMS, the first 1,674 to train and 3,900 to test\n",
        _table([["", *_HEADINGS], ["out of sample", *_with_spread(sms.judged(study))]]),
        "### Worst errors\n",
        _worst(study),
    ]  # fmt: skip


def _seeds(study: Study) -> list[Figures]:
    return _judged(study, study.texts.labels)


def _judged(study: Study, labels: NDArray[np.int8]) -> list[Figures]:
    return [
        figures(labels, study.pooled(seed), _thresholds(study, seed)) for seed in study.config.seeds
    ]


def _thresholds(study: Study, seed: int) -> NDArray[np.float64]:
    if isinstance(study.config, ModelConfig):
        return judge.thresholds(study, seed)
    return np.full(len(study.texts), 0.5)


def _sources(study: Study, pooled: dict[int, NDArray[np.float64]]) -> str:
    rows = [["source", "texts", *_HEADINGS]]
    for source in sorted(set(study.texts.sources)):
        of_it = study.texts.sources == source
        judged = [
            figures(study.texts.labels[of_it], spam[of_it], _thresholds(study, seed)[of_it])
            for seed, spam in pooled.items()
        ]
        rows.append([source, str(of_it.sum()), *_with_spread(judged)])
    return _table(rows)


def _confusion(study: Study, pooled: dict[int, NDArray[np.float64]]) -> str:
    seed = study.config.seeds[0]
    counts = confusion(study.texts.labels, pooled[seed], _thresholds(study, seed))
    header = ["", "called ham", "called spam"]
    return _table([header, ["ham", *map(str, counts[0])], ["spam", *map(str, counts[1])]])


def _ablation(study: Study) -> Iterable[list[str]]:
    assert isinstance(study.config, ModelConfig)  # noqa: S101  only ours has parts
    yield ["as shipped", *_with_spread(_seeds(study))]
    if study.config.wide is None:
        return
    for name, output in (("without the LSTM", "wide"), ("without the linear path", "deep")):
        yield [
            name,
            *_with_spread([judge.path(study, seed, output) for seed in study.config.seeds]),
        ]
    for name, judged in ablation.of_linear(study):
        yield [name, *_with_spread([judged])]


def _attacks(study: Study, kept: dict[str, object]) -> str:
    rows = [["attack", "kind", "spam caught"]]
    means: dict[str, float] = {}
    for kind, known in (("trained against", attacks.KNOWN), ("new", new_attacks.NEW)):
        for name, attack in known.items():
            caught = [judge.recall(study, seed, attack) for seed in study.config.seeds]
            means[name] = round(float(np.mean(caught)), 4)
            rows.append([name, kind, _spread(caught)])
    kept["attacks"] = means
    return _table(rows)


def _shortcuts(study: Study) -> str:
    rows = [["added", "mean", "99th percentile", f"moved by {_MOVED} or more"]]
    for name, change in judge.SHORTCUTS.items():
        moved = np.abs(judge.moves(study, study.config.seeds[0], change))
        high, share = np.quantile(moved, 0.99), (moved >= _MOVED).mean()
        rows.append([name, f"{moved.mean():.4f}", f"{high:.4f}", f"{share:.2%}"])
    return _table(rows)


def _elsewhere(study: Study, kept: dict[str, object]) -> str:
    rows = [["set", "MCC", "ham blocked", "spam caught"]]
    for name in (judge.OTHER_VIDEOS, judge.TRANSACTIONS):
        judged = [one for seed in study.config.seeds for one in judge.elsewhere(study, seed, name)]
        if not judged:
            return "The sets are not on this machine.\n"
        columns = [[getattr(one, key) for one in judged] for key in ("mcc", "blocked", "caught")]
        rows.append([name, *map(_spread, columns)])
        kept[name] = {"mcc": np.mean(columns[0]), "blocked": np.mean(columns[1])}
    looks = LOOKED_AT.read_text("utf-8").strip()
    return _table(rows) + f"\nEach bundle of each seed and fold, mean ± deviation. {looks}\n"


def _worst(study: Study) -> str:
    """Name the rows that the first seed is surest of and wrong about."""
    wrong = np.abs(study.pooled(study.config.seeds[0]) - study.texts.labels)
    worst = np.argsort(-wrong)[:_WORST]
    rows = data.workshop_rows()[worst] if len(study.texts) == len(data.workshop_rows()) else worst
    named = ", ".join(str(row) for row in rows)
    return f"Rows of `workshop_spam_dataset.csv` (from 0), worst first: {named}.\n"


def _with_spread(judged: list[Figures]) -> list[str]:
    return [_spread([getattr(one, name) for one in judged]) for name in _NAMES]


def _means(judged: list[Figures]) -> dict[str, float]:
    return {
        name: round(float(np.mean([getattr(one, name) for one in judged])), 4) for name in _NAMES
    }


def _spread(values: list[float]) -> str:
    spread = f" ± {np.std(values, ddof=1):.4f}" if len(values) > 1 else ""
    return f"{np.mean(values):.4f}{spread}"


def _table(rows: list[list[str]]) -> str:
    rule = ["---"] * len(rows[0])
    return "".join(f"| {' | '.join(row)} |\n" for row in [rows[0], rule, *rows[1:]])
