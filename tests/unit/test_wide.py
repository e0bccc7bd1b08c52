"""The linear path's features: whoever stands beside a text, and however it is spaced."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.inference.inputs import prepare
from bridge.inference.wide import BLOCKS, TRAITS, Grams, Wide, table_rows
from bridge.text import canonicalise, won_back

BITS = 15
ANY_TEXT = st.text(alphabet=st.characters(exclude_categories=()), max_size=80)


def _grams(texts: list[str]) -> Grams:
    grams = prepare(texts, BITS, BITS).grams
    assert grams is not None
    return grams


def _block(text: str, name: str) -> np.ndarray:
    return _grams([text]).of_block(name)[1]


@given(st.lists(ANY_TEXT, min_size=1, max_size=6))
def test_a_text_has_the_same_features_in_any_company(texts: list[str]) -> None:
    """Neighbours leave no trace, counts are right, every feature has its row."""
    grams = _grams(texts)
    for name, sizes in zip(BLOCKS, grams.sizes, strict=True):
        owners, ids = grams.of_block(name)
        np.testing.assert_array_equal(np.bincount(owners, minlength=len(texts)), sizes)
        assert ((ids >= 0) & (ids < table_rows(BITS))).all()
        for row, text in enumerate(texts):
            np.testing.assert_array_equal(ids[owners == row], _block(text, name))


@given(st.lists(ANY_TEXT, min_size=1, max_size=6))
def test_a_logit_is_the_sum_of_the_features_block_by_block(texts: list[str]) -> None:
    """Each block is divided by the square root of its size; a text's neighbours do not matter."""
    table = np.random.default_rng(0).normal(size=table_rows(BITS)).astype(np.float32)
    logits = Wide(table, 0.5, 0.75).logits(_grams(texts))
    for row, text in enumerate(texts):
        blocks = [table[_block(text, name)].astype(np.float64) for name in BLOCKS]
        expected = 0.5 + sum(block.sum() / np.sqrt(max(len(block), 1)) for block in blocks)
        assert logits[row] == pytest.approx(expected, abs=1e-9)
        assert logits[row] == Wide(table, 0.5, 0.75).logits(_grams([text]))[0]


def test_the_characters_are_the_same_however_a_text_is_spaced() -> None:
    """Joined, as it was, and s p a c e d: one text to the n-grams of characters."""
    spaced, plain, joined = (
        _block(text, "characters")
        for text in ("w i n a f r e e p r i z e", "win a free prize", "winafreeprize")
    )
    np.testing.assert_array_equal(spaced, plain)
    np.testing.assert_array_equal(plain, joined)


@pytest.mark.parametrize(
    ("text", "count"), [("", 1), ("a", 1), ("ab", 3), ("abc", 6), ("abcd", 9), ("ab cd", 9)]
)
def test_every_ngram_is_there_once(text: str, count: int) -> None:
    """Three, four and five characters, with the two edges; nothing at all is one sign."""
    assert len(_block(text, "characters")) == count


def test_words_and_pairs_of_words_are_features() -> None:
    """Four words have three pairs, and case does not matter."""
    assert len(_block("win a free prize", "words")) == 7
    np.testing.assert_array_equal(_block("WIN a Prize", "words"), _block("win A prize", "words"))


@pytest.mark.parametrize(
    ("trait", "plain", "other"),
    [
        ("capitals", "call now", "CALL NOW"),
        ("currency", "win 5 now", "win $5 now"),
        ("links", "see example", "see www.example.com"),
        ("exclaims", "yes", "yes!!"),
        ("asks", "yes", "yes?"),
        ("digits", "come at six", "come at 6"),
        ("codes", "love it", "love it \u2764\u2764"),
        ("bytes", "ok", "ok " * 40),
        ("won back", "free cash", "\uff46\uff52\uff45\uff45 cash"),
    ],
)
def test_a_trait_tells_what_a_text_looks_like(trait: str, plain: str, other: str) -> None:
    """Each trait has a bucket of its own for the plain text and for the other."""
    place = TRAITS.index(trait)
    assert _block(plain, "traits")[place] != _block(other, "traits")[place]


@pytest.mark.parametrize("text", ["hello\ufeff", "it is 5 &lt;#&gt;", "call 087123456789", "a  b"])
def test_a_shortcut_wins_no_letter_back(text: str) -> None:
    """A BOM, a hidden number and a digit run are no disguise."""
    assert won_back(text, canonicalise(text)) == 0


@given(ANY_TEXT)
def test_letters_won_back_are_counted_on_any_text(text: str) -> None:
    """Never negative, never a failure."""
    assert won_back(text, canonicalise(text)) >= 0
