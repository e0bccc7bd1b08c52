"""The small version of `make train` and `make evaluate`, for real: data to bundle to verdicts.

Runs where TensorFlow is: ``.venv-training/bin/python -m pytest tests/training``. `make test` runs
what is not slow: the two commands' own ways, and ONNX against Keras.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from training.config import ModelConfig
    from training.data import Texts
    from training.model import Model

from bridge.inference.bundle import load
from training import (
    attacks,
    calibration,
    config,
    data,
    deep,
    export,
    folds,
    linear,
    metrics,
    new_attacks,
    protocol,
    report,
    shipping,
    sms,
    svc,
    workshop,
)
from training import (
    model as models,
)
from training.augment import Augmentation
from training.errors import TrainingError


def _augmentation(settings: "ModelConfig") -> Augmentation:
    return Augmentation(**settings.augmentation.model_dump())


def _without_progress(_share: float) -> None:
    """Nobody watches."""


@pytest.fixture(scope="module")
def small() -> "ModelConfig":
    """The shipped configuration, trained briefly."""
    shipped = config.load("spam-2")
    training = shipped.training.model_copy(update={"epochs": 3, "batch": 8, "learning_rate": 5e-3})
    wide = shipped.wide.model_copy(update={"copies": 1})
    brief = {"training": training, "wide": wide, "seeds": (1,)}
    return shipped.model_copy(update={**brief, "synthetic": False, "written_per_template": 1})


@pytest.fixture(scope="module")
def texts() -> "Texts":
    """A slice of the training set, all its folds."""
    return data.workshop().at(np.arange(0, 6810, 10))


@pytest.fixture(scope="module")
def model(small: "ModelConfig", texts: "Texts") -> "Model":
    """The network, trained on the slice."""
    return models.fit(small, texts, 1, _without_progress)


@pytest.fixture(scope="module")
def bundle_directory(
    small: "ModelConfig", model: "Model", tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Its bundle."""
    directory = tmp_path_factory.mktemp("models") / "spam" / "2"
    export.export(small, model, {"mcc": 0.5}, directory)
    return directory


def test_the_bundle_answers_as_keras_does(model: "Model", bundle_directory: Path) -> None:
    """2,000 texts, plain and under every attack, score the same in both, within 1e-4."""
    every = [lambda text, _: text, *attacks.KNOWN.values(), *new_attacks.NEW.values()]
    plain = data.workshop().texts[:: 6810 * len(every) // 2000]
    chance = np.random.default_rng(1)
    texts = [attack(text, chance) for attack in every for text in plain]
    assert len(texts) >= 2000
    served = load(bundle_directory).scores(texts)[:, 1]
    np.testing.assert_allclose(served, model.probabilities(texts), atol=1e-4)


@pytest.mark.slow
def test_the_lstm_alone_is_trained_exported_and_answers_as_keras_does(
    texts: "Texts", tmp_path: Path
) -> None:
    """No linear path, no teacher, no table; its own calibration and threshold."""
    alone = config.load("spam-1")
    training = alone.training.model_copy(update={"epochs": 3, "batch": 8, "learning_rate": 5e-3})
    brief = alone.model_copy(update={"training": training})
    model = models.fit(brief, texts, 1, _without_progress)
    export.export(brief, model, {}, tmp_path)
    served = load(tmp_path).scores(texts.texts)[:, 1]
    np.testing.assert_allclose(served, model.probabilities(texts.texts), atol=1e-4)
    assert metrics.figures(texts.labels, served, 0.5).auc > 0.8
    assert not (tmp_path / "wide.npy").exists()


def test_the_same_weights_are_the_same_bytes(
    small: "ModelConfig", model: "Model", bundle_directory: Path, tmp_path: Path
) -> None:
    """Exported again, every file is equal: no date, no chance."""
    export.export(small, model, {"mcc": 0.5}, tmp_path)
    for file in bundle_directory.iterdir():
        assert (tmp_path / file.name).read_bytes() == file.read_bytes(), file.name


@pytest.mark.slow
def test_the_same_seed_is_the_same_network(small: "ModelConfig", texts: "Texts") -> None:
    """Training twice gives the same scores to the last bit, on one machine."""
    brief = small.model_copy(update={"training": small.training.model_copy(update={"epochs": 1})})
    few = texts.at(np.arange(300))
    first, second = (models.fit(brief, few, 7, _without_progress) for _ in range(2))
    np.testing.assert_array_equal(first.logits(few.texts), second.logits(few.texts))


def test_the_protocol_judges_every_text_once_and_reports(
    small: "ModelConfig", texts: "Texts", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five folds run, are not run again, and the report holds figures but no text."""
    monkeypatch.setattr(protocol, "BUILD", tmp_path / "build")
    study = protocol.study(small, texts)
    for part in study.parts():
        study.run(part, _without_progress)
    sms.run(study, 1, _without_progress)
    assert not protocol.runs([study])
    judged = metrics.figures(texts.labels, study.pooled(1), 0.5)
    assert judged.texts == len(texts)
    assert judged.auc > 0.8
    written = report.write([study], tmp_path).read_text("utf-8")
    assert all(name in written for name in ("MCC", "reviewed", *attacks.KNOWN, *new_attacks.NEW))
    assert (tmp_path / "spam-2.png").stat().st_size > 10_000
    assert not any(text in written for text in texts.texts if len(text) > 20)


def test_the_baseline_reads_its_280_words() -> None:
    """The workshop's preparation numbers frequent words and leaves the others out."""
    numbers = workshop.vocabulary(("a b b", "b c, c! b"), 3)
    assert numbers == {"b": 1, "c": 2}
    np.testing.assert_array_equal(
        workshop.encode(("b x c", ""), numbers, 4), [[0, 0, 1, 2], [0, 0, 0, 0]]
    )


@pytest.mark.slow
def test_the_baseline_trains_and_answers(texts: "Texts") -> None:
    """A small workshop network gives probabilities, and says how far it is."""
    baseline = config.load("workshop")
    sizes = baseline.network.model_copy(update={"length": 20, "width": 8, "lstm": 8})
    shares: list[float] = []
    model = workshop.fit(baseline.model_copy(update={"network": sizes}), texts, 1, shares.append)
    spam = model.probabilities(texts.texts[:50])
    assert ((spam >= 0) & (spam <= 1)).all()
    assert shares[-1] == pytest.approx(1.0)


@pytest.mark.parametrize("count", [100, 600])
def test_written_texts_weigh_a_share_of_whatever_else_there_is(
    small: "ModelConfig", texts: "Texts", count: int
) -> None:
    """They do not drown a small set."""
    own = texts.at(np.arange(count))
    written = protocol.written(small)
    rows = linear.prepared(small.wide, _augmentation(small), own.and_also(written), 1)
    weights = rows.weights[: rows.texts]
    assert weights[count:].sum() == pytest.approx(small.wide.written_share * weights[:count].sum())


def test_the_lstm_learns_each_text_by_its_weight(small: "ModelConfig", texts: "Texts") -> None:
    """Every text stands there again with the other label, next to weightless: the first counts."""
    labels = texts.labels.astype(np.float32)
    weights = np.repeat([1.0, 1e-6], len(texts))
    lesson = deep.Lesson(texts.texts * 2, np.concatenate([labels, 1 - labels]), weights)
    held_out = (texts.texts, texts.labels)
    network = deep.fit(small, lesson, held_out, seed=1, advance=_without_progress)
    spam = calibration.Platt(1.0, 0.0).probability(deep.logits(network, texts.texts))
    assert metrics.figures(texts.labels, spam, 0.5).auc > 0.8


def test_no_fold_is_trained_on_itself(texts: "Texts") -> None:
    """Training and test rows of a fold share no group."""
    for _, train, test in folds.outer(texts):
        assert not set(texts.groups[train]) & set(texts.groups[test])


def test_the_ngram_machine_trains_and_is_calibrated(texts: "Texts") -> None:
    """The linear baseline gives probabilities that part ham from spam."""
    baseline = svc.fit(config.load("ngram-svc-canonical"), texts.at(np.arange(0, 680, 2)))
    judged = texts.at(np.arange(1, 680, 2))
    spam = baseline.probabilities(judged.texts)
    assert metrics.figures(judged.labels, spam, 0.5).auc > 0.9


def test_a_trained_bundle_is_shipped_with_its_figures(
    small: "ModelConfig", texts: "Texts", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was trained is put where serving looks, and the card tells what was measured."""
    monkeypatch.setattr(shipping, "BUILD", tmp_path / "build")
    monkeypatch.setattr(shipping, "_metrics", lambda _config: {"mcc": 0.5})
    brief = small.model_copy(update={"training": small.training.model_copy(update={"epochs": 1})})
    shipping.train(brief, _without_progress, texts.at(np.arange(300)))
    directory = shipping.ship(brief, tmp_path / "models")
    assert load(directory).metrics == {"mcc": 0.5}
    assert "0.5000" in (directory / "card.md").read_text("utf-8")


def test_nothing_trained_is_nothing_to_ship(
    small: "ModelConfig", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message names the command."""
    monkeypatch.setattr(shipping, "BUILD", tmp_path)
    with pytest.raises(TrainingError, match="python -m training train"):
        shipping.ship(small, tmp_path / "models")


def test_stretching_makes_timid_logits_bolder() -> None:
    """Logits at half their size are doubled, and their zero stays."""
    chance = np.random.default_rng(0)
    logits = chance.normal(0, 3, 40_000)
    labels = (chance.random(40_000) < 1 / (1 + np.exp(-logits))).astype(np.int8)
    curve = calibration.stretch(logits / 2, labels)
    assert curve.slope == pytest.approx(2.0, rel=0.1)
    assert curve.intercept == 0.0
