"""What training writes itself: texts from templates, attacks, and the check of one's own file."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from bridge.text import canonicalise
from training import attacks, data, new_attacks, own, templates
from training.errors import TrainingError

SPAM = "Congratulations you have won a free prize, call now to claim it"
EVERY = attacks.KNOWN | new_attacks.NEW


def test_every_style_is_written_by_both_sides() -> None:
    """Banks, couriers, codes, talk and comments: ham and spam in each."""
    texts = templates.written(2, seed=1)
    assert (texts.groups < 0).all()
    assert (texts.folds == -1).all()
    for style in set(texts.sources):
        assert set(texts.labels[texts.sources == style]) == {0, 1}, style


def test_no_slot_stays_open_and_the_seed_decides() -> None:
    """Every mark is filled in, the same way for the same seed."""
    texts = templates.written(3, seed=4).texts
    assert not any(mark in text for text in texts for mark in "{}#@")
    assert texts == templates.written(3, seed=4).texts
    assert texts != templates.written(3, seed=5).texts


@pytest.mark.parametrize("name", sorted(EVERY))
def test_an_attack_hides_words_and_can_be_repeated(name: str) -> None:
    """The text changes, and the same chance changes it the same way."""
    first, again = (EVERY[name](SPAM, np.random.default_rng(3)) for _ in range(2))
    assert first == again != SPAM


@pytest.mark.parametrize("text", ["", " ", "ok", "a b c", "1234 5678", "\ud800"])
@pytest.mark.parametrize("name", sorted(EVERY))
def test_an_attack_takes_any_text(name: str, text: str) -> None:
    """Nothing to hide is no failure."""
    assert isinstance(EVERY[name](text, np.random.default_rng(1)), str)


@pytest.mark.parametrize(
    "name", ["homoglyphs", "zero-width", "spaced", "dotted", "full-width", "bold"]
)
def test_the_preparation_undoes_what_only_looks_different(name: str) -> None:
    """After it the words are there again, but for the gaps between them."""
    attacked = attacks.KNOWN[name](SPAM, np.random.default_rng(2))
    letters = [Counter(canonicalise(text).replace(" ", "").lower()) for text in (SPAM, attacked)]
    assert letters[0] == letters[1]


def test_new_attacks_are_not_trained_against() -> None:
    """What the augmentation draws from does not know them."""
    assert not set(new_attacks.NEW) & set(attacks.KNOWN)


def _file(directory: Path, lines: list[str]) -> Path:
    path = directory / "mine.csv"
    path.write_text("\n".join(["label,text", *lines]), "utf-8")
    return path


def test_own_messages_are_grouped_whatever_their_digits(tmp_path: Path) -> None:
    """Two texts that differ in digits alone never stand on both sides of a split."""
    lines = [
        f"{label},{label} {word} 12{number}"
        for label in data.LABELS
        for word in "abcdefghij"
        for number in (1, 2)
    ]
    texts = own.read(_file(tmp_path, lines))
    assert len(texts) == 40
    assert len(set(texts.groups.tolist())) == 20
    assert (texts.groups >= 0).all()


def test_each_bad_line_of_an_own_file_is_told_without_its_text(tmp_path: Path) -> None:
    """All faults at once, by line."""
    path = _file(tmp_path, ["ham,a secret", "maybe,a secret", "spam", "ham, "])
    with pytest.raises(TrainingError) as caught:
        own.read(path)
    told = str(caught.value)
    assert "line 3: label must be ham or spam" in told
    assert "line 4: needs a label and a text" in told
    assert "line 5: text is empty" in told
    assert "secret" not in told


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"text,label\n", "first columns must be label,text"),
        (b"label,text\n", "has no rows"),
        (b"label,text\nham,\xff\n", "is not UTF-8 CSV"),
        (b"", "first columns must be"),
    ],
)
def test_an_own_file_that_cannot_be_used_says_why(
    tmp_path: Path, content: bytes, message: str
) -> None:
    """Header, encoding, and nothing in it."""
    path = tmp_path / "mine.csv"
    path.write_bytes(content)
    with pytest.raises(TrainingError, match=message):
        own.read(path)


def test_corrections_that_the_bridge_exported_can_be_learnt(tmp_path: Path) -> None:
    """However few, and with a third column."""
    path = tmp_path / "mine.csv"
    path.write_text("label,text,source\nspam,call me now,correction\n", "utf-8")
    assert own.read(path).texts == ("call me now",)


def test_an_own_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The message says what cannot be read."""
    with pytest.raises(TrainingError, match=r"mine\.csv cannot be read"):
        own.read(tmp_path / "mine.csv")
