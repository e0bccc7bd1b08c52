"""What is true of the data set and not of spam moves no score of the shipped model."""

from pathlib import Path

import numpy as np
import pytest

from bridge.inference.bundle import Bundle, load

SHIPPED = Path(__file__).parents[2] / "models" / "spam" / "2"
TEXTS = (
    "hello, are we still meeting at six?",
    "see you at the station, love mum",
    "I love this song so much",
    "can you bring the book that I gave you last week",
    "happy birthday my friend, have a great day",
    "sorry I am late, the bus did not come",
    "what time does the film start tonight?",
    "the ending made me cry, what a voice",
    "WINNER!! You have won a free prize, text CLAIM now! 150p per msg",
    "Check out my channel and subscribe please http://example.com/watch",
    "Urgent! Your mobile number was awarded a bonus caller prize, call now",
    "make money from home, visit www.example.com today",
)


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    """The shipped bundle."""
    return load(SHIPPED)


@pytest.mark.parametrize(
    "shortcut", [" &lt;#&gt;", "\ufeff", " 08712345678"], ids=["entity", "BOM", "digits"]
)
def test_a_shortcut_moves_a_score_by_less_than_a_twentieth(bundle: Bundle, shortcut: str) -> None:
    """A hidden number, a BOM or a telephone number alone decides nothing, on either side."""
    plain = bundle.scores(TEXTS)[:, 1]
    moved = bundle.scores([text + shortcut for text in TEXTS])[:, 1] - plain
    assert np.abs(moved).max() < 0.05


def test_the_length_of_a_digit_run_leaves_no_trace(bundle: Bundle) -> None:
    """Three digits and eleven are the same number to the model."""
    short, long = (
        bundle.scores([f"{text} {digits}" for text in TEXTS]) for digits in ("087", "08712345678")
    )
    np.testing.assert_array_equal(short, long)
