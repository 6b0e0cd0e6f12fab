"""Time between the draws of one fit and its record, and of its diagnostics beside arviz-stats.

Run with ``pytest --benchmark-enable bench/bench_diagnostics.py``; compare the medians of a group.
Diagnostics and estimates keep to one core: set OMP_NUM_THREADS=1, as `recovery` does for its
workers, or small matrix products may be shared out.
"""

from collections.abc import Callable

import numpy as np
import pymc as pm
import pytest
from arviz_stats.base import array_stats
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture

from recovery import Problem
from recovery.diagnostics import diagnose
from recovery.engine.estimate import estimate
from recovery.engine.problem import check_problem
from recovery.record import QUANTILE_GRID

Floats = NDArray[np.float64]


def draws_of(n_parameters: int) -> Floats:
    """Draws of 4 chains of 1000, AR(1) with 0.5: stickier than most NUTS chains."""
    draws = np.random.default_rng(1).normal(size=(4, 1000, n_parameters))
    for i in range(1, draws.shape[1]):
        draws[:, i] += 0.5 * draws[:, i - 1]
    return draws


def with_recovery(draws: Floats) -> object:
    return diagnose(draws, QUANTILE_GRID)


def with_arviz(draws: Floats) -> object:
    """Compute the fields of `diagnose` with one call each."""
    columns = np.moveaxis(draws, 2, 0)
    return (
        columns.mean(axis=(1, 2)),
        columns.std(axis=(1, 2), ddof=1),
        array_stats.rhat(columns, method="rank"),
        array_stats.ess(columns, method="bulk"),
        array_stats.ess(columns, method="tail", prob=(0.05, 0.95)),
        array_stats.ess(columns, method="mean"),
        array_stats.mcse(columns, method="mean"),
        np.quantile(columns, QUANTILE_GRID, axis=(1, 2)),
    )


@pytest.mark.parametrize("n_parameters", [4, 50])
@pytest.mark.parametrize("how", [with_recovery, with_arviz], ids=["recovery", "arviz-stats"])
def test_diagnostics_and_quantiles_of_one_fit(
    benchmark: BenchmarkFixture, how: Callable[[Floats], object], n_parameters: int
) -> None:
    benchmark.group = f"diagnostics and quantiles, 4 x 1000 draws, {n_parameters} parameters"
    benchmark.extra_info["n_parameters"] = n_parameters
    benchmark(how, draws_of(n_parameters))


@pytest.mark.parametrize("n_parameters", [4, 50])
def test_estimate_of_one_fit(benchmark: BenchmarkFixture, n_parameters: int) -> None:
    """The same, and labels, ranks, PIT and the draws that are kept: all from draws to estimates."""
    n_effects = n_parameters - 2
    with pm.Model(coords={"effect": range(n_effects)}) as model:
        effects = pm.Normal("effects", dims="effect")
        intercept, noise = pm.Normal("intercept"), pm.HalfNormal("noise")
        pm.Normal("y", effects.sum() + intercept, noise)
    problem = check_problem(Problem(model, "y"), "bench")
    draws = draws_of(n_parameters)
    variables = {
        "effects": draws[..., :n_effects].copy(),
        "intercept": draws[..., -2].copy(),
        "noise": draws[..., -1].copy(),
    }
    truth = {name: np.zeros(values.shape[2:]) for name, values in variables.items()}
    benchmark.group = f"estimate, 4 x 1000 draws, {n_parameters} parameters"
    benchmark.extra_info["n_parameters"] = n_parameters
    benchmark(estimate, problem, truth, variables, [], np.random.default_rng(2))
