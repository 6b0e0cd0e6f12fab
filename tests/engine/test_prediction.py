"""Out-of-sample prediction: calibrated where it must be, and a measure like any other."""

from typing import Any

import numpy as np
import pymc as pm
import pytest

from recovery import Problem, scenario
from recovery.design import Design
from recovery.engine import prediction
from recovery.engine.prediction import Predictor
from recovery.engine.workshop import Workshop
from recovery.loading import load_scenario
from recovery.testing import ExactSampler


@scenario
def predicted(trials: int = 10, new: int = 3) -> Problem:
    """Test."""
    with pm.Model(coords={"side": ["left", "right"]}) as model:
        x = pm.Data("x", np.zeros((trials, 2)), dims=["trial", "side"])
        noise_sd = pm.Data("noise_sd", 1.0)
        betas = pm.Normal("betas", dims="side")
        pm.Normal("y", x @ betas, noise_sd, dims="trial")
    return Problem(
        model,
        observed="y",
        truth={"betas": [1.0, -1.0]},
        covariates={"x": pm.Normal.dist(shape=(trials, 2))},
        predict={"x": pm.Normal.dist(shape=(new, 2))},
    )


def test_predictive_coverage_is_a_measure_like_any_other(run_sweep: Any) -> None:
    """240 predictive intervals at 90 %, exact posterior: 5 standard errors, false alarm 6e-7."""
    results = run_sweep(predicted, replicates=80, truth="prior", draws=500)
    measures = results.measures().set_index(["parameter", "measure"])
    for of in ("predicted y", "predicted mean of y"):
        rows = [measures.loc[(f"{of}[{i}]", "coverage_90")] for i in range(3)]
        assert [row["n"] for row in rows] == [80, 80, 80]
        pooled = float(np.mean([row["estimate"] for row in rows]))
        # Means at one replicate's three rows are correlated: n is between 80 and 240.
        assert abs(pooled - 0.9) < 5 * np.sqrt(0.09 / 80)
    kinds = results.estimates.groupby("parameter", sort=False)["kind"].first().to_dict()
    assert kinds["predicted y[0]"] == "predicted"
    assert kinds["predicted mean of y[2]"] == "predicted mean"
    assert kinds["betas[left]"] == "parameter"


def test_new_observations_are_wider_than_their_means_by_the_noise(run_sweep: Any) -> None:
    results = run_sweep(predicted, {"new": [1]}, replicates=5, draws=2000)
    sds = results.estimates.groupby("parameter")["sd"].mean()
    spread = np.sqrt(sds["predicted y[0]"] ** 2 - sds["predicted mean of y[0]"] ** 2)
    assert spread == pytest.approx(1.0, abs=0.05)  # 40,000 draws: se below 0.01


def test_the_number_of_new_observations_compiles_nothing() -> None:
    workshop = Workshop(predicted, {"exact": ExactSampler()})
    from recovery.design import Settings
    from recovery.engine.replicate import run_replicate

    design = Design(
        predicted,
        {"trials": [5, 9], "new": [1, 4]},
        replicates=2,
        settings=Settings("exact", draws=20),
    )
    records = [run_replicate(replicate, workshop) for replicate in design]
    assert {str(record.status) for record in records} == {"ok"}
    kinds = [c.kind for record in records for c in record.compilations]
    assert sorted(kinds) == ["covariates", "density", "predictor", "quantities", "simulator"]


def plants_predictor() -> tuple[Any, Any]:
    plants = load_scenario("plants")
    prepared = Workshop(plants).prepare(Design(plants, {}).cells[0])
    return prepared.problem, prepared.structure


def test_vectorised_prediction_agrees_with_one_draw_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Means are equal to rounding; draws agree in distribution (5 standard errors, 6e-7)."""
    problem, structure = plants_predictor()
    rng = np.random.default_rng(1)
    draws = {"betas": rng.normal(size=(800, 3)), "sigma": np.full(800, 2.0)}
    free = {"betas": np.array([1.0, 2, 3]), "sigma": np.array(2.0)}
    new = {"x": rng.normal(size=(4, 3))}
    (fast,) = Predictor(structure).predict(problem, free, new, draws, (1, 2))

    def refuse(*_: object) -> None:
        raise NotImplementedError

    monkeypatch.setattr(prediction, "_vectorised", refuse)
    (slow,) = Predictor(structure).predict(problem, free, new, draws, (1, 2))
    assert fast.mean_draws is not None
    assert slow.mean_draws is not None
    assert np.allclose(fast.mean_draws, slow.mean_draws, rtol=1e-12)
    assert np.allclose(fast.mean_draws, draws["betas"] @ new["x"].T, rtol=1e-12)
    assert fast.mean_truth == pytest.approx(new["x"] @ free["betas"])
    for drawn in (fast.draws, slow.draws):
        residuals = drawn - fast.mean_draws
        assert abs(residuals.mean()) < 5 * 2 / np.sqrt(3200)
        assert abs(residuals.std() - 2) < 5 * 2 / np.sqrt(2 * 3200)
    assert np.array_equal(fast.truth, slow.truth)


def test_a_distribution_without_a_known_mean_is_predicted_without_it() -> None:
    @scenario
    def heavy() -> Problem:
        with pm.Model() as model:
            x = pm.Data("x", np.zeros(3))
            b = pm.Normal("b")
            pm.Truncated("y", pm.Normal.dist(b * x, 1), lower=-5)
        return Problem(model, observed="y", truth={"b": 1.0}, predict={"x": [1.0, 2.0]})

    prepared = Workshop(heavy).prepare(Design(heavy, {}).cells[0])
    (found,) = Predictor(prepared.structure).predict(
        prepared.problem,
        {"b": np.array(1.0)},
        {"x": np.array([1.0, 2.0])},
        {"b": np.zeros(50)},
        (1, 2),
    )
    assert found.mean_draws is None
    assert found.mean_truth is None
    assert found.draws.shape == (50, 2)
