"""Ratios of root mean squares by pairs: what they are, and how often a claim on them is wrong."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binom

from recovery.equivalence import Limits, decide_mean, replicates_for_mean
from recovery.measures import paired
from recovery.measures.ratio import LogRatio, mean_log_ratio, root_mean_log_ratio

Floats = NDArray[np.float64]
LIMIT = 1.2


def errors(
    rng: np.random.Generator, shape: tuple[int, int], ratio: float, tail: str
) -> tuple[Floats, Floats]:
    """Return squared errors of two runs, correlated by .7, whose root mean squares have a ratio."""
    one, other = rng.standard_normal((2, *shape))
    scale = {
        "normal": lambda: np.ones(shape),
        "lognormal": lambda: rng.lognormal(0, 1, shape),
        "t3": lambda: np.sqrt(3 / rng.chisquare(3, shape)),
        "cauchy": lambda: np.abs(rng.standard_cauchy(shape)),
    }[tail]()
    head = 0.7 * one + math.sqrt(1 - 0.7**2) * other
    return (scale * one) ** 2, (ratio * scale * head) ** 2


def decisions(base: Floats, head: Floats, alpha: float) -> list[tuple[bool, bool]]:
    limits = Limits(-math.inf, math.log(LIMIT), alpha, alpha)
    found = [root_mean_log_ratio(*one) for one in zip(base, head, strict=True)]
    judged = [decide_mean(one.estimate, one.mcse, one.effective, limits) for one in found]
    return [(one.inside, one.outside) for one in judged]


@pytest.mark.parametrize("tail", ["normal", "lognormal", "t3", "cauchy"])
@pytest.mark.parametrize("n", [30, 100])
@pytest.mark.parametrize("alpha", [0.05, 0.005])
def test_on_the_limit_either_claim_is_made_no_more_often_than_stated(
    tail: str, n: int, alpha: float
) -> None:
    """2,000 pairs of runs on the limit, each of 30 or 100 replicates; 32 such counts.

    At the stated rate a count beyond what is asked here comes by chance once in 10,000 times, so
    one of them once in 300.
    """
    rng = np.random.default_rng([n, round(1000 * alpha), *tail.encode()])
    claims = decisions(*errors(rng, (2000, n), LIMIT, tail), alpha)
    most = binom.ppf(1 - 1e-4, 2000, alpha)
    assert sum(inside for inside, _ in claims) <= most
    assert sum(outside for _, outside in claims) <= most


@pytest.mark.parametrize("ratio", [1.0, 1.4])
def test_as_many_replicates_as_are_planned_decide_as_often_as_is_planned(ratio: float) -> None:
    """Planned from 40 replicates of normal errors for a chance of 80 %, over 40 plans.

    The plans scatter, as their sds do; 1,600 decisions, whose standard error is 1 %, so that less
    than 72 % come by chance once in more than 10,000 times.
    """
    rng = np.random.default_rng(7)
    limits = Limits(-math.inf, math.log(LIMIT), 0.05, 0.005)
    decided = []
    for _ in range(40):
        base, head = errors(rng, (1, 40), ratio, "normal")
        found = root_mean_log_ratio(base[0], head[0])
        sd, counts = found.mcse * math.sqrt(40), found.effective / 40
        n = replicates_for_mean(math.log(ratio), sd, limits, 0.8, counts)
        assert n is not None
        claims = decisions(*errors(rng, (40, n), ratio, "normal"), 0.05 if ratio == 1 else 0.005)
        decided += [inside if ratio == 1 else outside for inside, outside in claims]
    assert 0.72 < np.mean(decided) < 0.95


def test_the_ratio_is_that_of_the_two_measures_and_its_error_that_of_their_influences() -> None:
    """To first order: at 20,000 replicates the jackknife and the delta method are the same."""
    rng = np.random.default_rng(3)
    truth, n = rng.standard_normal(20_000), 20_000
    sides = {}
    for name, sd in (("base", 0.3), ("head", 0.4)):
        mean = truth + rng.normal(0, sd, n)
        sides[name] = {
            "mean": mean, "sd": rng.gamma(9, sd / 9, n), "truth": truth, "intervals": {}
        }  # fmt: skip
    measures = paired(sides["base"], sides["head"])
    squares = {
        "rmse": [(side["mean"] - side["truth"]) ** 2 for side in sides.values()],
        "model_se": [side["sd"] ** 2 for side in sides.values()],
    }
    for name, (base, head) in squares.items():
        found, both = root_mean_log_ratio(base, head), measures[name]
        ratio = both.head.estimate / both.base.estimate
        assert math.exp(found.estimate) == pytest.approx(ratio, rel=1e-12)
        influences = (head / head.mean() - base / base.mean()) / 2
        delta = influences.std(ddof=1) / math.sqrt(n)
        assert found.mcse == pytest.approx(delta, rel=1e-3)


def test_squares_of_one_size_count_in_full_and_normal_errors_for_a_ninth() -> None:
    alike = np.ones(50)
    assert root_mean_log_ratio(alike, 4 * alike) == (math.log(2), 0, 50, pytest.approx(50))
    rng = np.random.default_rng(1)
    found = root_mean_log_ratio(*rng.standard_normal((2, 100_000)) ** 2)
    assert found.effective == pytest.approx(100_000 / 9, rel=0.05)


def test_a_pair_that_carries_both_sums_decides_nothing() -> None:
    rng = np.random.default_rng(2)
    base, head = errors(rng, (1, 40), 1.0, "normal")
    base[0, 0], head[0, 0] = 1e8, 4e8
    found = root_mean_log_ratio(base[0], head[0])
    assert found.estimate == pytest.approx(math.log(2), rel=1e-4)
    assert found.effective < 1.1
    assert decisions(base, head, 0.05) == [(False, False)]


def test_huge_and_tiny_squares_keep_their_ratio() -> None:
    base = np.array([1.0, 4.0, 9.0])
    for factor in (1e-300, 1e300):
        found = root_mean_log_ratio(base * factor, 1.44 * base * factor)
        assert math.exp(found.estimate) == pytest.approx(1.2)
        assert found.mcse == pytest.approx(0, abs=1e-15)


def test_what_is_infinite_in_the_head_or_nothing_in_the_base_is_infinitely_more() -> None:
    some, none = np.array([1.0, 2.0]), np.zeros(2)
    for base, head in ((some, np.array([1.0, np.inf])), (none, some)):
        assert root_mean_log_ratio(base, head).estimate == math.inf
    assert root_mean_log_ratio(some, none).estimate == -math.inf
    assert mean_log_ratio(np.array([0.0, np.inf])).estimate == math.inf
    assert mean_log_ratio(np.array([0.1, 0.3])) == LogRatio(
        pytest.approx(0.2), pytest.approx(0.1), 2, 2
    )


def test_without_pairs_there_is_no_ratio() -> None:
    none = np.empty(0)
    for base, head in ((none, none), (np.zeros(2), np.zeros(2)), (np.ones(2), np.ones(3))):
        with pytest.raises(ValueError, match="pairs are needed|have no ratio"):
            root_mean_log_ratio(base, head)
    with pytest.raises(ValueError, match="there is no ratio"):
        mean_log_ratio(none)
