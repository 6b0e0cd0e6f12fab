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
"""

import inspect
import math
import re
from collections.abc import Callable, Mapping
from functools import wraps
from types import MappingProxyType
from typing import Any, NamedTuple, ParamSpec

import numpy as np
from numpy.typing import NDArray

from recovery.shares import check_probability

Array = NDArray[np.float64]
P = ParamSpec("P")


class Measured(NamedTuple):
    """A measure, its Monte Carlo standard error, and the number of finite replicates used."""

    estimate: float
    mcse: float
    n: int


class MeasureInfo(NamedTuple):
    """What a reader needs to know of a measure; ``ideal`` is None where no one value is best."""

    meaning: str
    formula: str
    ideal: float | None
    unit: str
    reference: str


PRIOR_VARIANCE_SE_LIMIT = 0.25
"""Relative standard error of a prior variance from which that variance counts as unknown. From
4,000 draws it is 0.02 for a normal prior and mostly 0.05 to 0.2 for a t prior with 3 degrees of
freedom; a Cauchy or half-Cauchy prior, which has no variance, stays below in 1 of 250 cases."""

_NOTHING = Measured(math.nan, math.nan, 0)
_SCALARS = {"ci_prob", "prior_sd", "prior_variance_relative_se"}
_PARAMETER = "parameter units"

_MORRIS = "Morris, White & Crowther (2019), doi:10.1002/sim.8086"
_COLLINS = "Collins, Schafer & Kam (2001), doi:10.1037/1082-989X.6.4.330"
_SCHAD = "Schad, Betancourt & Vasishth (2021), doi:10.1037/met0000275"
_GNEITING = "Gneiting & Raftery (2007), doi:10.1198/016214506000001437"

_info: dict[str, MeasureInfo] = {}
_formulas: dict[str, tuple[Callable[..., Measured], tuple[str, ...]]] = {}


def _measure(
    formula: str, ideal: float | None, unit: str, reference: str
) -> Callable[[Callable[P, Measured]], Callable[P, Measured]]:
    """Enter a function of finite arrays in the table, and give it the promises above."""

    def enter(function: Callable[P, Measured]) -> Callable[P, Measured]:
        meaning = (function.__doc__ or "").partition("\n")[0]
        signature = inspect.signature(function)
        _info[function.__name__] = MeasureInfo(meaning, formula, ideal, unit, reference)
        _formulas[function.__name__] = function, tuple(signature.parameters)

        @wraps(function)
        def over_finite_replicates(*args: P.args, **kwargs: P.kwargs) -> Measured:
            given = signature.bind(*args, **kwargs)
            arrays = {name: x for name, x in given.arguments.items() if name not in _SCALARS}
            given.arguments.update(_finite(arrays))
            with np.errstate(all="ignore"):
                return function(*given.args, **given.kwargs)

        return over_finite_replicates

    return enter


def _finite(arguments: Mapping[str, Array]) -> dict[str, Array]:
    """Return the arguments without the replicates where any of them is not finite."""
    arrays = {name: np.asarray(x, dtype=np.float64) for name, x in arguments.items()}
    shapes = {array.shape for array in arrays.values()}
    if len(shapes) != 1 or len(next(iter(shapes))) != 1:
        got = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise ValueError(f"measures take arrays of one shape (n_replicates,); got {got}")
    keep = np.logical_and.reduce([np.isfinite(array) for array in arrays.values()])
    return arrays if keep.all() else {name: array[keep] for name, array in arrays.items()}


def _mean(values: Array) -> Measured:
    n = values.size
    if n == 0:
        return _NOTHING
    values = values - (first := values[0])  # equal values then have a spread of exactly 0
    deviations = values - (shift := values.sum() / n)
    # A sum, not a dot product: BLAS threads that share few cores are slower a hundredfold.
    mcse = math.sqrt((deviations * deviations).sum() / (n - 1) / n) if n > 1 else math.nan
    return Measured(float(first + shift), mcse, n)


def _root_mean(squares: Array) -> Measured:
    mean = _mean(squares)
    root = math.sqrt(mean.estimate)
    return Measured(root, mean.mcse / (2 * root) if root > 0 else mean.mcse, mean.n)


def _squared_deviations(values: Array) -> Array:
    """Return squared deviations, scaled so that their mean is the variance with n - 1."""
    n = values.size
    deviations = values - values[:1]
    deviations -= deviations.sum() / max(n, 1)
    return deviations * deviations * (n / (n - 1) if n > 1 else math.nan)


def _delta(estimate: float, linearised: Array) -> Measured:
    """Return a smooth function of means, given its first-order term in each replicate."""
    if not math.isfinite(estimate):
        return Measured(math.nan, math.nan, linearised.size)
    return Measured(float(estimate), _mean(linearised).mcse, linearised.size)


def _share(hits: NDArray[np.bool_]) -> Measured:
    n, k = hits.size, int(np.count_nonzero(hits))
    if n == 0:
        return _NOTHING
    variance = k * (n - k) / n**3 or (n + 0.5) / (2 * (n + 1) ** 2 * (n + 2))
    return Measured(k / n, math.sqrt(variance), n)


def _z(mean: Array, sd: Array, truth: Array) -> Array:
    z = (mean - truth) / sd
    finite = np.isfinite(z)
    return z if finite.all() else z[finite]


@_measure("mean(m - t)", 0, _PARAMETER, _MORRIS)
def bias(mean: Array, truth: Array) -> Measured:
    """Average error of the posterior mean."""
    return _mean(mean - truth)


@_measure("mean((m - t) / t)", 0, "share of the truth", _MORRIS)
def relative_bias(mean: Array, truth: Array) -> Measured:
    """Average error of the posterior mean as a share of the truth, which must be one and not 0.

    Undefined, with n = 0, where truths differ: drawn from a prior with density at 0, their
    inverse has no finite variance, and neither mean nor mcse would settle.
    """
    one = truth.size > 0 and bool(truth[0] != 0 and (truth == truth[0]).all())
    return _mean((mean - truth) / truth) if one else _NOTHING


@_measure("mean(m - t) / sd(m - t)", 0, "empirical standard errors", _COLLINS)
def standardised_bias(mean: Array, truth: Array) -> Measured:
    """Bias in units of the empirical standard error; undefined where the errors do not vary."""
    error, n = mean - truth, np.float64(mean.size)
    squares = _squared_deviations(error)
    sd = np.sqrt(squares.sum() / n)
    ratio = error.sum() / n / sd
    return _delta(ratio, error / sd - ratio * squares / (2 * sd**2))


@_measure("sd(m - t)", None, _PARAMETER, _MORRIS)
def empirical_se(mean: Array, truth: Array) -> Measured:
    """Spread of the errors of the posterior mean; at a fixed truth, of the posterior mean."""
    return _root_mean(_squared_deviations(mean - truth))


@_measure("sqrt(mean(s^2))", None, _PARAMETER, _MORRIS)
def model_se(sd: Array) -> Measured:
    """Spread that the posteriors claim: the root mean square of the posterior sd."""
    return _root_mean(sd * sd)


@_measure("100 * (sqrt(mean(s^2)) / sd(m - t) - 1)", 0, "percent", _MORRIS)
def model_se_relative_error(mean: Array, truth: Array, sd: Array) -> Measured:
    """Percentage by which the model standard error exceeds the empirical one."""
    n, model, empirical = np.float64(sd.size), sd * sd, _squared_deviations(mean - truth)
    model_mean, empirical_mean = model.sum() / n, empirical.sum() / n
    ratio = np.sqrt(model_mean / empirical_mean)
    slope = model / model_mean - empirical / empirical_mean
    return _delta(100 * (ratio - 1), 50 * ratio * slope)


@_measure("mean((m - t)^2)", None, "squared parameter units", _MORRIS)
def mse(mean: Array, truth: Array) -> Measured:
    """Average squared error of the posterior mean."""
    return _mean((mean - truth) ** 2)


@_measure("sqrt(mean((m - t)^2))", None, _PARAMETER, _MORRIS)
def rmse(mean: Array, truth: Array) -> Measured:
    """Typical size of the error of the posterior mean, bias and spread together."""
    return _root_mean((mean - truth) ** 2)


@_measure("mean((m - t) / s)", 0, "posterior sds", _SCHAD)
def z_mean(mean: Array, sd: Array, truth: Array) -> Measured:
    """Average error of the posterior mean in posterior sds; where the sd is 0 there is none."""
    return _mean(_z(mean, sd, truth))


@_measure("sd((m - t) / s)", 1, "posterior sds", _SCHAD)
def z_sd(mean: Array, sd: Array, truth: Array) -> Measured:
    """Spread of the error in posterior sds: above 1 the posteriors are too narrow."""
    return _root_mean(_squared_deviations(_z(mean, sd, truth)))


@_measure("mean(1 - s^2 / prior variance)", None, "share of the prior variance", _SCHAD)
def contraction(sd: Array, prior_sd: float, prior_variance_relative_se: float = 0.0) -> Measured:
    """Share of the prior variance that the data removed; negative if the posterior is wider.

    ``prior_variance_relative_se`` is the standard error of the prior variance over that variance,
    for a prior known by its draws only; it is added in quadrature. Undefined, with n = 0, where
    ``prior_sd`` is not a positive finite number, and where that error is above
    `PRIOR_VARIANCE_SE_LIMIT`: such a prior has probably no finite variance. For borderline priors
    (t with 2 degrees of freedom, inverse gamma with shape 2) the prior draws decide.
    """
    known = prior_variance_relative_se <= PRIOR_VARIANCE_SE_LIMIT
    if not (known and math.isfinite(prior_sd) and prior_sd > 0):
        return _NOTHING
    left = _mean((sd / prior_sd) ** 2)
    mcse = math.hypot(left.mcse, left.estimate * prior_variance_relative_se)
    return Measured(1 - left.estimate, mcse, left.n)


@_measure("mean(l <= t <= u)", None, "share", _MORRIS)
def coverage(lower: Array, upper: Array, truth: Array) -> Measured:
    """Share of the intervals that hold the truth; the ideal is their level."""
    return _share((lower <= truth) & (truth <= upper))


@_measure("mean(t < l)", None, "share", _MORRIS)
def miss_left(lower: Array, upper: Array, truth: Array) -> Measured:
    """Share of the intervals that lie above the truth; half of all misses if equal-tailed."""
    return _share(truth < lower)


@_measure("mean(t > u)", None, "share", _MORRIS)
def miss_right(lower: Array, upper: Array, truth: Array) -> Measured:
    """Share of the intervals that lie below the truth; half of all misses if equal-tailed."""
    return _share(truth > upper)


@_measure("mean(l - b <= t <= u - b), b = mean(m - t)", None, "share", _MORRIS)
def bias_eliminated_coverage(lower: Array, upper: Array, mean: Array, truth: Array) -> Measured:
    """Share of the intervals that hold the truth once the bias is taken off; ideal, the level.

    At a fixed truth these are the intervals that hold the average posterior mean. The mcse is
    that of a share. It leaves out the error of the bias itself, so it is up to a fifth too small
    where intervals are lopsided or their widths very unequal.
    """
    centre = truth + _mean(mean - truth).estimate
    return _share((lower <= centre) & (centre <= upper))


@_measure("mean(u - l)", None, _PARAMETER, _MORRIS)
def interval_width(lower: Array, upper: Array) -> Measured:
    """Average width of the intervals."""
    return _mean(upper - lower)


@_measure("mean((u - l) + 2 / (1 - c) * distance from t to [l, u])", None, _PARAMETER, _GNEITING)
def interval_score(lower: Array, upper: Array, truth: Array, ci_prob: float) -> Measured:
    """Average width plus a price for each miss; low is good, and the true interval is lowest.

    Raises ValueError if ``ci_prob`` is not strictly between 0 and 1.
    """
    check_probability("ci_prob", ci_prob)
    missed_by = np.maximum(lower - truth, 0) + np.maximum(truth - upper, 0)
    return _mean(upper - lower + 2 / (1 - ci_prob) * missed_by)


MEASURES: Mapping[str, MeasureInfo] = MappingProxyType(_info)
"""Every measure by its base name. In the formulas m and s are the posterior mean and sd, t is the
truth, l and u are the ends of an interval of level c, and mean and sd run over replicates."""


def measure_info(name: str) -> MeasureInfo:
    """Return what there is to know of a measure, named with or without a level: ``coverage_90``.

    A level is itself the ideal coverage, and half of what it leaves the ideal of either miss.
    Raises ValueError for a name that is no measure.
    """
    base, _, suffix = name.rpartition("_")
    if name in MEASURES or base not in MEASURES or not re.fullmatch(r"\d+(\.\d+)?", suffix):
        base, suffix = name, ""
    if base not in MEASURES:
        raise ValueError(f"no measure is called {name!r}; there are: {', '.join(MEASURES)}")
    info, level = MEASURES[base], float(suffix or "nan") / 100
    if suffix and base.endswith("coverage"):
        return info._replace(ideal=level)
    if suffix and base.startswith("miss"):
        return info._replace(ideal=round((1 - level) / 2, 12))
    return info


def performance(
    mean: Array,
    sd: Array,
    truth: Array,
    intervals: Mapping[float, tuple[Array, Array]],
    prior_sd: float | None = None,
    prior_variance_relative_se: float = 0.0,
) -> dict[str, Measured]:
    """Return every measure of one scalar parameter by name, all over the same replicates.

    Parameters
    ----------
    mean, sd, truth
        Shape (n_replicates,). A replicate with anything not finite, here or in an interval, is
        left out of every measure.
    intervals
        The lower and upper ends, each of shape (n_replicates,), by level in (0, 1).
    prior_sd, prior_variance_relative_se
        See :func:`contraction`, which is left out if there is no ``prior_sd``.

    Returns
    -------
    dict
        In the order of :data:`MEASURES`; first those without a level, then those of each level in
        increasing order with the level in percent at the end: ``coverage_90``, ``coverage_99.5``.

    Raises
    ------
    ValueError
        If shapes differ or a level is not strictly between 0 and 1.
    """
    ends = {
        f"{end}{c}": x for c, pair in intervals.items() for end, x in zip("lu", pair, strict=True)
    }
    given: dict[str, Any] = _finite({"mean": mean, "sd": sd, "truth": truth} | ends)
    if prior_sd is not None:
        given |= {"prior_sd": prior_sd, "prior_variance_relative_se": prior_variance_relative_se}
    measured = {}
    with np.errstate(all="ignore"):
        for name, (formula, needs) in _formulas.items():
            if given.keys() >= set(needs):
                measured[name] = formula(*[given[need] for need in needs])
        for c in sorted(intervals):
            check_probability("the level of an interval", c)
            given |= {"lower": given[f"l{c}"], "upper": given[f"u{c}"], "ci_prob": c}
            for name, (formula, needs) in _formulas.items():
                if "lower" in needs:
                    measured[f"{name}_{100 * c:g}"] = formula(*[given[need] for need in needs])
    return measured
