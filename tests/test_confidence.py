"""Confidence sequences hold the share at all times at once: by exact recursion, and simulated."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import beta, binom

from recovery.confidence import PRIOR, confidence_sequence, log_evidence


def looked_up(hits: np.ndarray, n: np.ndarray, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    """Give the sequences of many runs, from a table of all hits and all n, shape (n, runs)."""
    every = np.arange(len(n) + 1)
    table = confidence_sequence(np.minimum(every, n), n, alpha)
    return table[0][n - 1, hits], table[1][n - 1, hits]


def chance_to_leave(share: float, alpha: float, most: int) -> float:
    """Give the exact probability that the sequence leaves the share out at some n up to most."""
    inside, left = np.ones(1), 0.0  # inside[k]: so many hits, never left
    for n in range(1, most + 1):
        inside = np.append(inside * (1 - share), 0) + np.append(0, inside * share)
        lower, upper = confidence_sequence(np.arange(n + 1), n, alpha)
        out = (share < lower) | (share > upper)
        left += inside[out].sum()
        inside[out] = 0
    return left


@pytest.mark.parametrize("alpha", [0.05, 0.05 / 9])
@pytest.mark.parametrize("share", [0.9, 0.85, 0.95, 0.5, 0.99])
def test_the_exact_chance_to_ever_leave_the_share_out_is_at_most_alpha(
    share: float, alpha: float
) -> None:
    assert 0 < chance_to_leave(share, alpha, 400) <= alpha


def test_simulated_runs_leave_as_often_as_the_recursion_says() -> None:
    # 4,000 runs; outside these bounds with probability 2e-6.
    runs, most = 4000, 400
    hits = np.cumsum(np.random.default_rng(1).random((most, runs)) < 0.9, axis=0)
    n = np.arange(1, most + 1)[:, None]
    left = (log_evidence(0.9, hits, n) >= -np.log(0.05)).any(axis=0).sum()
    exact = chance_to_leave(0.9, 0.05, most)
    assert binom.ppf(1e-6, runs, exact) <= left <= binom.isf(1e-6, runs, exact)


def test_where_runs_end_at_their_worst_look_the_share_is_still_held() -> None:
    # 2,000 runs; a rate of .05 is above the bound with probability 1e-6.
    runs, most = 2000, 500
    hits = np.cumsum(np.random.default_rng(2).random((most, runs)) < 0.9, axis=0)
    n = np.arange(1, most + 1)[:, None]
    lower, upper = looked_up(hits, n, 0.05)
    out = (lower > 0.9) | (upper < 0.9)
    worst = 20 + abs(hits[20:] / n[20:] - 0.9).argmax(axis=0)
    farthest = np.maximum(lower - 0.9, 0.9 - upper).argmax(axis=0)
    for ended in (out.any(axis=0), out[9::10].any(axis=0), out[worst, np.arange(runs)],
                  out[farthest, np.arange(runs)]):  # fmt: skip
        assert ended.sum() <= binom.isf(1e-6, runs, 0.05)


@pytest.mark.parametrize(("hits", "n"), [(0, 0), (3, 4), (90, 100), (7, 7)])
def test_the_evidence_is_the_mixture_of_the_definition(hits: int, n: int) -> None:
    for share in (0.3, 0.85, 0.95):

        def ratio(p: float, share: float = share) -> float:
            bet = (p / share) ** hits * ((1 - p) / (1 - share)) ** (n - hits)
            return float(beta.pdf(p, *PRIOR) * bet)

        assert np.exp(log_evidence(share, hits, n)) == pytest.approx(quad(ratio, 0, 1)[0], rel=1e-6)


@pytest.mark.parametrize(("hits", "n"), [(0, 0), (3, 4), (90, 100)])
def test_what_one_more_replicate_is_expected_to_leave_is_what_there_was(hits: int, n: int) -> None:
    for share in (0.3, 0.9):
        hit, miss = (np.exp(log_evidence(share, hits + more, n + 1)) for more in (1, 0))
        before = np.exp(log_evidence(share, hits, n))
        assert share * hit + (1 - share) * miss == pytest.approx(before, rel=1e-12)


@pytest.mark.parametrize("alpha", [0.5, 0.05, 1e-4])
def test_the_ends_are_where_the_evidence_reaches_the_limit(alpha: float) -> None:
    hits, n = np.array([20, 45, 90, 450, 700]), np.array([40, 50, 100, 500, 1000])
    lower, upper = confidence_sequence(hits, n, alpha)
    for end in (lower, upper):
        assert log_evidence(end, hits, n) == pytest.approx(-np.log(alpha), abs=1e-8)
    assert (lower < hits / n).all()
    assert (hits / n < upper).all()


def test_where_all_or_none_are_hits_the_interval_reaches_the_end() -> None:
    lower, upper = confidence_sequence([0, 0, 50], [0, 50, 50], 0.05)
    assert lower.tolist()[:2] == [0, 0]
    assert upper[[0, 2]].tolist() == [1, 1]
    assert 0 < upper[1] < 1
    assert 0 < lower[2] < 1


def test_it_is_wider_than_an_interval_for_one_look_and_narrows_with_n() -> None:
    n = np.array([50, 200, 800, 3200])
    lower, upper = confidence_sequence(9 * n // 10, n, 0.05)
    width, once = upper - lower, 2 * 1.96 * np.sqrt(0.09 / n)
    assert (width > once).all()
    assert (width < 2.2 * once).all()
    assert (np.diff(width) < 0).all()


@pytest.mark.parametrize(
    ("share", "within", "without"),
    [(0.9, (300, 450), None), (0.81, None, (85, 150)), (0.96, None, (115, 205))],
)
def test_coverage_is_known_as_soon_as_stated(
    share: float, within: tuple[int, int] | None, without: tuple[int, int] | None
) -> None:
    # 400 runs: medians are outside these bounds with probability below 1e-4.
    hits = np.cumsum(np.random.default_rng(3).random((700, 400)) < share, axis=0)
    n = np.arange(1, 701)[:, None]
    lower, upper = looked_up(hits, n, 0.05)
    for bounds, found in (
        (within, (lower > 0.85) & (upper < 0.95)),
        (without, (lower > 0.9) | (upper < 0.9)),
    ):
        if bounds is not None:
            first = np.where(found.any(axis=0), found.argmax(axis=0) + 1, 701)
            assert bounds[0] <= np.median(first) <= bounds[1]


def test_wrong_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="hits must lie in"):
        confidence_sequence(5, 4, 0.05)
    with pytest.raises(ValueError, match="alpha must lie strictly between 0 and 1"):
        confidence_sequence(5, 9, 0.0)
