"""What fits on one page of an answer."""

from bridge.storage.desk.pages import fill


def entry(characters):
    """One of so many characters."""
    return {"text": "x" * characters}


def test_a_page_ends_at_its_limit():
    """And says whether there is more."""
    assert fill([1, 2, 3], entry, 2) == ([(1, entry(1)), (2, entry(2))], False)
    assert fill([1, 2], entry, 2)[1]
    assert fill([], entry, 0) == ([], True)


def test_a_page_ends_before_200_kb():
    """Whatever the limit."""
    page, is_last = fill([60_000] * 10, entry, 1000)
    assert (len(page), is_last) == (3, False)


def test_a_page_has_one_entry_at_least():
    """Without, the next page would be the same for ever."""
    page, is_last = fill([300_000, 1], entry, 10)
    assert ([size for size, _ in page], is_last) == ([300_000], False)
