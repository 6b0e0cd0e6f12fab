"""Convergence diagnostics for all parameters of one fit at once.

Everything follows Vehtari, Gelman, Simpson, Carpenter and Bürkner (2021), "Rank-normalization,
folding, and localization: an improved R-hat for assessing convergence of MCMC", Bayesian Analysis
16(2), https://doi.org/10.1214/20-BA1221, with the conventions of ``arviz_stats.base.array_stats``,
whose 0.8 and 1.3 releases agree on every quantity here:

- each chain is cut into halves, and an odd chain loses its middle draw for r_hat and ESS, but not
  for the mean, the standard deviation and the quantiles of ``ess_tail``;
- a constant parameter has ESS equal to the number of draws in its halves, and r_hat nan;
  "constant" is a range below 1e-15, whatever the scale;
- fewer than 4 draws per chain give nan; a single chain gives r_hat nan and an ESS from its halves;
- ESS is at most S log10(S) for S draws.

Three conventions are ours. A parameter with any nan *or infinite* draw, or with draws further apart
than the largest float64, is nan throughout, where ArviZ still ranks infinities. Chains that each
stand still at different places give r_hat inf, where ArviZ gives inf or a huge number, as rounding
has it. A pair of autocorrelations that is exactly 0, which happens in short chains of few distinct
values, ends the sum of the ESS, as it does in exact arithmetic; in ArviZ rounding decides.

The standard error of the standard deviation is left out: ArviZ 0.8 takes it from the ESS of the
draws and 1.3 from the ESS of their squared deviations, so one name would mean two numbers.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recovery.autocorrelation import centre, ess, room_for
from recovery.ordering import Ordered, Places, interpolated, neighbours, quantiles

Floats: TypeAlias = NDArray[np.float64]

_TAILS = np.array([0.05, 0.95])
_MIN_DRAWS = 4
_CONSTANT_RANGE = 1e-15  # np.finfo(float).resolution, the limit ArviZ uses
_STANDING_STILL = 1e-26  # share of the variance that rounding may leave: squared epsilons, summed
_BLOCK = 100_000  # draws diagnosed at once: more take memory, fewer cost calls
_BUFFER = 256  # rows shorter than NumPy's buffer are copied where each has its own operand


@dataclass(frozen=True, slots=True)
class Diagnostics:
    """Diagnostics of one fit; every array has shape ``(n_parameters,)`` but for the quantiles.

    Attributes
    ----------
    mean, sd : ndarray
        Posterior mean and standard deviation (n - 1 in the denominator), in units of the draws.
    r_hat : ndarray
        Larger of the rank-normalised split r_hat of the draws and of their distances from the
        median.
    ess_bulk : ndarray
        ESS of the rank-normalised draws, in draws.
    ess_tail : ndarray
        Smaller ESS of the 5 % and the 95 % quantile, in draws.
    ess_mean : ndarray
        ESS of the mean, without rank normalisation, in draws.
    mcse_mean : ndarray
        Monte Carlo standard error of ``mean``: sd / sqrt(ess_mean).
    quantiles : ndarray, shape (n_parameters, n_probs)
        Quantiles of all draws, interpolated linearly, as ``numpy.quantile`` gives them.
    """

    mean: Floats
    sd: Floats
    r_hat: Floats
    ess_bulk: Floats
    ess_tail: Floats
    ess_mean: Floats
    mcse_mean: Floats
    quantiles: Floats


def diagnose(draws: ArrayLike, probs: ArrayLike = ()) -> Diagnostics:
    """Compute the diagnostics of every parameter of one fit.

    Parameters
    ----------
    draws : array_like, shape (n_chains, n_draws, n_parameters)
        Draws after warm-up. Fastest if the draws of a parameter lie together in memory.
    probs : array_like, shape (n_probs,)
        Probabilities of the quantiles, in [0, 1].

    Returns
    -------
    Diagnostics
        A parameter with a nan or infinite draw is nan in every field but its quantiles.

    Raises
    ------
    ValueError
        If `draws` has not three axes, or no chain, or no draw.
    """
    values = np.asarray(draws, dtype=np.float64)
    if values.ndim != 3 or 0 in values.shape[:2]:
        raise ValueError(
            "draws must have shape (n_chains, n_draws, n_parameters) with at least one chain"
            f" and one draw, not {values.shape}; add the missing axis or pass some draws"
        )
    columns = np.ascontiguousarray(values.transpose(2, 0, 1))
    parameters, size = len(columns), values.shape[0] * values.shape[1]
    wanted = np.asarray(probs, dtype=np.float64)
    grid = neighbours(np.concatenate([wanted, _TAILS]), size)
    fields = np.full((7, parameters), np.nan)
    found = np.empty((parameters, wanted.size))
    with np.errstate(all="ignore"):
        np.setbufsize(_BUFFER)  # errstate ends this too
        finite = np.isfinite(columns.max(axis=(1, 2)) - columns.min(axis=(1, 2)))
        if not finite.all():
            found[~finite] = quantiles(columns[~finite].reshape(-1, size), wanted)
            columns = columns[finite]
        (places,) = finite.nonzero()
        step = max(1, _BLOCK // size)
        for start in range(0, len(columns), step):
            block = places[start : start + step]
            fields[:, block], pooled = _diagnosed(columns[start : start + step], *grid)
            found[block] = pooled[:, : wanted.size]
    return Diagnostics(*[*fields, found])


def r_hat(draws: ArrayLike) -> Floats:
    """Compute the rank-normalised split r_hat of every parameter, as `diagnose` does."""
    return diagnose(draws).r_hat


def ess_bulk(draws: ArrayLike) -> Floats:
    """Compute the bulk ESS of every parameter, in draws, as `diagnose` does."""
    return diagnose(draws).ess_bulk


def ess_tail(draws: ArrayLike) -> Floats:
    """Compute the tail ESS of every parameter, in draws, as `diagnose` does."""
    return diagnose(draws).ess_tail


def ess_mean(draws: ArrayLike) -> Floats:
    """Compute the ESS of the mean of every parameter, in draws, as `diagnose` does."""
    return diagnose(draws).ess_mean


def mcse_mean(draws: ArrayLike) -> Floats:
    """Compute the Monte Carlo standard error of every posterior mean, as `diagnose` does."""
    return diagnose(draws).mcse_mean


def _diagnosed(columns: Floats, places: Places, share: Floats) -> tuple[Floats, Floats]:
    """Compute the fields of `Diagnostics`, in their order, and the quantiles, the tails' last.

    Parameters
    ----------
    columns : ndarray, shape (parameters, chains, draws)
        Finite.
    places, share : ndarray
        Of the quantiles, as `neighbours` gives them.
    """
    parameters, chains, draws = columns.shape
    pooled = columns.reshape(parameters, 1, chains * draws)
    if draws < _MIN_DRAWS:
        first = columns[:, :1, :1]
        rest = np.full((5, parameters), np.nan)
        found = interpolated(Ordered(pooled, chains * draws).at(places), share)
        return np.array([*_moments(first, columns - first), *rest]), found

    n, middle = draws // 2, draws // 2 * chains  # draws in half a chain, and in half of the fit
    series = room_for(5, parameters, 2 * chains, n)
    inside = series[..., :n]
    folded, bulk, tails, offsets = inside[0], inside[1], inside[2:4], inside[4]
    bulk[:, ::2], bulk[:, 1::2] = columns[..., :n], columns[..., -n:]
    ordered = Ordered(series[1], n)
    least, left, right, most = ordered.at(np.array([0, middle - 1, middle, 2 * middle - 1])).T
    median = (left / 2 + right / 2)[:, None, None]
    np.subtract(bulk, median, out=offsets)  # after this a large offset costs no digits
    if draws % 2:
        found = interpolated(Ordered(pooled, chains * draws).at(places), share)
        mean, sd = _moments(median, columns - median)
    else:
        found = interpolated(ordered.at(places), share)
        mean, sd = _moments(median, offsets)
    np.abs(offsets, out=folded)
    tails[:] = bulk <= found[:, -2:].T[..., None, None]
    offsets[most - least < _CONSTANT_RANGE] = 0.0
    ordered.write_normal_scores(series[1])
    Ordered(series[0], n).write_normal_scores(series[0])
    between = centre(series, n)
    larger = _larger_r_hat(inside[:2], between[:2]) if chains > 1 else np.full(parameters, np.nan)
    of_bulk, low, high, of_mean = ess(series[1:], n, between[1:])
    mcse = sd / np.sqrt(of_mean)
    return np.array([mean, sd, larger, of_bulk, np.minimum(low, high), of_mean, mcse]), found


def _moments(origin: Floats, offsets: Floats) -> tuple[Floats, Floats]:
    """Compute mean and standard deviation from offsets from an origin amid the draws."""
    size = offsets[:1].size
    shift = np.einsum("pcn->p", offsets) / size
    squares = np.einsum("pcn,pcn->p", offsets, offsets)
    return origin[:, 0, 0] + shift, np.sqrt((squares - size * shift**2) / (size - 1))


def _larger_r_hat(centred: Floats, between: Floats) -> Floats:
    """Compute the larger split r_hat of two series, folded and bulk, (2, parameters, chains, n)."""
    chains, n = centred.shape[2:]
    within = np.einsum("qpcn,qpcn->qp", centred, centred) / (chains * (n - 1))
    within[within < _STANDING_STILL * between] = 0.0
    folded, bulk = np.sqrt(between / within + (n - 1) / n)
    # Of two mirrored values the folded one is nan.
    return np.asarray(np.where(folded > bulk, folded, bulk))
