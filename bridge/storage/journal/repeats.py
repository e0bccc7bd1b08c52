"""Which message keys were recorded lately, and where: fixed memory, looked up by the batch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_PLACES = 8
"""Keys in a bucket: 64 bytes, one line of the processor's cache."""


class Repeats:
    """The keys of the last segments, a generation each, in one table that never grows.

    A bucket fills from its first place; what finds it full goes on to the next bucket. So a key
    is absent from a generation once a bucket on its way has its last place free. A whole batch is
    looked up in all generations at once, and a generation is cleared as a whole.

    Args:
        generations: Segments that can be remembered.
        rows: Rows that a segment may have.
    """

    def __init__(self, generations: int, rows: int) -> None:
        buckets = 1 << max(4, (rows // 4 - 1).bit_length())  # half full at the most
        self._mask = np.uint64(buckets - 1)
        self._keys = np.zeros((generations, buckets, _PLACES), np.uint64)
        self._offsets = np.zeros((generations, buckets, _PLACES), np.uint32)
        self._first = np.zeros(generations, np.int64)  # a segment's first number; 0 is free
        # Touched now, so that memory is flat from the first message.
        self._keys.fill(0)
        self._offsets.fill(0)

    def __contains__(self, first_number: int) -> bool:
        """Say whether the segment that starts with ``first_number`` is remembered."""
        return bool((self._first == first_number).any())

    def open(self, first_number: int) -> int | None:
        """Start a generation for a segment; the oldest makes room where none is free.

        Args:
            first_number: The number of the segment's first row, greater than 0.

        Returns:
            The first number of the segment that had to go, or nothing.
        """
        generation = int(self._first.argmin())
        evicted = int(self._first[generation])
        self._clear(generation)
        self._first[generation] = first_number
        return evicted or None

    def forget(self, first_number: int) -> None:
        """Drop a segment that left the window."""
        for generation in np.flatnonzero(self._first == first_number):
            self._clear(int(generation))

    def add(self, first_number: int, numbers: NDArray[np.int64], keys: NDArray[np.int64]) -> None:
        """Remember the keys of rows just written.

        Args:
            first_number: The segment's.
            numbers: The rows' numbers, shape (n,).
            keys: Their keys, shape (n,), distinct, none 0.
        """
        generation = int(np.flatnonzero(self._first == first_number)[0])
        table, offsets = self._keys[generation], self._offsets[generation]
        wanted = keys.view(np.uint64)
        places_of = (numbers - first_number).astype(np.uint32)
        bucket = wanted & self._mask
        while wanted.size:
            taken = np.count_nonzero(table[bucket], axis=1)
            free = taken < _PLACES
            where = (bucket[free], taken[free])
            table[where] = wanted[free]  # two for one place: the last is written
            stored = free.copy()
            stored[free] = table[where] == wanted[free]
            offsets[bucket[stored], taken[stored]] = places_of[stored]
            left = ~stored
            bucket = (bucket[left] + (~free[left]).astype(np.uint64)) & self._mask
            wanted, places_of = wanted[left], places_of[left]

    def find(self, keys: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the number of the row that each key is recorded in, 0 where none is.

        Args:
            keys: Shape (n,), none 0.

        Returns:
            Shape (n,).
        """
        numbers = np.zeros(keys.size, np.int64)
        wanted = keys.view(np.uint64)
        open_ = np.arange(keys.size)
        bucket = (wanted & self._mask).view(np.int64)
        while open_.size:
            places = self._keys.take(bucket, axis=1)  # by index it takes twice as long
            found = places == wanted[None, :, None]
            if found.any():
                generation, which, place = np.nonzero(found)
                offsets = self._offsets[generation, bucket[which], place]
                numbers[open_[which]] = self._first[generation] + offsets
            full = (places[:, :, -1] != 0).any(axis=0) & (numbers[open_] == 0)
            open_, wanted = open_[full], wanted[full]
            bucket = (bucket[full] + 1) & np.int64(self._mask)
        return numbers

    def _clear(self, generation: int) -> None:
        self._keys[generation].fill(0)
        self._first[generation] = 0
