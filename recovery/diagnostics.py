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

Three conventions are ours. A parameter with any nan *or infinite* draw is nan throughout, where
ArviZ still ranks infinities. Chains that each stand still at different places give r_hat inf,
where ArviZ gives inf or a huge number, as rounding has it. A pair of autocorrelations that is
exactly 0, which happens in short chains of few distinct values, ends the sum of the ESS, as it does
in exact arithmetic; in ArviZ rounding decides.

The standard error of the standard deviation is left out: ArviZ 0.8 takes it from the ESS of the
draws and 1.3 from the ESS of their squared deviations, so one name would mean two numbers.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.fft import next_fast_len
from scipy.special import ndtri

Floats: TypeAlias = NDArray[np.float64]

_TAILS = (0.05, 0.95)
_MIN_DRAWS = 4
_CONSTANT_RANGE = 1e-15  # np.finfo(float).resolution, the limit ArviZ uses
_STANDING_STILL = 1e-28  # share of the variance left by rounding: a few squared float64 epsilons
_ROUNDING = 1e-12  # a pair of autocorrelations this small is 0 but for rounding, and ends the sum
_BLOCK = 16_000  # draws of as many parameters as a core's cache holds with their transforms
_FIRST_LAGS = 64  # most chains forget within this many draws; the others pay for a second look


@dataclass(frozen=True, slots=True)
class Diagnostics:
    """Diagnostics of one fit; every array has shape ``(n_parameters,)``.

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
    mcse_mean : ndarray
        Monte Carlo standard error of ``mean``: sd / sqrt(ESS of the mean).
    """

    mean: Floats
    sd: Floats
    r_hat: Floats
    ess_bulk: Floats
    ess_tail: Floats
    mcse_mean: Floats


def diagnose(draws: ArrayLike) -> Diagnostics:
    """Compute the diagnostics of every parameter of one fit.

    Parameters
    ----------
    draws : array_like, shape (n_chains, n_draws, n_parameters)
        Draws after warm-up.

    Returns
    -------
    Diagnostics
        A parameter with a nan or infinite draw is nan in every field.

    Raises
    ------
    ValueError
        If `draws` has not three axes, or no chain, or no draw.
    """
    return Diagnostics(*_by_parameter(draws, _every_field, 6, least_draws=1))


def r_hat(draws: ArrayLike) -> Floats:
    """Compute the rank-normalised split r_hat of every parameter, as `diagnose` does."""
    (values,) = _by_parameter(draws, lambda sample: [sample.r_hat()], 1)
    return values


def ess_bulk(draws: ArrayLike) -> Floats:
    """Compute the bulk ESS of every parameter, in draws, as `diagnose` does."""
    (values,) = _by_parameter(draws, lambda sample: _ess(sample.ranked[0]), 1)
    return values


def ess_tail(draws: ArrayLike) -> Floats:
    """Compute the tail ESS of every parameter, in draws, as `diagnose` does."""
    low, high = _by_parameter(draws, lambda sample: _ess(*sample.tails), 2)
    return np.minimum(low, high)


def ess_mean(draws: ArrayLike) -> Floats:
    """Compute the ESS of the mean of every parameter, in draws, without rank normalisation."""
    (values,) = _by_parameter(draws, lambda sample: _ess(sample.halves), 1)
    return values


def mcse_mean(draws: ArrayLike) -> Floats:
    """Compute the Monte Carlo standard error of every posterior mean, as `diagnose` does."""
    sd, ess = _by_parameter(draws, lambda sample: [sample.moments[1], *_ess(sample.halves)], 2)
    return np.asarray(sd / np.sqrt(ess))


def _by_parameter(
    draws: ArrayLike,
    compute: Callable[["_Sample"], Sequence[Floats]],
    fields: int,
    least_draws: int = _MIN_DRAWS,
) -> list[Floats]:
    """Compute so many fields of every parameter; nan where not all draws are finite."""
    values = np.asarray(draws, dtype=np.float64)
    if values.ndim != 3 or 0 in values.shape[:2]:
        raise ValueError(
            "draws must have shape (n_chains, n_draws, n_parameters) with at least one chain"
            f" and one draw, not {values.shape}; add the missing axis or pass some draws"
        )
    out = np.full((fields, values.shape[2]), np.nan)
    if values.shape[1] >= least_draws:
        columns = np.ascontiguousarray(values.transpose(2, 0, 1))
        finite = np.flatnonzero(np.isfinite(columns).all(axis=(1, 2)))
        step = max(1, _BLOCK // (values.shape[0] * values.shape[1]))
        with np.errstate(all="ignore"):
            for start in range(0, len(finite), step):
                block = finite[start : start + step]
                out[:, block] = compute(_Sample(columns[block]))
    return list(out)


def _every_field(sample: "_Sample") -> list[Floats]:
    """Compute the fields of `Diagnostics`, in their order."""
    mean, sd = sample.moments
    if sample.short:
        return [mean, sd, *np.full((4, len(mean)), np.nan)]
    bulk, low, high, centre = _ess(sample.ranked[0], *sample.tails, sample.halves)
    return [mean, sd, sample.r_hat(), bulk, np.minimum(low, high), sd / np.sqrt(centre)]


class _Sample:
    """What several diagnostics share, for P finite parameters, C chains and N draws.

    Halves have shape (P, 2 C, N // 2); S is the number of draws in the halves of a parameter.
    """

    def __init__(self, columns: Floats) -> None:
        self.columns = columns
        self.short = columns.shape[2] < _MIN_DRAWS

    def split(self, columns: Floats) -> Floats:
        """Cut each chain into halves."""
        count, chains, n = columns.shape
        half = n // 2
        if n % 2:
            columns = np.concatenate([columns[..., :half], columns[..., -half:]], axis=-1)
        return columns.reshape(count, 2 * chains, half)

    @cached_property
    def ranked(self) -> tuple[Floats, Floats]:
        """Normal scores of the halves, and their draws in ascending order, shape (P, S)."""
        return _normal_scores(self.split(self.columns))

    @cached_property
    def origin(self) -> Floats:
        """Median of the halves; any draw of a short chain, where only `moments` asks for it."""
        if self.short:
            return self.columns[:, 0, 0]
        ascending = self.ranked[1]
        middle = ascending.shape[1] // 2
        return np.asarray((ascending[:, middle - 1] + ascending[:, middle]) / 2)

    @cached_property
    def offsets(self) -> Floats:
        """Draws minus their origin: a large offset costs no digits after this."""
        return np.asarray(self.columns - self.origin[:, None, None])

    @cached_property
    def halves(self) -> Floats:
        """Offsets from the median, in halves."""
        return self.split(self.offsets)

    @cached_property
    def moments(self) -> tuple[Floats, Floats]:
        """Mean and standard deviation of all draws."""
        flat = self.offsets.reshape(len(self.offsets), -1)
        shift = flat.mean(axis=1)
        flat = flat - shift[:, None]
        variance = np.einsum("ps,ps->p", flat, flat) / (flat.shape[1] - 1)
        return self.origin + shift, np.sqrt(variance)

    @property
    def tails(self) -> list[Floats]:
        """Indicators of lying at or below each tail quantile, in halves."""
        ascending, n = self.ranked[1], self.columns[0].size
        if ascending.shape[1] != n:  # the quantiles see the middle draws of odd chains too
            ascending = np.sort(self.columns.reshape(-1, n), axis=1)
        indicators = []
        for probability in _TAILS:
            index = (n - 1) * probability
            below = int(index)
            left, right = ascending[:, below], ascending[:, below + 1]
            limit = left + (right - left) * (index - below)
            inside = self.columns <= limit[:, None, None]
            indicators.append(self.split(inside.astype(np.float64)))
        return indicators

    def r_hat(self) -> Floats:
        """Larger r_hat of the draws and of their distances from the median."""
        if self.columns.shape[1] < 2:
            return np.full(len(self.columns), np.nan)
        bulk = _r_hat(self.ranked[0])
        folded = _r_hat(_normal_scores(np.abs(self.halves))[0])
        return np.where(folded > bulk, folded, bulk)  # folded is nan for two mirrored values


@lru_cache(maxsize=16)
def _score_table(n: int) -> Floats:
    """Tabulate the normal scores of the ranks 1, 1.5, 2, ..., n among n (Blom's offset 3/8)."""
    table = np.asarray(ndtri((np.arange(2, 2 * n + 1) / 2 - 0.375) / (n + 0.25)))
    table.flags.writeable = False
    return table


def _normal_scores(values: Floats) -> tuple[Floats, Floats]:
    """Replace values by the normal scores of their average ranks within each row.

    Returns the scores, shaped as `values`, and the values of each row in ascending order.
    """
    flat = values.reshape(len(values), -1)
    rows, n = flat.shape
    table = _score_table(n)
    order = np.argsort(flat, axis=1)
    order += np.arange(0, rows * n, n)[:, None]
    ascending = flat.ravel()[order]
    equal = ascending[:, 1:] == ascending[:, :-1]
    tied = equal.any(axis=1)
    scores = np.empty(rows * n)
    scores[order[~tied] if tied.any() else order] = table[::2]
    if tied.any():
        scores[order[tied]] = table[_first_plus_last(equal[tied])]
    return scores.reshape(values.shape), ascending


def _first_plus_last(equal: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Add the first and the last place of the run of ties that each sorted place is in."""
    rows, n = equal.shape[0], equal.shape[1] + 1
    first = np.tile(np.arange(n), (rows, 1))
    last = first.copy()
    first[:, 1:][equal] = 0
    last[:, :-1][equal] = n - 1
    np.maximum.accumulate(first, axis=1, out=first)
    last = np.minimum.accumulate(last[:, ::-1], axis=1)[:, ::-1]
    return np.asarray(first + last)


def _r_hat(series: Floats) -> Floats:
    """Compute the split r_hat of each row, shape (rows, chains, n)."""
    n = series.shape[-1]
    means = series.mean(axis=-1)
    series = series - means[..., None]
    within = np.einsum("rcn,rcn->r", series, series) / (series.shape[1] * (n - 1))
    between = means.var(axis=-1, ddof=1)
    within[within < _STANDING_STILL * between] = 0.0
    return np.asarray(np.sqrt(between / within + (n - 1) / n))


def _ess(*quantities: Floats) -> list[Floats]:
    """Compute the ESS of every parameter for each quantity, given in halves, (P, 2 C, n)."""
    series = np.concatenate(quantities)
    _, chains, n = series.shape
    size = chains * n
    constant = series.max(axis=(1, 2)) - series.min(axis=(1, 2)) < _CONSTANT_RANGE
    means = series.mean(axis=-1)
    series -= means[..., None]
    between = means.var(axis=-1, ddof=1)
    lags = 2 * (max(n - 3, 0) // 2 + 1)
    tau, settled = _geyer(_autocovariance(series, min(lags, _FIRST_LAGS)), between, n)
    rest = ~(settled | constant)
    if lags > _FIRST_LAGS and rest.any():
        tau[rest], _ = _geyer(_autocovariance(series[rest], lags), between[rest], n)
    least = 1 / np.log10(size)
    tau = np.where(tau < least, least, tau)
    return np.split(np.where(constant, size, size / tau), len(quantities))


def _autocovariance(centred: Floats, lags: int) -> Floats:
    """Average the autocovariance at lags 0 to lags - 1 over chains, giving (rows, lags)."""
    _, chains, n = centred.shape
    length = next_fast_len(n + lags, real=True)
    waves = np.fft.rfft(centred, length).view(np.float64)
    power = np.einsum("rcf,rcf->rf", waves, waves)
    acov = np.fft.irfft(power[:, ::2] + power[:, 1::2], length)[:, :lags]
    return np.asarray(acov / (chains * n))


def _geyer(acov: Floats, between: Floats, n: int) -> tuple[Floats, NDArray[np.bool_]]:
    """Sum autocorrelations by Geyer's initial positive, then monotone sequence.

    Pairs of autocorrelations are summed up to the first pair that is not positive, or the last
    pair; the even member of that pair still counts, unless both it and the pair are negative.
    Gives the autocorrelation time of each row, and whether it ended within the lags given.
    """
    within = acov[:, :1] * (n / (n - 1))
    rho = 1 - (within - acov) / (acov[:, :1] + between[:, None])
    rho[:, 0] = 1.0
    pairs = rho[:, ::2] + rho[:, 1::2]
    pairs[np.abs(pairs) < _ROUNDING] = 0.0
    ends = ~(pairs > 0)
    settled = ends.any(axis=1)
    ends[:, -1] = True
    stop = ends.argmax(axis=1)
    row = np.arange(len(rho))
    even = rho[row, 2 * stop]
    even = np.where((pairs[row, stop] < 0) & (even < 0), 0.0, even)
    sums = np.cumsum(np.minimum.accumulate(pairs, axis=1), axis=1)
    before = np.where(stop > 0, sums[row, stop - 1], 0.0)
    tau = np.where(np.isnan(rho[:, 1]), np.nan, 2 * before + even - 1)
    return tau, np.asarray(settled)
