"""Two samplers on the same data and two parameters of the same fits, by closed form and force."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from recovery import measures
from recovery.measures import pair_recovery, relative_precision

Array = NDArray[np.float64]


class TestRelativePrecision:
    """Of paired samplers."""

    @staticmethod
    def means(n: int, seed: int, correlation: float) -> tuple[Array, Array, Array]:
        rng = np.random.default_rng(seed)
        first, own = rng.normal(size=(2, n))
        truth = rng.normal(3, 2, n)
        second = correlation * first + math.sqrt(1 - correlation**2) * own
        return truth + 1.5 * first, truth + second, truth

    def test_of_a_sampler_with_itself_it_is_exactly_none(self) -> None:
        mean, _, truth = self.means(40, 1, 0.0)
        assert relative_precision(mean, mean, truth)[:3] == (0, 0, 40)

    def test_normal_errors_have_the_mcse_of_the_published_formula(self) -> None:
        """Of 400,000 replicates kurtosis and correlation are known to about 1 %."""
        mean, other, truth = self.means(400_000, 2, 0.9)
        found = relative_precision(mean, other, truth)
        ratio = 1.5**2
        assert found.estimate == pytest.approx(100 * (ratio - 1), abs=4 * found.mcse)
        published = 200 * ratio * math.sqrt((1 - 0.9**2) / (400_000 - 1))
        assert found.mcse == pytest.approx(published, rel=0.03)

    @pytest.mark.parametrize("correlation", [0.0, 0.95])
    def test_the_mcse_is_the_sd_over_repeated_experiments(self, correlation: float) -> None:
        """2,000 experiments know the sd to 1.6 %; 10 % hold three of them and the bias of 1 / n."""
        found = [relative_precision(*self.means(200, 100 + i, correlation)) for i in range(2000)]
        typical = math.sqrt(np.mean([one.mcse**2 for one in found]))
        assert typical == pytest.approx(np.std([one.estimate for one in found]), rel=0.1)

    def test_exchanging_the_samplers_inverts_the_ratio(self) -> None:
        mean, other, truth = self.means(50, 3, 0.5)
        gain = relative_precision(mean, other, truth).estimate / 100 + 1
        assert relative_precision(other, mean, truth).estimate / 100 + 1 == pytest.approx(1 / gain)

    def test_one_replicate_tells_nothing(self) -> None:
        one = np.ones(1)
        assert math.isnan(relative_precision(2 * one, one, one).estimate)


class TestPairRecovery:
    """Of two parameters."""

    @staticmethod
    def fits(
        n: int, seed: int, claimed: float = -0.7, true: float = -0.7
    ) -> tuple[Array, Array, Array, Array, Array]:
        """Posteriors of varying width that claim a correlation, and errors with a true one."""
        rng = np.random.default_rng(seed)
        width = rng.uniform(0.5, 1.5, n)
        first_sd, second_sd = width, 2 * width
        first, own = rng.normal(size=(2, n))
        second = true * first + math.sqrt(1 - true**2) * own
        covariance = claimed * first_sd * second_sd * rng.uniform(0.9, 1.1, n)
        return covariance, first_sd, second_sd, first * first_sd, second * second_sd

    def test_exact_posteriors_claim_the_correlation_that_their_errors_have(self) -> None:
        """100,000 replicates, four mcse each: false alarm 2e-4."""
        found = pair_recovery(*self.fits(100_000, 1))
        assert list(found) == ["claimed_correlation", "error_correlation", "correlation_error"]
        for name in ("claimed_correlation", "error_correlation"):
            assert found[name].estimate == pytest.approx(-0.7, abs=4 * found[name].mcse)
        assert found["correlation_error"].estimate == pytest.approx(
            0, abs=4 * found["correlation_error"].mcse
        )

    def test_a_lost_correlation_shows_though_means_and_sds_are_right(self) -> None:
        covariance, first_sd, second_sd, *errors = self.fits(500, 2)
        found = pair_recovery(0 * covariance, first_sd, second_sd, *errors)
        assert found["claimed_correlation"].estimate == 0
        lost = found["correlation_error"]
        assert lost.estimate < -20 * lost.mcse

    @pytest.mark.parametrize("name", ["claimed_correlation", "error_correlation",
                                      "correlation_error"])  # fmt: skip
    def test_every_mcse_is_the_sd_over_repeated_experiments(self, name: str) -> None:
        """2,000 experiments know the sd to 1.6 %, with heavier tails to about 2.5 %: 10 %."""
        found = [pair_recovery(*self.fits(300, 100 + i))[name] for i in range(2000)]
        typical = math.sqrt(np.mean([one.mcse**2 for one in found]))
        assert typical == pytest.approx(np.std([one.estimate for one in found]), rel=0.1)

    def test_the_difference_is_that_of_the_two(self) -> None:
        found = pair_recovery(*self.fits(50, 3, claimed=0.2))
        expected = found["error_correlation"].estimate - found["claimed_correlation"].estimate
        assert found["correlation_error"].estimate == pytest.approx(expected, rel=1e-12)
        assert (
            measures.correlation_error(*self.fits(50, 3, claimed=0.2)) == found["correlation_error"]
        )

    def test_replicates_with_anything_not_finite_are_left_out_of_all_three(self) -> None:
        covariance, first_sd, second_sd, first, second = self.fits(30, 4)
        covariance[3], second[5] = np.nan, np.inf
        found = pair_recovery(covariance, first_sd, second_sd, first, second)
        assert {value.n for value in found.values()} == {28}

    def test_the_unit_of_a_parameter_does_not_matter_but_its_sign_does(self) -> None:
        covariance, first_sd, second_sd, first, second = self.fits(80, 5)
        once = pair_recovery(covariance, first_sd, second_sd, first, second)
        turned = pair_recovery(-3 * covariance, 3 * first_sd, second_sd, -3 * first, second)
        for name, value in once.items():
            assert turned[name].estimate == pytest.approx(-value.estimate, rel=1e-9)
            assert turned[name].mcse == pytest.approx(value.mcse, rel=1e-9)
