"""Ranks of the truth among posterior draws, and whether they are uniform: exact, integers only.

If the truth is drawn from the prior and the posterior is right, the rank of the truth among
n_draws draws is uniform on 0..n_draws, that is over ``n_cells = n_draws + 1`` cells (Talts et al.,
2018, doi:10.48550/arXiv.1804.06788; ties and test quantities: Modrák et al., 2025,
doi:10.1214/23-BA1404). For n ranks let R_k be the number of ranks below k, k = 1..n_cells - 1; by
itself R_k is Bin(n, k / n_cells). As Säilynoja, Bürkner & Vehtari (2022),
doi:10.1007/s11222-022-10090-6, take the most extreme of its tails,

    gamma = 2 min_k min{P(Bin <= R_k), P(Bin >= R_k)},

and reject uniformity if gamma is below the threshold ``band_gamma``: the largest g for which the
whole path R_1, R_2, ... has gamma >= g with probability at least 1 - alpha. That probability is
computed here, not simulated, so the test has its stated size at every n and every n_cells.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainc, gammaln

Counts = NDArray[np.int64]
Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Uniformity:
    """The test of n ranks over n_cells cells; all nan from zero ranks.

    ``p_value`` is the exact probability, under uniformity, of a gamma at most as large. It is at
    most alpha if and only if the test rejects.
    """

    gamma: float
    threshold: float
    p_value: float
    n: int
    n_cells: int

    @property
    def rejected(self) -> bool:
        """Whether the ranks leave the band somewhere; False from zero ranks."""
        return self.gamma < self.threshold


def ranks(draws: ArrayLike, truth: ArrayLike, rng: np.random.Generator) -> Counts:
    """Rank each truth among its draws; ties are broken at random.

    Parameters
    ----------
    draws
        Shape (n_draws, n_parameters), thinned until they are nearly independent.
    truth
        Shape (n_parameters,).
    rng
        Breaks ties: the rank is #{draws < truth} + Uniform{0..#ties}. A comparison with nan is a
        tie, so that a parameter that is nan or constant carries no information.

    Returns
    -------
    NDArray[np.int64]
        Shape (n_parameters,), each in 0..n_draws.

    Raises
    ------
    ValueError
        If the shapes do not match.
    """
    draws, truth = np.asarray(draws), np.asarray(truth)
    if draws.ndim != 2 or truth.shape != draws.shape[1:]:
        raise ValueError(
            "draws must have shape (n_draws, n_parameters) and truth (n_parameters,); "
            f"got {draws.shape} and {truth.shape}"
        )
    below = np.count_nonzero(draws < truth, axis=0)
    ties = len(draws) - below - np.count_nonzero(draws > truth, axis=0)
    return np.asarray(below + rng.integers(0, ties, endpoint=True), dtype=np.int64)


def randomised_pit(rank: ArrayLike, n_draws: int, rng: np.random.Generator) -> Array:
    """Spread each rank over its cell: (rank + U) / (n_draws + 1), strictly between 0 and 1.

    Exactly uniform if the rank is, for any number of draws. Raises ValueError for a rank that is
    not an integer in 0..n_draws.
    """
    checked = _checked(rank, n_draws)
    pit = (checked + rng.random(checked.shape)) / (n_draws + 1)
    return np.clip(pit, np.finfo(np.float64).tiny, np.nextafter(1.0, 0.0))


def gamma_statistic(ranks: ArrayLike, n_draws: int) -> float:
    """Return the most extreme tail of the rank counts, gamma; small is far from uniform.

    Parameters
    ----------
    ranks
        Shape (n,), integers in 0..n_draws. Gamma is nan if there are none.
    n_draws
        How many draws each truth was ranked among, never the largest rank seen.

    Raises
    ------
    ValueError
        If a rank is not an integer in 0..n_draws.
    """
    checked, n_cells = _checked(ranks, n_draws), n_draws + 1
    n = checked.size
    if n == 0:
        return math.nan
    below = np.cumsum(np.bincount(checked.ravel(), minlength=n_cells))[:-1]
    return _gamma_of_band(below, below, n, n_cells)


@lru_cache(maxsize=4096)
def band_gamma(n: int, n_cells: int, alpha: float = 0.05) -> float:
    """Return the threshold: the largest g with ``path_probability(n, n_cells, g) >= 1 - alpha``.

    Exact: the probability is a step function of g, and g is the value of gamma at its step.
    Raises ValueError if n < 1, n_cells < 2 or alpha is not strictly between 0 and 1.
    """
    _check_design(n, n_cells)
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must lie strictly between 0 and 1, got {alpha}")
    # The tails of all cells together are at most n_cells - 1 times those of one: this is inside.
    inside, outside = _top(alpha / (n_cells - 1), n, n_cells), 2.0
    # How far off the chance to leave is, nearly linear in log gamma: false position, Illinois rule.
    below, above = _excess(path_probability(n, n_cells, inside), alpha), _excess(0.0, alpha)
    while (step := _next_gamma(inside, n, n_cells)) < outside:
        share = below / (below - above) if below < above else 0.5
        g = max(step, inside * (outside / inside) ** share)
        reached = path_probability(n, n_cells, g)
        if reached >= 1 - alpha:
            inside, below, above = _top(g, n, n_cells), _excess(reached, alpha), above / 2
        else:
            outside, above, below = g, _excess(reached, alpha), below / 2
    return inside


def _excess(reached: float, alpha: float) -> float:
    """Return the log of the chance to leave the band over alpha."""
    return math.log(max(1 - reached, 1e-12) / alpha)


@lru_cache(maxsize=4096)
def ecdf_band(n: int, n_cells: int, alpha: float = 0.05) -> tuple[Counts, Counts]:
    """Return the simultaneous band: the least and greatest R_k that do not reject.

    Returns
    -------
    lower, upper : NDArray[np.int64]
        Shape (n_cells - 1,), read-only, ends included: how many of n ranks may lie below
        k = 1..n_cells - 1. Divided by n it is a band for the ECDF of the PIT at k / n_cells.

    Raises
    ------
    ValueError
        As :func:`band_gamma`.
    """
    band = _band(n, n_cells, band_gamma(n, n_cells, alpha))
    for end in band:
        end.flags.writeable = False
    return band


def path_probability(n: int, n_cells: int, gamma: float, shares: ArrayLike | None = None) -> float:
    """Return the probability that n ranks over n_cells cells have a gamma >= ``gamma``.

    Cell counts are independent Poisson counts given that their sum is n. So the path R_1, R_2, ...
    is followed cell by cell: one convolution with Poisson weights of mean n / n_cells, and all that
    left the band is dropped. Only positive numbers are added, nothing cancels.

    Parameters
    ----------
    n, n_cells : int
    gamma : float
    shares : array, shape (n_cells,), optional
        The chance of each rank; by default they are uniform.

    Raises
    ------
    ValueError
        If n < 1, n_cells < 2, or the shares are not n_cells positive numbers.
    """
    _check_design(n, n_cells)
    means = _means(n, n_cells, shares)
    lower, upper = _band(n, n_cells, gamma)
    if (lower > upper).any():
        return 0.0
    counts = np.arange(n + 1)
    logs, weights, last = gammaln(counts + 1), counts, math.nan
    first, path = 0, np.ones(1)  # path[i] = P(R_k = first + i, inside so far), up to a factor
    for low, high, mean in zip((*lower.tolist(), n), (*upper.tolist(), n), means, strict=True):
        if mean != last:
            weights, last = np.exp(counts * math.log(mean) - mean - logs), mean
        start = low - first - path.size + 1
        needed = weights[max(start, 0) : high - first + 1]
        if start < 0:
            needed = np.concatenate([np.zeros(-start), needed])
        path = np.convolve(path, needed, "valid")
        first = low
    return min(1.0, float(path[0]) / math.exp(n * math.log(n) - n - math.lgamma(n + 1)))


def _means(n: int, n_cells: int, shares: ArrayLike | None) -> list[float]:
    """Return how many ranks are expected in each cell."""
    if shares is None:
        return [n / n_cells] * n_cells
    given = np.asarray(shares, dtype=np.float64)
    if given.shape != (n_cells,) or not (given > 0).all():
        raise ValueError(f"shares must be {n_cells} positive numbers, got shape {given.shape}")
    means: list[float] = (n * given / given.sum()).tolist()
    return means


def uniformity(ranks: ArrayLike, n_draws: int, alpha: float = 0.05) -> Uniformity:
    """Test whether ranks are uniform on 0..n_draws.

    Parameters
    ----------
    ranks
        Shape (n,), integers in 0..n_draws, of independent replicates.
    n_draws
        How many draws each truth was ranked among.
    alpha
        How often, at most, uniform ranks may be rejected.

    Raises
    ------
    ValueError
        If a rank is not an integer in 0..n_draws, n_draws < 1, or alpha is not strictly between
        0 and 1.
    """
    n, n_cells = np.size(ranks), n_draws + 1
    gamma = gamma_statistic(ranks, n_draws)
    if n == 0:
        return Uniformity(math.nan, math.nan, math.nan, 0, n_cells)
    more_extreme = 1 - path_probability(n, n_cells, math.nextafter(gamma, math.inf))
    return Uniformity(gamma, band_gamma(n, n_cells, alpha), more_extreme, n, n_cells)


def _tail(at_most: Counts, cells: Counts, n: int, n_cells: int) -> Array:
    """Return P(Bin(n, cells / n_cells) <= at_most)."""
    # Every tail, upper ones too by their mirror image, comes from this one expression of integers.
    # So a gamma and a band made of the same counts agree to the last bit.
    inner = betainc(np.maximum(n - at_most, 1), at_most + 1, (n_cells - cells) / n_cells)
    return np.where(at_most < n, inner, 1.0)


def _band(n: int, n_cells: int, gamma: float) -> tuple[Counts, Counts]:
    """Return the least and greatest R_k whose two tails are at least gamma / 2."""
    cells = np.arange(1, n_cells)
    lower, high = np.zeros_like(cells), np.full_like(cells, n)
    while (lower < high).any():
        middle = (lower + high) // 2
        inside = 2 * _tail(middle, cells, n, n_cells) >= gamma
        lower, high = np.where(inside, lower, middle + 1), np.where(inside, middle, high)
    return lower, n - lower[::-1]


def _gamma_of_band(lower: Counts, upper: Counts, n: int, n_cells: int) -> float:
    """Return the largest gamma whose band reaches from lower to upper."""
    cells = np.arange(1, n_cells)
    below = _tail(lower, cells, n, n_cells)
    above = _tail(n - upper, n_cells - cells, n, n_cells)
    return 2 * float(min(below.min(), above.min()))


def _top(gamma: float, n: int, n_cells: int) -> float:
    """Return the largest gamma with the same band."""
    return _gamma_of_band(*_band(n, n_cells, gamma), n, n_cells)


def _next_gamma(gamma: float, n: int, n_cells: int) -> float:
    """Return the first value above gamma at which the band changes."""
    return _top(math.nextafter(gamma, math.inf), n, n_cells)


def _checked(ranks: ArrayLike, n_draws: int) -> Counts:
    array = np.asarray(ranks)
    if n_draws < 1:
        raise ValueError(f"n_draws must be at least 1, got {n_draws}")
    if array.size and not np.issubdtype(array.dtype, np.integer):
        raise ValueError(f"ranks must be integers, got {array.dtype}; never divide them by n_draws")
    if array.size and not 0 <= array.min() <= array.max() <= n_draws:
        raise ValueError(
            f"ranks among {n_draws} draws lie in 0..{n_draws}, got {array.min()}..{array.max()}"
        )
    return array.astype(np.int64)


def _check_design(n: int, n_cells: int) -> None:
    if n < 1 or n_cells < 2:
        raise ValueError(f"n must be at least 1 and n_cells at least 2, got {n} and {n_cells}")
