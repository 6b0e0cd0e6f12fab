"""Replicates until it is decided: a cell grows until a claim can be made, at a stated error rate.

Replicates are looked at in the order of their numbers, and the decision falls at the first that
allows a claim. A claim made there is as good as one after a number fixed beforehand, because the
evidence and the intervals it rests on hold at all numbers at once.

Truth drawn from the prior, each cell having an equal part of ALPHA:

- *miscalibrated*: the PITs of the cell's quantities are not uniform. The mean of their e-values
  (`recovery.evidence`) has reached the number of cells over ALPHA.
- *within the margin*: the coverage of every parameter's 90 % interval differs from .9 by less than
  the margin. The confidence sequences of all lie inside. Each has the cell's whole part of ALPHA:
  the claim is false only if some coverage lies outside, and then that one's sequence has erred
  (an intersection-union test: Berger, 1982, doi:10.1080/00401706.1982.10487790).

In a cell one of these claims at most can be false: uniform PITs mean nominal coverage (up to the
error of quantiles from few draws, below the margin from 40 independent draws on). So the chance of
a false claim anywhere is at most ALPHA. Coverage alone makes no cell miscalibrated: the e-values
see what it sees, and quantiles of finitely many draws cover a little less than nominally, which a
long run would hold against a sound sampler.

Truth fixed: the coverage of each parameter is *within the margin* or *differs* from .9. A cell is
decided when every parameter is. All sequences hold together, over parameters and cells, with
probability 1 - ALPHA at least.

Median number of replicates until a cell is decided, truth drawn from the prior, independent
parameters all alike (100 runs):

========================  =====  ============  ============
cells x parameters        sound  sd 0.8 of it  sd 0.5 of it
========================  =====  ============  ============
1 x 1                       365           104             9
1 x 4                       660            58             6
9 x 4                       920            94             9
========================  =====  ============  ============

Where even the exact posterior does not cover nominally nothing is claimed of coverage: posteriors
without spread, and discrete ones (truth and ends of the interval integers in most replicates).
Failed replicates are counted and carry no PIT; that the others are uniform takes failures that have
nothing to do with the truth.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recovery.confidence import confidence_sequence, log_evidence
from recovery.design import TruthMode
from recovery.errors import SettingsError
from recovery.evidence import Evidence, averaged
from recovery.growth import check_most
from recovery.rank_tests import TESTED
from recovery.record import FITTED, Floats
from recovery.seen import CI_PROB, Seen

ALPHA: Final = 0.05
"""Probability, at most, of any false claim over all cells of a run."""
MARGIN: Final = 0.05
"""How far coverage may be from nominal, unless given."""
MOST: Final = 5_000
"""Replicates of a cell at most, unless given. The coverage that takes longest, half way to the
edge of the default margin, is decided after some 700 replicates in one cell of one parameter, 1,800
in nine of four; what is still open at this number lies on an edge."""
_STEP = 0.1  # share of the replicates so far that the next look adds
_LEAST_STEP = 10


class Claim(StrEnum):
    """What can be said of a cell."""

    MISCALIBRATED = "miscalibrated"
    WITHIN = "within the margin"
    DIFFERS = "coverage differs"
    UNDECIDED = "undecided"
    NOTHING = "nothing to judge"

    @property
    def decided(self) -> bool:
        """Whether it is a claim."""
        return self not in (Claim.UNDECIDED, Claim.NOTHING)


@dataclass(frozen=True)
class Decision:
    """What can be said of a cell, and why.

    Attributes
    ----------
    claim : Claim
    looked : int
        Replicates up to the decision, failed ones counted; all there are if there is none.
    log_e_value : float
        Natural logarithm of the cell's e-value then; nan with a fixed truth.
    log_e_values : array, shape (n_parameters,)
        Of each parameter that is tested.
    lower, upper : array, shape (n_parameters,)
        The confidence sequences of coverage then; nan where coverage is not judged.
    """

    claim: Claim
    looked: int
    log_e_value: float
    log_e_values: Floats
    lower: Floats
    upper: Floats


@dataclass(frozen=True, slots=True)
class Decided:
    """That a cell grows until it is decided, and to how many replicates at most.

    Parameters
    ----------
    start : int
        Replicates of a cell before the first look.
    margin : float
        How far from nominal the coverage of 90 % intervals may be, as a share.
    most : int
        Replicates of a cell at most.
    """

    start: int
    margin: float = MARGIN
    most: int = MOST

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not 0 < self.margin < 1 - CI_PROB:
            raise SettingsError(
                f"margin: {self.margin!r} is not allowed; give how far the coverage of "
                f"{100 * CI_PROB:g} % intervals may be from nominal, between 0 and "
                f"{1 - CI_PROB:.2g}, usually {MARGIN}"
            )
        check_most(self.most, self.start)

    def needed(self, seen: Sequence[Seen | None], truth_mode: TruthMode, n_cells: int, /) -> int:
        """Return how many replicates a cell needs in all; as many as there are if it has enough."""
        planned = len(seen)
        if planned >= self.most:
            return planned
        # Where there is nothing to judge, more of it tells nothing.
        if judge(seen, truth_mode, n_cells, self.margin).claim is not Claim.UNDECIDED:
            return planned
        return min(self.most, planned + max(_LEAST_STEP, math.ceil(_STEP * planned)))

    def wanted(self) -> dict[str, float | str]:
        """Return what was asked for, for the record."""
        return {
            "stop_when": "decided",
            "margin": self.margin,
            "min_replicates": self.start,
            "max_replicates": self.most,
        }


def judge(
    seen: Sequence[Seen | None], truth_mode: TruthMode, n_cells: int, margin: float
) -> Decision:
    """Decide on a cell at the first replicate that allows it.

    Parameters
    ----------
    seen : sequence of Seen or None
        The replicates of the cell in the order of their numbers; None for one that failed.
    truth_mode : {"fixed", "prior"}
    n_cells : int
        Cells of the run, over all of which ALPHA holds.
    margin : float
        See `Decided`.
    """
    places = [i for i, one in enumerate(seen) if one is not None]
    complete = [one for one in seen if one is not None]
    none = np.empty(0)
    if not complete:
        return Decision(Claim.NOTHING, len(seen), math.nan, none, none, none)
    kinds = complete[0].kinds
    pit = np.array([one.pit for one in complete])
    tested = np.array([kind in TESTED for kind in kinds])
    looks = _Coverage(complete, pit)
    prior = truth_mode == "prior"
    if prior:
        level = ALPHA / n_cells
        log_e = np.where(tested, 0.0, np.nan) + np.zeros_like(pit)
        log_e[:, tested] = Evidence(int(tested.sum())).add(pit[:, tested])
        means = averaged(log_e[:, tested]) if tested.any() else np.zeros(len(pit))
        wrong = means >= -math.log(level)
        right = looks.all_of(looks.within(level, margin))
        settled = wrong | right
    else:
        level = ALPHA / n_cells / max(1, looks.n_parameters)
        log_e, means = np.full_like(pit, np.nan), np.full(len(pit), np.nan)
        within, differs = looks.within(level, margin), looks.differs(level)
        wrong, right = looks.any_of(differs & ~within), looks.all_of(within)
        settled = looks.all_of(within | differs)
    at = int(settled.argmax()) if settled.any() else len(complete) - 1
    if settled.any():
        good = Claim.WITHIN
        bad = Claim.MISCALIBRATED if prior else Claim.DIFFERS
        claim = bad if wrong[at] else good
    else:
        possible = looks.judged[-1].any() or (prior and np.isfinite(pit[:, tested]).any())
        claim = Claim.UNDECIDED if possible else Claim.NOTHING
    lower, upper = looks.interval(at, level)
    looked = places[at] + 1 if settled.any() else len(seen)
    return Decision(claim, looked, float(means[at]), log_e[at], lower, upper)


class _Coverage:
    """Hits and misses of the intervals of each parameter, after each complete replicate."""

    def __init__(self, complete: Sequence[Seen], pit: Floats) -> None:
        kinds = complete[0].kinds
        covered = np.array([kind in FITTED for kind in kinds])
        self.n_parameters = int(covered.sum())
        inside = np.array([one.inside for one in complete])
        # Where a posterior has no spread there is no PIT, and nothing to say of its interval.
        counted = np.isfinite(inside) & np.isfinite(pit) & covered
        self._n = np.cumsum(counted, axis=0)
        self._hits = np.cumsum(counted & (inside == 1), axis=0)
        whole = np.cumsum([one.whole for one in complete], axis=0)
        discrete = 2 * whole > np.arange(1, len(complete) + 1)[:, None]
        self.judged: NDArray[np.bool_] = (self._n > 0) & ~discrete

    def within(self, level: float, margin: float) -> NDArray[np.bool_]:
        """Return after which replicates which sequences lie inside the margin."""
        low, high = CI_PROB - margin, CI_PROB + margin
        above = self._excluded(low, level) & (self._hits > low * self._n)
        below = self._excluded(high, level) & (self._hits < high * self._n)
        return np.asarray(above & below)

    def differs(self, level: float) -> NDArray[np.bool_]:
        """Return after which replicates which sequences leave the nominal coverage out."""
        return self._excluded(CI_PROB, level)

    def _excluded(self, share: float, level: float) -> NDArray[np.bool_]:
        return np.asarray(log_evidence(share, self._hits, self._n) >= -math.log(level))

    def all_of(self, flags: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return where something holds of all parameters that are judged, and there is one."""
        return np.asarray((flags | ~self.judged).all(axis=1) & self.judged.any(axis=1))

    def any_of(self, flags: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return where something holds of a parameter that is judged."""
        return np.asarray((flags & self.judged).any(axis=1))

    def interval(self, at: int, level: float) -> tuple[Floats, Floats]:
        """Return the sequences after a replicate; nan where coverage is not judged."""
        ends = confidence_sequence(self._hits[at], self._n[at], level)
        lower, upper = (np.where(self.judged[at], end, np.nan) for end in ends)
        return lower, upper
