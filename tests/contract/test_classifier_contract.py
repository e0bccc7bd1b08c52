"""What the path relies on in every classifier, the fake one and the shipped one."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes import FakeClassifier

from bridge.inference.models import load_models
from bridge.ports import Classifier

MODELS = Path(__file__).resolve().parents[2] / "models"


def shipped() -> Classifier:
    """Return the model that a fresh clone serves with."""
    models, refused = load_models(MODELS, "spam@2", threads=1)
    assert refused == []
    return models["spam@2"]


@pytest.fixture(params=[FakeClassifier, shipped], ids=["fake", "shipped"], scope="module")
def classifier(request: pytest.FixtureRequest) -> Classifier:
    """One classifier after the other."""
    make: Callable[[], Classifier] = request.param
    return make()


TEXTS = [
    "WIN a FREE prize now! Call 09061701461 to claim your 1000 cash reward",
    "ok, see you at lunch then",
    "x",
    "\x1b[31m\u202e 日本語 العربية 🎁",
    "word " * 2_000,
]


def test_each_text_gets_one_classification_in_order(classifier):
    """As many as texts, whatever their lengths; alone or in company makes no difference."""
    together = classifier.classify(TEXTS)
    alone = [classifier.classify([text])[0] for text in TEXTS]
    assert len(together) == len(TEXTS)
    assert [one.label for one in together] == [one.label for one in alone]
    assert [one.score for one in together] == pytest.approx([one.score for one in alone], abs=1e-5)


def test_a_classification_is_whole(classifier):
    """Scores of all labels, probabilities of six decimals; score is that of spam."""
    for one in classifier.classify(TEXTS):
        assert one.model == classifier.model_version
        scores = json.loads(one.scores)
        assert set(scores) == {"ham", "spam"}
        assert one.score == scores["spam"]
        assert sum(scores.values()) == pytest.approx(1, abs=2e-6)
        assert all(0 <= score <= 1 for score in scores.values())
        assert all(score == round(score, 6) for score in scores.values())


def test_spam_and_ham_are_told_apart(classifier):
    """The label follows from the score."""
    spam, ham, *_ = classifier.classify(TEXTS)
    assert (spam.label, ham.label) == ("spam", "ham")
    assert spam.score > ham.score
