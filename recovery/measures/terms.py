"""A measure to first order: what each replicate adds to it, from which its errors follow."""

import math
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from recovery.measures.mcmc import Array, IntervalError, McmcError

Flags: TypeAlias = NDArray[np.bool_]
Places: TypeAlias = NDArray[np.intp]


class Measured(NamedTuple):
    """A measure, its Monte Carlo standard error, and the number of finite replicates used.

    ``mcmc_share`` is the share of ``mcse**2`` that is MCMC error: what the measure would still
    vary by if the same data sets were fitted again and again. Longer chains lower that share of
    the variance, more replicates lower the rest as well. It is nan where it is not known, and for
    a share of none or all, whose standard error is no variance of anything. It is 1 at most: what
    would be more (heavy tails, lopsided posteriors of few draws) is beyond its first order.
    """

    estimate: float
    mcse: float
    n: int
    mcmc_share: float = math.nan


NOTHING = Measured(math.nan, math.nan, 0)


class Terms(NamedTuple):
    """A measure and its influence values (the infinitesimal jackknife).

    Attributes
    ----------
    values : array, shape (n_used,)
        What each replicate adds to the measure to first order, times n and over ``scale``, up to
        a constant. Truth values stand for a share.
    estimate : float, optional
        The measure; by default the mean of the values.
    scale : float
    noise, end_noise : callable, optional
        The variance that MCMC error gives the values, summed over the replicates used: the errors
        of means and sds, or those of the ends of intervals.
    used : array of int, shape (n_used,), optional
        The replicates that the values belong to; by default all.
    common : float
        A further error of the measure, in its units and with a sign, that its replicates share.
    """

    values: Array | Flags
    estimate: float | None = None
    scale: float = 1.0
    noise: Callable[[McmcError], float] | None = None
    end_noise: Callable[[IntervalError], float] | None = None
    used: Places | None = None
    common: float = 0.0

    def measured(
        self, mcmc: McmcError | None = None, ends: IntervalError | None = None
    ) -> Measured:
        """Return the measure with its standard error, and the share of it that is MCMC error."""
        values = self.values
        n = values.size
        if n == 0:
            return NOTHING
        if values.dtype == np.bool_:
            k = int(np.count_nonzero(values))
            estimate, mcse = k / n, share_se(k, n)
            if k in (0, n):
                return Measured(estimate, mcse, n)
        else:
            estimate, mcse = mean_se(values)
            if self.estimate is not None:
                estimate, mcse = float(self.estimate), mcse * self.scale
                if not math.isfinite(estimate):
                    return Measured(math.nan, math.nan, n)
        if self.common:
            mcse = math.hypot(mcse, self.common)
        if mcmc is not None and self.noise is not None and mcse > 0:
            noise = self.noise(mcmc if self.used is None else mcmc.where(self.used))
        elif ends is not None and self.end_noise is not None and mcse > 0:
            noise = self.end_noise(ends)
        else:
            return Measured(estimate, mcse, n)
        share = float((self.scale / n / mcse) ** 2 * noise)
        return Measured(estimate, mcse, n, 1.0 if share > 1 else share)


UNDEFINED = Terms(np.empty(0))


def mean_se(values: Array | Flags) -> tuple[float, float]:
    """Return the mean of values and its standard error, nan for a single one."""
    n = values.size
    shifted = values - (first := values[0])  # equal values then have a spread of exactly 0
    deviations = shifted - (shift := shifted.sum() / n)
    # A sum, not a dot product: BLAS threads that share few cores are slower a hundredfold.
    mcse = math.sqrt((deviations * deviations).sum() / (n - 1) / n) if n > 1 else math.nan
    return float(first + shift), mcse


def share_se(k: int, n: int) -> float:
    """Return the standard error of a share k of n; at none and all that of its Jeffreys posterior.

    That is Beta(k + 1/2, n - k + 1/2): no share is claimed to be certain.
    """
    variance = k * (n - k) / n**3 or (n + 0.5) / (2 * (n + 1) ** 2 * (n + 2))
    return math.sqrt(variance)


def root_mean(squares: Array, noise: Callable[[McmcError], float]) -> Terms:
    """Return the root of the mean of squares, given the noise of the squares."""
    root = math.sqrt(squares.sum() / squares.size) if squares.size else math.nan
    return Terms(squares, root, 1 / (2 * root) if root > 0 else 1.0, noise)


def deviations(values: Array) -> Array:
    """Return deviations from the mean; equal values have deviations of exactly 0."""
    shifted = values - values[:1]
    shifted -= shifted.sum() / max(values.size, 1)
    return shifted


def unbiased(n: int) -> float:
    """Return the factor from a mean of squared deviations to the variance with n - 1."""
    return n / (n - 1) if n > 1 else math.nan
