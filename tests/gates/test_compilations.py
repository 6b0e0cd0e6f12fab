"""What need not be compiled again is told if it is; what is another model is not."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pymc as pm
import pytest

from recovery import Problem, Scenario, scenario
from recovery.engine.structure import Structure
from recovery.engine.workshop import Workshop
from recovery.gates import Outcome, Verdict, check
from recovery.results import Results

GOLDEN = Path(__file__).parents[1] / "golden"
Run = Callable[..., Results]
ONE: dict[str, Any] = {"replicates": 4, "workers": 1, "draws": 50}


def regression(trials: int, prior: str = "normal", sd: Any = 1.0, rows: int | None = None) -> Any:
    with pm.Model(coords={"side": ["left", "right"]}) as model:
        dims = {"dims": ["trial", "side"]} if rows is None else {}
        x = pm.Data("x", np.zeros((trials, 2)), **dims)
        noise_sd = pm.Data("noise_sd", 1.0)
        make = pm.Normal if prior == "normal" else pm.Laplace
        betas = make("betas", 0, sd, dims="side")
        mean = x @ betas if rows is None else (x * np.ones((rows, 1))) @ betas
        pm.Normal("y", mean, noise_sd, **({"dims": "trial"} if rows is None else {}))
    return model


def study(
    model: Callable[[int], pm.Model], generator: Callable[[int], pm.Model] | None = None
) -> Scenario:
    @scenario
    def made(trials: int = 20) -> Problem:
        return Problem(
            model(trials),
            observed="y",
            truth={"betas": [1.0, -1.0]},
            covariates={"x": pm.Normal.dist(shape=(trials, 2))},
            generator=None if generator is None else generator(trials),
        )

    return made


def judged(results: Results, limit: int = 1) -> Verdict:
    (verdict,) = check(results, {"compilations_at_most": limit})
    return verdict


@pytest.mark.parametrize(
    "generator",
    [lambda trials: regression(trials, "laplace"), lambda trials: regression(trials, sd=2.0)],
    ids=["another structure", "another constant"],
)
def test_a_generator_is_a_model_of_its_own_and_compiled_once_beside_the_fitted_one(
    run_sweep: Run, generator: Callable[[int], pm.Model]
) -> None:
    results = run_sweep(study(regression, generator), {"trials": [10, 20]}, **ONE)
    simulators = results.compilations.query("kind == 'simulator'")
    assert len(simulators) == simulators["structure"].nunique() == 2
    verdict = judged(results)
    assert verdict.outcome is Outcome.PASS
    assert "once for one structure in a process and session" in verdict.reason


def test_structures_that_an_axis_chooses_are_each_compiled_once(run_sweep: Run) -> None:
    results = run_sweep(
        study(lambda trials: regression(trials, "normal" if trials == 10 else "laplace")),
        {"trials": [10, 20]},
        **ONE,
    )
    assert len(results.compilations.query("kind == 'density'")) == 2
    assert judged(results).outcome is Outcome.PASS


@pytest.mark.parametrize(
    "model",
    [
        lambda trials: regression(trials, sd=float(trials)),
        lambda trials: regression(trials, rows=trials),
    ],
    ids=["number", "size"],
)
def test_a_level_that_a_model_holds_as_a_constant_compiles_anew_and_fails(
    run_sweep: Run, model: Callable[[int], pm.Model]
) -> None:
    results = run_sweep(study(model), {"trials": [10, 20, 30]}, **ONE)
    verdict = judged(results)
    assert (verdict.outcome, verdict.estimate) == (Outcome.FAIL, 3)
    assert "was compiled 3 times for one structure" in verdict.reason
    assert judged(results, 3).outcome is Outcome.PASS


def test_variables_of_as_many_shapes_as_an_axis_has_levels_are_each_compiled_once(
    run_sweep: Run,
) -> None:
    @scenario
    def grouped(groups: int = 3) -> Problem:
        with pm.Model() as model:
            x = pm.Data("x", np.zeros(groups))
            pm.Normal("y", pm.Normal("a", shape=x.shape[0]) + x, 1.0)
        return Problem(model, observed="y", truth={"a": np.ones(groups)})

    verdict = judged(run_sweep(grouped, {"groups": [3, 5, 7]}, **ONE))
    assert verdict.outcome is Outcome.PASS, verdict.reason


def forgets_structures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Structure, "matches", lambda *_: False)


def forgets_densities(monkeypatch: pytest.MonkeyPatch) -> None:
    density = Workshop.density

    def forgetful(self: Workshop, *given: Any) -> Any:
        self._densities.clear()
        return density(self, *given)

    monkeypatch.setattr(Workshop, "density", forgetful)


def forgets_all(monkeypatch: pytest.MonkeyPatch) -> None:
    prepare = Workshop.prepare

    def forgetful(self: Workshop, cell: Any) -> Any:
        for cache in (self._prepared, self._structures, self._drawers):
            cache.clear()
        return prepare(self, cell)

    monkeypatch.setattr(Workshop, "prepare", forgetful)


@pytest.mark.parametrize("forgets", [forgets_structures, forgets_densities, forgets_all])
def test_a_workshop_that_compiles_again_what_it_had_fails(
    run_sweep: Run, monkeypatch: pytest.MonkeyPatch, forgets: Callable[..., None]
) -> None:
    forgets(monkeypatch)
    generator = study(regression, lambda trials: regression(trials, "laplace"))
    verdict = judged(run_sweep(generator, {"trials": [10, 20]}, **ONE))
    assert verdict.outcome is Outcome.FAIL
    assert verdict.estimate > 1


def test_a_store_that_does_not_tell_structures_apart_is_judged_as_ever(tmp_path: Path) -> None:
    """Of format 4: in each of two sessions a model and a generator of another structure."""
    shutil.copytree(GOLDEN / "format-4", tmp_path / "old")
    results = Results(tmp_path / "old")
    assert set(results.compilations["structure"]) == {""}
    verdict = judged(results)
    assert (verdict.outcome, verdict.estimate) == (Outcome.FAIL, 2)
    assert verdict.reason.startswith("simulator was compiled 2 times in a process and session")
    assert judged(results, 2).outcome is Outcome.PASS
