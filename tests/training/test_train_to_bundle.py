"""The small version of `make train` and `make evaluate`, for real: data to bundle to verdicts.

Runs where TensorFlow is: ``.venv-training/bin/python -m pytest tests/training``.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from training.config import HashedConfig
    from training.data import Texts
    from training.hashed import HashedModel

pytest.importorskip("tensorflow")

from bridge.inference.bundle import load
from training import config, data, export, folds, hashed, metrics, protocol, report, workshop

DISGUISES = (
    " ".join,
    ".".join,
    lambda text: text.replace("e", "3").replace("o", "0"),
    lambda text: text.replace("a", "\u0430").replace("e", "\u0435"),
    "\u200b".join,
    lambda text: text.replace("&", "&amp;"),
    lambda text: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text),
    str.upper,
)


def _without_progress(_share: float) -> None:
    """Nobody watches."""


@pytest.fixture(scope="module")
def small() -> "HashedConfig":
    """The shipped configuration, trained briefly."""
    shipped = config.load("spam-1")
    training = shipped.training.model_copy(update={"epochs": 3, "batch": 8, "learning_rate": 5e-3})
    return shipped.model_copy(update={"training": training, "seeds": (1,), "synthetic": False})


@pytest.fixture(scope="module")
def texts() -> "Texts":
    """A slice of the training set, all its folds."""
    return data.workshop().at(np.arange(0, 6810, 10))


@pytest.fixture(scope="module")
def model(small: "HashedConfig", texts: "Texts") -> "HashedModel":
    """The network, trained on the slice."""
    return hashed.fit(small, texts, 1, _without_progress)


@pytest.fixture(scope="module")
def bundle_directory(
    small: "HashedConfig", model: "HashedModel", tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Its bundle."""
    directory = tmp_path_factory.mktemp("models") / "spam" / "1"
    export.export(small, model, {"mcc": 0.5}, directory)
    return directory


def test_the_bundle_answers_as_keras_does(model: "HashedModel", bundle_directory: Path) -> None:
    """Plain and disguised texts score the same in both, within 1e-4."""
    plain = data.workshop().texts[::27]
    disguised = tuple(disguise(text) for disguise in DISGUISES for text in plain)
    served = load(bundle_directory).scores(plain + disguised)[:, 1]
    np.testing.assert_allclose(served, model.probabilities(plain + disguised), atol=1e-4)


def test_the_same_weights_are_the_same_bytes(
    small: "HashedConfig", model: "HashedModel", bundle_directory: Path, tmp_path: Path
) -> None:
    """Exported again, every file is equal: no date, no chance."""
    export.export(small, model, {"mcc": 0.5}, tmp_path)
    for file in bundle_directory.iterdir():
        assert (tmp_path / file.name).read_bytes() == file.read_bytes(), file.name


def test_the_same_seed_is_the_same_network(small: "HashedConfig", texts: "Texts") -> None:
    """Training twice gives the same scores to the last bit, on one machine."""
    brief = small.model_copy(update={"training": small.training.model_copy(update={"epochs": 1})})
    few = texts.at(np.arange(300))
    first, second = (hashed.fit(brief, few, 7, _without_progress) for _ in range(2))
    np.testing.assert_array_equal(first.logits(few.texts), second.logits(few.texts))


def test_the_protocol_judges_every_text_once_and_reports(
    small: "HashedConfig", texts: "Texts", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five folds run, are not run again, and the report holds figures but no text."""
    monkeypatch.setattr(protocol, "BUILD", tmp_path / "build")
    study = protocol.study(small, texts)
    for part in study.parts():
        study.run(part, _without_progress)
    assert not list(protocol.missing([study]))
    judged = metrics.figures(texts.labels, study.pooled(1), export.THRESHOLD)
    assert judged.texts == len(texts)
    assert judged.auc > 0.8
    written = report.write([study], tmp_path).read_text("utf-8")
    assert "MCC" in written
    assert (tmp_path / "spam-1.png").stat().st_size > 10_000
    assert not any(text in written for text in texts.texts if len(text) > 20)


def test_the_baseline_reads_its_280_words() -> None:
    """The workshop's preparation numbers frequent words and leaves the others out."""
    numbers = workshop.vocabulary(("a b b", "b c, c! b"), 3)
    assert numbers == {"b": 1, "c": 2}
    np.testing.assert_array_equal(
        workshop.encode(("b x c", ""), numbers, 4), [[0, 0, 1, 2], [0, 0, 0, 0]]
    )


def test_the_baseline_trains_and_answers(texts: "Texts") -> None:
    """A small workshop network gives probabilities, and says how far it is."""
    baseline = config.load("workshop")
    sizes = baseline.network.model_copy(update={"length": 20, "width": 8, "lstm": 8})
    shares: list[float] = []
    model = workshop.fit(baseline.model_copy(update={"network": sizes}), texts, 1, shares.append)
    spam = model.probabilities(texts.texts[:50])
    assert ((spam >= 0) & (spam <= 1)).all()
    assert shares[-1] == pytest.approx(1.0)


def test_no_fold_is_trained_on_itself(texts: "Texts") -> None:
    """Training and test rows of a fold share no group."""
    for _, train, test in folds.outer(texts):
        assert not set(texts.groups[train]) & set(texts.groups[test])
