"""Hashed tokens: equal words meet in equal rows, whatever stands around them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.inference.encode import FEATURES, LONGEST_TOKENS, SHAPES, encode, pad
from bridge.inference.tokens import tokenise
from bridge.text import canonicalise

BITS = 13
PLAIN = st.text(alphabet=st.characters(exclude_categories=())).map(canonicalise)


def _alone(text: str) -> np.ndarray:
    return pad(encode(tokenise([text]), BITS), np.array([0]), 1)[0][:, :, 0, 0]


@given(st.lists(PLAIN, min_size=1, max_size=6), st.integers(1, 4))
def test_a_text_is_encoded_the_same_in_any_company(texts: list[str], stride: int) -> None:
    """Neighbours and padding leave no trace; every index fits its table."""
    encoded = encode(tokenise(texts), BITS)
    ids, steps = pad(encoded, np.arange(len(texts)), stride)
    assert ids.shape == (len(FEATURES), steps.max(), len(texts), stride)
    assert (ids[:5] < 1 << BITS).all()
    assert (ids[5] < SHAPES).all()
    assert (ids >= 0).all()
    for row, text in enumerate(texts):
        alone = _alone(text)
        count = alone.shape[1]
        assert 1 <= count <= LONGEST_TOKENS
        assert steps[row] == -(-count // stride)
        tokens = ids[:, :, row].reshape(len(FEATURES), -1)
        np.testing.assert_array_equal(tokens[:, :count], alone)
        assert not tokens[:, count:].any()


def test_tokens_are_words_and_signs() -> None:
    """A run of letters and digits is one token, a run of signs another."""
    assert _alone("hi there!! don't $5").shape[1] == 5


def test_case_changes_the_shape_alone() -> None:
    """Words meet whatever their case, and the shape still tells."""
    lower, upper = _alone("free cash"), _alone("FREE CASH")
    np.testing.assert_array_equal(lower[:5], upper[:5])
    assert (lower[5] != upper[5]).all()


def test_a_misspelled_word_shares_a_part() -> None:
    """No word is out of vocabulary: a new one is known by its head or tail."""
    right, wrong = _alone("guaranteed")[:, 0], _alone("guarantied")[:, 0]
    assert right[0] != wrong[0]
    assert right[FEATURES.index("head")] == wrong[FEATURES.index("head")]


@pytest.mark.parametrize("text", ["", "a" * 5000, "!?" * 3000, "x " * 3000, "\x86" * 2000])
def test_extreme_texts_are_bounded(text: str) -> None:
    """Nothing at all is one token, and endless texts are cut."""
    assert 1 <= _alone(text).shape[1] <= LONGEST_TOKENS


def test_of_a_long_text_both_ends_are_read() -> None:
    """What is hidden behind a hundred harmless words is still seen."""
    words = [f"w{number}" for number in range(200)]
    cut = _alone(" ".join(words))
    np.testing.assert_array_equal(cut[0, :64], _alone(" ".join(words[:64]))[0])
    np.testing.assert_array_equal(cut[0, 64:], _alone(" ".join(words[-32:]))[0])
