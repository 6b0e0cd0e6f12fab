"""Shares of replicates: their interval, and how many replicates a share takes."""

import math

import numpy as np
import pytest

from recovery import shares


class TestBinomialInterval:
    """Jeffreys intervals for display."""

    @staticmethod
    def beta_probability(a: float, b: float, low: float, high: float) -> float:
        """Integrate the Beta(a, b) density by the midpoint rule, over x = sin^2."""
        edges = np.linspace(math.asin(math.sqrt(low)), math.asin(math.sqrt(high)), 20_001)
        middle, step = (edges[1:] + edges[:-1]) / 2, edges[1] - edges[0]
        log_density = (2 * a - 1) * np.log(np.sin(middle)) + (2 * b - 1) * np.log(np.cos(middle))
        log_beta = math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
        return float(np.sum(2 * np.exp(log_density - log_beta)) * step)

    @pytest.mark.parametrize(("k", "n", "prob"), [(1, 20, 0.95), (7, 10, 0.5), (90, 100, 0.9)])
    def test_it_leaves_equal_tails_of_the_jeffreys_posterior(
        self, k: int, n: int, prob: float
    ) -> None:
        low, high = shares.binomial_interval(k / n, n, prob)
        a, b = k + 0.5, n - k + 0.5
        assert self.beta_probability(a, b, 0, low) == pytest.approx((1 - prob) / 2, rel=1e-4)
        assert self.beta_probability(a, b, high, 1) == pytest.approx((1 - prob) / 2, rel=1e-4)

    def test_its_ends_are_exact_at_none_and_all(self) -> None:
        low, high = shares.binomial_interval(0.0, 50)
        assert low == 0.0
        assert self.beta_probability(0.5, 50.5, high, 1) == pytest.approx(0.025, rel=1e-4)
        mirror = shares.binomial_interval(1.0, 50)
        assert mirror[0] == pytest.approx(1 - high)
        assert mirror[1] == 1.0

    def test_nothing_observed_gives_no_interval(self) -> None:
        assert all(math.isnan(x) for x in shares.binomial_interval(math.nan, 0))
        assert all(math.isnan(x) for x in shares.binomial_interval(0.5, 0))

    @pytest.mark.parametrize(("p_hat", "prob"), [(1.2, 0.95), (-0.1, 0.95), (0.5, 95.0)])
    def test_what_is_no_probability_is_refused(self, p_hat: float, prob: float) -> None:
        with pytest.raises(ValueError, match="between 0 and 1"):
            shares.binomial_interval(p_hat, 10, prob)


class TestPlanning:
    """How many replicates a mcse takes."""

    @pytest.mark.parametrize(
        ("mcse", "level", "n"),
        [(0.005, 0.95, 1900), (0.01, 0.95, 475), (0.01, 0.5, 2500), (0.03, 0.9, 100)],
    )
    def test_the_number_is_that_of_the_paper(self, mcse: float, level: float, n: int) -> None:
        assert shares.replicates_for(mcse, level) == n

    def test_the_number_is_the_smallest_that_suffices(self) -> None:
        n = shares.replicates_for(0.0123, 0.9)
        assert math.sqrt(0.09 / n) <= 0.0123 < math.sqrt(0.09 / (n - 1))

    @pytest.mark.parametrize(
        ("mcse", "level"), [(0.0, 0.9), (-1.0, 0.9), (math.nan, 0.9), (0.01, 90)]
    )
    def test_what_cannot_be_planned_is_refused(self, mcse: float, level: float) -> None:
        with pytest.raises(ValueError, match="must"):
            shares.replicates_for(mcse, level)
