"""Three-way decisions: neither claim errs more often than stated, and planned numbers decide."""

import math

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import binom, binomtest, multinomial, t, ttest_1samp

from recovery.equivalence import (
    POWER,
    Limits,
    decide_drop,
    decide_mean,
    decide_share,
    most_likely_won,
    replicates_for_mean,
    replicates_for_share,
)

COVERAGE = Limits(0.85, 0.95, 0.05, 0.01)
SHARE = Limits(-math.inf, 0.05, 0.05, 0.01)
BIAS = Limits(-0.25, 0.25, 0.05, 0.01)


def chances(p: float, n: int, limits: Limits) -> tuple[float, float]:
    """Chances, exactly, that a share p is claimed to be inside and outside."""
    k = np.arange(n + 1)
    found = [decide_share(int(count), n, limits) for count in k]
    weight = binom.pmf(k, n, p)
    return (
        float(weight @ [d.inside for d in found]),
        float(weight @ [d.outside for d in found]),
    )


@pytest.mark.parametrize("n", [1, 10, 59, 100, 400])
@pytest.mark.parametrize("limits", [COVERAGE, SHARE], ids=["coverage", "share"])
def test_claims_on_shares_err_no_more_often_than_stated(n: int, limits: Limits) -> None:
    for edge in (limits.low, limits.high):
        if 0 < edge < 1:
            inside, outside = chances(edge, n, limits)
            assert inside <= limits.inside_alpha
            assert outside <= limits.outside_alpha
    assert chances(0.9, n, COVERAGE)[1] <= 1e-3


@pytest.mark.parametrize(("k", "n"), [(0, 20), (18, 20), (20, 20), (340, 400)])
def test_the_interval_of_a_share_is_clopper_pearson_and_tells_what_is_inside(
    k: int, n: int
) -> None:
    found = decide_share(k, n, COVERAGE)
    exact = binomtest(k, n).proportion_ci(0.9, "exact")
    assert (found.lower, found.upper) == pytest.approx((exact.low, exact.high))
    assert found.inside == (found.lower >= 0.85 and found.upper <= 0.95)


def test_a_limit_that_no_share_reaches_is_none() -> None:
    wide = Limits(0.9, 1.05, 0.05, 0.01)
    assert decide_share(400, 400, wide).inside
    assert decide_share(0, 100, SHARE).inside
    assert not decide_share(0, 50, SHARE).inside


def test_means_are_judged_by_two_t_tests() -> None:
    values = np.random.default_rng(1).normal(0.1, 1, 300)
    se = values.std(ddof=1) / math.sqrt(300)
    found = decide_mean(values.mean(), se, 300, BIAS)
    below = ttest_1samp(values, 0.25, alternative="less").pvalue
    above = ttest_1samp(values, -0.25, alternative="greater").pvalue
    assert found.inside == (max(below, above) <= 0.05)
    other = decide_mean(0.4, 0.03, 300, BIAS)
    assert other.outside
    assert other.p_value == pytest.approx(2 * t.sf(0.15 / 0.03, 299))


def test_values_all_alike_are_known_and_one_alone_is_not() -> None:
    assert decide_mean(0.0, 0.0, 5, BIAS).inside
    assert decide_mean(0.3, 0.0, 5, BIAS).outside
    edge = decide_mean(0.25, 0.0, 5, BIAS)
    assert not edge.inside
    assert not edge.outside
    assert not decide_mean(0.0, math.nan, 1, BIAS).inside


@pytest.mark.parametrize(("lost", "won", "n"), [(10, 0, 200), (7, 3, 60), (1, 4, 40)])
@pytest.mark.parametrize("drop", [-0.2, 0.03, 0.1])
def test_the_share_that_is_free_is_the_most_likely_one(
    lost: int, won: int, n: int, drop: float
) -> None:
    """The closed form against a numerical search."""

    def minus_log_likelihood(share_won: float) -> float:
        shares = [share_won + drop, share_won, 1 - 2 * share_won - drop]
        if min(shares) <= 0:
            return 1e9
        return -float(multinomial.logpmf([lost, won, n - lost - won], n, shares))

    least, most = max(0.0, -drop), (1 - drop) / 2
    found = minimize_scalar(minus_log_likelihood, bounds=(least, most), method="bounded",
                            options={"xatol": 1e-10})  # fmt: skip
    assert most_likely_won(lost, won, n, drop) == pytest.approx(found.x, abs=1e-6)


def test_where_none_is_won_a_drop_is_a_share() -> None:
    for drop in (0.03, 0.05):
        limits = Limits(-math.inf, drop, 0.05, 0.01)
        found = decide_drop(20, 0, 400, limits)
        assert found.p_value == pytest.approx(binomtest(20, 400, drop, "greater").pvalue)


@pytest.mark.parametrize(("both", "drop"), [(0.02, 0.03), (0.0, 0.03), (0.05, 0.1)])
def test_claims_on_drops_err_about_as_often_as_stated(both: float, drop: float) -> None:
    """On the limit itself; exactly, by summing over all likely tables of 200 pairs."""
    limits, n = Limits(-math.inf, drop, 0.05, 0.01), 200
    inside = outside = 0.0
    for lost in range(50):
        for won in range(30):
            weight = float(
                multinomial.pmf(
                    [lost, won, n - lost - won], n, [both + drop, both, 1 - 2 * both - drop]
                )
            )
            if weight > 1e-6:
                found = decide_drop(lost, won, n, limits)
                inside += weight * found.inside
                outside += weight * found.outside
    assert inside <= 0.055  # the free share is estimated, so the size is near its level
    assert outside <= 0.011


def test_no_discordant_pair_is_no_proof_of_no_drop() -> None:
    limits = Limits(-math.inf, 0.03, 0.05, 0.01)
    assert not decide_drop(0, 0, 50, limits).inside
    found = decide_drop(0, 0, 400, limits)
    assert found.inside
    assert found.upper > 0


@pytest.mark.parametrize(
    ("p", "limits"),
    [(0.9, COVERAGE), (0.8, COVERAGE), (0.99, COVERAGE), (0.0, SHARE), (0.01, SHARE),
     (0.15, SHARE)],
)  # fmt: skip
def test_the_number_of_replicates_that_is_told_decides_on_a_share(p: float, limits: Limits) -> None:
    n = replicates_for_share(p, limits)
    assert n is not None
    inside, outside = chances(p, n, limits)
    assert max(inside, outside) >= POWER
    fewer = chances(p, int(0.8 * n), limits)
    assert max(fewer) < POWER


@pytest.mark.parametrize("mean", [0.0, 0.1, 0.4, -0.5])
def test_the_number_of_values_that_is_told_decides_on_a_mean(mean: float) -> None:
    """Against 4,000 simulated means: the share is within .03 of the power planned for."""
    n = replicates_for_mean(mean, 1.0, BIAS)
    assert n is not None
    rng = np.random.default_rng(3)
    values = rng.normal(mean, 1.0, (4000, n))
    se = values.std(axis=1, ddof=1) / math.sqrt(n)
    found = [decide_mean(m, s, n, BIAS) for m, s in zip(values.mean(axis=1), se, strict=True)]
    decided = np.mean([d.inside if abs(mean) < 0.25 else d.outside for d in found])
    assert decided == pytest.approx(POWER, abs=0.03)


def test_what_lies_on_a_limit_is_never_decided() -> None:
    assert replicates_for_share(0.85, COVERAGE) is None
    assert replicates_for_mean(0.25, 1.0, BIAS) is None


@pytest.mark.parametrize(("low", "high", "alpha"), [(1.0, 1.0, 0.05), (0.0, 1.0, 0.5)])
def test_limits_that_hold_nothing_are_refused(low: float, high: float, alpha: float) -> None:
    with pytest.raises(ValueError, match=r"hold nothing|error rate"):
        Limits(low, high, alpha, 0.01)
