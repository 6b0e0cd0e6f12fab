"""The difference that another run makes to every measure, head minus base, with its error.

Paired: the two runs met the same data, or data of the same seeds, so that much of the Monte Carlo
error is in both and cancels. The influence of a pair on the difference is that of its replicate on
the head's measure less that on the base's; the mcse follows from these differences (the method of
common random numbers). Unpaired: the errors of two independent samples add up as squares.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import numpy as np
from scipy.special import bdtr, stdtr

from recovery.measures.catalogue import ENTRIES
from recovery.measures.family import finite
from recovery.measures.influence import all_terms, finite_arrays, flat, influence, rows_of
from recovery.measures.mcmc import Array
from recovery.measures.terms import Measured, Terms

_ROUNDING: Final = 1e-12
_NEGLIGIBLE: Final = 1e-6


class Difference(NamedTuple):
    """A measure of two runs, and the head's less the base's.

    Attributes
    ----------
    base, head : Measured
        Each with its own mcse and n. Where paired, over the pairs alone.
    difference : float
        Head minus base, in the units of the measure.
    mcse : float
        Monte Carlo standard error of the difference.
    p_value : float
        Two-sided, of no difference: for a share over pairs exact, by the discordant pairs
        (McNemar 1947, doi:10.1007/BF02295996); otherwise Student's t, with n - 1 degrees of
        freedom where paired and Welch's where not. 1 for a difference that is mere rounding.
    """

    base: Measured
    head: Measured
    difference: float
    mcse: float
    p_value: float


def paired(base: Mapping[str, Any], head: Mapping[str, Any]) -> dict[str, Difference]:
    """Return the difference in every measure between two runs, replicate by replicate.

    Parameters
    ----------
    base, head : mapping
        What :func:`recovery.measures.sensitivity` takes of one scalar parameter, by name: ``mean``,
        ``sd``, ``truth``, ``intervals`` and perhaps ``prior_sd``, ``prior_variance_relative_se``
        and ``crps``; arrays of shape (n_pairs,), in one order. A pair with anything not finite in
        either is left out. Where a ``crps`` is not, that measure alone goes without it.

    Returns
    -------
    dict
        By name of the measure, in the order of :func:`recovery.measures.performance`; those that
        both sides have what it takes for.

    Raises
    ------
    ValueError
        If shapes differ or a level is not strictly between 0 and 1.
    """
    crps = {k: np.asarray(s["crps"], float) for k, s in _sides(base, head) if _has_crps(base, head)}
    if crps:
        both = np.isfinite(crps["base"]) & np.isfinite(crps["head"])
        crps = {k: np.where(both, array, np.nan) for k, array in crps.items()}
    arrays = {f"{k} {name}": x for k, side in _sides(base, head) for name, x in _flat(side).items()}
    given = finite(arrays, {f"{k} crps": array for k, array in crps.items()})
    n = given["base mean"].size
    found = {
        k: {name.partition(" ")[2]: x for name, x in given.items() if name.startswith(k)}
        for k in ("base", "head")
    }
    with np.errstate(all="ignore"):
        return {
            name: difference(one, other, n, same_prior=_same_prior(base, head))
            for name, one, other in _both(base, found["base"], head, found["head"])
        }


def unpaired(base: Mapping[str, Any], head: Mapping[str, Any]) -> dict[str, Difference]:
    """Return the difference in every measure between two runs that share no replicate.

    Parameters
    ----------
    base, head : mapping
        As for :func:`paired`, but of n_base and n_head replicates.

    Returns
    -------
    dict
        As that of :func:`paired`.

    Raises
    ------
    ValueError
        If shapes within a side differ or a level is not strictly between 0 and 1.
    """
    given = [
        finite_arrays(
            side["mean"], side["sd"], side["truth"], side["intervals"],
            {"crps": side["crps"]} if _has_crps(base, head) else {},
        )
        for side in (base, head)
    ]  # fmt: skip
    with np.errstate(all="ignore"):
        return {
            name: difference(one, other, None, same_prior=_same_prior(base, head))
            for name, one, other in _both(base, given[0], head, given[1])
        }


def joint_coverage_difference(
    base: Array, head: Array, ci_prob: float, *, pairs: bool = True
) -> Difference:
    """Return the difference in joint coverage, see :func:`recovery.measures.joint_coverage`.

    Parameters
    ----------
    base, head : array
        PIT of the log posterior density, shape (n_pairs,) each, or of any two numbers of
        replicates that are no pairs.
    ci_prob : float
    pairs : bool
        Whether they are pairs.
    """
    formula = ENTRIES["joint_coverage"].formula
    if pairs:
        given = finite({"base": base, "head": head})
        base, head = given["base"], given["head"]
    else:
        base, head = base[np.isfinite(base)], head[np.isfinite(head)]
    return difference(formula(base, ci_prob), formula(head, ci_prob), base.size if pairs else None)


def difference(
    base: Terms, head: Terms, n_pairs: int | None, *, same_prior: bool = False
) -> Difference:
    """Return a measure of two runs and its difference, given the terms of both.

    Shares over the same pairs: with b pairs that count in the head alone and c in the base alone
    the mcse is ``sqrt((b + c) / n - ((b - c) / n)^2) / sqrt(n)``. Where that is 0, all pairs
    agreeing or all differing one way, it is the sd of the posterior under the Jeffreys prior
    Dirichlet(1/2, 1/2, 1/2) of the shares b / n, c / n and the rest: no two samplers are ever
    claimed to cover alike for certain.

    Parameters
    ----------
    base, head : Terms
    n_pairs : int, optional
        Pairs that both terms are made of; None if the two are independent.
    same_prior : bool
        Whether an error that all replicates share (`Terms.common`) is the same on both sides.
    """
    one, other = base.measured(), head.measured()
    apart = other.estimate - one.estimate
    out = Difference(one, other, apart, math.nan, math.nan)
    n = min(one.n, other.n)
    if n < 2 or not math.isfinite(apart):
        return out
    alone = [_alone(base), _alone(head)]
    common = head.common - base.common if same_prior else math.hypot(head.common, base.common)
    p_value = math.nan
    if n_pairs is None:
        mcse, freedom = math.hypot(*alone), _welch(alone, (one.n, other.n))
    elif base.values.dtype == np.bool_ and base.used is None and head.used is None:
        b = int(np.count_nonzero(head.values > base.values))
        c = int(np.count_nonzero(base.values > head.values))
        mcse, freedom = _discordant_se(b, c, n), float(n - 1)
        p_value = min(1.0, 2 * float(bdtr(min(b, c), b + c, 0.5))) if b + c else 1.0
    else:
        by_pair = np.zeros(n_pairs)
        every = np.arange(n_pairs)
        by_pair[rows_of(head, every)] = influence(head)
        by_pair[rows_of(base, every)] -= influence(base)
        share = base.values.dtype == np.bool_
        factor = 1.0 if share else n / (n - 1)
        mcse, freedom = math.sqrt((by_pair * by_pair).sum() * factor), float(n - 1)
        if share and mcse == 0:
            mcse = math.hypot(*alone)
    mcse = math.hypot(mcse, common)
    size = max(abs(one.estimate), abs(other.estimate))
    if abs(apart) <= max(_ROUNDING * size, _NEGLIGIBLE * math.hypot(*alone)):
        p_value = 1.0
    elif math.isnan(p_value):
        p_value = float(2 * stdtr(freedom, -abs(apart) / mcse)) if mcse > 0 else 0.0
    return out._replace(mcse=mcse, p_value=p_value)


def _sides(
    base: Mapping[str, Any], head: Mapping[str, Any]
) -> tuple[tuple[str, Mapping[str, Any]], ...]:
    return ("base", base), ("head", head)


def _flat(side: Mapping[str, Any]) -> dict[str, Array]:
    return flat(side["mean"], side["sd"], side["truth"], side["intervals"])


def _has_crps(base: Mapping[str, Any], head: Mapping[str, Any]) -> bool:
    return base.get("crps") is not None and head.get("crps") is not None


def _both(
    base: Mapping[str, Any],
    base_arrays: Mapping[str, Array],
    head: Mapping[str, Any],
    head_arrays: Mapping[str, Array],
) -> Iterator[tuple[str, Terms, Terms]]:
    """Go through the measures that both sides have: name, and the terms of each."""
    one = _named(base, base_arrays)
    for name, terms in _named(head, head_arrays).items():
        if name in one:
            yield name, one[name], terms


def _named(side: Mapping[str, Any], arrays: Mapping[str, Array]) -> dict[str, Terms]:
    prior = side.get("prior_sd"), side.get("prior_variance_relative_se", 0.0)
    return {name: terms for name, terms, _ in all_terms(arrays, side["intervals"], *prior)}


def _same_prior(base: Mapping[str, Any], head: Mapping[str, Any]) -> bool:
    """Say whether both sides know the prior by the same draws."""
    return bool(base.get("prior_sd") == head.get("prior_sd"))


def _alone(terms: Terms) -> float:
    """Return the mcse of one side, without what its replicates share."""
    return terms._replace(common=0.0).measured().mcse


def _discordant_se(b: int, c: int, n: int) -> float:
    variance = ((b + c) / n - ((b - c) / n) ** 2) / n
    if variance <= 0:
        plus, minus, total = b + 0.5, c + 0.5, n + 1.5
        variance = ((plus + minus) * total - (plus - minus) ** 2) / (total**2 * (total + 1))
    return math.sqrt(variance)


def _welch(errors: list[float], sizes: tuple[int, int]) -> float:
    """Return the degrees of freedom of two standard errors (Welch 1947, doi:10.2307/2332510)."""
    parts = [error**4 / (n - 1) for error, n in zip(errors, sizes, strict=True)]
    return math.hypot(*errors) ** 4 / sum(parts) if sum(parts) > 0 else math.inf
