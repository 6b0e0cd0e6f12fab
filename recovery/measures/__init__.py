"""Performance measures over the replicates of one cell and one scalar parameter.

Every measure takes arrays of shape (n_replicates,): the posterior ``mean`` and ``sd``, the ends
``lower`` and ``upper`` of a credible interval, and the ``truth``, fixed or drawn from the prior.
Every measure returns a :class:`Measured` and keeps these promises.

- Only replicates where every argument is finite are used, and ``n`` counts them.
- A measure that is undefined is nan; from zero replicates it is ``Measured(nan, nan, 0)``.
- Nothing warns, and one replicate gives a nan mcse wherever an mcse takes two.

Monte Carlo standard errors (mcse), all at a cost linear in n:

- a mean of n values: their sd (with n - 1) over sqrt(n);
- a share: ``sqrt(p (1 - p) / n)``; at p = 0 or 1, where that is 0, the sd of the Jeffreys
  posterior Beta(k + 1/2, n - k + 1/2), so that no share is ever claimed to be certain;
- any other: the delta method, that is the infinitesimal jackknife. It assumes no normality, and
  equals the formulas of Morris, White & Crowther (2019), table 6, where the errors have the
  kurtosis 3 and the independence from the posterior sd which those formulas assume.

Each formula yields its estimate and the influence of every replicate once (`terms`). The mcse, the
share of it that is MCMC error (`mcmc`), and the mcse of the difference that flagged fits make
(:func:`sensitivity`) or another run on the same data (:func:`paired`) follow from them.
"""

from recovery.measures.agreement import concordance, recovery_correlation, self_consistency_slope
from recovery.measures.bounds import Bounds, coverage_bounds
from recovery.measures.catalogue import MEASURES, measure_info
from recovery.measures.decisions import exaggeration, power, sign_error
from recovery.measures.family import MeasureInfo
from recovery.measures.intervals import (
    bias_eliminated_coverage,
    coverage,
    interval_score,
    interval_width,
    joint_coverage,
    miss_left,
    miss_right,
)
from recovery.measures.paired import Difference, paired, unpaired
from recovery.measures.pairs import (
    claimed_correlation,
    correlation_error,
    error_correlation,
    pair_recovery,
    relative_precision,
)
from recovery.measures.performance import Contrast, performance, sensitivity
from recovery.measures.point import (
    bias,
    crps,
    empirical_se,
    mae,
    mse,
    relative_bias,
    rmse,
    standardised_bias,
)
from recovery.measures.spread import (
    PRIOR_VARIANCE_SE_LIMIT,
    contraction,
    model_se,
    model_se_relative_error,
    z_mean,
    z_sd,
)
from recovery.measures.terms import Measured

__all__ = [
    "MEASURES", "PRIOR_VARIANCE_SE_LIMIT", "Bounds", "Contrast", "Difference", "MeasureInfo",
    "Measured", "coverage_bounds", "measure_info", "pair_recovery", "paired", "performance",
    "sensitivity", "unpaired",
    "bias", "crps", "empirical_se", "mae", "mse", "relative_bias", "rmse", "standardised_bias",
    "contraction", "model_se", "model_se_relative_error", "z_mean", "z_sd",
    "concordance", "recovery_correlation", "self_consistency_slope",
    "bias_eliminated_coverage", "coverage", "interval_score", "interval_width", "joint_coverage",
    "miss_left", "miss_right",
    "exaggeration", "power", "sign_error",
    "claimed_correlation", "correlation_error", "error_correlation", "relative_precision",
]  # fmt: skip
