"""Configurations of training, and what augmentation does."""

import numpy as np
import pytest
from pydantic import ValidationError

from training import config
from training.augment import Augmentation
from training.errors import TrainingError


def test_the_baseline_is_the_workshop_as_it_was_taught() -> None:
    """280 words, length 300, Embedding 128, SpatialDropout 0.4, LSTM 196, 3 epochs."""
    baseline = config.load("workshop")
    assert baseline.network.model_dump() == {
        "words": 280, "length": 300, "width": 128, "spatial_dropout": 0.4, "lstm": 196,
    }  # fmt: skip
    assert baseline.training.epochs == 3


def test_the_shipped_model_is_judged_by_three_seeds() -> None:
    """One seed is an anecdote."""
    shipped = config.load("spam-2")
    assert (shipped.name, shipped.version) == ("spam", 2)
    assert len(set(shipped.seeds)) >= 3


def test_the_lstm_alone_has_no_linear_path() -> None:
    """Its configuration says nothing of one, and no teacher's share is in its targets."""
    alone = config.load("spam-1")
    assert (alone.name, alone.version, alone.wide) == ("spam", 1, None)
    assert alone.training.soft == 0


def test_an_unknown_configuration_names_the_known_ones() -> None:
    """A mistyped name is mended by reading the message."""
    known = "ngram-svc, ngram-svc-canonical, spam-1, spam-2, workshop"
    with pytest.raises(TrainingError, match=f"there are {known}"):
        config.load("spam-9")


def test_a_configuration_does_not_change() -> None:
    """It is what the outcome is filed under."""
    with pytest.raises(ValidationError):
        config.load("spam-2").name = "other"


def test_augmentation_is_repeatable_and_keeps_every_text() -> None:
    """The same seed draws the same changes; no text is lost."""
    texts = ["win a prize now", "ok", "", "x"] * 50
    every = Augmentation(case=1.0, words=1.0, disguised=0.5, numbers=0.5)
    first = every.apply(texts, np.random.default_rng(1))
    assert first == every.apply(texts, np.random.default_rng(1))
    assert first != texts
    assert len(first) == len(texts)


def test_no_augmentation_changes_nothing() -> None:
    """With no share drawn the texts are what they were."""
    texts = ["win a prize now", "ok"]
    nothing = Augmentation(case=0.0, words=0.0, disguised=0.0, numbers=0.0)
    assert nothing.apply(texts, np.random.default_rng(1)) == texts
