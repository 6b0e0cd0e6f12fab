"""How well posterior means follow truths that differ: only where truths are drawn.

Where all truths are one value these are undefined, with n = 0.
"""

import numpy as np

from recovery.measures.family import COOK, LIN, Family
from recovery.measures.mcmc import Array
from recovery.measures.terms import UNDEFINED, Terms, deviations

AGREEMENT = Family()
_CORRELATION = "correlation"


@AGREEMENT.measure("cor(t, m)", None, _CORRELATION, "Pearson (1895), doi:10.1098/rspl.1895.0041")
def recovery_correlation(mean: Array, truth: Array) -> Terms:
    """Correlation of the posterior means with the truths, blind to a wrong scale or shift."""
    if _one(truth):
        return UNDEFINED
    t, m = _standardised(truth), _standardised(mean)
    r = float((t * m).sum() / t.size)
    spread = np.sqrt((deviations(mean) ** 2).sum() / mean.size)
    return Terms(
        t * m - r / 2 * (t * t + m * m),
        r,
        noise=lambda mcmc: mcmc.by_mean((t - r * m) / spread),
    )


@AGREEMENT.measure(
    "2 cov(t, m) / (var(t) + var(m) + (mean(t) - mean(m))^2)", None, _CORRELATION, LIN
)
def concordance(mean: Array, truth: Array) -> Terms:
    """Agreement of the posterior means with the truths: 1 only if they are the same numbers."""
    if _one(truth):
        return UNDEFINED
    n = np.float64(truth.size)
    t, m = deviations(truth), deviations(mean)
    shift = (mean - truth).sum() / n
    shared, apart = t * m, t * t + m * m
    under = apart.sum() / n + shift**2
    ratio = 2 * shared.sum() / n / under
    return Terms(
        (2 * shared - ratio * (apart + 2 * shift * (m - t))) / under,
        ratio,
        noise=lambda mcmc: mcmc.by_mean(2 * (t - ratio * (m + shift)) / under),
    )


@AGREEMENT.measure("slope of t regressed on m", 1, "truth units per parameter unit", COOK)
def self_consistency_slope(mean: Array, truth: Array) -> Terms:
    """Change of the truth per change of the posterior mean; below 1 the means vary too much.

    Exact posteriors have 1, as E(t | data) = m. The mcse is HC3 (MacKinnon & White 1985,
    doi:10.1016/0304-4076(85)90158-7), that is the influence of each replicate over one minus its
    leverage: posterior sds differ between replicates, so the residuals have no common variance,
    and under a prior of heavy tails few means carry most of the slope.
    """
    if _one(truth):
        return UNDEFINED
    m, t = deviations(mean), deviations(truth)
    squares = (m * m).sum()
    slope = (m * t).sum() / squares
    residual = t - slope * m
    leverage = 1 / m.size + m * m / squares
    return Terms(
        m.size / squares * m * residual / (1 - leverage),
        slope,
        noise=lambda mcmc: mcmc.by_mean(m.size / squares * (t - 2 * slope * m)),
    )


def _one(truth: Array) -> bool:
    return not truth.size or bool((truth == truth[0]).all())


def _standardised(values: Array) -> Array:
    off = deviations(values)
    return np.asarray(off / np.sqrt((off * off).sum() / values.size))
