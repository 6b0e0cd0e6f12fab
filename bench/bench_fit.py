"""Time of a real fit by nutpie, compilation apart: with all draws, and until there are enough.

Run with ``pytest --benchmark-enable bench/bench_fit.py``; compare the medians of a group, on a
busy machine with ``--benchmark-timer=time.process_time``. One fit runs at a time, on one core.
Every round fits another data set, so a spread is that of the fits as well as of the machine.
``extra_info`` in the JSON holds means per fit, effective draws and gradients among them.
"""

import itertools
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from recovery.benchmarking import RecoveryBenchmark
from recovery.design import Design, Settings
from recovery.engine.replicate import simulate
from recovery.engine.samplers import Density, Fit
from recovery.engine.structure import Simulated
from recovery.engine.workshop import Workshop
from recovery.loading import load_scenario

MODELS = {
    "plants, 4 parameters": "plants",
    "hierarchy, 50 parameters": f"{Path(__file__).parent / 'peers/models.py'}:hierarchical",
}
DATA_SETS = 20
LEARNING = 10  # fits not timed, after which a density knows about how many draws are enough

WHOLE = Settings()
SHORTER = Settings(tune=400)
ENOUGH = Settings(tune=400, ess=400)


class Bench:
    """A scenario and its first data sets, drawn from the prior."""

    def __init__(self, target: str) -> None:
        self.scenario = load_scenario(target)
        workshop = Workshop(self.scenario)
        replicates = Design(self.scenario, {}, ("prior",), replicates=DATA_SETS)
        self.data: list[Simulated] = [simulate(r, workshop.prepare(r.cell)) for r in replicates]
        self._cell = replicates.cells[0]

    def compiled(self) -> Density:
        """Compile the density anew; nothing of an earlier time is kept but numba's own cache."""
        workshop = Workshop(self.scenario)
        prepared = workshop.prepare(self._cell)
        return workshop.density(prepared, workshop.sampler("nutpie"), self.data[0])


@pytest.fixture(scope="module", params=MODELS)
def model(request: pytest.FixtureRequest) -> Bench:
    return Bench(MODELS[request.param])


@pytest.fixture(scope="module")
def density(model: Bench) -> Density:
    return model.compiled()


def test_compiling(benchmark: BenchmarkFixture, model: Bench) -> None:
    benchmark.group = "compiling a density"
    benchmark.pedantic(model.compiled, rounds=2)  # type: ignore[no-untyped-call]


@pytest.mark.parametrize(
    "settings",
    [WHOLE, SHORTER, ENOUGH],
    ids=["1000 + 1000", "400 + 1000", "400 + until ess 400"],
)
def test_one_fit(
    recovery_benchmark: RecoveryBenchmark,
    model: Bench,
    density: Density,
    settings: Settings,
    request: pytest.FixtureRequest,
) -> None:
    recovery_benchmark.group = f"one fit, 4 chains, {request.node.callspec.params['model']}"
    seeds = itertools.count()
    found: dict[str, list[float]] = defaultdict(list)

    def fit() -> Fit:
        seed = next(seeds)
        started = time.perf_counter()
        done = density.fit(model.data[seed % DATA_SETS], settings, seed)
        if seed >= LEARNING:
            found["beside sampling, s"].append(time.perf_counter() - started - done.sample_s)
            found["draws kept per chain"].append(done.sampling.draws)
            found["gradient evaluations"].append(done.sampling.gradient_evaluations)
        return done

    recovery_benchmark.pedantic(fit, rounds=DATA_SETS, warmup_rounds=LEARNING)
    means = {name: float(np.mean(values)) for name, values in found.items()}
    recovery_benchmark.extra_info |= means
