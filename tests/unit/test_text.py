"""The text preparation: what it undoes, what it closes, and that nothing breaks it."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bridge.text import CODES, LONGEST_CHARS, canonicalise, canonicalise_all

ANY_TEXT = st.text(alphabet=st.characters(exclude_categories=()))  # lone surrogates as well
TRICKY = st.text(
    alphabet=st.sampled_from(
        list("ab zA0134 58$@!|.._-*&<#>;ltampg\u200b\uff06\x85\n8\xdf\u2026\xa3\xe9+/")
    ),
    max_size=40,
)
ALPHABET = frozenset(map(chr, range(32, 127))) - {"&"} | frozenset(CODES)


@pytest.mark.parametrize(
    ("dressed", "plain"),
    [
        ("plain text, as it stands!", "plain text, as it stands!"),
        ("f r e e  c a s h now", "free cash now"),
        ("F.R.E.E money", "FREE money"),
        ("fr33 c4sh w1nner", "free cash winner"),
        ("pr!ze 0ffer $tudent c@sh", "prize offer student cash"),
        ("\uff46\uff52\uff45\uff45", "free"),
        ("\U0001d41f\U0001d42b\U0001d41e\U0001d41e", "free"),
        ("\u0440r\u0456z\u0435", "prize"),
        ("\U0001f175\U0001f181\U0001f174\U0001f174", "FREE"),
        ("\u0142\xf8\u0111 \xc5\xe9", "lod Ae"),
        ("f\u200bre\ufeffe \u202efree", "free free"),
        ("fr\u0336e\u0301e", "free"),
        ("Tom &amp;amp; Ann &quot;hi&quot;", 'Tom + Ann "hi"'),
        ("\xa3500 \u20ac5 \xa55", "$000 $5 $5"),
        ("don\x92t \u2018you\u2019", "don't 'you'"),
        ("one\ntwo\tthree  four ", "one two three four"),
        ("\x1b[31mred\x08", "[31mred"),
        ("\u0663 o'clock", "3 o'clock"),
    ],
)
def test_a_dressed_up_text_is_written_the_plain_way(dressed: str, plain: str) -> None:
    """Entities, look-alikes, invisible characters, spacing and leet are undone."""
    assert canonicalise(dressed) == plain


@pytest.mark.parametrize("text", ["c u 2 nite", "gr8 l8r b4", "me@example.com", "hi!How r u"])
def test_what_people_write_themselves_is_left_alone(text: str) -> None:
    """Texting style and addresses are not obfuscation."""
    assert canonicalise(text) == text


@pytest.mark.parametrize(
    ("shortcut", "other"),
    [("call 087123", "call 871"), ("it is 5 &lt;#&gt;", "it is 5 0"), ("hello\ufeff", "hello")],
)
def test_a_shortcut_of_the_data_set_cannot_be_seen(shortcut: str, other: str) -> None:
    """The length of a digit run, the hidden number and the BOM leave no trace."""
    assert canonicalise(shortcut) == canonicalise(other)


@given(ANY_TEXT | TRICKY)
@example("0A0A")
@example("\ud800")
@example("&" * 50 + "amp;lt;")
def test_any_text_comes_out_in_the_small_alphabet_and_stays_as_it_is(text: str) -> None:
    """Preparation never raises, knows its alphabet, and is idempotent."""
    plain = canonicalise(text)
    assert set(plain) <= ALPHABET
    assert canonicalise(plain) == plain


@given(st.lists(ANY_TEXT | TRICKY, min_size=4, max_size=12))
@example(["a b c d", " x", "x ", "a1a"])
@example(["0abc", "ab00", "a11a", "a@a", "111"])
def test_texts_come_out_together_as_they_do_alone(texts: list[str]) -> None:
    """The search over all of them finds every text that a pattern changes."""
    assert canonicalise_all(texts) == [canonicalise(text) for text in texts]


def test_every_character_has_a_fixed_meaning() -> None:
    """Each code point becomes characters of the alphabet that stand for themselves."""
    for code in range(0x110000):
        plain = canonicalise(f"x{chr(code)}x")
        assert set(plain) <= ALPHABET, hex(code)


@pytest.mark.parametrize("text", ["\ufdfa", "&", "a1", "f r e e ", "123", "x", " ", "a\u2026"])
def test_an_endless_text_is_bounded_and_stays_as_it_is(text: str) -> None:
    """However it expands or shrinks, the outcome is short and idempotent."""
    plain = canonicalise(text * 5000)
    assert len(plain) <= LONGEST_CHARS + 1
    assert canonicalise(plain) == plain


def test_a_long_text_costs_no_more_than_its_two_ends() -> None:
    """The middle of an endless text is not read."""
    plain = canonicalise("a" + "b" * 10 * LONGEST_CHARS + "c")
    assert len(plain) <= LONGEST_CHARS + 1
    assert plain[0] + plain[-1] == "ac"
