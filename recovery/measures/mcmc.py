"""The Monte Carlo error that finite chains leave in each fit, and how far it moves a measure.

A fit gives its posterior mean, sd and quantiles from finitely many draws. Their errors are
independent between fits, so what they do to a measure adds up over replicates: to first order the
squared slope of the measure times the variance of the number, and for an indicator p (1 - p), where
p is the chance that another run of the same chains would have it true.

The variance of a mean is that of ``mcse_mean``. For sd and quantiles the posterior is taken to be
of normal shape with ``ess_tail`` independent draws: ``sd^2 / (2 ess)`` and, at probability q,
``sd^2 q (1 - q) / (ess phi(z_q)^2)``. The tail ESS stands for both because chains that alternate
around the mean have a bulk ESS far above what they know of the spread.
"""

import copy
import math
from functools import cached_property, lru_cache
from statistics import NormalDist
from typing import Self, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

Array: TypeAlias = NDArray[np.float64]

_NORMAL = NormalDist()
_ENOUGH = 4096  # replicates that tell how often an indicator flips; of more, an even part is taken
_FAR = 3.0  # standard errors; beyond, flips are 0.1 % of all


class McmcError:
    """What MCMC error does to the sums that measures are made of.

    Every method returns a variance, summed over the replicates. Where the error of a replicate is
    not known, the average of the others stands in.

    Parameters
    ----------
    sd, mcse_mean, ess_tail : array, shape (n_replicates,)
        Of the posterior of each replicate.
    """

    def __init__(self, sd: Array, mcse_mean: Array, ess_tail: Array) -> None:
        known = np.isfinite(mcse_mean) & np.isfinite(ess_tail) & (ess_tail > 0)
        count = int(np.count_nonzero(known))
        self.filled = known.size / count if count else math.nan
        spread = sd / np.sqrt(ess_tail)
        if count < known.size:
            spread, mcse_mean = np.where(known, spread, 0.0), np.where(known, mcse_mean, 0.0)
        self.spread = spread
        self._of_mean = mcse_mean * mcse_mean
        self.of_spread = spread * spread

    def by_mean(self, slope: Array | float = 1.0) -> float:
        """Return what the errors of the posterior means do at this slope of each value."""
        return self._sum(self._of_mean, slope)

    def by_sd(self, slope: Array | float = 1.0) -> float:
        """Return what the errors of the posterior sds do at this slope of each value."""
        return self._sum(self.of_spread, slope) / 2

    def _sum(self, variance: Array, slope: Array | float) -> float:
        if isinstance(slope, np.ndarray):
            return float((slope * slope * variance).sum()) * self.filled
        return slope * slope * float(variance.sum()) * self.filled

    def where(self, used: NDArray[np.intp]) -> Self:
        """Return the same for some of the replicates."""
        some = copy.copy(self)
        some._of_mean, some.of_spread = self._of_mean[used], self.of_spread[used]
        return some

    @cached_property
    def of_all_spreads(self) -> float:
        """The variance of a mean of normal shape, summed."""
        return float(self.of_spread.sum()) * self.filled


class IntervalError:
    """What MCMC error does to the sums of the measures of intervals, as `McmcError` does.

    Parameters
    ----------
    fits : McmcError
    ci_prob : float
        Level of the intervals.
    lower, upper, truth : array, shape (n_replicates,)
    """

    def __init__(
        self, fits: McmcError, ci_prob: float, lower: Array, upper: Array, truth: Array
    ) -> None:
        self._fits, self.ci_prob = fits, ci_prob
        self._end, self._between = _ends(ci_prob)
        self._step = max(1, fits.spread.size // _ENOUGH)
        self._error = self._end * fits.spread[:: self._step]
        self._reach = _FAR * self._error
        self._lower, self._upper, self._truth = lower, upper, truth

    @cached_property
    def misses(self) -> tuple[float, float]:
        """What flips the indicators that the truth lies below and above the interval."""
        return self.flips(self._lower, self._truth), self.flips(self._upper, self._truth)

    def flips(self, end: Array, point: Array | float) -> float:
        """Return what flips the indicator that an end of the interval lies beyond a point.

        Of more than 8,000 replicates it is that of every second, third, ... one, times so many.
        """
        end = end[:: self._step]
        gap = end - (point[:: self._step] if isinstance(point, np.ndarray) else point)
        near = np.flatnonzero(np.abs(gap, out=gap) < self._reach)
        stays = ndtr(gap.take(near) / self._error.take(near))
        whole = self._fits.spread.size / max(gap.size, 1) * self._fits.filled
        return float((stays - stays * stays).sum()) * whole

    def by_width(self) -> float:
        """Return what the errors of the ends do to their distance."""
        return 2 * (self._end**2 - self._between) * self._fits.of_all_spreads

    def by_score(self, missed_by: Array, price: float) -> float:
        """Return what the errors of the ends do to the width plus a price for each miss."""
        at_price = (price - 1) ** 2 * self._end**2 + 2 * (price - 1) * self._between
        at_price += 2 * self._between - self._end**2
        missed = self._fits.of_spread.take(np.flatnonzero(missed_by > 0))
        return self.by_width() + at_price * float(missed.sum()) * self._fits.filled


@lru_cache(maxsize=64)
def _ends(ci_prob: float) -> tuple[float, float]:
    """Return the standard error of an end and the covariance of both, for a mean of variance 1."""
    tail = (1 - ci_prob) / 2
    density = _NORMAL.pdf(_NORMAL.inv_cdf(tail))
    return math.sqrt(tail * (1 - tail)) / density, (tail / density) ** 2
