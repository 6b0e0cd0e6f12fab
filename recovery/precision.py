"""Replicates by need: a cell grows until the coverage of every parameter is known well enough."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recovery.errors import SettingsError
from recovery.growth import check_most
from recovery.measures import coverage
from recovery.seen import Seen

MOST = 10_000
"""Replicates of a cell at most, unless given."""
_SMALLEST_STEP = 0.05  # share of the replicates so far that the next look adds at least
_LARGEST_STEP = 1.0


@dataclass(frozen=True, slots=True)
class Precision:
    """How well coverage is to be known, and at what cost at most.

    Parameters
    ----------
    target : float
        Monte Carlo standard error of the coverage of 90 % intervals, as a share.
    start : int
        Replicates of a cell before the first look.
    most : int
        Replicates of a cell at most.
    """

    target: float
    start: int
    most: int = MOST

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not 0 < self.target < 0.5:
            raise SettingsError(
                f"precision: {self.target!r} is not allowed; give the Monte Carlo standard error "
                "of coverage to reach, between 0 and 0.5, usually 0.01 or 0.02"
            )
        check_most(self.most, self.start)

    def needed(self, seen: Sequence[Seen | None], *_: object) -> int:
        """Return how many replicates a cell needs in all; as many as there are if it has enough.

        Parameters
        ----------
        seen : sequence of Seen or None
            All replicates so far; None for one that failed.
        """
        planned = len(seen)
        covered = [one.inside for one in seen if one is not None]
        if planned >= self.most or not covered:
            return planned  # where nothing completes, more of it tells nothing
        most = 0.0
        for column in np.array(covered).T:
            inside = column[np.isfinite(column)]
            if not inside.size:
                continue
            zeros = np.zeros(inside.size)
            # Intervals from 0 to 0 hold the truth 0: the measure itself says what it knows.
            reached = coverage(zeros, zeros, 1 - inside).mcse <= self.target
            if not reached:
                share = (inside.sum() + 0.5) / (inside.size + 1)
                wanted = share * (1 - share) / self.target**2
                most = max(most, wanted * planned / inside.size)
        if most == 0:
            return planned
        least = planned * (1 + _SMALLEST_STEP)
        return min(self.most, math.ceil(min(max(most, least), planned * (1 + _LARGEST_STEP))))

    def wanted(self) -> dict[str, float | str]:
        """Return what was asked for, for the record."""
        return {
            "precision": self.target,
            "min_replicates": self.start,
            "max_replicates": self.most,
        }
