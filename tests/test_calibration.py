"""Ranks and their uniformity: full enumeration, published thresholds, size, power, traps."""

import math
from fractions import Fraction
from functools import lru_cache
from itertools import product
from typing import cast

import numpy as np
import pytest

from recovery.calibration import (
    band_gamma,
    ecdf_band,
    gamma_statistic,
    path_probability,
    randomised_pit,
    ranks,
    uniformity,
)


@lru_cache
def tail(at_most: int, n: int, k: int, n_cells: int) -> Fraction:
    """Return P(Bin(n, k / n_cells) <= at_most), exactly."""
    p = Fraction(k, n_cells)
    return sum(
        (math.comb(n, x) * p**x * (1 - p) ** (n - x) for x in range(at_most + 1)), Fraction(0)
    )


def gamma_by_hand(sample: tuple[int, ...], n_cells: int) -> Fraction:
    """Return 2 min_k min{P(Bin <= R_k), P(Bin >= R_k)}, exactly."""
    n = len(sample)
    tails = []
    for k in range(1, n_cells):
        below = sum(rank < k for rank in sample)
        tails += [tail(below, n, k, n_cells), 1 - tail(below - 1, n, k, n_cells)]
    return 2 * min(tails)


@lru_cache
def every_gamma(n: int, n_cells: int) -> dict[tuple[int, ...], Fraction]:
    """Return gamma for each of the n_cells ** n equally likely samples."""
    return {sample: gamma_by_hand(sample, n_cells) for sample in product(range(n_cells), repeat=n)}


DESIGNS = [(1, 2), (1, 20), (2, 5), (3, 3), (4, 4), (5, 4), (4, 5), (7, 3), (10, 2)]
PUBLISHED = [
    (50, 20, 0.01031, 0.9518),
    (50, 50, 0.00642, None),
    (100, 20, 0.00855, None),
    (100, 100, 0.00411, 0.9505),
    (200, 100, 0.00353, None),
    (500, 100, 0.00301, None),
    (1000, 100, 0.00267, 0.9501),
]


class TestExactness:
    """The band and its probabilities against enumeration of every possible sample."""

    @pytest.mark.parametrize(("n", "n_cells"), DESIGNS)
    def test_gamma_is_its_definition_for_every_possible_sample(self, n: int, n_cells: int) -> None:
        for sample, gamma in every_gamma(n, n_cells).items():
            assert gamma_statistic(sample, n_cells - 1) == pytest.approx(float(gamma), rel=1e-12)

    @pytest.mark.parametrize(("n", "n_cells"), DESIGNS)
    def test_the_path_probability_is_the_share_of_samples_inside(
        self, n: int, n_cells: int
    ) -> None:
        gammas = list(every_gamma(n, n_cells).values())
        for value in set(gammas):
            at_least = sum(gamma >= value for gamma in gammas) / len(gammas)
            above = sum(gamma > value for gamma in gammas) / len(gammas)
            # Equal fractions may differ in their last bit as floats; so step around the value.
            just_below, just_above = float(value) * (1 - 1e-9), float(value) * (1 + 1e-9)
            assert path_probability(n, n_cells, just_below) == pytest.approx(at_least, abs=1e-12)
            assert path_probability(n, n_cells, just_above) == pytest.approx(above, abs=1e-12)

    @pytest.mark.parametrize(("n", "n_cells"), DESIGNS)
    @pytest.mark.parametrize("alpha", ["0.05", "0.21", "0.47"])
    def test_the_threshold_is_the_largest_with_the_promised_coverage(
        self, n: int, n_cells: int, alpha: str
    ) -> None:
        gammas = list(every_gamma(n, n_cells).values())
        allowed = 1 - Fraction(alpha)  # a share that no number of samples hits exactly
        best = max(g for g in set(gammas) if sum(x >= g for x in gammas) >= allowed * len(gammas))
        assert band_gamma(n, n_cells, float(alpha)) == pytest.approx(float(best), rel=1e-12)

    @pytest.mark.parametrize(("n", "n_cells"), [(3, 3), (5, 4), (4, 5), (7, 3)])
    def test_the_p_value_is_the_share_of_samples_as_extreme(self, n: int, n_cells: int) -> None:
        gammas = every_gamma(n, n_cells)
        for sample, gamma in list(gammas.items())[:: max(1, len(gammas) // 60)]:
            as_extreme = sum(x <= gamma for x in gammas.values()) / len(gammas)
            more_extreme = sum(x < gamma for x in gammas.values()) / len(gammas)
            got = uniformity(sample, n_cells - 1).p_value
            # Fractions that are equal, but not mirror images, may split in their last bit.
            assert more_extreme - 1e-12 <= got <= as_extreme + 1e-12
            assert got > more_extreme

    @pytest.mark.parametrize(("n", "n_cells", "gamma", "probability"), PUBLISHED)
    def test_the_threshold_has_the_reference_digits(
        self, n: int, n_cells: int, gamma: float, probability: float | None
    ) -> None:
        got = band_gamma(n, n_cells)
        assert round(got, 5) == gamma
        reached = path_probability(n, n_cells, got)
        assert probability is None or round(reached, 4) == probability
        assert reached >= 0.95 > path_probability(n, n_cells, math.nextafter(got, 1))

    def test_the_path_probability_agrees_with_a_million_simulated_paths(self) -> None:
        # n and n_cells without a common factor; the false alarm at four sigma is 6e-5.
        n, n_cells, simulated = 37, 11, 1_000_000
        rng = np.random.default_rng(1)
        cells = rng.multinomial(n, np.full(n_cells, 1 / n_cells), size=simulated)
        paths = np.cumsum(cells, axis=1)[:, :-1]
        lower, upper = ecdf_band(n, n_cells, 0.2)
        inside = np.mean(np.all((lower <= paths) & (paths <= upper), axis=1))
        exact = path_probability(n, n_cells, band_gamma(n, n_cells, 0.2))
        assert inside == pytest.approx(exact, abs=4 * math.sqrt(0.2 * 0.8 / simulated))

    @pytest.mark.parametrize(("n", "n_cells"), [(3000, 10), (1000, 100), (30, 2000)])
    def test_nothing_is_lost_over_a_long_path(self, n: int, n_cells: int) -> None:
        assert path_probability(n, n_cells, 0.0) == pytest.approx(1, abs=1e-9)
        assert path_probability(n, n_cells, 2.0) == 0

    @pytest.mark.parametrize(("n", "n_cells"), [(1, 20), (13, 7), (100, 100)])
    def test_the_band_is_its_own_mirror_image_and_holds_the_diagonal(
        self, n: int, n_cells: int
    ) -> None:
        lower, upper = ecdf_band(n, n_cells)
        assert lower.dtype == upper.dtype == np.int64
        assert lower.shape == upper.shape == (n_cells - 1,)
        assert (lower == n - upper[::-1]).all()
        diagonal = n * np.arange(1, n_cells) / n_cells
        assert ((lower <= diagonal) & (diagonal <= upper)).all()
        assert (np.diff(lower) >= 0).all()

    def test_a_cached_band_cannot_be_changed_by_its_reader(self) -> None:
        lower, _ = ecdf_band(50, 20)
        with pytest.raises(ValueError, match="read-only"):
            lower[0] = 7


class TestUniformity:
    """The test as a whole: consistent, of its stated size, and able to see."""

    @pytest.mark.parametrize("alpha", [0.05, 0.3])
    def test_band_threshold_and_p_value_always_agree(self, alpha: float) -> None:
        rng = np.random.default_rng(2)
        rejections = 0
        for i in range(600):
            n = int(rng.integers(1, 60))
            sample = (20 * rng.beta(1, 1 + i % 3 / 4, n)).astype(np.int64)
            got = uniformity(sample, 19, alpha)
            below = np.array([(sample < k).sum() for k in range(1, 20)])
            lower, upper = ecdf_band(n, 20, alpha)
            outside = bool(((below < lower) | (below > upper)).any())
            assert outside == got.rejected == (got.gamma < got.threshold) == (got.p_value <= alpha)
            assert (got.n, got.n_cells, got.threshold) == (n, 20, band_gamma(n, 20, alpha))
            rejections += outside
        assert 50 < rejections < 550

    def test_uniform_ranks_are_rejected_as_often_as_the_exact_size_says(self) -> None:
        # 20,000 tests of 50 ranks in 0..19; the exact size is 1 - .9518. Four sigma: 6e-5.
        sample = np.random.default_rng(3).integers(0, 20, size=(20_000, 50))
        threshold = band_gamma(50, 20)
        rejected = np.mean([gamma_statistic(row, 19) < threshold for row in sample])
        size = 1 - path_probability(50, 20, threshold)
        assert rejected == pytest.approx(size, abs=4 * math.sqrt(size * (1 - size) / 20_000))
        assert size == pytest.approx(0.0482, abs=5e-5)

    @pytest.mark.parametrize(
        ("scale", "shift", "n", "expected"),
        [
            (0.5, 0.0, 50, 0.99),
            (0.8, 0.0, 100, 0.45),
            (0.8, 0.0, 200, 0.83),
            (0.9, 0.0, 500, 0.48),
            (1.25, 0.0, 200, 0.67),
            (1.0, 0.25, 200, 0.83),
            (1.0, 0.5, 50, 0.85),
        ],
    )
    def test_flawed_posteriors_are_found_as_often_as_known(
        self, scale: float, shift: float, n: int, expected: float
    ) -> None:
        # Expected rates come from 150 runs, ours from 400: 4 sigma of both, false alarm 6e-5.
        rng = np.random.default_rng(4)
        draws = shift + scale * rng.normal(size=(400, n, 99))
        sample = np.count_nonzero(draws < rng.normal(size=(400, n, 1)), axis=2)
        rejected = np.mean([gamma_statistic(row, 99) < band_gamma(n, 100) for row in sample])
        sigma = math.sqrt(expected * (1 - expected) * (1 / 150 + 1 / 400))
        assert rejected == pytest.approx(expected, abs=4 * sigma)

    def test_the_order_of_the_ranks_does_not_matter(self) -> None:
        sample = np.random.default_rng(5).integers(0, 100, 80)
        assert uniformity(sample, 99) == uniformity(sample[::-1], 99)

    def test_turning_the_ranks_round_gives_the_same_test_to_the_last_bit(self) -> None:
        sample = np.random.default_rng(6).integers(0, 100, 80)
        assert uniformity(sample, 99) == uniformity(99 - sample, 99)

    def test_no_ranks_give_no_verdict(self) -> None:
        got = uniformity([], 99)
        assert math.isnan(got.gamma)
        assert math.isnan(got.threshold)
        assert math.isnan(got.p_value)
        assert (got.n, got.n_cells, got.rejected) == (0, 100, False)

    def test_a_hopeless_sample_has_a_p_value_of_nearly_zero_not_below(self) -> None:
        assert 0 <= uniformity([99] * 500, 99).p_value < 1e-12


class TestTraps:
    """Mistakes that other harnesses have made."""

    def test_ranks_uniform_on_part_of_their_range_are_rejected(self) -> None:
        # Rescaled by the greatest rank seen, these 1,000 would be perfectly uniform.
        sample = np.arange(1000) % 31
        assert uniformity(sample, 99).rejected
        assert not uniformity(sample, 30).rejected

    def test_ranks_at_both_ends_of_the_range_are_no_cause_for_alarm(self) -> None:
        for n in (100, 1000):
            assert not uniformity(np.arange(n) % 100, 99).rejected
        assert not uniformity([0, 99], 99).rejected

    @pytest.mark.parametrize("drawn", [0.0, math.nextafter(1.0, 0.0)])
    def test_a_pit_is_never_exactly_zero_or_one(self, drawn: float) -> None:
        class Extreme:
            def random(self, shape: tuple[int, ...]) -> np.ndarray:
                return np.full(shape, drawn)

        rng = cast(np.random.Generator, Extreme())
        for n_draws in (1, 99, 4000):
            pit = randomised_pit(np.array([0, n_draws]), n_draws, rng)
            assert ((pit > 0) & (pit < 1)).all()

    def test_a_pit_lies_in_the_cell_of_its_rank(self) -> None:
        rank = np.arange(100).repeat(50)
        pit = randomised_pit(rank, 99, np.random.default_rng(7))
        assert (np.floor(pit * 100) == rank).all()
        assert pit.min() < 0.001
        assert pit.max() > 0.999

    def test_the_pit_of_uniform_ranks_is_uniform_even_with_one_draw(self) -> None:
        # Mean and variance of 100,000 against 1/2 and 1/12 at four sigma: false alarm 1e-4.
        rng = np.random.default_rng(8)
        pit = randomised_pit(rng.integers(0, 2, 100_000), 1, rng)
        assert pit.mean() == pytest.approx(1 / 2, abs=4 * math.sqrt(1 / 12 / 100_000))
        assert pit.var() == pytest.approx(1 / 12, abs=4 * math.sqrt(1 / 180 / 100_000))

    @pytest.mark.parametrize("value", [0.0, 3.5, math.nan, math.inf])
    def test_a_parameter_that_is_constant_gets_ranks_by_random_ties(self, value: float) -> None:
        # 400 tests of one set of ranks each would reject 5 %; this set has a fixed seed.
        draws, truth = np.full((99, 2000), value), np.full(2000, value)
        got = ranks(draws, truth, np.random.default_rng(9))
        assert (got.min(), got.max()) == (0, 99)
        assert not uniformity(got, 99).rejected

    def test_a_constant_on_the_wrong_side_of_the_truth_has_an_extreme_rank(self) -> None:
        draws = np.full((99, 2), 1.0)
        got = ranks(draws, np.array([0.5, 1.5]), np.random.default_rng(0))
        assert got.tolist() == [0, 99]

    @pytest.mark.parametrize("truth", [np.nan, 0.0])
    def test_a_truth_or_a_draw_that_is_nan_counts_as_a_tie(self, truth: float) -> None:
        draws = np.tile([[-1.0], [np.nan], [np.nan], [2.0]], 3000)
        got = ranks(draws, np.full(3000, truth), np.random.default_rng(10))
        assert set(got) == ({0, 1, 2, 3, 4} if math.isnan(truth) else {1, 2, 3})

    def test_ranks_that_were_divided_or_are_out_of_range_are_refused(self) -> None:
        with pytest.raises(ValueError, match="must be integers, got float64"):
            uniformity(np.array([0.1, 0.5]), 99)
        with pytest.raises(ValueError, match=r"lie in 0..99, got 0..100"):
            uniformity(np.array([0, 100]), 99)
        with pytest.raises(ValueError, match=r"got -1..3"):
            gamma_statistic(np.array([-1, 3]), 99)
        with pytest.raises(ValueError, match="must be integers"):
            randomised_pit(0.5, 99, np.random.default_rng(0))


class TestRanks:
    """The rank of a truth among its draws."""

    def test_a_rank_is_the_number_of_draws_below_the_truth(self) -> None:
        rng = np.random.default_rng(11)
        draws, truth = rng.normal(size=(60, 8)), rng.normal(size=8)
        expected = [
            sum(draw < t for draw in column) for column, t in zip(draws.T, truth, strict=True)
        ]
        got = ranks(draws, truth, rng)
        assert got.dtype == np.int64
        assert got.tolist() == expected

    def test_ties_are_broken_evenly_between_all_that_is_possible(self) -> None:
        # Two below, three ties: 2, 3, 4 or 5, each 10,000 of 40,000 times to four sigma (sd 87);
        # false alarm 3e-4.
        draws = np.tile([[0.0], [0.0], [1.0], [1.0], [1.0], [2.0]], 40_000)
        got = ranks(draws, np.ones(40_000), np.random.default_rng(12))
        count = np.bincount(got, minlength=7)
        assert count[[0, 1, 6]].tolist() == [0, 0, 0]
        assert count[2:6] == pytest.approx(np.full(4, 10_000), abs=4 * 87)

    def test_integer_parameters_of_a_right_posterior_have_uniform_ranks(self) -> None:
        # Truth and draws from one Poisson(2): many ties. Fixed seed; false alarm .05 without.
        rng = np.random.default_rng(13)
        got = ranks(rng.poisson(2, (99, 3000)), rng.poisson(2, 3000), rng)
        assert uniformity(got, 99).p_value > 0.05

    def test_infinite_draws_are_ordered_not_tied(self) -> None:
        draws = np.array([[-np.inf], [np.inf], [np.inf]])
        assert ranks(draws, np.zeros(1), np.random.default_rng(0)).tolist() == [1]

    def test_one_seed_gives_one_set_of_ranks(self) -> None:
        draws, truth = np.zeros((99, 50)), np.zeros(50)
        first, second = (ranks(draws, truth, np.random.default_rng(14)) for _ in range(2))
        assert (first == second).all()

    @pytest.mark.parametrize(("draws", "truth"), [((99,), (1,)), ((99, 2), (3,)), ((99, 2), ())])
    def test_shapes_that_do_not_match_are_refused(
        self, draws: tuple[int, ...], truth: tuple[int, ...]
    ) -> None:
        with pytest.raises(ValueError, match=r"n_draws, n_parameters"):
            ranks(np.zeros(draws), np.zeros(truth), np.random.default_rng(0))


class TestDesigns:
    """What has no band is refused."""

    @pytest.mark.parametrize(
        ("n", "n_cells", "alpha"),
        [(0, 20, 0.05), (50, 1, 0.05), (50, 20, 0.0), (50, 20, 1.0), (50, 20, math.nan)],
    )
    def test_an_impossible_design_is_refused(self, n: int, n_cells: int, alpha: float) -> None:
        with pytest.raises(ValueError, match="must"):
            band_gamma(n, n_cells, alpha)

    def test_no_draws_are_refused(self) -> None:
        with pytest.raises(ValueError, match="n_draws must be at least 1"):
            uniformity([0, 0], 0)
