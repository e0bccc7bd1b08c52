"""A bound, and what was measured of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Promise:
    """A figure that must not be missed, and one to aim at."""

    what: str
    figure: float
    must: float
    goal: float | None = None
    is_ceiling: bool = False
    unit: str = ""

    @property
    def is_kept(self) -> bool:
        """Whether what must be is."""
        return self._reaches(self.must)

    @property
    def is_reached(self) -> bool:
        """Whether the goal is reached, where there is one."""
        return self.goal is None or self._reaches(self.goal)

    def _reaches(self, bound: float) -> bool:
        return self.figure <= bound if self.is_ceiling else self.figure >= bound


def all_kept(promised: Iterable[Promise]) -> bool:
    """Say whether nothing that must be was missed."""
    return all(promise.is_kept for promise in promised)
