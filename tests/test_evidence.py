"""Evidence against uniform PITs: fair bets, honest at every look, and quick where there is a flaw.

Random tests fix their seeds. Rates over runs are held against exact binomial bounds, which a
correct rate crosses with probability 1e-6.
"""

import numpy as np
import pytest
from scipy.stats import binom, norm

from recovery.evidence import BINS, CELLS, Evidence, averaged, densities

LOOKS, RUNS = 500, 2000
LIMIT = np.log(20)


def ranked(runs: int, sd_factor: float, shift: float, seed: int, looks: int = LOOKS) -> np.ndarray:
    """Give randomised PITs among 99 draws, shape (looks, runs), of a posterior off by so much."""
    rng = np.random.default_rng(seed)
    below = norm.cdf((rng.normal(size=(looks, runs)) - shift) / sd_factor)
    return (rng.binomial(99, below) + rng.random((looks, runs))) / 100


def test_every_bet_is_fair() -> None:
    assert densities().min() > 0
    assert densities().mean(axis=1) == pytest.approx(1, abs=1e-14)


@pytest.mark.parametrize("n", [0, 1, 40])
def test_what_a_uniform_pit_is_expected_to_leave_is_what_there_was(n: int) -> None:
    # One quantity for each cell that the next PIT may fall into; all are equally likely.
    past = np.random.default_rng(n).beta(0.6, 0.8, size=n)
    evidence = Evidence(CELLS)
    evidence.add(np.repeat(past[:, None], CELLS, axis=1))
    before = np.exp(evidence.log_e_values)
    after = np.exp(evidence.add((np.arange(CELLS)[None] + 0.5) / CELLS)[0])
    assert after.mean() == pytest.approx(before[0], rel=1e-12)
    assert after.std() > 0


def test_it_begins_at_one() -> None:
    assert Evidence(3).log_e_values == pytest.approx(0, abs=1e-14)
    assert Evidence(3).add(np.empty((0, 3))).shape == (0, 3)


def by_hand(pit: np.ndarray) -> float:
    """Give the e-value of one quantity from the definition, in plain products."""
    products = [np.prod([q[int(u * CELLS)] for u in pit]) for q in densities()]
    learnt, counts = 1.0, np.full(BINS, 5.0)
    for u in pit:
        learnt *= BINS * counts[int(u * BINS)] / counts.sum()
        counts[int(u * BINS)] += 1
    return float(0.9 * np.mean(products) + 0.1 * learnt)


def test_it_is_the_mixture_of_the_definition() -> None:
    pit = np.random.default_rng(3).beta(2, 1, size=60)
    found = Evidence(1).add(pit[:, None])[:, 0]
    for n in (1, 2, 17, 60):
        assert found[n - 1] == pytest.approx(np.log(by_hand(pit[:n])), abs=1e-10)


@pytest.mark.parametrize("part", [1, 7, 64])
def test_it_does_not_matter_how_replicates_are_parted(part: int) -> None:
    pit = np.random.default_rng(4).random((200, 5))
    pit[::9, 2] = np.nan
    whole, parts = Evidence(5), Evidence(5)
    found = [parts.add(pit[i : i + part]) for i in range(0, len(pit), part)]
    assert np.concatenate(found) == pytest.approx(whole.add(pit), abs=1e-10)
    assert parts.log_e_values == pytest.approx(whole.log_e_values, abs=1e-10)


def test_many_quantities_are_gone_through_in_parts_with_the_same_result() -> None:
    pit = np.random.default_rng(5).random((300, 1000))
    assert Evidence(1000).add(pit)[:, 7] == pytest.approx(Evidence(1).add(pit[:, 7:8])[:, 0])


def test_the_e_value_depends_on_no_order_and_a_mirror_image_has_the_same() -> None:
    pit = np.random.default_rng(6).beta(1.5, 1, size=(80, 1))
    one = Evidence(1).add(pit)[-1]
    assert Evidence(1).add(pit[::-1])[-1] == pytest.approx(one, abs=1e-10)
    assert Evidence(1).add(1 - pit)[-1] == pytest.approx(one, abs=1e-10)


def test_without_a_pit_nothing_is_bet() -> None:
    pit = np.random.default_rng(7).random((30, 1))
    gaps = np.insert(pit, [0, 10, 10, 30], np.nan, axis=0)
    assert Evidence(1).add(gaps)[-1] == pytest.approx(Evidence(1).add(pit)[-1], abs=1e-12)
    assert Evidence(1).add(np.full((5, 1), np.nan)) == pytest.approx(0, abs=1e-14)


def test_the_ends_of_the_range_are_pits_and_what_lies_beyond_is_refused() -> None:
    assert np.isfinite(Evidence(2).add([[0.0, 1.0]])).all()
    for wrong in (-0.01, 1.01, np.inf):
        with pytest.raises(ValueError, match="a PIT lies in"):
            Evidence(1).add([[wrong]])
    with pytest.raises(ValueError, match=r"shape \(n, 2\), got \(2,\)"):
        Evidence(2).add([0.5, 0.5])


def test_the_mean_over_quantities_is_that_of_e_values() -> None:
    log_e = np.log([[1.0, 3.0, 5.0], [2.0, 2.0, 2.0]])
    assert np.exp(averaged(log_e)) == pytest.approx([3, 2])


def dependent(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Give the averaged log e-values of three dependent quantities and the coverage so far."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(LOOKS, RUNS, 2))
    z = np.concatenate([z, z.sum(axis=-1, keepdims=True) / np.sqrt(2)], axis=-1)
    pit = norm.cdf(z)
    log_e = averaged(Evidence(3 * RUNS).add(pit.reshape(LOOKS, -1)).reshape(pit.shape))
    inside = np.cumsum(abs(pit[..., 0] - 0.5) < 0.45, axis=0)
    return log_e, inside / np.arange(1, LOOKS + 1)[:, None]


def test_however_looking_ends_uniform_pits_are_rejected_no_more_often_than_stated() -> None:
    log_e, coverage = dependent(8)
    runs = np.arange(RUNS)
    worst = 20 + abs(coverage[20:] - 0.9).argmax(axis=0)
    rejected = {
        "at the first crossing": (log_e >= LIMIT).any(axis=0),
        "looking every tenth time": (log_e[9::10] >= LIMIT).any(axis=0),
        "where the evidence is largest": log_e[log_e.argmax(axis=0), runs] >= LIMIT,
        "where coverage looks worst": log_e[worst, runs] >= LIMIT,
    }
    for rule, found in rejected.items():
        assert found.sum() <= binom.isf(1e-6, RUNS, 0.05), rule
    # A test that never rejects would pass the above.
    assert rejected["at the first crossing"].sum() >= binom.ppf(1e-6, RUNS, 0.01)


def test_whatever_the_bound_it_holds() -> None:
    most = dependent(9)[0].max(axis=0)
    for alpha in (0.3, 0.1, 0.01, 0.001):
        assert (most >= -np.log(alpha)).sum() <= binom.isf(1e-6, RUNS, alpha)


@pytest.mark.parametrize(
    ("sd_factor", "shift", "median", "by_500"),
    [
        (0.5, 0.0, (8, 13), 1.0),
        (0.8, 0.0, (75, 115), 0.97),
        (1.25, 0.0, (90, 130), 0.98),
        (1.0, 0.25, (115, 170), 0.90),
        (1.0, 0.5, (29, 43), 1.0),
        (0.8, 0.25, (40, 62), 1.0),
    ],
)
def test_flaws_are_found_as_soon_as_stated(
    sd_factor: float, shift: float, median: tuple[int, int], by_500: float
) -> None:
    # Bounds more than 4 standard errors wide: over 400 runs a false alarm is rarer than 1e-4.
    found = Evidence(400).add(ranked(400, sd_factor, shift, seed=10)) >= LIMIT
    first = np.where(found.any(axis=0), found.argmax(axis=0) + 1, LOOKS + 1)
    assert median[0] <= np.median(first) <= median[1]
    assert (first <= LOOKS).mean() >= by_500


def test_a_shape_that_is_no_shift_and_no_scale_is_learnt() -> None:
    # No PIT lies in the fifth tenth. The share found by 500 was .99 or more with every seed tried.
    u = np.random.default_rng(11).random((LOOKS, 100)) * 0.9
    found = Evidence(100).add(np.where(u > 0.4, u + 0.1, u)) >= LIMIT
    assert found.any(axis=0).mean() >= 0.9
