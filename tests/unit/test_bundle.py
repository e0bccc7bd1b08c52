"""A bundle: what is refused, and that scores depend on the text alone."""

import hashlib
import io
import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.errors import BadBundle
from bridge.inference.bundle import Bundle, load, sub_batches
from bridge.inference.manifest import FILES, WIDE_FILE

SHIPPED = Path(__file__).parents[2] / "models" / "spam" / "2"
FORMER = SHIPPED.with_name("1")
ANY_TEXT = st.text(alphabet=st.characters(exclude_categories=()), max_size=300)


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    """The shipped bundle, loaded once."""
    return load(SHIPPED)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the shipped bundle, to be spoilt."""
    return Path(shutil.copytree(SHIPPED, tmp_path / "bundle"))


def _edit(directory: Path, change: Callable[[dict], None]) -> None:
    path = directory / "bundle.json"
    document = json.loads(path.read_text("utf-8"))
    change(document)
    path.write_text(json.dumps(document), "utf-8")


def _replace(directory: Path, name: str, content: bytes) -> None:
    """Replace a file and its hash: forged with care."""
    (directory / name).write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    _edit(directory, lambda document: document["files"].update({name: digest}))


def test_the_shipped_bundle_says_what_it_is(bundle: Bundle) -> None:
    """Name, version and labels are those of the contract."""
    assert (bundle.name, bundle.version, bundle.model_version) == ("spam", 2, "spam@2")
    assert bundle.labels == ("ham", "spam")
    assert 0 < bundle.threshold < 1


def test_the_shipped_bundle_is_small_and_holds_no_code() -> None:
    """Files of data, together below ten megabytes."""
    files = {file.name: file.stat().st_size for file in SHIPPED.iterdir()}
    assert set(files) == {"bundle.json", *FILES, WIDE_FILE}
    assert sum(files.values()) < 10_000_000


def test_the_former_bundle_still_answers() -> None:
    """Who asks for the LSTM alone gets it: a bundle without the linear path."""
    former = load(FORMER)
    assert former.model_version == "spam@1"
    assert former.scores(["WINNER!! Claim your free prize, text CLAIM to 80082 now"])[0, 1] > 0.9


def test_each_path_can_be_asked_alone(bundle: Bundle) -> None:
    """The logit lies between those of the two paths."""
    texts = ["win a free prize now, call to claim", "see you at six", ""]
    wide, deep, both = (bundle.logits(texts, path) for path in ("wide", "deep", "both"))
    assert ((both - wide) * (both - deep) <= 0).all()


def test_plain_spam_and_plain_ham_are_told_apart(bundle: Bundle) -> None:
    """What everyone would call spam is called spam, disguised or not."""
    spam = [
        "WINNER!! You have won a free prize, text CLAIM to 80082 now! 150p per msg",
        "W1NNER!! You have w0n a fr\u0435\u0435 pr\u0456ze, text CLAIM to 80082 now! 150p per msg",
        "Check out my channel and subscribe please http://example.com/watch",
    ]
    ham = ["see you at six then, love mum", "I love this song so much"]
    scores = bundle.scores(spam + ham)[:, 1]
    assert (scores[:3] > bundle.threshold).all()
    assert (scores[3:] < bundle.threshold).all()


@given(st.lists(ANY_TEXT, min_size=1, max_size=5))
@settings(max_examples=50, deadline=None)
def test_any_text_gets_probabilities(bundle: Bundle, texts: list[str]) -> None:
    """Rows are finite, between 0 and 1, and sum to 1."""
    scores = bundle.scores(texts)
    assert scores.shape == (len(texts), 2)
    assert scores.dtype == np.float64
    assert np.isfinite(scores).all()
    assert (scores >= 0).all()
    np.testing.assert_allclose(scores.sum(axis=1), 1.0)


def test_a_score_does_not_depend_on_its_company(bundle: Bundle) -> None:
    """Alone, or among long and short ones in any order, a text scores the same."""
    texts = ["win a prize now " * count for count in (1, 700, 3, 40, 2)] + ["", "ok"] * 30
    together = bundle.scores(texts)
    alone = np.concatenate([bundle.scores([text]) for text in texts])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_both_threads_read(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """Held until two are at it, they read all texts, and each score is its text's own."""
    texts = [f"win prize number {number} now" for number in range(128)]
    read, both = bundle._network.logits, threading.Barrier(2, timeout=10)

    def together(*inputs: np.ndarray) -> np.ndarray:
        both.wait()
        return read(*inputs)

    alone = np.concatenate([bundle.scores([text]) for text in texts])
    monkeypatch.setattr(bundle._network, "logits", together)
    np.testing.assert_allclose(bundle.scores(texts), alone, atol=1e-5)


def test_what_fails_on_the_second_thread_fails_the_batch(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No text of the batch is scored by half of a model."""
    read, failed, ours = bundle._network.logits, threading.Event(), threading.get_ident()

    def failing(*inputs: np.ndarray) -> np.ndarray:
        if threading.get_ident() == ours:
            assert failed.wait(10)
            return read(*inputs)
        failed.set()
        raise RuntimeError

    monkeypatch.setattr(bundle._network, "logits", failing)
    with pytest.raises(RuntimeError):
        bundle.scores(["see you at six"] * 128)


@given(st.lists(st.integers(1, 96), min_size=1, max_size=200))
def test_sub_batches_hold_each_text_once_within_the_bound(lengths: list[int]) -> None:
    """No sub-batch is larger than the bound, and no text is lost."""
    groups = sub_batches(np.array(lengths))
    assert sorted(np.concatenate(groups).tolist()) == list(range(len(lengths)))
    for group in groups:
        assert len(group) <= 64
        assert len(group) == 1 or len(group) * np.array(lengths)[group].max() <= 1024


@pytest.mark.parametrize("name", ["bundle.json", *FILES, WIDE_FILE])
def test_a_missing_file_is_refused(copy: Path, name: str) -> None:
    """Whichever file is gone, the message names it."""
    (copy / name).unlink()
    with pytest.raises(BadBundle, match=name):
        load(copy)


@pytest.mark.parametrize("name", [*FILES, WIDE_FILE])
def test_an_altered_file_is_refused(copy: Path, name: str) -> None:
    """One byte more, and the hash tells."""
    with (copy / name).open("ab") as file:
        file.write(b" ")
    with pytest.raises(BadBundle, match=name):
        load(copy)


@pytest.mark.parametrize(
    "change",
    [
        lambda document: document.pop("threshold"),
        lambda document: document.update(threshold=2),
        lambda document: document.update(labels=["spam", "ham"]),
        lambda document: document.update(bundle_format=2),
        lambda document: document.update(surprise=True),
        lambda document: document["preparation"].update(text=0),
        lambda document: document["preparation"].update(table_bits=99),
        lambda document: document["preparation"].update(stride=0),
        lambda document: document["preparation"].pop("wide_bits"),
        lambda document: document.pop("wide"),
        lambda document: document["calibration"].update(slope=-1.0),
        lambda document: document["files"].update({"../escape": "0" * 64}),
        lambda document: document["files"].pop("golden.json"),
    ],
)
def test_a_document_of_another_schema_is_refused(
    copy: Path, change: Callable[[dict], None]
) -> None:
    """Missing, surplus and impossible fields, and another preparation of texts."""
    _edit(copy, change)
    with pytest.raises(BadBundle, match=r"bundle\.json"):
        load(copy)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff"])
def test_a_document_that_is_no_json_is_refused(copy: Path, content: bytes) -> None:
    """Broken JSON is one more bad bundle, not a crash."""
    (copy / "bundle.json").write_bytes(content)
    with pytest.raises(BadBundle):
        load(copy)


@pytest.mark.parametrize(
    "content", [b"[]", b"{", b'[{"text": "hello", "scores": [1.0, 0.0, 0.0]}]']
)
def test_useless_golden_outputs_are_refused(copy: Path, content: bytes) -> None:
    """Without examples of the right form nothing was checked."""
    _replace(copy, "golden.json", content)
    with pytest.raises(BadBundle, match="golden"):
        load(copy)


def test_a_model_that_answers_something_else_is_refused(copy: Path) -> None:
    """Golden outputs decide, even where every hash is right."""
    golden = json.loads((copy / "golden.json").read_text("utf-8"))
    golden[0]["scores"] = golden[0]["scores"][::-1]
    _replace(copy, "golden.json", json.dumps(golden).encode())
    with pytest.raises(BadBundle, match="golden"):
        load(copy)


def test_a_model_that_is_no_model_is_refused(copy: Path) -> None:
    """What ONNX Runtime cannot read never serves."""
    _replace(copy, "model.onnx", b"no model")
    with pytest.raises(BadBundle, match=r"model\.onnx"):
        load(copy)


@pytest.mark.parametrize(
    "table", [np.zeros(8, np.float16), np.zeros(163_984, np.float32), np.array(["x"], object)]
)
def test_a_table_that_is_another_is_refused(copy: Path, table: np.ndarray) -> None:
    """Too short, too wide, or one that would run code."""
    file = io.BytesIO()
    np.save(file, table)
    _replace(copy, WIDE_FILE, file.getvalue())
    with pytest.raises(BadBundle, match=WIDE_FILE):
        load(copy)
