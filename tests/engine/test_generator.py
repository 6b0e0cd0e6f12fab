"""Data from one model, fits with another: what is true of the fitted model, and what is refused."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pymc as pm
import pytest

from recovery import Problem, Scenario, Sweep, scenario
from recovery.design import Design, Settings, TruthMode
from recovery.engine.describe import describe
from recovery.engine.problem import check_problem
from recovery.engine.replicate import run_replicate, simulate
from recovery.engine.structure import Simulated
from recovery.engine.workshop import Workshop
from recovery.errors import ProblemError, RecoveryError, StoreConflict
from recovery.results import Results
from recovery.testing import ExactSampler


def line_model(trials: int, prior_sd: float = 1.0) -> pm.Model:
    with pm.Model(coords={"side": ["left", "right"]}) as model:
        x = pm.Data("x", np.zeros((trials, 2)), dims=["trial", "side"])
        noise_sd = pm.Data("noise_sd", 1.0)
        betas = pm.Normal("betas", 0, prior_sd, dims="side")
        pm.Deterministic("total", betas.sum())
        pm.Normal("y", x @ betas, noise_sd, dims="trial")
    return model


def with_generator(generator: Callable[[int], pm.Model], **more: Any) -> Scenario:
    @scenario
    def study(trials: int = 20) -> Problem:
        given: dict[str, Any] = {
            "truth": {"betas": [1.0, -1.0]},
            "covariates": {"x": pm.Normal.dist(shape=(trials, 2))},
        }
        return Problem(
            line_model(trials), observed="y", generator=generator(trials), **(given | more)
        )

    study.name = "line"  # seeds are made of the name
    return study


def plain(trials: int = 20) -> Problem:
    return Problem(
        line_model(trials),
        observed="y",
        truth={"betas": [1.0, -1.0]},
        covariates={"x": pm.Normal.dist(shape=(trials, 2))},
    )


def simulated_by(study: Scenario, mode: TruthMode = "fixed") -> Simulated:
    (replicate,) = Design(study, {}, (mode,), replicates=1)
    workshop = Workshop(study)
    workshop.check(replicate.cell)
    return simulate(replicate, workshop.prepare(replicate.cell))


def refusal(study: Scenario, mode: TruthMode = "fixed") -> str:
    (cell,) = Design(study, {}, (mode,)).cells
    with pytest.raises(RecoveryError) as caught:
        Workshop(study).check(cell)
    assert isinstance(caught.value, ProblemError)
    return str(caught.value)


@pytest.mark.parametrize("mode", ["fixed", "prior"])
def test_a_generator_equal_to_the_model_gives_exactly_the_numbers_of_none(mode: TruthMode) -> None:
    @scenario
    def line(trials: int = 20) -> Problem:
        return plain(trials)

    samplers = {"exact": ExactSampler()}
    settings = Settings("exact", draws=100)
    records = []
    for study in (line, with_generator(line_model)):
        design = Design(study, {"trials": [8, 20]}, (mode,), replicates=2, settings=settings)
        workshop = Workshop(study, samplers)
        records.append([run_replicate(replicate, workshop) for replicate in design])
    for one, other in zip(*records, strict=True):
        assert one.failure is None
        assert (one.key, one.data_digest) == (other.key, other.data_digest)
        assert one.estimates is not None
        assert other.estimates is not None
        for field in ("truth", "mean", "sd", "rank", "pit", "quantiles", "crps", "kept_draws"):
            values = [getattr(estimates, field) for estimates in (one.estimates, other.estimates)]
            assert np.array_equal(*values, equal_nan=True), field


def test_the_truth_is_drawn_from_the_prior_of_the_generator() -> None:
    """Its prior has a thousandth of the sd, so no draw lies beyond .01 (10 sd)."""
    narrow = with_generator(lambda trials: line_model(trials, prior_sd=1e-3))
    betas = simulated_by(narrow, "prior").truth["betas"]
    assert 0 < np.abs(betas).max() < 0.01


def mixed(trials: int) -> pm.Model:
    """It has no `betas` but one slope of another name, a `total`, and a covariate of its own."""
    with pm.Model() as model:
        x = pm.Data("x", np.zeros((trials, 2)))
        w = pm.Data("w", np.zeros(trials))
        slope = pm.Normal("slope")
        total = pm.Deterministic("total", 2 * slope)
        pm.Normal("y", x @ [1.0, 1.0] + 100 + total * w, 0.1, shape=trials)
    return model


def test_covariates_of_either_are_redrawn_and_those_of_both_are_the_same() -> None:
    study = with_generator(
        mixed,
        truth={"slope": 3.0},
        covariates={
            "x": lambda rng: rng.normal(size=(20, 2)),
            "w": lambda rng: np.full(20, rng.normal()),
        },
    )
    shown = simulated_by(study)
    assert set(shown.data) == {"x", "noise_sd"}
    assert shown.data["x"].std() > 0.3
    # All of y is explained to its sd of .1 by the x that is shown and a w that is not.
    rest = shown.observed["y"] - 100 - shown.data["x"].sum(axis=1)
    assert rest.std() < 0.3
    assert abs(rest.mean()) > 0.1


def test_what_the_generator_does_not_have_has_no_truth_and_is_estimated_all_the_same() -> None:
    study = with_generator(mixed, truth={"slope": 3.0})
    shown = simulated_by(study)
    assert np.isnan(shown.truth["betas"]).all()
    assert shown.truth["betas"].shape == (2,)
    assert shown.truth["total"] == 6.0
    settings = Settings("exact", draws=100)
    (replicate,) = Design(study, {}, replicates=1, settings=settings)
    record = run_replicate(replicate, Workshop(study, {"exact": ExactSampler()}))
    found = record.estimates
    assert found is not None, record.failure
    parameters = {n: i for i, n in enumerate(found.names)}
    left, total = parameters["betas[left]"], parameters["total"]
    assert np.isfinite(found.mean[left])
    assert np.isnan(found.pit[left])
    assert found.truth[total] == 6.0
    assert np.isfinite(found.pit[total])


def test_a_true_value_of_another_shape_is_none() -> None:
    def single(trials: int) -> pm.Model:
        with pm.Model() as model:
            pm.Data("x", np.zeros((trials, 2)))
            pm.Normal("y", pm.Normal("betas"), 1, shape=trials)
        return model

    shown = simulated_by(with_generator(single, truth={"betas": 2.0}))
    assert shown.truth["betas"].shape == (2,)
    assert np.isnan(shown.truth["betas"]).all()


def test_data_of_the_generator_stand_for_a_parameter_of_the_model() -> None:
    @scenario
    def study() -> Problem:
        with pm.Model() as generator:
            pm.Normal("y", pm.Normal("a"), pm.Data("spread", 2.5), shape=5)
        with pm.Model() as model:
            pm.Normal("y", pm.Normal("a"), pm.HalfNormal("spread"), shape=5)
        return Problem(model, observed="y", truth={"a": 1.0}, generator=generator)

    assert simulated_by(study).truth["spread"] == 2.5


def test_a_run_with_another_generator_is_another_run(run_sweep: Callable[..., Results]) -> None:
    one = with_generator(lambda trials: line_model(trials, 2.0))
    run_sweep(one, replicates=1)
    without = scenario(plain)
    without.name = one.name
    for other in (with_generator(line_model), without):
        with pytest.raises(StoreConflict, match="generator"):
            run_sweep(other, replicates=1)
    run_sweep(one, replicates=2)


def test_the_prior_in_the_store_is_that_of_the_fitted_model(
    run_sweep: Callable[..., Results],
) -> None:
    results = run_sweep(with_generator(lambda trials: line_model(trials, 0.1)), replicates=1)
    priors = results.priors.set_index("parameter")
    # 4,000 draws: 6 standard errors.
    assert priors.loc["betas[left]", "sd"] == pytest.approx(1, abs=0.07)
    assert priors.loc["betas[left]", "tail_probability"] == pytest.approx(0.317, abs=0.05)


def test_measures_of_a_parameter_without_a_truth_are_of_no_replicate(
    run_sweep: Callable[..., Results], out: Any
) -> None:
    from recovery.report import write_report

    results = run_sweep(with_generator(mixed, truth={"slope": 3.0}), replicates=3)
    measures = results.measures().set_index("parameter")
    coverage = measures[measures["measure"].str.startswith("coverage")]
    assert (coverage.loc["total", "n"] == 3).all()
    unknown = coverage[coverage.index.str.startswith("betas")]
    assert (unknown["n"] == 0).all()
    assert unknown["estimate"].isna().all()
    write_report(results)
    assert (out / "report.html").exists()


@scenario
def overdispersed(trials: int = 60, alpha: float = 1.0) -> Problem:
    """Negative binomial counts, fitted as if they were Poisson."""
    models = {}
    for kind in ("generator", "model"):
        with pm.Model() as models[kind]:
            rate = pm.math.exp(pm.Normal("log_rate", 1, 0.5))
            if kind == "model":
                pm.Poisson("count", rate, shape=trials)
            else:
                pm.NegativeBinomial("count", mu=rate, alpha=alpha, shape=trials)
    return Problem(models["model"], observed="count", generator=models["generator"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("alpha", "lowest", "highest"), [(1e6, 0.79, 1.0), (1.0, 0.43, 0.78)], ids=["same", "wrong"]
)
def test_counts_with_more_spread_than_the_model_knows_are_undercovered(
    alpha: float, lowest: float, highest: float, out: Any
) -> None:
    """With mean mu and variance mu + mu^2 / alpha, intervals are too narrow by sqrt(1 + mu).

    With mu of e and alpha of 1, 90 % intervals cover 61 %; without end to alpha, 90 %. The bounds
    are 4 standard errors of 120 replicates away, a false alarm in 15,000.
    """
    sweep = Sweep(
        overdispersed,
        {"alpha": [alpha]},
        truth="prior",
        replicates=120,
        sampler="laplace",
        draws=500,
        chains=2,
    )
    results = sweep.run(out, workers=1, progress=False, report=False)
    measures = results.measures().set_index(["parameter", "measure"])
    assert measures.loc[("log_rate", "coverage_90"), "n"] == 120
    assert lowest < measures.loc[("log_rate", "coverage_90"), "estimate"] < highest


def test_what_does_not_fit_is_refused_in_one_line() -> None:
    def wide(trials: int) -> pm.Model:
        with pm.Model() as model:
            pm.Data("x", np.zeros((trials, 3)))
            pm.Normal("y", pm.Normal("betas", shape=2).sum(), 1, shape=trials)
        return model

    def of(kind: str) -> Callable[[int], pm.Model]:
        def generator(trials: int) -> pm.Model:
            with pm.Model() as model:
                b = pm.Normal("betas", shape=2).sum()
                if kind == "counts":
                    pm.Poisson("y", pm.math.exp(b), shape=trials)
                elif kind == "square":
                    pm.Normal("y", b, 1, shape=(trials, 2))
                elif kind == "short":
                    pm.Normal("y", b, 1, shape=trials - 1)
                else:
                    pm.Normal("z", b, 1, shape=trials)
            return model

        return generator

    none: dict[str, Any] = {"covariates": {}}
    assert "pm.Data 'x' has shape (20, 3) in the generator and (20, 2)" in refusal(
        with_generator(wide, **none)
    )
    assert "'y' is int64 with 1 dimension(s) in the generator" in refusal(
        with_generator(of("counts"), **none)
    )
    assert "with 2 dimension(s) in the generator" in refusal(with_generator(of("square"), **none))
    assert "'y' has shape (19,) in the generator and (20,)" in refusal(
        with_generator(of("short"), **none)
    )
    assert "(generator): observed 'y' is no random variable" in refusal(
        with_generator(of("nothing"), **none)
    )
    assert "(generator): truth names 'total'" in refusal(
        with_generator(line_model, truth={"total": 1.0})
    )
    assert "no pm.Data of the model or the generator" in refusal(
        with_generator(line_model, covariates={"u": np.zeros(3)})
    )
    assert "predict and generator" in refusal(
        with_generator(line_model, predict={"x": np.zeros((2, 2))})
    )
    assert "generator is int, not a pymc.Model" in refusal(with_generator(lambda trials: trials))  # type: ignore[arg-type,return-value]  # what a user may do
    assert "no truth is given" in refusal(with_generator(line_model, truth=None))


def test_the_description_names_the_generator_and_says_nothing_of_none() -> None:
    checked = check_problem(plain(), "here")
    assert "generator" not in describe(checked)
    study = with_generator(lambda trials: line_model(trials, 2.0))
    both = describe(check_problem(study(), "here"))
    assert both["graph"] == describe(checked)["graph"]
    assert both["generator"]["graph"] != both["graph"]
    assert both["generator"]["truth"] == {"betas": [1.0, -1.0]}
