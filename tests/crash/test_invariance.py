"""Numbers depend on the design alone: not on how, where, in which order or how often it is run."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from crash.driver import LEVELS, Order, Sleeping, SleepingDensity, Whole, make_sweep
from crash.stores import same
from crash.waiting import counted

from recovery import Results, Sweep
from recovery.design import Design, Replicate
from recovery.engine.samplers import Fit, Target
from recovery.engine.structure import Simulated
from recovery.scenarios.plants import plants
from recovery.testing import ExactSampler, line

ORDER = Order("", replicates=8)
QUIETLY: dict[str, Any] = {"progress": False, "report": False}

WAYS: dict[str, dict[str, Any]] = {
    "1 worker": {"workers": 1},
    "2 threads": {"workers": 2, "processes": 1},
    "4 threads": {"workers": 4, "processes": 1},
    "2 processes of threads": {"workers": 4, "processes": 2},
    "2 processes": {"workers": 2, "threads": False},
    "dask": {"workers": 2, "executor": "dask"},
}
SLOW = {"dask"}  # starts a cluster


@pytest.mark.parametrize(
    "way", [pytest.param(way, marks=[pytest.mark.slow] * (way in SLOW)) for way in WAYS]
)
def test_every_way_to_run_gives_the_same_numbers(tmp_path: Path, whole: Whole, way: str) -> None:
    options, counts = dict(WAYS[way]), tmp_path / "counted"
    sampler = Sleeping(
        most_s=0.02,
        threads=options.pop("threads", True),
        counted=str(counts),
        spared=os.getpid(),
        # Or the fits of this process would be done before another has begun.
        company=str(tmp_path / "company") if options.get("processes", 1) > 1 else "",
    )
    same(make_sweep(ORDER, sampler).run(tmp_path / "run", **options, **QUIETLY), whole(ORDER))
    processes = {pid for pid, _ in counted(counts)}
    assert len(processes) == (2 if "2 processes" in way or way == "dask" else 1)


@pytest.mark.parametrize("seed", range(3))
def test_replicates_may_be_run_in_any_order(
    tmp_path: Path, whole: Whole, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    expected = whole(ORDER)
    in_order = Design.__iter__

    def shuffled(self: Design) -> Iterator[Replicate]:
        replicates = [*in_order(self)]
        random.Random(seed).shuffle(replicates)
        return iter(replicates)

    monkeypatch.setattr(Design, "__iter__", shuffled)
    same(make_sweep(ORDER, Sleeping()).run(tmp_path, workers=2, **QUIETLY), expected)


@dataclass
class Interrupting(ExactSampler):
    """Interrupts its run at every so many fits, once: a second signal would end it at once."""

    every: int = 1
    fits: int = 0
    raised: bool = False

    def compile(self, target: Target, simulated: Simulated) -> "InterruptingDensity":
        return InterruptingDensity(self, target)


class InterruptingDensity(SleepingDensity):
    def fit(self, simulated: Simulated, settings: Any, seed: int) -> Fit:
        sampler: Interrupting = self._sampler  # type: ignore[assignment]  # made by it
        sampler.fits += 1
        if sampler.fits % sampler.every == 0 and not sampler.raised:
            sampler.raised = True
            signal.raise_signal(signal.SIGINT)
            time.sleep(0.1)  # the main thread takes note of it meanwhile
        return super(SleepingDensity, self).fit(simulated, settings, seed)


@pytest.mark.parametrize("every", [3, 10])
def test_a_run_interrupted_again_and_again_ends_with_the_same_numbers(
    tmp_path: Path, whole: Whole, every: int
) -> None:
    sampler = Interrupting(every=every)
    sweep = make_sweep(ORDER, sampler)
    interruptions = 0
    while True:
        sampler.raised = False
        try:
            results = sweep.run(tmp_path, workers=1, **QUIETLY)
        except KeyboardInterrupt:
            interruptions += 1
        else:
            break
    assert interruptions > 1
    assert sampler.fits == 32
    same(results, whole(ORDER))


def test_a_design_that_grows_in_steps_changes_nothing_that_was_there(
    tmp_path: Path, whole: Whole
) -> None:
    steps: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({"trials": [9]}, {"replicates": 2, "truth": "prior"}),
        ({"trials": [9]}, {"replicates": 5, "truth": "fixed"}),
        ({"trials": [5]}, {"replicates": 8, "truth": "prior"}),
        ({"trials": [5, 9]}, {"replicates": 8, "truth": "both"}),
    ]
    place = ["trials", "truth_mode", "replicate", "parameter"]
    before = None
    for levels, options in steps:
        sweep = Sweep(line, levels, sampler=ExactSampler(), draws=50, **options)
        found = sweep.run(tmp_path, workers=2, **QUIETLY).estimates.set_index(place)
        if before is not None:
            pd.testing.assert_frame_equal(found.loc[before.index], before, check_exact=True)
        before = found
    expected = whole(ORDER).estimates.set_index(place)
    pd.testing.assert_frame_equal(found.loc[expected.index], expected, check_exact=True)


HASHED = """
import sys
from recovery import Sweep
from recovery.testing import ExactSampler, line
sweep = Sweep(
    line, {levels}, replicates=8, truth="both", seed=42, sampler=ExactSampler(), draws=50
)
sweep.run({out!r}, workers=2, progress=False, report=False)
"""


def test_numbers_do_not_depend_on_the_seed_of_python_hashes(tmp_path: Path, whole: Whole) -> None:
    seeds = ["0", "1"]  # those of this process are random, unless it was told otherwise
    runs = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", HASHED.format(levels=LEVELS, out=str(out))],
            env={**os.environ, "PYTHONHASHSEED": out.name},
        )
        for out in map(tmp_path.joinpath, seeds)
    ]
    assert [run.wait(timeout=300) for run in runs] == [0, 0]
    for seed in seeds:
        same(Results(tmp_path / seed), whole(ORDER))


@pytest.mark.slow
def test_every_way_to_run_nuts_gives_the_same_draws(tmp_path: Path) -> None:
    ways: dict[str, dict[str, Any]] = {
        "plain": {"workers": 1},
        "threads": {"workers": 2, "processes": 1},
        "processes": {"workers": 2, "processes": 2},
    }
    found = {}
    for way, options in ways.items():
        sweep = Sweep(
            plants, {"trials": [10, 20]}, truth="both", replicates=6, draws=200, tune=200, chains=2
        )
        found[way] = sweep.run(tmp_path / way, **options, **QUIETLY)
        same(found[way], found["plain"])
