"""How this process gives memory back, and how often it looks for some."""

from __future__ import annotations

import ctypes
import ctypes.util
import gc

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_LARGE_BYTES = 1 << 20
_KEPT_BYTES = 8 << 20
"""At the top of the heap; setting the one threshold would leave the other at 128 KB."""
_COLLECTED_AT = (50_000, 20, 100)
"""Objects between two collections of the youngest; of each older generation, how many of those."""


def fix_heap_thresholds() -> None:
    """Have glibc give large blocks back at once, and keep what every batch needs.

    A full cache rebuilds its dictionary now and then: 10 MB that glibc would keep the second time
    (its threshold moves up by itself; mallopt(3), M_MMAP_THRESHOLD). What a batch needs for its
    arrays is kept from one to the next: given back, it cost 1.4 page faults a message with new
    texts, 2 us. Elsewhere nothing happens.
    """
    library = ctypes.CDLL(ctypes.util.find_library("c"))
    if hasattr(library, "mallopt"):
        library.mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
        library.mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)


def collect_seldom() -> None:
    """Have the garbage collector look for cycles less often, and never at what is there now.

    A batch makes some thousands of objects and no cycle. By default (700 objects) the collector
    went through them several times a batch, and through the cache's every now and then.
    """
    gc.freeze()
    gc.set_threshold(*_COLLECTED_AT)
