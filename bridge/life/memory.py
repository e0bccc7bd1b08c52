"""How this process gives memory back."""

from __future__ import annotations

import ctypes
import ctypes.util

_M_MMAP_THRESHOLD = -3
_LARGE_BYTES = 1 << 20


def give_back_large_blocks() -> None:
    """Have glibc give large blocks back to the system as soon as they are freed.

    A full cache rebuilds its dictionary now and then: 10 MB that glibc would keep the second time
    (its threshold moves up by itself; mallopt(3), M_MMAP_THRESHOLD). Elsewhere nothing happens.
    """
    library = ctypes.CDLL(ctypes.util.find_library("c"))
    if hasattr(library, "mallopt"):
        library.mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
