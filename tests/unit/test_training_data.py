"""Files of training data: what is wrong with one is said in a line, without its texts."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest

from bridge.text import canonicalise
from training import data, folds
from training.errors import TrainingError

SECRET = "a text of a person"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A copy of the committed data, to be spoilt."""
    return Path(shutil.copytree(data.DATA, tmp_path / "data"))


def test_the_protocol_has_its_rows() -> None:
    """The distinct rows, five folds, and both labels are as the data notes say."""
    texts = data.workshop()
    assert len(texts) == 6810
    assert sorted(set(texts.folds.tolist())) == [0, 1, 2, 3, 4]


def test_no_group_stands_on_both_sides_of_a_split() -> None:
    """Neither the outer folds nor the split for the calibration part near-duplicates."""
    texts = data.workshop()
    for _, train, test in folds.outer(texts):
        assert not set(texts.groups[train]) & set(texts.groups[test])
    held_out = np.isin(texts.groups, folds.hold_out(texts, 0.1, seed=1))
    assert 0.05 < held_out.mean() < 0.15
    parts = folds.grouped(texts.groups, 4)
    assert sorted(np.concatenate(parts).tolist()) == sorted(set(texts.groups.tolist()))


def test_synthetic_messages_are_never_judged_on() -> None:
    """They belong to no fold and share no group with the judged rows."""
    texts = data.workshop().and_also(data.synthetic())
    assert (texts.folds[6810:] == -1).all()
    assert len(np.unique(texts.groups[6810:])) == 900


def test_a_missing_file_says_how_to_get_it_back(directory: Path) -> None:
    """The message names the file and the command."""
    (directory / data.FOLDS).unlink()
    with pytest.raises(TrainingError, match=rf"{data.FOLDS} is missing: .*git checkout"):
        data.workshop(directory)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "first line must be label,text,source"),
        (b"label,text,source\n", "has no rows"),
        (b"text,label,source\n", "first line must be"),
        (b"label,text,source\nham,ok,x\nmaybe,a text of a person,x\n", "line 3: label must be"),
        (b"label,text,source\nham, ,x\n", "line 2: text is empty"),
        (b"label,text,source\nham,a text of a person\n", "line 2: needs 3 fields"),
        (b"label,text,source\nham,a text of a person,x,y\n", "line 2: needs 3 fields"),
        (b"label,text,source\nham,\xff,x\n", "is not UTF-8 CSV"),
        (b'label,text,source\nham,"a text of a person\n', "is not UTF-8 CSV"),
    ],
)
def test_a_malformed_file_says_where(tmp_path: Path, content: bytes, message: str) -> None:
    """The line is named, the text is not."""
    path = tmp_path / "mine.csv"
    path.write_bytes(content)
    with pytest.raises(TrainingError, match=message) as caught:
        data.labelled(path)
    assert SECRET not in str(caught.value)


def test_folds_of_another_file_are_refused(directory: Path) -> None:
    """A row too few, and the two files do not belong together."""
    lines = (directory / data.FOLDS).read_text("utf-8").splitlines(keepends=True)
    (directory / data.FOLDS).write_text("".join(lines[:-1]), "utf-8")
    with pytest.raises(TrainingError, match="does not belong to"):
        data.workshop(directory)


def test_the_review_changes_the_listed_rows_alone() -> None:
    """Each listed row of the protocol has its new label, any other the published one."""
    texts, rows = data.workshop(), data.workshop_rows()
    with (data.DATA / data.REVIEWED).open(encoding="utf-8", newline="") as file:
        listed = {int(row["row"]): data.LABELS.index(row["new"]) for row in csv.DictReader(file)}
    expected = [listed.get(row, label) for row, label in zip(rows, texts.labels, strict=True)]
    assert data.reviewed(texts).tolist() == expected
    few = np.flatnonzero(data.reviewed(texts) != texts.labels)[:3]
    np.testing.assert_array_equal(data.reviewed(texts.at(few)), data.reviewed(texts)[few])


def test_a_reviewed_text_has_one_label_in_all_its_rows() -> None:
    """A text that stands several times is listed in every row."""
    texts = data.labelled(data.DATA / data.WORKSHOP)
    reviewed: dict[str, set[int]] = {}
    for text, label in zip(texts.texts, data.reviewed(texts), strict=True):
        reviewed.setdefault(canonicalise(text).lower(), set()).add(int(label))
    changed = np.flatnonzero(data.reviewed(texts) != texts.labels)
    assert all(len(reviewed[canonicalise(texts.texts[row]).lower()]) == 1 for row in changed)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("7528,spam,ham,chat\n", "line 2: .* has no such row"),
        ("-1,spam,ham,chat\n", "line 2: .* has no such row"),
        ("2,ham,spam,chat\n", "line 2: old is not the label"),
        ("0,spam,ham,chat\n", "line 2: old is not the label"),
        ("0,ham,maybe,chat\n", "line 2: one of old and new must be ham, the other spam"),
        ("0,ham,ham,chat\n", "line 2: one of old and new must be ham, the other spam"),
        ("0,ham,spam,lure\n0,ham,spam,lure\n", "line 3: row 0 is listed already"),
        ("0,ham,spam\n", "line 2: needs 4 fields"),
    ],
)
def test_a_malformed_review_says_where(directory: Path, lines: str, message: str) -> None:
    """The line is named, the text of its row is not."""
    (directory / data.REVIEWED).write_text(f"row,old,new,reason\n{lines}", "utf-8")
    texts = data.workshop(directory)
    with pytest.raises(TrainingError, match=message) as caught:
        data.reviewed(texts, directory)
    assert texts.texts[0] not in str(caught.value)
