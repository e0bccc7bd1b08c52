"""The table of known keys behaves like a dictionary of the last segments."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.storage.journal.repeats import Repeats

KEYS = st.integers(-(2**63), 2**63 - 1).filter(bool)


def add(table: Repeats, first_number: int, known: dict[int, int]) -> None:
    """Remember the row number of each key in a segment."""
    numbers = np.array(list(known.values()), np.int64)
    table.add(first_number, numbers, np.array(list(known), np.int64))


def find(table: Repeats, keys: list[int]) -> list[int]:
    """Return what is known of each key."""
    return table.find(np.array(keys, np.int64)).tolist()


@settings(max_examples=60)
@given(
    segments=st.lists(
        st.lists(st.lists(KEYS, max_size=12, unique=True), max_size=4), min_size=1, max_size=6
    ),
    generations=st.integers(1, 3),
    strangers=st.lists(KEYS, max_size=20),
)
def test_it_agrees_with_a_dictionary(segments, generations, strangers):
    """Batch by batch and segment by segment, the oldest segment making room for the newest."""
    table, model, number = Repeats(generations, rows=48), {}, 1
    for batches in segments:
        first_number = number
        evicted = table.open(first_number)
        if len(model) == generations:
            assert evicted == min(model)
            del model[evicted]
        else:
            assert evicted is None
        model[first_number] = {}
        for batch in batches:
            known = {key for rows in model.values() for key in rows}
            rows = {key: number + place for place, key in enumerate(set(batch) - known)}
            add(table, first_number, rows)
            model[first_number].update(rows)
            number += len(rows)
        number += 1
        everything = {key: at for rows in model.values() for key, at in rows.items()}
        asked = [*everything, *strangers, *(key for keys in batches for key in keys)]
        assert find(table, asked) == [everything.get(key, 0) for key in asked]


@pytest.mark.parametrize("rows", [1, 16, 64, 1000])
def test_a_full_segment_is_known_to_the_last_key(rows):
    """As many rows as it was made for, all in one bucket's way: buckets overflow into the next."""
    table = Repeats(2, rows)
    table.open(1)
    crowded = {(place << 32) | 5: 1 + place for place in range(1, rows + 1)}
    add(table, 1, crowded)
    assert find(table, list(crowded)) == list(crowded.values())
    assert find(table, [(9999 << 32) | 5, 5, 6]) == [0, 0, 0]


def test_a_forgotten_segment_is_unknown_and_makes_room():
    """What left the window is a new message again."""
    table = Repeats(2, 16)
    table.open(1)
    add(table, 1, {7: 1, 8: 2})
    table.open(3)
    add(table, 3, {9: 3})
    table.forget(1)
    assert (1 in table, 3 in table) == (False, True)
    assert find(table, [7, 8, 9]) == [0, 0, 3]
    assert table.open(4) is None


def test_a_cleared_generation_does_not_bring_old_numbers_back():
    """A key found in a generation that was reused has its new row's number."""
    table = Repeats(1, 16)
    table.open(1)
    add(table, 1, {7: 5})
    assert table.open(10) == 1
    add(table, 10, {7: 12})
    assert find(table, [7]) == [12]


def test_a_question_about_nothing_has_an_empty_answer():
    """An empty batch is no special case."""
    assert find(Repeats(1, 16), []) == []
