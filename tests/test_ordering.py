"""Promises of recovery.ordering, with NumPy's full sort and SciPy's ranks as oracles."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import rankdata

from recovery.ordering import Ordered, quantiles, quantiles_of_few

Floats = NDArray[np.float64]
N_ROWS, N, WIDTH = 3, 101, 120
SIZE = N_ROWS * N


def values_of(kind: str) -> Floats:
    """Values of four parameters of one kind, shape (4, SIZE)."""
    rng = np.random.default_rng([7, len(kind)])
    z = rng.normal(size=(4, SIZE))
    match kind:
        case "normal":
            return z
        case "heavy-tailed":
            return rng.standard_cauchy(z.shape) ** 5
        case "one unit in the last place apart":
            return 1 + rng.permuted(np.tile(np.arange(SIZE), (4, 1)), axis=1) * 2.0**-52
        case "runs apart in their last bits":
            return np.round(z) * (1 + rng.integers(-3, 3, size=z.shape) * 2.0**-50)
        case "far from 0":
            return z + 1e13
        case "ties":
            return np.round(3 * z)
        case "two values":
            return np.where(z > 0, -1.5, 2.0)
        case "constant":
            return np.full_like(z, 0.1)
        case "zeros of both signs":
            return np.where(z > 0.5, z, np.copysign(0.0, z))
        case "subnormal":
            return np.round(20 * z) * 5e-324
        case "large":
            return z * 1e307
        case "normal and constant":
            return z * np.array([[1], [0], [1], [0]])
    raise ValueError(kind)


KINDS = (
    "normal",
    "heavy-tailed",
    "one unit in the last place apart",
    "runs apart in their last bits",
    "far from 0",
    "ties",
    "two values",
    "constant",
    "zeros of both signs",
    "subnormal",
    "large",
    "normal and constant",
)


def rows_of(values: Floats) -> Floats:
    """Lay values out in the first N numbers of wider rows, with nan behind them."""
    rows = np.full((len(values), N_ROWS, WIDTH), np.nan)
    rows[..., :N] = values.reshape(-1, N_ROWS, N)
    return rows


@pytest.mark.parametrize("kind", KINDS)
def test_values_come_in_ascending_order(kind: str) -> None:
    values = values_of(kind)
    found = Ordered(rows_of(values), N).at(np.arange(SIZE))
    np.testing.assert_array_equal(found, np.sort(values, axis=1))


@pytest.mark.parametrize("kind", KINDS)
def test_normal_scores_are_those_of_average_ranks(kind: str) -> None:
    values = values_of(kind)
    expected = ndtri((rankdata(values, axis=1) - 0.375) / (SIZE + 0.25))
    rows = rows_of(values)
    elsewhere = np.full_like(rows, 7.0)
    ordered = Ordered(rows, N)
    ordered.write_normal_scores(elsewhere)
    np.testing.assert_array_equal(rows, rows_of(values))
    ordered.write_normal_scores(rows)
    for found in (elsewhere, rows):
        np.testing.assert_array_equal(found[..., :N].reshape(4, -1), expected)
    assert np.isnan(rows[..., N:]).all()
    assert (elsewhere[..., N:] == 7.0).all()


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 8, 127, 128, 129])
def test_any_number_of_values_can_be_ordered(size: int) -> None:
    values = np.random.default_rng(size).integers(0, max(2, size // 2), (6, 1, size)).astype(float)
    found = Ordered(values, size).at(np.arange(size))
    np.testing.assert_array_equal(found, np.sort(values[:, 0], axis=1))


def test_quantiles_equal_those_of_numpy_and_infinite_values_count() -> None:
    probs = np.concatenate([np.linspace(0, 1, 57), [0.001, 0.999]])
    for size in (1, 2, 7, 1000):
        values = np.random.default_rng(size).standard_cauchy((3, size))
        expected = np.quantile(values, probs, axis=1).T
        np.testing.assert_allclose(quantiles(values, probs), expected, rtol=1e-12, atol=1e-13)
    values[0, :10] = np.inf
    values[1, :10] = -np.inf
    found = quantiles(values, probs)
    assert found[0, 56] == np.inf
    assert found[1, 0] == -np.inf
    np.testing.assert_allclose(found[2], expected[2], rtol=1e-12)


@pytest.mark.parametrize("n", [1, 2, 24, 99, 100])
def test_quantiles_of_few_are_numpys_weibull(n: int) -> None:
    values = np.random.default_rng(n).normal(size=(3, n))
    probs = np.array([0.001, 0.025, 0.05, 0.1, 0.25, 0.333, 0.5, 0.9, 0.95, 0.975, 0.999])
    expected = np.quantile(values, probs, axis=1, method="weibull").T
    np.testing.assert_allclose(quantiles_of_few(values, probs), expected, rtol=1e-6)


def test_quantiles_of_99_draws_hold_a_further_draw_as_often_as_their_levels_say() -> None:
    """200,000 times: within 5 standard errors, false alarm 6e-7 each."""
    rng = np.random.default_rng(8)
    n = 200_000
    ends = quantiles_of_few(rng.random((n, 99)), np.array([0.05, 0.25, 0.75, 0.95]))
    further = rng.random(n)
    for level, low, high in ((0.9, 0, 3), (0.5, 1, 2)):
        inside = np.mean((ends[:, low] <= further) & (further <= ends[:, high]))
        assert abs(inside - level) < 5 * np.sqrt(level * (1 - level) / n)
