"""What happens to those who believe an effect once its interval excludes 0."""

import numpy as np

from recovery.measures.family import GELMAN, MORRIS, Family
from recovery.measures.mcmc import Array
from recovery.measures.terms import UNDEFINED, Flags, Terms

DECISIONS = Family()


@DECISIONS.measure("mean(l > 0 or u < 0)", None, "share", MORRIS)
def power(lower: Array, upper: Array) -> Terms:
    """Share of the intervals that exclude 0; where the truth is 0, of the false alarms."""
    return Terms(
        _excluded(lower, upper),
        end_noise=lambda mcmc: mcmc.flips(lower, 0.0) + mcmc.flips(upper, 0.0),
    )


@DECISIONS.measure("mean(sign(m) != sign(t)), intervals without 0", None, "share", GELMAN)
def sign_error(lower: Array, upper: Array, mean: Array, truth: Array) -> Terms:
    """Share of the intervals excluding 0 whose posterior mean has the wrong sign.

    Only truths other than 0 count, and n is the number of such intervals. The MCMC share is not
    known.
    """
    chosen = np.flatnonzero(_excluded(lower, upper) & (truth != 0))
    return Terms(np.sign(mean.take(chosen)) != np.sign(truth.take(chosen)), used=chosen)


@DECISIONS.measure("mean(|m|) / mean(|t|), intervals without 0", None, "ratio", GELMAN)
def exaggeration(lower: Array, upper: Array, mean: Array, truth: Array) -> Terms:
    """Size of the posterior means over that of the truths, among the intervals excluding 0.

    At one truth this is the mean of ``|m| / |t|``. Of drawn truths it is the ratio of the means,
    since the mean of ``1 / |t|`` need not exist (see `relative_bias`). Exact posteriors are then
    at 1 or little below. Only truths other than 0 count, and n is the number of such intervals.
    The MCMC share is not known.
    """
    chosen = np.flatnonzero(_excluded(lower, upper) & (truth != 0))
    claimed, true = np.abs(mean.take(chosen)), np.abs(truth.take(chosen))
    if not true.size:
        return UNDEFINED
    size = float(true.sum() / true.size)
    ratio = float(claimed.sum() / true.size) / size
    return Terms((claimed - ratio * true) / size, ratio, used=chosen)


def _excluded(lower: Array, upper: Array) -> Flags:
    return (lower > 0) | (upper < 0)
