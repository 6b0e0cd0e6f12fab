"""Power, sign errors, exaggeration and joint coverage against their closed forms."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri
from scipy.stats import multivariate_normal

from recovery import measures

Array = NDArray[np.float64]


def normal_estimator(effect: float, n: int) -> tuple[Array, Array, Array, Array]:
    """Estimates of one effect with sd 1 and their 95 % intervals: the sampling distribution."""
    mean = effect + ndtri((np.arange(n) + 0.5) / n)
    half = ndtri(0.975)
    return mean - half, mean + half, mean, np.full(n, effect)


def integrated(effect: float) -> tuple[float, float, float]:
    """Power, sign error and exaggeration by numerical integration over the estimates."""
    grid = np.linspace(effect - 9, effect + 9, 200_001)
    weight = np.exp(-((grid - effect) ** 2) / 2)
    weight /= weight.sum()
    chosen = np.abs(grid) > ndtri(0.975)
    power = weight[chosen].sum()
    wrong = weight[chosen & (grid * effect < 0)].sum() / power
    size = (np.abs(grid) * weight)[chosen].sum() / power / abs(effect)
    return float(power), float(wrong), float(size)


@pytest.mark.parametrize("effect", [0.2, -0.5, 1.0, 2.8])
def test_a_normal_estimator_has_its_power_sign_error_and_exaggeration(effect: float) -> None:
    lower, upper, mean, truth = normal_estimator(effect, 200_001)
    power, wrong, size = integrated(effect)
    half = ndtri(0.975)
    assert power == pytest.approx(ndtr(effect - half) + ndtr(-effect - half), abs=1e-4)
    assert measures.power(lower, upper).estimate == pytest.approx(power, abs=1e-4)
    assert measures.sign_error(lower, upper, mean, truth).estimate == pytest.approx(wrong, abs=1e-4)
    found = measures.exaggeration(lower, upper, mean, truth)
    assert found.estimate == pytest.approx(size, rel=1e-3)
    assert found.n == round(measures.power(lower, upper).estimate * 200_001)


def test_the_design_of_gelman_and_carlin_has_their_sign_error_and_exaggeration() -> None:
    """Effect 0.1, standard error 3.28, as published: power .05, type S .46, type M 77."""
    lower, upper, mean, truth = normal_estimator(0.1 / 3.28, 400_001)
    assert round(measures.power(lower, upper).estimate, 2) == 0.05
    assert round(measures.sign_error(lower, upper, mean, truth).estimate, 2) == 0.46
    found = measures.exaggeration(lower, upper, mean, truth).estimate
    assert found == pytest.approx(77, abs=0.5)


def test_at_one_truth_exaggeration_is_a_mean_of_ratios_with_their_standard_error() -> None:
    lower, upper, mean, truth = normal_estimator(-0.8, 501)
    ratios = (np.abs(mean) / 0.8)[(lower > 0) | (upper < 0)]
    found = measures.exaggeration(lower, upper, mean, truth)
    assert found.estimate == pytest.approx(ratios.mean(), rel=1e-12)
    assert found.mcse == pytest.approx(ratios.std(ddof=1) / math.sqrt(ratios.size), rel=1e-12)


def test_a_sign_is_never_wrong_of_a_truth_that_is_0() -> None:
    lower, upper, mean, truth = normal_estimator(0.0, 1001)
    assert measures.power(lower, upper).estimate == pytest.approx(0.05, abs=2e-3)
    for measure in (measures.sign_error, measures.exaggeration):
        found = measure(lower, upper, mean, truth)
        assert math.isnan(found.estimate)
        assert math.isnan(found.mcse)
        assert found.n == 0


def test_a_truth_of_0_among_others_is_left_out() -> None:
    lower, upper = np.array([1.0, 1.0, 1.0]), np.array([3.0, 3.0, 3.0])
    mean, truth = np.array([2.0, 2.0, 2.0]), np.array([0.0, -1.0, 3.0])
    assert measures.sign_error(lower, upper, mean, truth)[:3:2] == (0.5, 2)
    assert measures.exaggeration(lower, upper, mean, truth)[:3:2] == (1.0, 2)


def test_exact_posteriors_over_their_prior_hardly_exaggerate() -> None:
    """100,000 drawn truths: at most 1, as E|t| >= |E t|; four mcse above, false alarm 3e-5.

    The plain mean of |m| / |t| would have no limit.
    """
    rng = np.random.default_rng(3)
    truth = rng.normal(size=100_000)
    mean = (truth + rng.normal(size=truth.size)) / 2
    half = ndtri(0.95) * math.sqrt(0.5)
    found = measures.exaggeration(mean - half, mean + half, mean, truth)
    assert 0.97 < found.estimate < 1 + 4 * found.mcse
    assert found.mcse < 0.01


@pytest.mark.parametrize("level", [0.5, 0.9])
def test_regions_of_highest_density_hold_their_share_of_truths(level: float) -> None:
    """Truths and draws of one correlated normal: 2,000 fits, four mcse, false alarm 6e-5."""
    rng = np.random.default_rng(4)
    law = multivariate_normal(mean=[1.0, -1.0], cov=[[1.0, 0.8], [0.8, 2.0]])
    draws = law.logpdf(law.rvs((2000, 99), random_state=rng))
    truth = law.logpdf(law.rvs(2000, random_state=rng))
    pit = ((draws < truth[:, None]).sum(axis=1) + rng.uniform(size=2000)) / 100
    found = measures.joint_coverage(pit, level)
    assert found.estimate == pytest.approx(level, abs=4 * found.mcse)
    assert found.mcse == pytest.approx(math.sqrt(found.estimate * (1 - found.estimate) / 2000))


def test_a_truth_denser_than_every_draw_lies_in_every_region() -> None:
    pit = np.array([0.999, 0.001, 0.5])
    assert measures.joint_coverage(pit, 0.1).estimate == pytest.approx(1 / 3)
    assert measures.joint_coverage(pit, 0.5).estimate == pytest.approx(2 / 3)
    with pytest.raises(ValueError, match="strictly between 0 and 1"):
        measures.joint_coverage(pit, 50)
