"""Whether intervals hold the truth as often as they should, and how wide they are for that."""

import numpy as np

from recovery.measures.family import GNEITING, MORRIS, PARAMETER, Family
from recovery.measures.mcmc import Array
from recovery.measures.terms import Terms
from recovery.shares import check_probability

INTERVALS = Family()


@INTERVALS.measure("mean(l <= t <= u)", None, "share", MORRIS)
def coverage(lower: Array, upper: Array, truth: Array) -> Terms:
    """Share of the intervals that hold the truth; the ideal is their level."""
    return Terms((lower <= truth) & (truth <= upper), end_noise=lambda mcmc: sum(mcmc.misses))


@INTERVALS.measure("mean(t < l)", None, "share", MORRIS)
def miss_left(lower: Array, upper: Array, truth: Array) -> Terms:
    """Share of the intervals that lie above the truth; half of all misses if equal-tailed."""
    return Terms(truth < lower, end_noise=lambda mcmc: mcmc.misses[0])


@INTERVALS.measure("mean(t > u)", None, "share", MORRIS)
def miss_right(lower: Array, upper: Array, truth: Array) -> Terms:
    """Share of the intervals that lie below the truth; half of all misses if equal-tailed."""
    return Terms(truth > upper, end_noise=lambda mcmc: mcmc.misses[1])


@INTERVALS.measure("mean(l - b <= t <= u - b), b = mean(m - t)", None, "share", MORRIS)
def bias_eliminated_coverage(lower: Array, upper: Array, mean: Array, truth: Array) -> Terms:
    """Share of the intervals that hold the truth once the bias is taken off; ideal, the level.

    At a fixed truth these are the intervals that hold the average posterior mean. The mcse is
    that of a share. It leaves out the error of the bias itself, so it is up to a fifth too small
    where intervals are lopsided or their widths very unequal.
    """
    error = mean - truth
    start = error[:1]
    centre = truth + (start + (error - start).sum() / max(error.size, 1))
    return Terms(
        (lower <= centre) & (centre <= upper),
        end_noise=lambda mcmc: mcmc.flips(lower, centre) + mcmc.flips(upper, centre),
    )


@INTERVALS.measure("mean(u - l)", None, PARAMETER, MORRIS)
def interval_width(lower: Array, upper: Array) -> Terms:
    """Average width of the intervals."""
    return Terms(upper - lower, end_noise=lambda mcmc: mcmc.by_width())


@INTERVALS.measure(
    "mean((u - l) + 2 / (1 - c) * distance from t to [l, u])", None, PARAMETER, GNEITING
)
def interval_score(lower: Array, upper: Array, truth: Array, ci_prob: float) -> Terms:
    """Average width plus a price for each miss; low is good, and the true interval is lowest.

    Raises ValueError if ``ci_prob`` is not strictly between 0 and 1.
    """
    check_probability("ci_prob", ci_prob)
    price = 2 / (1 - ci_prob)
    missed_by = np.maximum(lower - truth, 0) + np.maximum(truth - upper, 0)
    return Terms(
        upper - lower + price * missed_by,
        end_noise=lambda mcmc: mcmc.by_score(missed_by, price),
    )


@INTERVALS.measure("mean(1 - p <= c), p the PIT of the log density", None, "share",
                   "Hyndman (1996), doi:10.1080/00031305.1996.10474359")  # fmt: skip
def joint_coverage(log_density_pit: Array, ci_prob: float) -> Terms:
    """Share of the regions of highest joint density that hold all truths; ideal, the level.

    The region of level c is made of the share c of the draws that has the highest posterior
    density. It holds the truth if at most that share of the draws has a higher one than the truth.

    Parameters
    ----------
    log_density_pit : array, shape (n_replicates,)
        Probability integral transform of the log posterior density at the truth: the share of the
        draws whose density is lower.
    ci_prob : float

    Raises
    ------
    ValueError
        If ``ci_prob`` is not strictly between 0 and 1.
    """
    check_probability("ci_prob", ci_prob)
    return Terms(1 - log_density_pit <= ci_prob)
