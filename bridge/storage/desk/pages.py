"""What fits on one page of an answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from pydantic_core import to_json

Entry = dict[str, Any]
T = TypeVar("T")

_PAGE_BYTES = 195_000  # with what stands around it, under 200 KB


def fill(
    found: Iterable[T], write: Callable[[T], Entry], limit: int
) -> tuple[list[tuple[T, Entry]], bool]:
    """Return what goes on a page, and whether that is all that was found.

    At least one entry does, whatever its size: who asks for the next page must get on.
    """
    page: list[tuple[T, Entry]] = []
    left = _PAGE_BYTES
    for item in found:
        entry = write(item)
        left -= len(to_json(entry)) + 1
        if len(page) == limit or (page and left < 0):
            return page, False
        page.append((item, entry))
    return page, True
