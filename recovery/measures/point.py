"""How far the posterior means lie from the truths."""

import numpy as np

from recovery.measures.family import COLLINS, GNEITING, MORRIS, PARAMETER, Family
from recovery.measures.mcmc import Array
from recovery.measures.terms import UNDEFINED, Terms, deviations, root_mean, unbiased

POINT = Family()


@POINT.measure("mean(m - t)", 0, PARAMETER, MORRIS)
def bias(mean: Array, truth: Array) -> Terms:
    """Average error of the posterior mean."""
    return Terms(mean - truth, noise=lambda mcmc: mcmc.by_mean())


@POINT.measure("mean((m - t) / t)", 0, "share of the truth", MORRIS)
def relative_bias(mean: Array, truth: Array) -> Terms:
    """Average error of the posterior mean as a share of the truth, which must be one and not 0.

    Undefined, with n = 0, where truths differ: drawn from a prior with density at 0, their
    inverse has no finite variance, and neither mean nor mcse would settle.
    """
    if not truth.size or truth[0] == 0 or not (truth == truth[0]).all():
        return UNDEFINED
    return Terms((mean - truth) / truth, noise=lambda mcmc: mcmc.by_mean(float(1 / truth[0])))


@POINT.measure("mean(m - t) / sd(m - t)", 0, "empirical standard errors", COLLINS)
def standardised_bias(mean: Array, truth: Array) -> Terms:
    """Bias in units of the empirical standard error; undefined where the errors do not vary."""
    error = mean - truth
    off, n = deviations(error), np.float64(error.size)
    factor = unbiased(error.size)
    sd = np.sqrt((off * off).sum() / n * factor)
    ratio = error.sum() / n / sd
    curve = ratio * factor / sd**2
    return Terms(
        error / sd - curve / 2 * (off * off),
        ratio,
        noise=lambda mcmc: mcmc.by_mean(1 / sd - curve * off),
    )


@POINT.measure("sd(m - t)", None, PARAMETER, MORRIS)
def empirical_se(mean: Array, truth: Array) -> Terms:
    """Spread of the errors of the posterior mean; at a fixed truth, of the posterior mean."""
    off = deviations(mean - truth)
    factor = unbiased(off.size)
    return root_mean(off * off * factor, lambda mcmc: mcmc.by_mean(2 * factor * off))


@POINT.measure("mean((m - t)^2)", None, "squared parameter units", MORRIS)
def mse(mean: Array, truth: Array) -> Terms:
    """Average squared error of the posterior mean."""
    error = mean - truth
    return Terms(error * error, noise=lambda mcmc: 4 * mcmc.by_mean(error))


@POINT.measure("sqrt(mean((m - t)^2))", None, PARAMETER, MORRIS)
def rmse(mean: Array, truth: Array) -> Terms:
    """Typical size of the error of the posterior mean, bias and spread together."""
    error = mean - truth
    return root_mean(error * error, lambda mcmc: 4 * mcmc.by_mean(error))


@POINT.measure("mean(|m - t|)", None, PARAMETER, MORRIS)
def mae(mean: Array, truth: Array) -> Terms:
    """Average size of the error of the posterior mean; a few large errors count less than in rmse.

    It is not the smallest possible: that would take the error of the posterior median.
    """
    return Terms(np.abs(mean - truth), noise=lambda mcmc: mcmc.by_mean())


@POINT.measure("mean(E|x - t| - E|x - x'| / 2), x and x' draws", None, PARAMETER, GNEITING)
def crps(crps: Array) -> Terms:
    """Distance of the posterior from the truth, spread and error together; low is good.

    Takes the continuous ranked probability score of each replicate, see
    :func:`recovery.scores.crps_of_draws`. Its MCMC share is not known.
    """
    return Terms(crps)
