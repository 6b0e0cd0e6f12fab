"""Replicates by need: a cell grows until the coverage of every parameter is known well enough.

A cell is looked at only when all replicates planned so far are done, in the order of their numbers,
so how far it grows depends on the seeds alone: not on workers, order or interruptions.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from recovery.design import Cell, Replicate
from recovery.errors import SettingsError
from recovery.measures import coverage
from recovery.record import Floats, Record

CI_PROB = 0.9
"""Level of the intervals whose coverage is to be known."""
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
    most: int

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not 0 < self.target < 0.5:
            raise SettingsError(
                f"precision: {self.target!r} is not allowed; give the Monte Carlo standard error "
                "of coverage to reach, between 0 and 0.5, usually 0.01 or 0.02"
            )
        if self.most < self.start:
            raise SettingsError(
                f"max_replicates: {self.most} is less than the {self.start} replicates to begin "
                "with; give more, or fewer replicates"
            )

    def needed(self, covered: Sequence[Floats], planned: int) -> int:
        """Return how many replicates a cell needs in all; `planned` if it has enough.

        Parameters
        ----------
        covered : sequence of array, shape (n_parameters,)
            For each complete replicate: 1 where the interval holds the truth, 0 where not, nan
            where there is no interval.
        planned : int
            Replicates so far, failed ones counted.
        """
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


def covered(record: Record) -> Floats | None:
    """Say of each parameter of a record whether its interval holds the truth, None if it failed."""
    found = record.estimates
    return None if found is None else held(*found.interval(CI_PROB), found.truth)


def held(lower: Floats, upper: Floats, truth: Floats) -> Floats:
    """Return 1 where an interval holds the truth, 0 where not, nan where that is unknown."""
    inside = ((lower <= truth) & (truth <= upper)).astype(np.float64)
    finite = np.isfinite(lower) & np.isfinite(upper) & np.isfinite(truth)
    return np.where(finite, inside, np.nan)


class Growth:
    """The cells of a sweep that grow by need.

    Parameters
    ----------
    precision : Precision
    cells : sequence of Cell
    seed : int
        Root of all random numbers.
    known : mapping of (cell digest, number) to array or None
        What is in the store already: see `covered`.
    """

    def __init__(
        self,
        precision: Precision,
        cells: Sequence[Cell],
        seed: int,
        known: Mapping[tuple[str, int], Floats | None],
    ) -> None:
        self._precision = precision
        self._cells = {cell.digest: cell for cell in cells}
        self._seed = seed
        self._known: dict[str, dict[int, Floats | None]] = {digest: {} for digest in self._cells}
        for (digest, index), found in known.items():
            if digest in self._known:
                self._known[digest][index] = found
        self.planned = dict.fromkeys(self._cells, 0)
        """Replicates of each cell so far, by its digest."""
        self._missing = dict.fromkeys(self._cells, 0)

    def begin(self) -> list[Replicate]:
        """Return the replicates to run first, one of each cell after another."""
        columns = [self._grow(digest) for digest in self._cells]
        longest = max(map(len, columns), default=0)
        return [column[i] for i in range(longest) for column in columns if i < len(column)]

    def after(self, record: Record) -> list[Replicate]:
        """Take note of a record, and return what is to run because of it."""
        self._known[record.cell][record.index] = covered(record)
        self._missing[record.cell] -= 1
        return [] if self._missing[record.cell] else self._grow(record.cell)

    def _grow(self, digest: str) -> list[Replicate]:
        """Plan on while all that is planned is known; return what is missing of the new plan."""
        known = self._known[digest]
        missing: list[int] = []
        while not missing:
            planned = self.planned[digest]
            found = (known[index] for index in range(planned))
            complete = [one for one in found if one is not None]
            needed = self._precision.needed(complete, planned) if planned else self._precision.start
            if needed == planned:
                break
            missing = [index for index in range(planned, needed) if index not in known]
            self.planned[digest] = needed
        self._missing[digest] = len(missing)
        return [Replicate(self._cells[digest], self._seed, index) for index in missing]

    def plan(self, digests: Iterable[str]) -> list[tuple[str, int, int]]:
        """Return what the store keeps of the plan of these cells."""
        return [(digest, self._seed, self.planned[digest]) for digest in digests]
