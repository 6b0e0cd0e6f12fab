"""Performance measures: closed forms, brute force, simulated sampling distributions, relations."""

import math
import statistics
from collections.abc import Callable
from statistics import NormalDist
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from recovery import measures
from recovery.measures import MEASURES, Measured, measure_info, performance

Array = NDArray[np.float64]
NORMAL = NormalDist()
POINT = [
    "bias", "relative_bias", "standardised_bias", "empirical_se", "mse", "rmse", "mae",
    "model_se", "model_se_relative_error", "z_mean", "z_sd", "contraction",
]  # fmt: skip
AGREEMENT = ["recovery_correlation", "concordance", "self_consistency_slope"]
POINT += AGREEMENT
LEVEL = [
    "coverage", "miss_left", "miss_right", "bias_eliminated_coverage", "interval_width",
    "interval_score", "power", "sign_error", "exaggeration",
]  # fmt: skip
SHARES = [
    "coverage", "miss_left", "miss_right", "bias_eliminated_coverage", "power", "sign_error",
]  # fmt: skip
PAIRS = [
    "relative_precision", "claimed_correlation", "error_correlation", "correlation_error",
]  # fmt: skip
CHOSEN = ["sign_error", "exaggeration"]  # n counts the intervals that exclude 0


def replicates(n: int, seed: int, *, heavy: bool = False) -> dict[str, Array]:
    """Biased, miscalibrated posteriors of varying width; heavy: errors that follow that width."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(3.0, 0.5, n)
    sd = np.abs(rng.normal(size=n)) + 0.05 if heavy else rng.uniform(0.8, 1.2, n)
    mean = truth + 0.4 + 1.3 * rng.normal(size=n) * (sd if heavy else 1.0)
    return {
        "mean": mean,
        "sd": sd,
        "truth": truth,
        "lower": mean - 1.5 * sd,
        "upper": mean + 2 * sd,
    }


def suited(name: str, of: dict[str, Array]) -> dict[str, Array]:
    """Give relative bias the same truth everywhere, and decisions truths that are near 0."""
    if name in ("power", *CHOSEN):
        if of["truth"].size and np.nanmedian(of["truth"]) < 1:
            return of
        return {k: x if k == "sd" else x - 2.9 for k, x in of.items()}
    finite = np.isfinite(of["truth"])
    if name != "relative_bias" or np.unique(of["truth"][finite]).size <= 1:
        return of
    return of | {"truth": np.where(finite, 3.0, of["truth"])}


def measured(name: str, of: dict[str, Array], prior_sd: float = 2.0) -> Measured:
    """Call the public function of one measure, at the level 0.9."""
    of = suited(name, of)
    takes = {
        "model_se": ["sd"], "model_se_relative_error": ["mean", "truth", "sd"],
        "z_mean": ["mean", "sd", "truth"], "z_sd": ["mean", "sd", "truth"], "contraction": ["sd"],
        "coverage": ["lower", "upper", "truth"], "miss_left": ["lower", "upper", "truth"],
        "miss_right": ["lower", "upper", "truth"], "interval_width": ["lower", "upper"],
        "bias_eliminated_coverage": ["lower", "upper", "mean", "truth"],
        "interval_score": ["lower", "upper", "truth"], "power": ["lower", "upper"],
        "sign_error": ["lower", "upper", "mean", "truth"],
        "exaggeration": ["lower", "upper", "mean", "truth"],
    }.get(name, ["mean", "truth"])  # fmt: skip
    scalars = {"contraction": [prior_sd], "interval_score": [0.9]}.get(name, [])
    function: Callable[..., Measured] = getattr(measures, name)
    return function(*[of[argument] for argument in takes], *scalars)


def by_hand(name: str, of: dict[str, Array]) -> float:
    """Compute one measure with Python loops and the statistics module only."""
    of = suited(name, of)
    rows = list(
        zip(*(of[k].tolist() for k in ("mean", "sd", "truth", "lower", "upper")), strict=True)
    )
    n = len(rows)
    errors = [m - t for m, _, t, _, _ in rows]
    z = [(m - t) / s for m, s, t, _, _ in rows]
    shift = sum(errors) / n
    model = math.sqrt(sum(s**2 for _, s, _, _, _ in rows) / n)
    means, truths = [m for m, _, _, _, _ in rows], [t for _, _, t, _, _ in rows]
    chosen = [(m, t) for m, _, t, low, up in rows if low > 0 or up < 0]

    def penalty(t: float, low: float, high: float) -> float:
        return 20 * (low - t) if t < low else 20 * (t - high) if t > high else 0.0

    formulas: dict[str, Callable[[], float]] = {
        "bias": lambda: shift,
        "relative_bias": lambda: sum(e / r[2] for e, r in zip(errors, rows, strict=True)) / n,
        "standardised_bias": lambda: shift / statistics.stdev(errors),
        "empirical_se": lambda: statistics.stdev(errors),
        "mae": lambda: sum(abs(e) for e in errors) / n,
        "recovery_correlation": lambda: statistics.correlation(truths, means),
        "concordance": lambda: (
            2
            * statistics.covariance(truths, means)
            * (n - 1)
            / n
            / (statistics.pvariance(truths) + statistics.pvariance(means) + shift**2)
        ),
        "self_consistency_slope": lambda: statistics.linear_regression(means, truths).slope,
        "power": lambda: len(chosen) / n,
        "sign_error": lambda: (
            sum(m * t < 0 for m, t in chosen) / len(chosen) if chosen else math.nan
        ),
        "exaggeration": lambda: (
            sum(abs(m) for m, _ in chosen) / sum(abs(t) for _, t in chosen) if chosen else math.nan
        ),
        "model_se": lambda: model,
        "model_se_relative_error": lambda: 100 * (model / statistics.stdev(errors) - 1),
        "mse": lambda: sum(e**2 for e in errors) / n,
        "rmse": lambda: math.sqrt(sum(e**2 for e in errors) / n),
        "z_mean": lambda: sum(z) / n,
        "z_sd": lambda: statistics.stdev(z),
        "contraction": lambda: sum(1 - s**2 / 4 for _, s, _, _, _ in rows) / n,
        "coverage": lambda: sum(lo <= t <= up for _, _, t, lo, up in rows) / n,
        "miss_left": lambda: sum(t < lo for _, _, t, lo, _ in rows) / n,
        "miss_right": lambda: sum(t > up for _, _, t, _, up in rows) / n,
        "bias_eliminated_coverage": lambda: (
            sum(lo - shift <= t <= up - shift for _, _, t, lo, up in rows) / n
        ),
        "interval_width": lambda: sum(up - lo for _, _, _, lo, up in rows) / n,
        "interval_score": lambda: sum(up - lo + penalty(t, lo, up) for _, _, t, lo, up in rows) / n,
    }
    return formulas[name]()


def normal_scores(n: int) -> Array:
    """Return a deterministic sample of the standard normal: its quantiles at the cell middles."""
    return np.array([NORMAL.inv_cdf((i + 0.5) / n) for i in range(n)])


class TestFormulas:
    """Every estimate and every mcse against an independent computation."""

    @pytest.mark.parametrize("name", POINT + LEVEL)
    @pytest.mark.parametrize("n", [2, 3, 17, 100])
    def test_every_estimate_is_what_a_plain_loop_gives(self, name: str, n: int) -> None:
        of = replicates(n, seed=n)
        expected = pytest.approx(by_hand(name, of), rel=1e-12, nan_ok=name in CHOSEN)
        assert measured(name, of).estimate == expected
        assert measured(name, of).n == n or name in CHOSEN

    @pytest.mark.parametrize("name", [n for n in POINT + LEVEL if n != "bias_eliminated_coverage"])
    @pytest.mark.parametrize("heavy", [False, True])
    def test_every_mcse_is_near_a_jackknife_that_really_leaves_one_out(
        self, name: str, heavy: bool
    ) -> None:
        # They are equal for a mean and equal to order 1 / n for the rest. Bias-eliminated coverage
        # is a step function of the bias, which no jackknife measures.
        of = replicates(n := 400, seed=8, heavy=heavy)
        left_out = [by_hand(name, {k: np.delete(x, i) for k, x in of.items()}) for i in range(n)]
        jackknife = math.sqrt((n - 1) / n * sum((x - np.mean(left_out)) ** 2 for x in left_out))
        means = {"bias", "relative_bias", "mse", "z_mean", "contraction", *LEVEL[4:6], "mae"}
        tolerance = 1e-6 if name in means else 0.04 if heavy else 0.01
        assert measured(name, of).mcse == pytest.approx(jackknife, rel=tolerance)

    @staticmethod
    def typical_mcse_and_spread(name: str, heavy: bool) -> tuple[float, float]:
        """Return the root mean square mcse, and the sd of the estimate, over 2,500 experiments."""
        results = [
            measured(name, replicates(200, (heavy + 1) * 10_000 + i, heavy=heavy))
            for i in range(2500)
        ]
        typical = math.sqrt(np.mean([result.mcse**2 for result in results]))
        return typical, float(np.std([result.estimate for result in results], ddof=1))

    @pytest.mark.parametrize(
        ("name", "heavy"),
        [
            (name, heavy)
            for name in POINT + LEVEL
            for heavy in (False, True)
            if (name, heavy) != ("bias_eliminated_coverage", True)
        ],
    )
    def test_every_mcse_is_the_sd_of_the_measure_over_repeated_experiments(
        self, name: str, heavy: bool
    ) -> None:
        # The sd over 2,500 experiments is known to 1.4 % (normal) or 2 % (heavy tails), and the
        # delta method falls short by up to 4 % at 200 replicates. Three sigma are left of the 10 %:
        # false alarm .003 a case, and the seeds are fixed.
        typical, spread = self.typical_mcse_and_spread(name, heavy)
        assert typical == pytest.approx(spread, rel=0.1)

    def test_bias_eliminated_coverage_has_a_mcse_up_to_a_fifth_too_small(self) -> None:
        # Lopsided intervals of very unequal width: the error of the bias itself, which the
        # published formula leaves out, now shows. This pins the limit that its docstring states.
        typical, spread = self.typical_mcse_and_spread("bias_eliminated_coverage", heavy=True)
        assert 0.8 < typical / spread < 0.95

    def test_normal_theory_would_halve_the_mcse_where_the_noise_varies_between_replicates(
        self,
    ) -> None:
        # Errors with a half-normal scale have kurtosis 9, so the mcse is sqrt((9 - 1) / 2) = 2
        # times the normal one; 400,000 replicates know the ratio to about 2 %.
        rng = np.random.default_rng(3)
        error = rng.normal(size=400_000) * np.abs(rng.normal(size=400_000))
        se = measures.empirical_se(error, np.zeros_like(error))
        assert se.mcse / (se.estimate / math.sqrt(2 * (se.n - 1))) == pytest.approx(2, rel=0.08)

    def test_skewed_errors_carry_their_skewness_into_the_mcse_of_standardised_bias(self) -> None:
        # Exponential errors: b = 1, skewness 2, kurtosis 9, so n mcse^2 = 1 - 2 b + 8 b^2 / 4 = 1,
        # where b^2 / 2 would stand for normal errors and give 1.5. 400,000 know it to about 4 %.
        error = np.random.default_rng(15).exponential(size=400_000)
        got = measures.standardised_bias(error, np.zeros_like(error))
        assert got.estimate == pytest.approx(1, abs=4 * got.mcse)
        assert got.mcse * math.sqrt(got.n) == pytest.approx(1, rel=0.1)

    def test_the_error_of_the_prior_variance_is_added_in_quadrature(self) -> None:
        of = replicates(50, seed=1)
        known = measures.contraction(of["sd"], 2.0)
        guessed = measures.contraction(of["sd"], 2.0, 0.1)
        # d(1 - v / V) = (v / V) dV / V
        extra = (1 - known.estimate) * 0.1
        assert guessed.estimate == known.estimate
        assert guessed.mcse == pytest.approx(math.sqrt(known.mcse**2 + extra**2), rel=1e-12)

    def test_the_prior_variance_error_is_its_spread_when_the_prior_is_estimated(self) -> None:
        # The variance of 500 normal draws has relative se sqrt(2 / 499); the sd over 4,000 priors
        # is known to 1.1 %, so 6 % is beyond five sigma.
        rng = np.random.default_rng(5)
        sd = np.full(10, 0.8)
        relative = math.sqrt(2 / 499)
        got = [
            measures.contraction(sd, float(np.std(rng.normal(size=500), ddof=1)), relative)
            for _ in range(4000)
        ]
        spread = np.std([g.estimate for g in got])
        assert np.mean([g.mcse for g in got]) == pytest.approx(spread, rel=0.06)

    def test_contraction_is_negative_where_the_posterior_is_wider_than_the_prior(self) -> None:
        assert measures.contraction(np.array([2.0, 2.0]), 1.0)[:3] == (-3.0, 0.0, 2)

    @pytest.mark.parametrize("k", [0, 1, 9, 10])
    def test_a_share_of_none_or_all_has_the_spread_of_its_jeffreys_posterior(self, k: int) -> None:
        n = 10
        truth = np.where(np.arange(n) < k, 0.0, 5.0)
        share = measures.coverage(np.full(n, -1.0), np.full(n, 1.0), truth)
        a, b = k + 0.5, n - k + 0.5
        jeffreys = math.sqrt(a * b / ((a + b) ** 2 * (a + b + 1)))
        binomial = math.sqrt(k / n * (1 - k / n) / n)
        assert (share.estimate, share.n) == (k / n, n)
        assert share.mcse == pytest.approx(jeffreys if k in (0, n) else binomial)

    def test_a_truth_on_an_end_of_the_interval_is_covered(self) -> None:
        lower, upper = np.array([0.0, 0.0, 0.0]), np.array([1.0, 1.0, 1.0])
        truth = np.array([0.0, 1.0, 0.5])
        assert measures.coverage(lower, upper, truth).estimate == 1
        assert measures.miss_left(lower, upper, truth).estimate == 0
        assert measures.miss_right(lower, upper, truth).estimate == 0

    def test_at_a_fixed_truth_bias_eliminated_coverage_asks_for_the_average_mean(self) -> None:
        of = replicates(500, seed=2)
        truth = np.full(500, 2.0)
        hits = (of["lower"] <= of["mean"].mean()) & (of["mean"].mean() <= of["upper"])
        got = measures.bias_eliminated_coverage(of["lower"], of["upper"], of["mean"], truth)
        assert got.estimate == hits.mean()
        assert got.estimate != measures.coverage(of["lower"], of["upper"], truth).estimate


class TestRelations:
    """What must not change, and what must change how, when the numbers are changed."""

    @staticmethod
    def all_of(of: dict[str, Array], prior_sd: float = 2.0) -> dict[str, Measured]:
        interval, crps = (of["lower"], of["upper"]), of["upper"] - of["lower"]
        return performance(
            of["mean"], of["sd"], of["truth"], {0.9: interval}, prior_sd,
            crps=crps, mcse_mean=of["sd"] / 20, ess_tail=np.full(len(crps), 400.0),
        )  # fmt: skip

    @staticmethod
    def fits(truth: str) -> dict[str, Array]:
        """Of one truth or of several, with power, sign errors and misses on both sides."""
        of = {k: x if k == "sd" else x - 2.7 for k, x in replicates(80, seed=4).items()}
        return of if truth == "drawn" else of | {"truth": np.full(80, 0.3)}

    @staticmethod
    def near(value: Measured, factor: float = 1.0) -> Any:
        estimate, mcse, n, share = value
        scaled = estimate * factor, mcse * abs(factor), n, share
        return pytest.approx(scaled, rel=1e-9, abs=1e-12, nan_ok=True)

    @pytest.mark.parametrize("truth", ["fixed", "drawn"])
    def test_shifting_truth_and_posterior_together_changes_what_is_about_0_alone(
        self, truth: str
    ) -> None:
        of = self.fits(truth)
        before = self.all_of(of)
        after = self.all_of({k: x if k == "sd" else x + 0.5 for k, x in of.items()})
        for name, value in before.items():
            if name.startswith(("relative_bias", "power", "sign_error", "exaggeration")):
                assert after[name] != value or value.n == 0, name
            else:
                assert tuple(after[name]) == self.near(value), name

    @pytest.mark.parametrize("truth", ["fixed", "drawn"])
    @pytest.mark.parametrize("c", [0.001, 250.0])
    def test_a_change_of_unit_scales_each_measure_by_its_own_unit(
        self, c: float, truth: str
    ) -> None:
        of = self.fits(truth)
        before = self.all_of(of)
        after = self.all_of({k: c * x for k, x in of.items()}, prior_sd=2.0 * c)
        powers = {"parameter units": 1, "squared parameter units": 2}
        for name, value in before.items():
            factor = c ** powers.get(measure_info(name).unit, 0)
            assert tuple(after[name]) == self.near(value, factor), name

    @pytest.mark.parametrize("truth", ["fixed", "drawn"])
    def test_a_mirror_image_swaps_the_misses_and_the_sign_of_the_bias(self, truth: str) -> None:
        of = self.fits(truth)
        mirror = {k: x if k == "sd" else -x for k, x in of.items()}
        mirror["lower"], mirror["upper"] = mirror["upper"], mirror["lower"]
        before, after = self.all_of(of), self.all_of(mirror)
        assert before["miss_left_90"] != before["miss_right_90"]
        swapped = {"miss_left_90": "miss_right_90", "miss_right_90": "miss_left_90"}
        for name, value in before.items():
            if name == "crps":  # made of the ends here
                continue
            sign = -1 if name in ("bias", "standardised_bias", "z_mean") else 1
            assert tuple(after[swapped.get(name, name)]) == self.near(value, sign), name

    @pytest.mark.parametrize("truth", ["fixed", "drawn"])
    def test_the_order_of_the_replicates_does_not_matter(self, truth: str) -> None:
        of = self.fits(truth)
        order = np.random.default_rng(0).permutation(80)
        after = self.all_of({k: x[order] for k, x in of.items()})
        for name, value in self.all_of(of).items():
            assert tuple(after[name]) == self.near(value), name

    @pytest.mark.parametrize("name", [name for name in POINT + LEVEL if name not in SHARES])
    def test_the_same_replicates_four_times_over_halve_the_mcse(self, name: str) -> None:
        once = measured(name, replicates(300, seed=9))
        four = measured(name, {k: np.tile(x, 4) for k, x in replicates(300, seed=9).items()})
        assert four.estimate == pytest.approx(once.estimate, abs=0.3)
        # HC3 is not quite a matter of the distribution alone: leverages fall with n.
        tolerance = 0.02 if name == "self_consistency_slope" else 0.01
        assert four.mcse == pytest.approx(once.mcse / 2, rel=tolerance)

    def test_covered_and_missed_on_either_side_make_one(self) -> None:
        of = self.all_of(replicates(333, seed=6))
        parts = of["coverage_90"], of["miss_left_90"], of["miss_right_90"]
        assert all(0 < part.estimate < 1 for part in parts)
        assert sum(part.estimate for part in parts) == pytest.approx(1, abs=1e-15)

    def test_mse_is_squared_bias_plus_variance(self) -> None:
        of = self.all_of(replicates(90, seed=6))
        spread = of["empirical_se"].estimate ** 2 * 89 / 90
        assert of["mse"].estimate == pytest.approx(of["bias"].estimate ** 2 + spread, rel=1e-12)
        assert of["rmse"].estimate ** 2 == pytest.approx(of["mse"].estimate, rel=1e-12)

    def test_the_interval_score_is_the_width_where_every_interval_covers(self) -> None:
        of = replicates(50, seed=6)
        of["lower"], of["upper"] = of["truth"] - 2.0 * of["sd"], of["truth"] + 0.1
        every = self.all_of(of)
        assert every["coverage_90"].estimate == 1
        assert tuple(every["interval_score_90"]) == self.near(every["interval_width_90"])

    @pytest.mark.parametrize("level", [0.5, 0.8, 0.95])
    def test_the_interval_score_is_lowest_for_the_true_interval(self, level: float) -> None:
        truth = normal_scores(20_001)
        half = NORMAL.inv_cdf((1 + level) / 2)

        def score(low: float, high: float) -> float:
            ends = np.full_like(truth, low), np.full_like(truth, high)
            return measures.interval_score(*ends, truth, level).estimate

        best = score(-half, half)
        # In closed form 2 half + (4 / alpha) (density(half) - half alpha / 2).
        alpha = 1 - level
        assert best == pytest.approx(4 / alpha * NORMAL.pdf(half), rel=2e-3)
        for low, high in [(0.9, 1), (1.1, 1), (1, 0.9), (1, 1.1), (0.9, 0.9), (1.1, 1.1)]:
            assert score(-half * low, half * high) > best


class TestRsimsum:
    """The multiple-imputation example of rsimsum, from its published moments: 1,000 replicates."""

    # Bias, empirical SE, percentage error of the model SE, and the mcse of that percentage.
    METHODS: ClassVar = {
        "CC": (0.01676, 0.1511, -2.6594, 2.2055),
        "MI_LOGT": (0.0009, 0.1320, 2.2233, 2.3323),
        "MI_T": (-0.0012, 0.13444, -0.4412, 2.2695),
    }
    N = 1000

    def construct(self, method: str, kurtosis: float) -> dict[str, Array]:
        """Build replicates with exactly these moments; sd^2 is uncorrelated with the errors^2."""
        bias, empirical, percent, percent_mcse = self.METHODS[method]
        scores, low, high = normal_scores(self.N), 0.0, 1.0
        for _ in range(80):  # a cubic of a normal has any kurtosis above 3
            middle = (low + high) / 2
            error = scores + middle * scores**3
            error = error / np.sqrt(np.mean(error**2))
            low, high = (middle, high) if np.mean(error**4) < kurtosis else (low, middle)
        mean = 0.5 + bias + empirical * error / np.std(error, ddof=1)
        ratio = 1 + percent / 100
        model = ratio * empirical
        # The published mcse of the percentage, solved for the variance of sd^2.
        share = (percent_mcse / (100 * ratio)) ** 2 - 1 / (2 * (self.N - 1))
        signs = np.random.default_rng(1).choice([-1.0, 1.0], self.N)
        basis = np.column_stack([np.ones(self.N), error**2, error])
        signs -= basis @ np.linalg.lstsq(basis, signs, rcond=None)[0]
        spread = 2 * model**2 * math.sqrt(self.N * share) * signs / np.std(signs, ddof=1)
        return {"mean": mean, "sd": np.sqrt(model**2 + spread), "truth": np.full(self.N, 0.5)}

    @pytest.mark.parametrize(
        ("method", "name", "estimate", "mcse"),
        [
            ("CC", "bias", "0.0168", "0.0048"),
            ("CC", "relative_bias", "0.0335", "0.0096"),
            ("CC", "empirical_se", "0.1511", "0.0034"),
            ("CC", "model_se", "0.1471", "0.0005"),
            ("CC", "model_se_relative_error", "-2.6594", "2.2055"),
            ("MI_LOGT", "bias", "0.0009", "0.0042"),
            ("MI_LOGT", "relative_bias", "0.0018", "0.0083"),
            ("MI_LOGT", "empirical_se", "0.1320", "0.0030"),
            ("MI_LOGT", "model_se", "0.1349", "0.0006"),
            ("MI_LOGT", "model_se_relative_error", "2.2233", "2.3323"),
            ("MI_T", "bias", "-0.0012", "0.0043"),
            ("MI_T", "relative_bias", "-0.0024", "0.0085"),
            ("MI_T", "empirical_se", "0.1344", "0.0030"),
            ("MI_T", "model_se", "0.1338", "0.0006"),
            ("MI_T", "model_se_relative_error", "-0.4412", "2.2695"),
        ],
    )
    def test_normal_errors_give_the_published_digits(
        self, method: str, name: str, estimate: str, mcse: str
    ) -> None:
        got = measured(name, self.construct(method, kurtosis=3.0))
        assert (f"{got.estimate:.4f}", f"{got.mcse:.4f}") == (estimate, mcse)

    @pytest.mark.parametrize(
        ("method", "estimate", "mcse"),
        [("CC", "0.0231", "0.0011"), ("MI_LOGT", "0.0174", "0.0009"), ("MI_T", "0.0181", "0.0009")],
    )
    def test_a_kurtosis_of_3_45_gives_the_published_mse(
        self, method: str, estimate: str, mcse: str
    ) -> None:
        # The mcse of an mse needs the kurtosis of the data, which the table does not print: its
        # three values allow 3.39 to 3.54 for all methods alike, and rule out 3.
        got = measured("mse", self.construct(method, kurtosis=3.45))
        assert (f"{got.estimate:.4f}", f"{got.mcse:.4f}") == (estimate, mcse)

    @pytest.mark.parametrize(
        ("covered", "mcse"),
        [(943, "0.0073"), (949, "0.0070"), (940, "0.0075"), (946, "0.0071"), (969, "0.0055"),
         (963, "0.0060")],
    )  # fmt: skip
    def test_shares_have_the_published_mcse(self, covered: int, mcse: str) -> None:
        truth = np.where(np.arange(1000) < covered, 0.0, 2.0)
        got = measures.coverage(np.full(1000, -1.0), np.full(1000, 1.0), truth)
        assert (got.estimate, f"{got.mcse:.4f}") == (covered / 1000, mcse)

    def test_bias_eliminated_coverage_has_the_published_mcse(self) -> None:
        of = self.construct("CC", kurtosis=3.0)
        distance = np.sort(np.abs(of["mean"] - of["mean"].mean()))
        half = (distance[939] + distance[940]) / 2
        ends = of["mean"] - half, of["mean"] + half
        got = measures.bias_eliminated_coverage(*ends, of["mean"], of["truth"])
        assert (got.estimate, f"{got.mcse:.4f}") == (0.940, "0.0075")
        assert measures.coverage(*ends, of["truth"]).estimate != 0.940

    def test_normal_errors_give_the_formulas_of_morris_to_the_last_digit(self) -> None:
        of = self.construct("CC", kurtosis=3.0)
        empirical, model = np.std(of["mean"], ddof=1), math.sqrt(np.mean(of["sd"] ** 2))
        squares = np.var(of["sd"] ** 2, ddof=1)
        assert measured("empirical_se", of).mcse == pytest.approx(empirical / math.sqrt(1998))
        assert measured("model_se", of).mcse == pytest.approx(
            math.sqrt(squares / (4000 * model**2))
        )
        assert measured("model_se_relative_error", of).mcse == pytest.approx(
            100 * model / empirical * math.sqrt(squares / (4000 * model**4) + 1 / 1998)
        )
        b = measured("bias", of).estimate / empirical
        assert measured("standardised_bias", of).mcse == pytest.approx(
            math.sqrt(1 / 1000 + b**2 / 1998)
        )


class TestClosedForm:
    """Normal posteriors, whose coverage is known."""

    ERRORS = normal_scores(20_001)  # the sampling distribution itself: no Monte Carlo error

    @pytest.mark.parametrize(
        ("factor", "expected"),
        [
            (0.5, 0.589),
            (0.8, 0.812),
            (0.9, 0.861),
            (1, 0.9),
            (1.1, 0.930),
            (1.25, 0.960),
            (2, 0.999),
        ],
    )
    def test_a_wrong_posterior_sd_has_its_coverage(self, factor: float, expected: float) -> None:
        half = NORMAL.inv_cdf(0.95) * factor
        got = measures.coverage(self.ERRORS - half, self.ERRORS + half, 0 * self.ERRORS)
        assert got.estimate == pytest.approx(expected, abs=6e-4)
        sd = np.full_like(self.ERRORS, factor)
        percent = measures.model_se_relative_error(self.ERRORS, 0 * self.ERRORS, sd)
        assert percent.estimate == pytest.approx(100 * (factor - 1), abs=0.05 * factor)
        assert measures.z_sd(self.ERRORS, sd, 0 * self.ERRORS).estimate == pytest.approx(
            1 / factor, rel=1e-3
        )

    @pytest.mark.parametrize(("shift", "expected"), [(0.25, 0.889), (0.5, 0.858), (1, 0.736)])
    def test_a_shifted_posterior_loses_its_coverage_and_bias_elimination_restores_it(
        self, shift: float, expected: float
    ) -> None:
        mean, truth = self.ERRORS + shift, 0 * self.ERRORS
        ends = mean - NORMAL.inv_cdf(0.95), mean + NORMAL.inv_cdf(0.95)
        assert measures.coverage(*ends, truth).estimate == pytest.approx(expected, abs=6e-4)
        restored = measures.bias_eliminated_coverage(*ends, mean, truth)
        assert restored.estimate == pytest.approx(0.9, abs=2e-4)
        # The posterior lies above the truth, so nearly all misses have the truth on the left.
        assert measures.miss_left(*ends, truth).estimate > 0.05
        assert measures.miss_right(*ends, truth).estimate < 0.05

    @pytest.mark.parametrize(
        ("b", "shift", "covered"),
        [
            (5.0, 0.250, {0.9: 0.890}),
            (20.0, 0.999, {0.5: 0.326, 0.9: 0.737, 0.94: 0.810, 0.95: 0.831}),
        ],
    )
    def test_the_plants_regression_with_known_noise_covers_as_its_closed_form(
        self, b: float, shift: float, covered: dict[float, float]
    ) -> None:
        trials, noise = 100, 0.5
        precision = 1 + trials / noise**2
        least_squares = b + noise / math.sqrt(trials) * self.ERRORS
        mean = trials / noise**2 / precision * least_squares
        sd, truth = np.full_like(mean, precision**-0.5), np.full_like(mean, b)
        half = {c: NORMAL.inv_cdf((1 + c) / 2) * sd for c in covered}
        got = performance(mean, sd, truth, {c: (mean - h, mean + h) for c, h in half.items()}, 1.0)
        assert got["bias"].estimate == pytest.approx(-b / precision, rel=1e-6)
        assert got["z_mean"].estimate == pytest.approx(-shift, abs=6e-4)
        assert got["contraction"].estimate == pytest.approx(1 - 1 / precision, rel=1e-12)
        for c, expected in covered.items():
            assert got[f"coverage_{100 * c:g}"].estimate == pytest.approx(expected, abs=6e-4)

    def test_a_prior_ten_times_too_narrow_covers_0_137(self) -> None:
        # 10 observations of sd 1; truths from N(0, 1), the model's prior is N(0, 0.1). Half a
        # million replicates have mcse 0.0005; the false alarm at four of them is 6e-5.
        rng = np.random.default_rng(11)
        truth = rng.normal(size=500_000)
        mean = (truth + rng.normal(size=truth.size) / math.sqrt(10)) * 10 / 110
        half = NORMAL.inv_cdf(0.95) / math.sqrt(110)
        got = measures.coverage(mean - half, mean + half, truth)
        assert got.estimate == pytest.approx(0.1369, abs=4 * got.mcse)

    def test_an_exact_posterior_is_calibrated_over_its_prior(self) -> None:
        # Truths from the prior, one observation: every ideal of the table within four mcse; the
        # false alarm of ten of them is 6e-4.
        rng = np.random.default_rng(12)
        truth = rng.normal(size=100_000)
        mean = (truth + rng.normal(size=truth.size)) / 2
        sd = np.full_like(mean, math.sqrt(0.5))
        half = NORMAL.inv_cdf(0.95) * sd
        got = performance(mean, sd, truth, {0.9: (mean - half, mean + half)}, 1.0)
        assert got.pop("relative_bias").n == 0
        judged = {name: measure_info(name).ideal for name in got}
        assert sum(ideal is not None for ideal in judged.values()) == 10
        for name, ideal in judged.items():
            if ideal is not None:
                assert got[name].estimate == pytest.approx(ideal, abs=4 * got[name].mcse), name


class TestEdges:
    """Few replicates, none, broken ones, constant ones."""

    @pytest.mark.parametrize("name", POINT + LEVEL)
    def test_no_replicates_give_no_measure(self, name: str) -> None:
        estimate, mcse, n, share = measured(name, {k: x[:0] for k, x in replicates(3, 1).items()})
        assert math.isnan(share)
        assert math.isnan(estimate)
        assert math.isnan(mcse)
        assert n == 0

    @pytest.mark.parametrize("name", POINT + LEVEL)
    def test_one_replicate_gives_a_mean_without_mcse_and_no_spread(self, name: str) -> None:
        estimate, mcse, n, _ = measured(name, {k: x[:1] for k, x in replicates(3, 1).items()})
        spreads = {"standardised_bias", "empirical_se", "model_se_relative_error", "z_sd"}
        undefined = (*AGREEMENT, *CHOSEN)  # one truth is one value; no interval excludes 0
        assert n == (name not in undefined)
        assert math.isnan(estimate) == (name in (*spreads, *undefined))
        assert math.isnan(mcse) == (name not in SHARES or name in CHOSEN)

    @pytest.mark.parametrize("name", POINT + LEVEL)
    @pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
    def test_a_replicate_with_anything_not_finite_is_left_out(
        self, name: str, broken: float
    ) -> None:
        of = suited(name, replicates(30, seed=1))
        for i, array in enumerate(of.values()):
            array[i] = broken
        whole = np.all([np.isfinite(x) for x in of.values()], axis=0)
        every = performance(
            of["mean"], of["sd"], of["truth"], {0.9: (of["lower"], of["upper"])}, 2.0
        )
        got = every[name if name in POINT else f"{name}_90"]
        assert got.n == 25 or name in CHOSEN
        assert got == measured(name, {k: x[whole] for k, x in of.items()})
        assert (
            25 <= measured(name, of).n <= 29 or name in CHOSEN
        )  # on its own it needs fewer arguments

    @pytest.mark.parametrize("name", POINT + LEVEL)
    def test_numbers_too_large_to_square_raise_no_warning(self, name: str) -> None:
        of = {k: 1e300 * x for k, x in replicates(10, seed=1).items()}
        measured(name, of)

    @pytest.mark.parametrize("truth", [[0.0, 0.0, 0.0], [1.0, 0.0, 1.0], [1.0, 2.0, 1.0]])
    def test_relative_bias_is_undefined_unless_all_truths_are_one_that_is_not_zero(
        self, truth: list[float]
    ) -> None:
        got = measures.relative_bias(np.array([1.0, 2.0, 3.0]), np.array(truth))
        assert math.isnan(got.estimate)
        assert math.isnan(got.mcse)
        assert got.n == 0

    def test_relative_bias_keeps_its_sign_convention_for_a_negative_truth(self) -> None:
        got = measures.relative_bias(np.array([-3.0, -3.0]), np.array([-2.0, -2.0]))
        assert got[:3] == (0.5, 0.0, 2)

    def test_a_replicate_without_posterior_spread_has_no_z(self) -> None:
        mean, truth = np.array([1.0, 2.0, 4.0]), np.zeros(3)
        sd = np.array([1.0, 0.0, 2.0])
        assert measures.z_mean(mean, sd, truth)[:3:2] == (1.5, 2)
        assert measures.z_sd(mean, np.zeros(3), truth).n == 0

    def test_equal_errors_have_a_spread_of_exactly_zero(self) -> None:
        mean, truth = np.full(7, 0.1), np.zeros(7)
        assert measures.empirical_se(mean, truth)[:3] == (0, 0, 7)
        assert measures.bias(mean, truth)[:3] == (0.1, 0, 7)
        assert math.isnan(measures.standardised_bias(mean, truth).estimate)
        assert math.isnan(measures.model_se_relative_error(mean, truth, mean).estimate)

    @pytest.mark.parametrize("prior_sd", [0.0, -1.0, math.nan, math.inf])
    def test_contraction_is_undefined_without_a_finite_prior_variance(
        self, prior_sd: float
    ) -> None:
        assert measures.contraction(np.ones(3), prior_sd).n == 0

    @staticmethod
    def over_a_prior_known_by(draws: Array) -> Measured:
        variance = np.var(draws, ddof=1)
        relative_se = math.sqrt((np.mean((draws - draws.mean()) ** 4) / variance**2 - 1) / 4000)
        return measures.contraction(np.ones(3), math.sqrt(variance), relative_se)

    @pytest.mark.parametrize("seed", range(20))
    def test_over_a_prior_without_variance_there_is_no_contraction(self, seed: int) -> None:
        # Of 10,000 seeds 0.4 % gave a relative error below the limit, so that 20 seeds and their
        # absolute values raise a false alarm with probability 0.1; these seeds are fixed.
        draws = np.random.default_rng(seed).standard_cauchy(4000)
        for prior in (draws, np.abs(draws)):
            got = self.over_a_prior_known_by(prior)
            assert (math.isnan(got.estimate), math.isnan(got.mcse), got.n) == (True, True, 0)

    @pytest.mark.parametrize("seed", range(20))
    def test_over_a_normal_prior_known_by_its_draws_there_is_a_contraction(self, seed: int) -> None:
        got = self.over_a_prior_known_by(np.random.default_rng(seed).normal(0, 2, 4000))
        assert got.estimate == pytest.approx(0.75, abs=0.04)
        assert got.n == 3

    def test_arrays_of_different_length_are_refused_by_name(self) -> None:
        with pytest.raises(ValueError, match=r"one shape.*mean \(3,\), truth \(2,\)"):
            measures.bias(np.ones(3), np.ones(2))
        with pytest.raises(ValueError, match="one shape"):
            measures.bias(np.ones((2, 2)), np.ones((2, 2)))

    @pytest.mark.parametrize("level", [0.0, 1.0, 90.0, -0.1, math.nan])
    def test_a_level_that_is_no_probability_is_refused(self, level: float) -> None:
        x = np.ones(3)
        with pytest.raises(ValueError, match="strictly between 0 and 1"):
            measures.interval_score(x, x, x, level)
        with pytest.raises(ValueError, match="strictly between 0 and 1"):
            performance(x, x, x, {level: (x, x)})


class TestPerformance:
    """All measures at once."""

    def test_it_returns_every_measure_in_the_documented_order(self) -> None:
        of = replicates(40, seed=3)
        ends = of["lower"], of["upper"]
        got = performance(of["mean"], of["sd"], of["truth"], {0.995: ends, 0.9: ends}, 2.0, 0.1)
        assert list(got) == [
            *POINT, *[f"{name}_90" for name in LEVEL], *[f"{name}_99.5" for name in LEVEL],
        ]  # fmt: skip
        elsewhere = {"crps", "joint_coverage", *PAIRS}
        assert [name for name in MEASURES if name not in elsewhere] == POINT + LEVEL
        assert set(MEASURES) == {*POINT, *LEVEL, *elsewhere}

    def test_it_agrees_with_the_functions_one_by_one(self) -> None:
        for name in POINT + LEVEL:
            of = suited(name, replicates(40, seed=3))
            ends = of["lower"], of["upper"]
            got = performance(of["mean"], of["sd"], of["truth"], {0.9: ends}, 2.0)
            assert got[name if name in POINT else f"{name}_90"] == measured(name, of), name

    def test_each_level_meets_its_own_interval(self) -> None:
        of = replicates(40, seed=3)
        wide = of["lower"] - 1, of["upper"] + 2
        narrow = of["lower"], of["upper"]
        got = performance(of["mean"], of["sd"], of["truth"], {0.94: wide, 0.5: narrow})
        assert got["interval_width_94"].estimate == pytest.approx(
            got["interval_width_50"].estimate + 3
        )
        for c, ends in {0.94: wide, 0.5: narrow}.items():
            expected = measures.interval_score(*ends, of["truth"], c)
            assert got[f"interval_score_{100 * c:g}"] == expected

    def test_contraction_is_left_out_without_a_prior(self) -> None:
        of = replicates(40, seed=3)
        without = performance(of["mean"], of["sd"], of["truth"], {})
        assert list(without) == [name for name in POINT if name != "contraction"]
        with_error = performance(of["mean"], of["sd"], of["truth"], {}, 2.0, 0.2)["contraction"]
        assert with_error == measures.contraction(of["sd"], 2.0, 0.2)

    def test_estimates_are_plain_python_numbers(self) -> None:
        of = replicates(40, seed=3)
        got = performance(of["mean"], of["sd"], of["truth"], {0.9: (of["lower"], of["upper"])}, 2.0)
        for value in got.values():
            assert [type(x) for x in value] == [float, float, int, float]


class TestTable:
    """What the reports say of each measure."""

    def test_every_measure_is_explained_with_a_source(self) -> None:
        for name, info in MEASURES.items():
            assert info.meaning.endswith("."), name
            assert "doi:10." in info.reference, name
            assert info.formula, name
            assert info.unit, name

    def test_a_level_sets_the_ideal_of_shares_only(self) -> None:
        assert measure_info("coverage_90").ideal == 0.9
        assert measure_info("bias_eliminated_coverage_99.5").ideal == 0.995
        assert measure_info("miss_left_90").ideal == measure_info("miss_right_90").ideal == 0.05
        assert measure_info("interval_width_90") == MEASURES["interval_width"]
        assert measure_info("coverage").ideal is None
        assert measure_info("z_sd").ideal == 1
        assert measure_info("bias") == MEASURES["bias"]

    @pytest.mark.parametrize("name", ["covrage_90", "coverage_", "coverage_high", "_90", ""])
    def test_an_unknown_measure_is_refused_with_the_list_of_known_ones(self, name: str) -> None:
        with pytest.raises(ValueError, match="there are: bias, relative_bias"):
            measure_info(name)
