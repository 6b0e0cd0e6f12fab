"""Two parameters of the same fits, and two samplers on the same data."""

import numpy as np

from recovery.measures.family import COOK, MORRIS, Family, finite
from recovery.measures.mcmc import Array
from recovery.measures.terms import Measured, Terms, deviations

PAIRS = Family()


@PAIRS.measure("100 * ((sd(m_1 - t) / sd(m_2 - t))^2 - 1)", 0, "percent", MORRIS)
def relative_precision(mean: Array, other_mean: Array, truth: Array) -> Terms:
    """Percentage by which the other sampler's precision exceeds the first's, on the same data.

    Parameters
    ----------
    mean, other_mean, truth : array, shape (n_replicates,)
        Posterior means of the two for the same data, paired by replicate. That they go together
        makes the mcse small: for normal errors of correlation r it is
        ``200 * (sd_1 / sd_2)^2 * sqrt((1 - r^2) / (n - 1))``, as in Morris et al. (2019), table 6.
    """
    first, second = deviations(mean - truth) ** 2, deviations(other_mean - truth) ** 2
    over, under = np.float64(first.sum()), np.float64(second.sum())
    n = first.size
    return Terms(
        n * (first / over - second / under),
        100 * (over / under - 1) if n > 1 else np.nan,
        float(100 * over / under),
    )


@PAIRS.measure("mean(cov) / sqrt(mean(s_1^2) mean(s_2^2))", None, "correlation", COOK)
def claimed_correlation(covariance: Array, first_sd: Array, second_sd: Array) -> Terms:
    """Correlation of two parameters that the posteriors claim, averaged over the replicates."""
    n = np.float64(covariance.size)
    first, second = first_sd * first_sd, second_sd * second_sd
    over, under = first.sum() / n, second.sum() / n
    ratio = covariance.sum() / n / np.sqrt(over * under)
    values = covariance / np.sqrt(over * under) - ratio / 2 * (first / over + second / under)
    return Terms(values, ratio)


@PAIRS.measure("cor(t_1 - m_1, t_2 - m_2)", None, "correlation", COOK)
def error_correlation(first_error: Array, second_error: Array) -> Terms:
    """Correlation of the errors of two posterior means over the replicates."""
    first, second = deviations(first_error), deviations(second_error)
    n = np.float64(first.size)
    first = first / np.sqrt((first * first).sum() / n)
    second = second / np.sqrt((second * second).sum() / n)
    r = (first * second).sum() / n
    return Terms(first * second - r / 2 * (first * first + second * second), r)


@PAIRS.measure("error_correlation - claimed_correlation", 0, "correlation", COOK)
def correlation_error(
    covariance: Array, first_sd: Array, second_sd: Array, first_error: Array, second_error: Array
) -> Terms:
    """Correlation of the errors beyond the one claimed: 0 if truths come from the prior.

    Exact posteriors have errors ``t - m`` whose covariance is the average posterior covariance. A
    sampler that gets every mean and sd right and loses the correlation shows here alone.
    """
    claimed = PAIRS["claimed_correlation"].formula(covariance, first_sd, second_sd)
    found = PAIRS["error_correlation"].formula(first_error, second_error)
    assert claimed.estimate is not None
    assert found.estimate is not None
    return Terms(found.values - claimed.values, found.estimate - claimed.estimate)


def pair_recovery(
    covariance: Array, first_sd: Array, second_sd: Array, first_error: Array, second_error: Array
) -> dict[str, Measured]:
    """Return what the fits say of the correlation of two parameters, all over the same replicates.

    Parameters
    ----------
    covariance, first_sd, second_sd : array, shape (n_replicates,)
        Posterior covariance and sds in each fit.
    first_error, second_error : array, shape (n_replicates,)
        Truth minus posterior mean; truths must be drawn from the prior.

    Returns
    -------
    dict
        :func:`claimed_correlation`, :func:`error_correlation` and :func:`correlation_error`.

    Raises
    ------
    ValueError
        If shapes differ.
    """
    given = finite(
        {
            "covariance": covariance, "first_sd": first_sd, "second_sd": second_sd,
            "first_error": first_error, "second_error": second_error,
        }
    )  # fmt: skip
    with np.errstate(all="ignore"):
        return {
            name: entry.formula(*[given[need] for need in entry.needs]).measured()
            for name, entry in PAIRS.items()
            if given.keys() >= set(entry.needs)
        }
