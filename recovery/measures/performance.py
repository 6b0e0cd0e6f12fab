"""All measures of one cell and parameter at once: of all fits, and of all against some."""

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from recovery.measures.catalogue import ENTRIES, LEVELLED
from recovery.measures.family import finite
from recovery.measures.mcmc import Array, IntervalError, McmcError
from recovery.measures.terms import Flags, Measured, Terms, share_se
from recovery.shares import check_probability

Intervals: TypeAlias = Mapping[float, tuple[Array, Array]]


class Contrast(NamedTuple):
    """A measure over all fits and over clean ones only, and their difference, all minus clean.

    ``mcse`` is that of the difference: the clean fits count on both sides.
    """

    all: float
    clean: float
    difference: float
    mcse: float
    n: int
    n_clean: int


def performance(
    mean: Array,
    sd: Array,
    truth: Array,
    intervals: Intervals,
    prior_sd: float | None = None,
    prior_variance_relative_se: float = 0.0,
    *,
    crps: Array | None = None,
    mcse_mean: Array | None = None,
    ess_tail: Array | None = None,
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
    crps
        See :func:`recovery.measures.crps`, which is left out without them. Where one is not
        finite, that measure alone goes without the replicate.
    mcse_mean, ess_tail
        Shape (n_replicates,); nan where they are not known. From both of them follows how much of
        each mcse is MCMC error.

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
    beside = {"crps": crps, "mcse_mean": mcse_mean, "ess_tail": ess_tail}
    given = _given(mean, sd, truth, intervals, beside)
    measured, mcmc, ends = {}, None, None
    with np.errstate(all="ignore"):
        if mcse_mean is not None and ess_tail is not None:
            mcmc = McmcError(given["sd"], given["mcse_mean"], given["ess_tail"])
        for name, terms, level in _terms(given, intervals, prior_sd, prior_variance_relative_se):
            if mcmc is not None and level is not None and (ends is None or ends.ci_prob != level):
                lower, upper = given[f"l{level}"], given[f"u{level}"]
                ends = IntervalError(mcmc, level, lower, upper, given["truth"])
            measured[name] = terms.measured(mcmc, ends)
    return measured


def sensitivity(
    clean: Flags,
    mean: Array,
    sd: Array,
    truth: Array,
    intervals: Intervals,
    prior_sd: float | None = None,
    prior_variance_relative_se: float = 0.0,
    *,
    crps: Array | None = None,
) -> dict[str, Contrast]:
    """Return every measure over all fits and over the clean ones, and the difference it makes.

    The influence of a replicate on the difference is its influence on the measure of all, less
    that on the measure of the clean ones if it is clean. So the mcse counts what the two share,
    and that which fits are clean is itself a matter of chance.

    Parameters
    ----------
    clean : array of bool, shape (n_replicates,)
    mean, sd, truth, intervals, prior_sd, prior_variance_relative_se, crps
        As in :func:`performance`, of all fits.

    Returns
    -------
    dict
        As that of :func:`performance`.

    Raises
    ------
    ValueError
        If shapes differ or a level is not strictly between 0 and 1.
    """
    # As numbers, so that the same replicates are left out of it.
    beside = {"crps": crps, "clean": np.asarray(clean, dtype=np.float64)}
    given = _given(mean, sd, truth, intervals, beside)
    kept = given.pop("clean") == 1
    prior = prior_sd, prior_variance_relative_se
    with np.errstate(all="ignore"):
        some = {name: array[kept] for name, array in given.items()}
        return {
            name: _contrast(terms, without, kept)
            for (name, terms, _), (_, without, _) in zip(
                _terms(given, intervals, *prior), _terms(some, intervals, *prior), strict=True
            )
        }


def _given(
    mean: Array, sd: Array, truth: Array, intervals: Intervals, beside: Mapping[str, Array | None]
) -> dict[str, Array]:
    """Return all arrays over the finite replicates, the ends of intervals as ``l0.9``, ``u0.9``."""
    for level in intervals:
        check_probability("the level of an interval", level)
    ends = {
        f"{end}{c}": x for c, pair in intervals.items() for end, x in zip("lu", pair, strict=True)
    }
    there = {name: array for name, array in beside.items() if array is not None}
    return finite({"mean": mean, "sd": sd, "truth": truth} | ends, there)


def _terms(
    arrays: Mapping[str, Array],
    intervals: Intervals,
    prior_sd: float | None,
    prior_variance_relative_se: float,
) -> Iterator[tuple[str, Terms, float | None]]:
    """Go through the measures: name, terms, and level if there is one."""
    given: dict[str, Any] = dict(arrays)
    if prior_sd is not None:
        given |= {"prior_sd": prior_sd, "prior_variance_relative_se": prior_variance_relative_se}
    for name, (formula, needs, _) in ENTRIES.items():
        if name == "crps" and name in given:
            used = np.flatnonzero(np.isfinite(given[name]))
            yield name, formula(given[name][used])._replace(used=used), None
        elif given.keys() >= set(needs):
            yield name, formula(*[given[need] for need in needs]), None
    for c in sorted(intervals):
        given |= {"lower": given[f"l{c}"], "upper": given[f"u{c}"], "ci_prob": c}
        for name, (formula, needs, _) in LEVELLED.items():
            yield f"{name}_{100 * c:g}", formula(*[given[need] for need in needs]), c


def _contrast(every: Terms, some: Terms, kept: Flags) -> Contrast:
    one, other = every.measured(), some.measured()
    difference = one.estimate - other.estimate
    out = Contrast(one.estimate, other.estimate, difference, math.nan, one.n, other.n)
    n, n_clean = one.n, other.n
    if n < 2 or n_clean < 1 or not math.isfinite(difference):
        return out
    if n == n_clean:
        return out._replace(mcse=0.0)
    if every.values.dtype == np.bool_ and one.estimate in (0, 1):
        # All alike: what is left out is known no better than a share of so few.
        k, flagged = int(one.estimate), n - n_clean
        apart = math.hypot(share_se(k * flagged, flagged), share_se(k * n_clean, n_clean))
        return out._replace(mcse=flagged / n * apart)
    influence = np.zeros(kept.size)
    influence[_rows(every, np.arange(kept.size))] = _influence(every)
    influence[_rows(some, np.flatnonzero(kept))] -= _influence(some)
    mcse = math.sqrt((influence * influence).sum() * n / (n - 1))
    return out._replace(mcse=math.hypot(mcse, every.common - some.common))


def _rows(terms: Terms, rows: np.ndarray[Any, np.dtype[np.intp]]) -> Any:
    return rows if terms.used is None else rows[terms.used]


def _influence(terms: Terms) -> Array:
    """Return what each replicate adds to the error of a measure."""
    values = terms.values.astype(np.float64)
    return np.asarray(terms.scale / values.size * (values - values.sum() / values.size))
