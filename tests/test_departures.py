"""The chance to find a wrong sd is that of a simulation, and of the published table."""

import numpy as np
import pytest
from scipy.stats import binomtest

from recovery.calibration import path_probability, uniformity
from recovery.departures import power, rank_shares, replicates_to_find
from recovery.selfcheck.expected import REJECTED, SIMULATED, SIZES


@pytest.mark.parametrize("case", ["sd x 0.5", "sd x 0.8", "sd x 1.25"])
@pytest.mark.parametrize("place", range(len(SIZES)))
def test_the_power_is_what_an_independent_simulation_counted(case: str, place: int) -> None:
    """Counted over 800,000 data sets: within 4 standard errors, both means of each case."""
    n, factor = SIZES[place], float(case.split()[-1])
    exact = power(n, factor, 99, 0.05)
    for name in ("mu[left]", "mu[right]"):
        counted = REJECTED[case][name][place]
        runs = SIMULATED // n
        error = max(np.sqrt(exact * (1 - exact) / runs), 1e-4)
        assert abs(counted - exact) <= 4 * error


def test_the_power_at_a_small_level_is_that_of_simulated_runs() -> None:
    """2,000 runs; a false alarm in 1 of 10,000."""
    rng, alpha, n = np.random.default_rng(5), 0.002, 250
    expected = power(n, 0.8, 99, alpha)
    ranks = rng.choice(100, size=(2000, n), p=rank_shares(0.8, 99) / rank_shares(0.8, 99).sum())
    found = sum(uniformity(row, 99, alpha).rejected for row in ranks)
    assert binomtest(found, 2000, expected).pvalue > 1e-4


def test_ranks_of_a_right_sd_are_uniform() -> None:
    np.testing.assert_allclose(rank_shares(1.0, 99), 0.01, rtol=1e-4)
    uniform = path_probability(80, 100, 0.01, np.full(100, 0.01))
    assert uniform == pytest.approx(path_probability(80, 100, 0.01), rel=1e-12)


def test_the_number_that_is_told_is_about_the_first_that_finds_it() -> None:
    n = replicates_to_find(0.8, 99, 0.005, 0.8)
    assert n is not None
    assert power(n, 0.8, 99, 0.005) >= 0.8
    assert power(int(0.94 * n), 0.8, 99, 0.005) < 0.8
    assert replicates_to_find(0.999, 9, 0.005, 0.8) is None


@pytest.mark.parametrize("shares", [np.full(99, 0.01), np.zeros(100)])
def test_shares_that_are_none_are_refused(shares: np.ndarray) -> None:
    with pytest.raises(ValueError, match="must be 100 positive numbers"):
        path_probability(50, 100, 0.01, shares)
