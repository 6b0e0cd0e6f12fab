"""A sweep that has been run is read; whatever would change its numbers makes it another one."""

import os
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pymc as pm
import pytest

from recovery import Problem, Scenario, Sweep, scenario
from recovery.cached import KEPT_DAYS, Cached, cached_sweep, fingerprint
from recovery.testing import ExactDensity, ExactSampler, line


@dataclass
class Counting(ExactSampler):
    """The exact sampler, which counts its fits and fails where it is told to."""

    fits: list[int] = field(default_factory=list)
    failing: set[int] = field(default_factory=set)

    def compile(self, target: Any, simulated: Any) -> ExactDensity:
        density = super().compile(target, simulated)
        fit = density.fit

        def counted(simulated: Any, settings: Any, seed: int) -> Any:
            self.fits.append(seed)
            if len(self.fits) in self.failing:
                raise RuntimeError("told to fail")
            return fit(simulated, settings, seed)

        density.fit = counted  # type: ignore[method-assign]
        return density


OPTIONS: dict[str, Any] = {"replicates": 3, "truth": "prior", "draws": 50}


def run(folder: Path, sampler: ExactSampler, given: Scenario = line, **options: Any) -> Cached:
    chosen = {**OPTIONS, "sampler": sampler, **options}
    levels = chosen.pop("levels", {"trials": [10]})
    return cached_sweep(given, levels, chosen, folder, workers=1)


def mark(given: Scenario = line, **options: Any) -> str:
    chosen = {**OPTIONS, "sampler": ExactSampler(), **options}
    levels = chosen.pop("levels", {"trials": [10]})
    return fingerprint(Sweep(given, levels, **chosen), chosen)


def test_a_complete_run_is_read_without_a_fit(tmp_path: Path) -> None:
    sampler = Counting()
    first, second = run(tmp_path, sampler), run(tmp_path, sampler)
    assert (first.fitted, second.fitted, len(sampler.fits)) == (3, 0, 3)
    assert first.results.folder == second.results.folder
    assert first.results.estimates.equals(second.results.estimates)


@pytest.mark.parametrize(
    "change",
    [
        {"replicates": 4},
        {"truth": "both"},
        {"seed": 7},
        {"seeds": [1, 2, 3]},
        {"draws": 60},
        {"chains": 2},
        {"levels": {"trials": [10], "noise": [2.0]}},
        {"levels": {"trials": [10, 20]}},
        {"sampler": ExactSampler(sd_factor=0.9)},
        {"sampler": Counting()},
        {"precision": 0.1},
        {"precision": 0.1, "max_replicates": 50},
    ],
    ids=str,
)
def test_another_design_sampler_or_rule_is_another_run(change: dict[str, Any]) -> None:
    assert mark(**change) != mark()


def test_the_same_design_is_the_same_run_however_it_is_written() -> None:
    assert mark(levels={"trials": np.array([10])}) == mark()
    assert mark(levels={"trials": [10], "noise": [1.0]}) == mark()


def variant(prior_sd: float, first_data: float = 0.0) -> Scenario:
    @scenario
    def line(trials: int = 20) -> Problem:
        with pm.Model(coords={"side": ["left", "right"]}) as model:
            x = pm.Data("x", np.full((trials, 2), first_data), dims=["trial", "side"])
            betas = pm.Normal("betas", 0, prior_sd, dims="side")
            pm.Normal("y", x @ betas, 1.0, dims="trial")
        return Problem(model, observed="y")

    return line


def test_a_model_that_computes_something_else_or_other_data_are_another_run() -> None:
    marks = [mark(variant(*given)) for given in [(1.0,), (1.0,), (2.0,), (1.0, 0.5)]]
    assert marks[0] == marks[1]
    assert len(set(marks)) == 3


def test_another_version_of_a_package_is_another_run(monkeypatch: pytest.MonkeyPatch) -> None:
    before = mark()
    monkeypatch.setattr("recovery.cached.packages", lambda: {"pymc": "0"})
    assert mark() != before


def test_what_an_interrupted_run_has_is_not_fitted_again(tmp_path: Path) -> None:
    sampler = Counting()
    done = run(tmp_path, sampler)
    (done.results.folder / "complete").unlink()
    again = run(tmp_path, sampler)
    assert (again.fitted, len(sampler.fits)) == (0, 3)
    assert (again.results.folder / "complete").is_file()


def test_failed_fits_are_tried_again_and_the_others_are_not(tmp_path: Path) -> None:
    sampler = Counting(failing={2})
    first = run(tmp_path, sampler)
    assert first.results.fits["ok"].tolist().count(False) == 1
    second, third = run(tmp_path, sampler), run(tmp_path, sampler)
    assert second.results.fits["ok"].all()
    assert (second.fitted, third.fitted, len(sampler.fits)) == (1, 0, 4)


def test_a_run_that_cannot_be_read_is_had_again(tmp_path: Path) -> None:
    sampler = Counting()
    folder = run(tmp_path, sampler).results.folder
    (folder / "results.sqlite").write_bytes(b"no store")
    assert run(tmp_path, sampler).fitted == 3


def test_of_two_that_ask_at_once_one_fits_and_the_other_reads(tmp_path: Path) -> None:
    samplers = [Counting(), Counting()]
    found: list[Cached] = []
    threads = [
        threading.Thread(target=lambda s=s: found.append(run(tmp_path, s))) for s in samplers
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done.fitted for done in found) == [0, 3]
    assert sorted(len(sampler.fits) for sampler in samplers) == [0, 3]


def test_runs_that_nobody_asked_for_since_long_are_removed_with_the_next_new_one(
    tmp_path: Path,
) -> None:
    sampler = Counting()
    old, used = (run(tmp_path, sampler, seed=seed).results.folder for seed in (1, 2))
    long_ago = time.time() - (KEPT_DAYS + 1) * 24 * 3600
    for folder in (old, used):
        os.utime(folder / "complete", (long_ago, long_ago))
    run(tmp_path, sampler, seed=2)  # asked for again
    run(tmp_path, sampler, seed=3)
    assert not old.exists()
    assert used.exists()
