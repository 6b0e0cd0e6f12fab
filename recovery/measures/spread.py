"""Whether the posterior sds are right, and how much smaller than those of the prior."""

import math
from typing import Final

import numpy as np

from recovery.measures.family import MORRIS, PARAMETER, SCHAD, Family
from recovery.measures.mcmc import Array
from recovery.measures.terms import UNDEFINED, Places, Terms, deviations, root_mean, unbiased

SPREAD = Family()

PRIOR_VARIANCE_SE_LIMIT: Final = 0.25
"""Relative standard error of a prior variance from which that variance counts as unknown. From
4,000 draws it is 0.02 for a normal prior and mostly 0.05 to 0.2 for a t prior with 3 degrees of
freedom; a Cauchy or half-Cauchy prior, which has no variance, stays below in 1 of 250 cases."""


@SPREAD.measure("sqrt(mean(s^2))", None, PARAMETER, MORRIS)
def model_se(sd: Array) -> Terms:
    """Spread that the posteriors claim: the root mean square of the posterior sd."""
    return root_mean(sd * sd, lambda mcmc: 4 * mcmc.by_sd(sd))


@SPREAD.measure("100 * (sqrt(mean(s^2)) / sd(m - t) - 1)", 0, "percent", MORRIS)
def model_se_relative_error(mean: Array, truth: Array, sd: Array) -> Terms:
    """Percentage by which the model standard error exceeds the empirical one."""
    off, n = deviations(mean - truth), np.float64(sd.size)
    model, empirical = sd * sd, off * off * (factor := unbiased(sd.size))
    model_mean, empirical_mean = model.sum() / n, empirical.sum() / n
    ratio = np.sqrt(model_mean / empirical_mean)
    return Terms(
        model / model_mean - empirical / empirical_mean,
        100 * (ratio - 1),
        50 * float(ratio),
        lambda mcmc: (
            4 * mcmc.by_sd(sd) / float(model_mean) ** 2
            + 4 * mcmc.by_mean(off) * float(factor / empirical_mean) ** 2
        ),
    )


@SPREAD.measure("mean((m - t) / s)", 0, "posterior sds", SCHAD)
def z_mean(mean: Array, sd: Array, truth: Array) -> Terms:
    """Average error of the posterior mean in posterior sds; where the sd is 0 there is none."""
    z, sd, used = _z(mean, sd, truth)
    return Terms(z, noise=lambda mcmc: mcmc.by_mean(1 / sd) + mcmc.by_sd(z / sd), used=used)


@SPREAD.measure("sd((m - t) / s)", 1, "posterior sds", SCHAD)
def z_sd(mean: Array, sd: Array, truth: Array) -> Terms:
    """Spread of the error in posterior sds: above 1 the posteriors are too narrow."""
    z, sd, used = _z(mean, sd, truth)
    slope = 2 * unbiased(z.size) * (off := deviations(z)) / sd
    terms = root_mean(
        off * off * unbiased(z.size),
        lambda mcmc: mcmc.by_mean(slope) + mcmc.by_sd(slope * z),
    )
    return terms._replace(used=used)


@SPREAD.measure("mean(1 - s^2 / prior variance)", None, "share of the prior variance", SCHAD)
def contraction(sd: Array, prior_sd: float, prior_variance_relative_se: float = 0.0) -> Terms:
    """Share of the prior variance that the data removed; negative if the posterior is wider.

    ``prior_variance_relative_se`` is the standard error of the prior variance over that variance,
    for a prior known by its draws only; it is added in quadrature. Undefined, with n = 0, where
    ``prior_sd`` is not a positive finite number, and where that error is above
    `PRIOR_VARIANCE_SE_LIMIT`: such a prior has probably no finite variance. For borderline priors
    (t with 2 degrees of freedom, inverse gamma with shape 2) the prior draws decide.
    """
    known = prior_variance_relative_se <= PRIOR_VARIANCE_SE_LIMIT
    if not (known and math.isfinite(prior_sd) and prior_sd > 0 and sd.size):
        return UNDEFINED
    left = (sd / prior_sd) ** 2
    mean_left = left[0] + (left - left[0]).sum() / left.size
    return Terms(
        left,
        1 - mean_left,
        noise=lambda mcmc: 4 * mcmc.by_sd(sd) / prior_sd**4,
        common=float(mean_left) * prior_variance_relative_se,
    )


def _z(mean: Array, sd: Array, truth: Array) -> tuple[Array, Array, Places | None]:
    """Return z and sd of the replicates whose z is finite, and which those are unless all."""
    z = (mean - truth) / sd
    finite = np.isfinite(z)
    if finite.all():
        return z, sd, None
    used = np.flatnonzero(finite)
    return z[used], sd[used], used
