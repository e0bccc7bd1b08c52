"""What ``bridge calls --corrections`` makes of several bridges' answers, and of a file."""

import csv

import pytest

from bridge.cli.corrections import distinct, export, line
from bridge.errors import ConfigurationError, Unavailable
from training.own import read


def correction(text, label="spam", at="t1", text_key=None):
    """A correction as it is told."""
    key = text_key or f"key of {text}"
    return {"text_key": key, "text": text, "label": label, "by": "tester", "at": at}


def told(corrections):
    """What counts of them."""
    return [(one["text"], one["label"]) for one in corrections]


def test_what_several_bridges_tell_counts_once():
    """Under the same key, whichever of them has the text."""
    one, same = correction("a", at="t1"), correction("a", at="t2")
    heard = correction(None, at="t3", text_key="key of a")
    assert told(distinct([one, same, heard])) == [("a", "spam")]
    assert told(distinct([heard, one, same])) == [("a", "spam")]


def test_bridges_with_keys_of_their_own_tell_a_text_once():
    """Their keys differ, and the text is the same; without a text nobody can know."""
    assert told(distinct([correction("a"), correction("a", text_key="k2")])) == [("a", "spam")]
    without = [correction(None, text_key="k1"), correction(None, text_key="k2")]
    assert len(distinct(without)) == 2


def test_the_last_word_holds_and_the_newest_stand_first():
    """Whoever was asked first."""
    said = [correction("a", "ham", "t3"), correction("b", at="t2"), correction("a", "spam", "t1")]
    assert told(distinct(said)) == [("a", "ham"), ("b", "spam")]


def test_the_file_has_texts_as_they_were_sent(tmp_path):
    """Line ends, quotes, formulas: what is trained on is what was classified."""
    texts = ['a,"b"\r\nc', "=1+1", "'x", "Grüße \U0001f381\u202e", "\x1b[2J"]
    path = tmp_path / "mine.csv"
    said = export([correction(text) for text in texts], path)
    assert said == f"Corrected texts written to {path}: 5."
    with path.open(encoding="utf-8", newline="") as file:
        heading, *rows = csv.reader(file, strict=True)
    assert heading == ["label", "text", "source"]
    assert sorted(rows) == sorted(["spam", text, "correction"] for text in texts)


def test_training_reads_the_file(tmp_path):
    """`python -m training train --data mine.csv` takes it as it is."""
    path = tmp_path / "mine.csv"
    export([correction(f"text {n}", ("ham", "spam")[n % 2]) for n in range(4)], path)
    assert sorted(read(path).texts) == sorted(f"text {n}" for n in range(4))


def test_what_training_would_refuse_is_left_out_and_counted(tmp_path):
    """Corrections from when the log kept no texts, and texts of blanks."""
    some = [correction("a", "ham"), correction(None, text_key="k"), correction(" \n")]
    said = export(some, tmp_path / "mine.csv")
    assert ": 1; left out, as the log has no text of them (BRIDGE_LOG__TEXT): 2." in said


@pytest.mark.parametrize(
    ("corrections", "why"),
    [
        ([], "nothing was corrected yet"),
        ([correction(None, text_key="k")], "the log keeps no texts"),
    ],
)
def test_nothing_to_export_is_said_and_no_file_is_made(corrections, why, tmp_path):
    """Nor is one that is there emptied."""
    path = tmp_path / "mine.csv"
    with pytest.raises(Unavailable, match=f"there is nothing to export: {why}"):
        export(corrections, path)
    assert not path.exists()


def test_a_file_that_cannot_be_written_names_the_option(tmp_path):
    """Exit code 2."""
    with pytest.raises(ConfigurationError, match="--export"):
        export([correction("a")], tmp_path / "missing" / "mine.csv")


def test_a_correction_is_one_line_that_commands_no_terminal():
    """With the key in the text's place where the log keeps none."""
    assert r"free\x1b[2J" in line(correction("free\x1b[2J")).plain
    assert "text k1" in line(correction(None, text_key="k1")).plain
