"""Ranks among draws thinned by their ESS, and the one scale on which they are compared."""

import numpy as np
import pytest
from scipy import stats

from recovery.calibration import uniformity
from recovery.ranking import draws_to_rank, rank_cells, rank_truths, spaced


@pytest.mark.parametrize(
    ("ess", "among"),
    [(5000.0, 99), (99.0, 99), (98.9, 49), (50.0, 49), (30.0, 24), (7.5, 4), (3.9, 1), (0.2, 1),
     (np.nan, 99), (np.inf, 99)],
)  # fmt: skip
def test_a_truth_is_ranked_among_no_more_draws_than_are_effective(ess: float, among: int) -> None:
    assert draws_to_rank([ess], 99).tolist() == [among]


def test_a_truth_is_ranked_among_no_more_draws_than_there_are() -> None:
    assert draws_to_rank([500.0, 30.0, 2.0], 10).tolist() == [10, 10, 1]


def test_the_draws_that_are_ranked_are_evenly_spaced_and_include_both_ends() -> None:
    assert spaced(5, 3).tolist() == [0, 2, 4]
    assert spaced(3, 99).tolist() == [0, 1, 2]
    assert spaced(4000, 99)[[0, -1]].tolist() == [0, 3999]


def test_each_column_is_ranked_among_its_own_number_of_draws() -> None:
    rng = np.random.default_rng(1)
    draws, truth, among = (
        rng.normal(size=(99, 3)),
        np.array([0.3, -0.2, 1.0]),
        np.array([99, 24, 4]),
    )
    rank, pit = rank_truths(draws, truth, among, rng)
    for i in range(3):
        assert rank[i] == (draws[spaced(99, among[i]), i] < truth[i]).sum()
        assert rank[i] / (among[i] + 1) < pit[i] < (rank[i] + 1) / (among[i] + 1)


def test_a_constant_gets_a_rank_by_random_ties_and_a_nan_gets_no_pit() -> None:
    """All 100 cells are met in 2,000 ranks but for a chance of 2e-7."""
    rng = np.random.default_rng(2)
    draws = np.ones((99, 2000))
    rank, pit = rank_truths(draws, np.ones(2000), np.full(2000, 99), rng)
    assert set(rank.tolist()) == set(range(100))
    assert ((pit > 0) & (pit < 1)).all()
    draws[5, 0] = np.nan
    truth = np.ones(2000)
    truth[1] = np.nan
    _, pit = rank_truths(draws, truth, np.full(2000, 99), rng)
    assert np.isnan(pit[:2]).all()
    assert np.isfinite(pit[2:]).all()


def test_among_99_draws_the_cell_of_the_pit_is_the_rank() -> None:
    rng = np.random.default_rng(3)
    rank, pit = rank_truths(rng.normal(size=(99, 5000)), np.zeros(5000), np.full(5000, 99), rng)
    assert np.array_equal(rank_cells(pit), rank)


def test_the_ends_of_the_scale_are_cells_of_it() -> None:
    assert rank_cells([np.finfo(float).tiny, np.nextafter(1.0, 0.0)]).tolist() == [0, 99]
    assert np.isnan(rank_cells([np.nan])).all()


@pytest.mark.parametrize("among", [1, 4, 10, 24, 49, 99])
def test_ranks_of_exact_posteriors_are_uniform_on_the_one_scale(among: int) -> None:
    """Cells of 20,000 PITs by chi-squared: false alarm 1e-5 each."""
    rng = np.random.default_rng([4, among])
    n = 20_000
    pit = rank_truths(rng.normal(size=(among, n)), rng.normal(size=n), np.full(n, among), rng)[1]
    counts = np.bincount(rank_cells(pit).astype(int), minlength=100)
    assert stats.chisquare(counts).pvalue > 1e-5


def test_autocorrelated_draws_are_rejected_unthinned_and_not_once_thinned_by_their_ess() -> None:
    """AR(1) chains with exact margins, from a start far off for the truth to be exchangeable with.

    One chain of 99 draws with autocorrelation .95 has an ESS near 2.5. Ranks among all of them
    are U-shaped; among one draw per ESS they are nearly uniform: at 400 replicates the exact band
    rejects the first with p below 1e-6 and leaves the second at p above .001.
    """
    rng = np.random.default_rng(5)
    n, rho = 400, 0.95
    chain = np.empty((99, n))
    chain[0] = rng.normal(size=n)
    for i in range(1, 99):
        chain[i] = rho * chain[i - 1] + np.sqrt(1 - rho**2) * rng.normal(size=n)
    truth = rng.normal(size=n)
    ess = 99 * (1 - rho) / (1 + rho)
    unthinned = rank_truths(chain, truth, np.full(n, 99), rng)[1]
    thinned = rank_truths(chain, truth, draws_to_rank(np.full(n, ess), 99), rng)[1]
    assert uniformity(rank_cells(unthinned).astype(int), 99).p_value < 1e-6
    assert uniformity(rank_cells(thinned).astype(int), 99).p_value > 1e-3
