"""Promises of recovery.scores, with closed forms and all pairs of draws as oracles."""

import math

import numpy as np
import pytest
from scipy.special import ndtr

from recovery.scores import crps_of_draws


def test_it_is_what_all_pairs_of_different_draws_give() -> None:
    rng = np.random.default_rng(1)
    draws, truth = rng.normal(size=(3, 57)) + 1e6, np.array([0.0, 0.5, -3.0]) + 1e6
    apart = np.abs(draws[:, :, None] - draws[:, None, :]).sum(axis=(1, 2)) / (57 * 56)
    expected = np.abs(draws - truth[:, None]).mean(axis=1) - apart / 2
    # A million away from 0, twelve digits of a double are left.
    assert crps_of_draws(draws, truth) == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("z", [0.0, 0.7, -2.5])
def test_normal_draws_have_the_closed_form_of_a_normal(z: float) -> None:
    """Of 400,000 draws the score is known to about sd / 630: four of them, false alarm 6e-5."""
    sd, n = 1.7, 400_000
    density = math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    expected = sd * (z * (2 * ndtr(z) - 1) + 2 * density - 1 / math.sqrt(math.pi))
    draws = 3 + sd * np.random.default_rng(2).normal(size=(1, n))
    (found,) = crps_of_draws(draws, np.array([3 + sd * z]))
    assert found == pytest.approx(expected, abs=4 * sd / math.sqrt(n))


def test_few_draws_have_the_same_expectation_as_many() -> None:
    """200,000 fits of 3 draws: the mean is known to 0.0016; all 9 pairs would give 0.19 more."""
    draws = np.random.default_rng(3).normal(size=(200_000, 3))
    found = crps_of_draws(draws, np.zeros(200_000))
    exact = 2 / math.sqrt(2 * math.pi) - 1 / math.sqrt(math.pi)
    assert found.mean() == pytest.approx(exact, abs=4 * found.std() / math.sqrt(found.size))


def test_the_true_posterior_has_the_lowest_score_on_average() -> None:
    rng = np.random.default_rng(4)
    truth, draws = rng.normal(size=4000), rng.normal(size=(4000, 200))
    right = crps_of_draws(draws, truth).mean()
    for wrong in (0.7 * draws, 1.4 * draws, draws + 0.5):
        assert crps_of_draws(wrong, truth).mean() > right


def test_it_moves_and_scales_with_its_parameter_and_ignores_the_order_of_draws() -> None:
    rng = np.random.default_rng(5)
    draws, truth = rng.normal(size=(2, 40)), np.array([0.3, -1.0])
    kept = draws.copy()
    found = crps_of_draws(draws, truth)
    assert (draws == kept).all()
    assert crps_of_draws(draws[:, ::-1], truth) == pytest.approx(found, rel=1e-12)
    assert crps_of_draws(5 - 3 * draws, 5 - 3 * truth) == pytest.approx(3 * found, rel=1e-12)


def test_one_draw_scores_its_distance_and_equal_draws_theirs() -> None:
    assert crps_of_draws(np.array([[2.0]]), np.array([-1.0])) == 3.0
    assert crps_of_draws(np.full((1, 9), 2.0), np.array([-1.0])) == pytest.approx(3.0)


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_scores_nan_alone(broken: float) -> None:
    draws, truth = np.random.default_rng(6).normal(size=(3, 20)), np.zeros(3)
    draws[1, 4] = broken
    truth[2] = broken
    assert np.isnan(crps_of_draws(draws, truth)).tolist() == [False, True, True]


@pytest.mark.parametrize("shapes", [((3,), (3,)), ((3, 4), (4,)), ((2, 0), (2,))])
def test_shapes_that_do_not_belong_together_are_refused(
    shapes: tuple[tuple[int, ...], tuple[int, ...]],
) -> None:
    draws, truth = shapes
    with pytest.raises(ValueError, match=r"give shapes \(n_parameters, n_draws\)"):
        crps_of_draws(np.zeros(draws), np.zeros(truth))
