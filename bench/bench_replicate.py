"""What one replicate costs besides sampling: everything from its seeds to its commit.

Run with ``pytest --benchmark-enable bench/bench_replicate.py``; compare medians, on a busy machine
with ``--benchmark-timer=time.process_time``. The exact sampler draws the posterior in closed form,
4 chains of 1,000 draws of 4 slopes, which takes about as long as the draws themselves.
"""

import itertools
from pathlib import Path

import numpy as np
import pymc as pm
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from recovery import Problem, Sweep, scenario
from recovery.design import Design, Purpose, Settings
from recovery.engine.estimate import estimate
from recovery.engine.replicate import run_replicate, simulate
from recovery.engine.workshop import Workshop
from recovery.testing import ExactSampler

PARAMETERS = 4


@scenario
def slopes(trials: int = 100) -> Problem:
    """Four slopes under a standard normal prior, with known noise."""
    with pm.Model(coords={"slope": range(PARAMETERS)}) as model:
        x = pm.Data("x", np.zeros((trials, PARAMETERS)), dims=["trial", "slope"])
        noise_sd = pm.Data("noise_sd", 1.0)
        betas = pm.Normal("betas", dims="slope")
        pm.Normal("y", x @ betas, noise_sd, dims="trial")
    return Problem(
        model,
        observed="y",
        truth={"betas": np.linspace(-1, 1, PARAMETERS)},
        covariates={"x": pm.Normal.dist(shape=(trials, PARAMETERS))},
    )


@pytest.fixture(scope="module")
def workshop() -> Workshop:
    return Workshop(slopes, {"exact": ExactSampler()})


@pytest.fixture
def replicates() -> "itertools.cycle[object]":
    return itertools.cycle(Design(slopes, {}, replicates=50, settings=Settings("exact")))


def test_one_replicate_from_seeds_to_record(benchmark, workshop, replicates) -> None:
    benchmark.group = f"one replicate, {PARAMETERS} parameters"
    record = benchmark(lambda: run_replicate(next(replicates), workshop))
    assert record.estimates is not None


def test_simulate(benchmark, workshop, replicates) -> None:
    benchmark.group = f"one replicate, {PARAMETERS} parameters"
    prepared = workshop.prepare(next(replicates).cell)
    benchmark(lambda: simulate(next(replicates), prepared))


def test_estimate(benchmark, workshop, replicates) -> None:
    benchmark.group = f"one replicate, {PARAMETERS} parameters"
    replicate = next(replicates)
    prepared = workshop.prepare(replicate.cell)
    data = simulate(replicate, prepared)
    density = workshop.density(prepared, workshop.sampler("exact"), data)
    draws = density.fit(data, replicate.cell.settings, 1).draws
    rng = np.random.default_rng(replicate.entropy(Purpose.RANKS))
    benchmark(estimate, prepared.problem, data.truth, draws, [], rng)


def test_a_sweep_of_200_replicates(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    benchmark.group = "a sweep of 200 replicates, exact sampler, one worker"
    sweep = Sweep(slopes, replicates=200, sampler=ExactSampler())
    folders = (tmp_path / str(i) for i in itertools.count())
    benchmark.pedantic(
        lambda: sweep.run(next(folders), workers=1, progress=False, report=False),
        rounds=3,
        warmup_rounds=1,
    )
