"""Ids and keyed hashes: equal for equals, different for all else, worth nothing without the key."""

import uuid
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from bridge.fingerprints import Fingerprints, uuid7

MINE = Fingerprints(b"0123456789abcdef")
THEIRS = Fingerprints(b"0123456789abcdeg")
PAIRS = st.tuples(
    st.from_regex(r"[A-Za-z0-9_-]{1,8}", fullmatch=True),
    st.from_regex(r"[A-Za-z0-9_.:-]{1,8}", fullmatch=True),
)


@given(text=st.text(st.characters(codec="utf-8")))
def test_a_text_key_is_the_installations_own(text):
    """The same text gives the same 16 bytes, and others under another key."""
    assert MINE.text_key(text) == MINE.text_key(text)
    assert len(MINE.text_key(text)) == 16
    assert MINE.text_key(text) != THEIRS.text_key(text)


@given(content=st.text(st.characters(codec="utf-8")))
def test_a_text_and_a_payload_of_the_same_bytes_differ(content):
    """A rejected payload is never taken for a text that was answered."""
    assert MINE.text_key(content) != MINE.payload_key(content.encode())


@given(one=PAIRS, other=PAIRS)
def test_messages_differ_in_device_or_id(one, other):
    """Two devices may use the same ids; a message is both."""
    assert (MINE.message_key(*one) == MINE.message_key(*other)) == (one == other)


@given(pair=PAIRS)
def test_a_message_key_fits_the_journal(pair):
    """A signed 64-bit number, and never 0, which stands for "no id"."""
    key = MINE.message_key(*pair)
    assert -(2**63) <= key < 2**63
    assert key != 0


def test_a_made_id_is_a_uuid_of_its_time():
    """Version 7, so that ids sort by time; no two are equal."""
    made = uuid.UUID(uuid7(1_767_225_600_123))
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert made.int >> 80 == 1_767_225_600_123
    ids = [uuid7(now_ms) for now_ms in range(1000)]
    assert all(earlier < later for earlier, later in pairwise(ids))
    assert uuid7(1) != uuid7(1)
