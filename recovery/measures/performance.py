"""All measures of one cell and parameter at once: of all fits, and of all against some."""

import math
from typing import NamedTuple

import numpy as np

from recovery.measures.influence import (
    Intervals,
    all_terms,
    finite_arrays,
    influence,
    rows_of,
)
from recovery.measures.mcmc import Array, IntervalError, McmcError
from recovery.measures.terms import Flags, Measured, Terms, share_se


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
    given = finite_arrays(mean, sd, truth, intervals, beside)
    measured, mcmc, ends = {}, None, None
    with np.errstate(all="ignore"):
        if mcse_mean is not None and ess_tail is not None:
            mcmc = McmcError(given["sd"], given["mcse_mean"], given["ess_tail"])
        for name, terms, level in all_terms(given, intervals, prior_sd, prior_variance_relative_se):
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
    given = finite_arrays(mean, sd, truth, intervals, beside)
    kept = given.pop("clean") == 1
    prior = prior_sd, prior_variance_relative_se
    with np.errstate(all="ignore"):
        some = {name: array[kept] for name, array in given.items()}
        return {
            name: _contrast(terms, without, kept)
            for (name, terms, _), (_, without, _) in zip(
                all_terms(given, intervals, *prior), all_terms(some, intervals, *prior), strict=True
            )
        }


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
    by_fit = np.zeros(kept.size)
    by_fit[rows_of(every, np.arange(kept.size))] = influence(every)
    by_fit[rows_of(some, np.flatnonzero(kept))] -= influence(some)
    mcse = math.sqrt((by_fit * by_fit).sum() * n / (n - 1))
    return out._replace(mcse=math.hypot(mcse, every.common - some.common))
