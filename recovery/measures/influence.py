"""All measures as terms, and what each replicate adds to the error of a measure."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np

from recovery.measures.catalogue import ENTRIES, LEVELLED
from recovery.measures.family import finite
from recovery.measures.mcmc import Array
from recovery.measures.terms import Places, Terms
from recovery.shares import check_probability

Intervals: TypeAlias = Mapping[float, tuple[Array, Array]]
"""Lower and upper ends, each of shape (n_replicates,), by level."""


def flat(mean: Array, sd: Array, truth: Array, intervals: Intervals) -> dict[str, Array]:
    """Return arrays by name, the ends of intervals as ``l0.9``, ``u0.9``.

    Raises
    ------
    ValueError
        If a level is not strictly between 0 and 1.
    """
    for level in intervals:
        check_probability("the level of an interval", level)
    ends = {
        f"{end}{c}": x for c, pair in intervals.items() for end, x in zip("lu", pair, strict=True)
    }
    return {"mean": mean, "sd": sd, "truth": truth} | ends


def finite_arrays(
    mean: Array, sd: Array, truth: Array, intervals: Intervals, beside: Mapping[str, Array | None]
) -> dict[str, Array]:
    """Return all arrays over the finite replicates, see `flat`."""
    there = {name: array for name, array in beside.items() if array is not None}
    return finite(flat(mean, sd, truth, intervals), there)


def all_terms(
    arrays: Mapping[str, Array],
    intervals: Intervals,
    prior_sd: float | None,
    prior_variance_relative_se: float,
) -> Iterator[tuple[str, Terms, float | None]]:
    """Go through the measures of finite arrays: name, terms, and level if there is one."""
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


def rows_of(terms: Terms, rows: Places) -> Places:
    """Return those of some rows that the values of a measure belong to."""
    return rows if terms.used is None else rows[terms.used]


def influence(terms: Terms) -> Array:
    """Return what each replicate adds to the error of a measure."""
    values = terms.values.astype(np.float64)
    return np.asarray(terms.scale / values.size * (values - values.sum() / values.size))
