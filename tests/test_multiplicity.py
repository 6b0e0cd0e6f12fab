"""P values adjusted for many tests."""

import numpy as np
import pytest
from scipy.stats import false_discovery_control

from recovery.multiplicity import benjamini_hochberg, holm


def test_holm_adjusts_as_in_the_textbook() -> None:
    adjusted = holm([0.01, 0.04, 0.03, 0.005])
    np.testing.assert_allclose(adjusted, [0.03, 0.06, 0.06, 0.02], rtol=1e-12)
    assert holm([]) == []
    assert holm([0.9, 0.8]) == [1.0, 1.0]


@pytest.mark.parametrize("n", [1, 2, 17, 200])
def test_benjamini_hochberg_is_scipys(n: int) -> None:
    p = np.random.default_rng(n).random(n) ** 3
    np.testing.assert_allclose(benjamini_hochberg(p.tolist()), false_discovery_control(p))


def test_the_order_of_the_tests_makes_no_difference_and_holm_is_the_stricter() -> None:
    p = np.random.default_rng(1).random(50) ** 2
    order = np.random.default_rng(2).permutation(50)
    for adjust in (holm, benjamini_hochberg):
        assert np.array_equal(
            np.array(adjust(p[order].tolist())), np.array(adjust(p.tolist()))[order]
        )
    assert (np.array(holm(p.tolist())) >= np.array(benjamini_hochberg(p.tolist()))).all()


def test_holm_errs_anywhere_as_seldom_as_it_says() -> None:
    """20 sound tests, 4,000 times: at most .05 of rounds reject any, and 5 standard errors."""
    p = np.random.default_rng(3).random((4000, 20))
    wrong = np.mean([min(holm(row.tolist())) <= 0.05 for row in p])
    assert 0.03 < wrong < 0.05 + 5 * np.sqrt(0.05 * 0.95 / 4000)


def test_benjamini_hochberg_keeps_the_share_of_false_discoveries() -> None:
    """15 sound and 5 flawed tests, 2,000 times: expected share .05 * 15 / 20, and 5 of its mcse."""
    rng = np.random.default_rng(4)
    shares = []
    for _ in range(2000):
        p = np.concatenate([rng.random(15), rng.random(5) * 1e-3])
        found = np.array(benjamini_hochberg(p.tolist())) <= 0.05
        shares.append(found[:15].sum() / max(1, found.sum()))
    mcse = np.std(shares) / np.sqrt(2000)
    assert abs(np.mean(shares) - 0.0375) < 5 * mcse
