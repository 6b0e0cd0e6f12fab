"""Time of one evaluation of a density and its gradient, compiled as numba does and as own code.

Run with ``pytest --benchmark-enable bench/bench_gradient.py``; compare the minima or medians of a
group. One evaluation, through C, at random points.
"""

import ctypes
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numba.core.compiler import Compiler
from pytest_benchmark.fixture import BenchmarkFixture

from recovery.design import Design
from recovery.engine.replicate import simulate
from recovery.engine.samplers import nutpie
from recovery.engine.workshop import Workshop
from recovery.loading import load_scenario

MODELS = {
    "plants, 4 parameters": "plants",
    "logistic": "logistic",
    "hierarchy, 50 parameters": f"{Path(__file__).parent / 'peers/models.py'}:hierarchical",
}
KINDS = {"as numba does": Compiler, "own code": nutpie.OwnCode}
POINTS = 1_000


def evaluations(target: str, kind: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Compile a density, and return what evaluates it at many points."""
    monkeypatch.setattr(nutpie, "OwnCode", kind)
    workshop = Workshop(load_scenario(target))
    (replicate,) = Design(workshop.scenario, {}, ("prior",), replicates=1)
    prepared = workshop.prepare(replicate.cell)
    sampler = workshop.sampler("nutpie")
    compiled: Any = workshop.density(prepared, sampler, simulate(replicate, prepared))._compiled
    double = ctypes.POINTER(ctypes.c_double)
    function = ctypes.CFUNCTYPE(
        ctypes.c_int64, ctypes.c_uint64, double, double, double, ctypes.c_void_p
    )(compiled.compiled_logp_func.address)
    size, value = compiled.n_dim, np.zeros(1)
    gradient, points = np.zeros(size), np.random.default_rng(1).normal(size=(POINTS, size)) / 2
    data = compiled.user_data.ctypes.data
    places = [point.ctypes.data_as(double) for point in points]
    into, at = gradient.ctypes.data_as(double), value.ctypes.data_as(double)

    def evaluate() -> None:
        for place in places:
            assert function(size, place, into, at, data) == 0

    return evaluate


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("model", MODELS)
def test_a_thousand_gradients(
    benchmark: BenchmarkFixture, monkeypatch: pytest.MonkeyPatch, model: str, kind: str
) -> None:
    benchmark.group = model
    evaluate = evaluations(MODELS[model], KINDS[kind], monkeypatch)
    benchmark.pedantic(evaluate, rounds=100, warmup_rounds=10)
