"""The known rates, reproduced by direct simulation of the normal distributions, without a sweep.

Only the band itself is shared with the harness. Test quantities are closed forms, and every
number of replicates is one array.
"""

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binom

from recovery.calibration import band_gamma, ecdf_band, path_probability
from recovery.selfcheck import FULL, QUICK, Case
from recovery.selfcheck.expected import QUANTITIES, SIZE, SIZES, rejection
from recovery.selfcheck.finding import Rate
from recovery.selfcheck.trial import tried
from recovery.testing import Flaw
from recovery.testing.pair import BIAS_SD, COVARIANCE

Floats = NDArray[np.float64]
Ranks = NDArray[np.int64]

pytestmark = pytest.mark.slow
ROOT = np.linalg.cholesky(COVARIANCE)
PRECISION = np.linalg.inv(COVARIANCE)
N_DRAWS = 99
BY_NAME = {case.name: case for case in FULL}
# Rates published for 60 runs each, or 150 of the band on one quantity, at `SIZES`.
PUBLISHED = {
    "posterior is the prior": {
        "log_likelihood": (1, 1, 1, 1), "log_likelihood[y, 0]": (1, 1, 1, 1),
    },
    "one of 3 points dropped": {
        "log_likelihood": (0.45, 0.88, 0.98, 1), "log_likelihood[y, 0]": (0.82, 1, 1, 1),
    },
    "one of 20 points dropped": {"log_likelihood[y, 0]": (0.13, 0.30, 0.48, 0.93)},
    "correlation lost": {
        "difference": (0.47, 1, 1, 1), "log_likelihood": (0.58, 1, 1, 1),
        "product": (0.30, 0.53, 0.83, 1), "sum": (0.35, 0.57, 0.80, 0.97),
    },
    "random bias": {
        "difference": (0.58, 0.93, 1, 1), "log_likelihood": (0.58, 0.87, 1, 1),
        "mu[left]": (0.13, 0.13, 0.23, 0.60),
    },
}  # fmt: skip
ONE_QUANTITY = [
    (1.0, 0.0, (0.04, 0.04, 0.04, 0.04)),
    (0.5, 0.0, (0.99, 1, 1, 1)),
    (0.8, 0.0, (0.34, 0.45, 0.83, 1)),
    (0.9, 0.0, (0.14, 0.15, 0.29, 0.48)),
    (1.25, 0.0, (0.15, 0.29, 0.67, 1)),
    (1.0, 0.25, (0.32, 0.55, 0.83, 1)),
    (1.0, 0.5, (0.85, 1, 1, 1)),
]


def log_density(at: Floats) -> Floats:
    """Log density of MVN(0, S) up to a constant; shape (..., 2) to (...)."""
    return -0.5 * np.einsum("...i,ij,...j->...", at, PRECISION, at, optimize=True)


def quantities(mu: Floats, ybar: Floats, first: Floats, points: int) -> dict[str, Floats]:
    prior, likelihood = log_density(mu), points * log_density(ybar - mu)
    return {
        "mu[left]": mu[..., 0],
        "mu[right]": mu[..., 1],
        "sum": mu.sum(axis=-1),
        "difference": mu[..., 0] - mu[..., 1],
        "product": mu.prod(axis=-1),
        "log_likelihood": likelihood,
        "log_prior": prior,
        "log_posterior": prior + likelihood,
        "log_likelihood[y, 0]": log_density(first - mu),
    }


def ranks(case: Case, replicates: int, rng: np.random.Generator) -> dict[str, Ranks]:
    """Rank the truth among 99 draws of a posterior, for so many data sets, by quantity."""

    def noise() -> Floats:
        return np.asarray(rng.normal(size=(replicates, 2)) @ ROOT.T)

    flaw, points = case.sampler.flaw, case.points
    mu = noise()
    first = mu + noise()
    rest = (points - 1) * mu + math.sqrt(points - 1) * noise()  # the sum of the others
    mean, root = (first + rest) / (points + 1), ROOT / math.sqrt(points + 1)
    if flaw is Flaw.PRIOR:
        mean, root = np.zeros_like(mu), ROOT
    if flaw is Flaw.DROPPED:
        mean, root = rest / points, ROOT / math.sqrt(points)
    if flaw is Flaw.UNCORRELATED:
        root = np.eye(2) / math.sqrt(points + 1)
    if flaw is Flaw.BIASED:
        mean = mean + rng.normal(0, BIAS_SD, mean.shape)
    mean = mean + case.sampler.shift * np.sqrt((root**2).sum(axis=1))
    spread = case.sampler.sd_factor * root
    draws = mean[:, None] + rng.normal(size=(replicates, N_DRAWS, 2)) @ spread.T
    ybar = (first + rest) / points
    true = quantities(mu, ybar, first, points)
    drawn = quantities(draws, ybar[:, None], first[:, None], points)
    return {q: np.count_nonzero(drawn[q] < true[q][:, None], axis=1) for q in true}


def rejected(of_all: Ranks, size: int) -> tuple[int, int]:
    """In how many runs of `size` ranks the band is left, and the number of runs."""
    n_runs = len(of_all) // size
    runs = np.repeat(np.arange(n_runs), size)
    cells = np.zeros((n_runs, N_DRAWS + 1), dtype=np.int64)
    np.add.at(cells, (runs, of_all[: n_runs * size]), 1)
    below = cells.cumsum(axis=1)[:, :-1]
    lower, upper = ecdf_band(size, N_DRAWS + 1)
    return int(((below < lower) | (below > upper)).any(axis=1).sum()), n_runs


def many_ranks(case: Case, replicates: int, seed: int) -> Mapping[str, Ranks]:
    rng = np.random.default_rng([seed, *case.name.encode()])
    parts = [ranks(case, 10_000, rng) for _ in range(replicates // 10_000)]
    return {quantity: np.concatenate([part[quantity] for part in parts]) for quantity in parts[0]}


@pytest.mark.parametrize("name", list(BY_NAME))
def test_known_rates_are_those_of_a_direct_simulation(name: str) -> None:
    """Over 60,000 data sets a case; 360 tests in all, whose false alarm is 1e-3 together."""
    found = many_ranks(BY_NAME[name], 60_000, seed=11)
    assert set(found) == set(QUANTITIES)
    for quantity, of_all in found.items():
        for size in SIZES:
            p_value = rejection(name, quantity, size).agreement(*rejected(of_all, size))
            assert p_value > 1e-3 / 360, (quantity, size, rejected(of_all, size))


def test_known_rates_agree_with_the_published_table() -> None:
    """Each published rate is of 60 runs; 48 of them, false alarm 1e-3 together."""
    for name, of_case in PUBLISHED.items():
        for quantity, rates in of_case.items():
            for size, rate in zip(SIZES, rates, strict=True):
                known = rejection(name, quantity, size)
                k = round(60 * rate)
                assert known.agreement(k, 60) > 1e-3 / 48, (name, quantity, size, known, rate)


@pytest.mark.parametrize("size", list(SIZE))
def test_the_size_is_that_of_a_recursion_over_binomial_counts(size: int) -> None:
    """From R_k to R_k+1: Bin(n - R_k, 1 / (K - k)) more ranks, the band being SciPy's binomials."""
    cells, gamma = N_DRAWS + 1, band_gamma(size, N_DRAWS + 1)
    counts = np.arange(size + 1)
    path = np.zeros(size + 1)
    path[0] = 1.0
    for k in range(1, cells):
        step = binom.pmf(
            counts[None, :] - counts[:, None], size - counts[:, None], 1 / (cells - k + 1)
        )
        path = path @ step
        tails = np.minimum(
            binom.cdf(counts, size, k / cells), binom.sf(counts - 1, size, k / cells)
        )
        path[2 * tails < gamma * (1 - 1e-9)] = 0.0
    assert 1 - path.sum() == pytest.approx(SIZE[size], abs=6e-5)


@pytest.mark.parametrize(("factor", "shift", "published"), ONE_QUANTITY)
def test_size_and_power_of_the_band_on_one_quantity(
    factor: float, shift: float, published: tuple[float, ...]
) -> None:
    """Ours over 400 runs, published over 150, at 50 to 500: 28 tests, false alarm 1e-3 together.

    The published rates of a right posterior are .03 to .05.
    """
    rng = np.random.default_rng([12, round(100 * factor), round(100 * shift)])
    truth = rng.normal(size=(200_000, 1))
    drawn = np.concatenate(
        [
            np.count_nonzero(shift + factor * rng.normal(size=(10_000, N_DRAWS)) < part, axis=1)
            for part in np.split(truth, 20)
        ]
    )
    for size, rate in zip((50, 100, 200, 500), published, strict=True):
        k, n = rejected(drawn, size)
        assert Rate(k / n, n).agreement(round(150 * rate), 150) > 1e-3 / 28, (size, k / n, rate)


@pytest.mark.parametrize("size", [20, 50])
def test_the_size_of_the_test_lies_between_3_and_7_per_cent(size: int) -> None:
    """2,000 sound runs, each quantity: by chance outside in 4 of 100,000 (five sds of .0049)."""
    found = many_ranks(BY_NAME["sound"], 100_000, seed=13)
    exact = 1 - path_probability(size, N_DRAWS + 1, band_gamma(size, N_DRAWS + 1))
    for quantity, of_all in found.items():
        k, n = rejected(of_all[: 2000 * size], size)
        assert n == 2000
        assert 0.03 < k / n < 0.07, quantity
        assert Rate(exact).agreement(k, n) > 1e-3 / 18


def test_a_sweep_finds_what_the_direct_simulation_finds(tmp_path: Path) -> None:
    """One flaw that all quantities but the means see, and a sound posterior, by 40 runs of 50.

    Its two means and four quantities near .05 or between .5 and .9 tell most. False alarm 1e-3
    over all findings.
    """
    cases = {case.name: case for case in QUICK}
    findings = [
        finding
        for name in ("sound", "correlation lost")
        for finding in tried(dataclasses.replace(cases[name], runs=40), tmp_path / name, seed=14)
    ]
    assert len(findings) > 30
    for finding in findings:
        assert finding.p_value > 1e-3 / len(findings), finding
