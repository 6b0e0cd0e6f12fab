"""Time of all diagnostics of one fit, beside the same quantities from arviz-stats.

Run with ``pytest --benchmark-enable bench/bench_diagnostics.py``; compare the medians of a group.
"""

from collections.abc import Callable

import numpy as np
import pytest
from arviz_stats.base import array_stats
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture

from recovery.diagnostics import diagnose

Floats = NDArray[np.float64]


def draws_of(n_parameters: int) -> Floats:
    """Draws of 4 chains of 1000, AR(1) with 0.5: about as sticky as a good NUTS chain."""
    draws = np.random.default_rng(1).normal(size=(4, 1000, n_parameters))
    for i in range(1, draws.shape[1]):
        draws[:, i] += 0.5 * draws[:, i - 1]
    return draws


def with_arviz(draws: Floats) -> tuple[Floats, ...]:
    """Compute the fields of `diagnose` with one arviz-stats call each."""
    columns = np.moveaxis(draws, 2, 0)
    return (
        columns.mean(axis=(1, 2)),
        columns.std(axis=(1, 2), ddof=1),
        array_stats.rhat(columns, method="rank"),
        array_stats.ess(columns, method="bulk"),
        array_stats.ess(columns, method="tail", prob=(0.05, 0.95)),
        array_stats.mcse(columns, method="mean"),
    )


@pytest.mark.parametrize("n_parameters", [4, 50])
@pytest.mark.parametrize("how", [diagnose, with_arviz], ids=["recovery", "arviz-stats"])
def test_diagnostics_of_one_fit(
    benchmark: BenchmarkFixture, how: Callable[[Floats], object], n_parameters: int
) -> None:
    benchmark.group = f"diagnostics, 4 x 1000 draws, {n_parameters} parameters"
    benchmark.extra_info["n_parameters"] = n_parameters
    benchmark(how, draws_of(n_parameters))
