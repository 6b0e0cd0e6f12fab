"""The Laplace approximation against closed forms and against pymc-extras.

The mode is found to 1e-6 posterior sds and the curvature is exact, so nothing here is a matter of
chance but the draws: their means and covariances are allowed 6 standard errors.
"""

from typing import Any

import numpy as np
import pymc as pm
import pytest

from recovery import Problem, Scenario, scenario
from recovery.design import Design, Settings
from recovery.engine.replicate import run_replicate, simulate
from recovery.engine.samplers import Density, Target
from recovery.engine.samplers.normal import NoFit
from recovery.engine.structure import Simulated, set_values
from recovery.engine.workshop import Prepared, Workshop
from recovery.loading import load_scenario
from recovery.record import Stage, Status
from recovery.testing import ExactDensity, ExactSampler, line

pytestmark = pytest.mark.slow

MANY = Settings("laplace", draws=10_000, chains=4)


@scenario
def counts(trials: int = 12, rate: float = 1.5) -> Problem:
    """A Poisson rate under a gamma prior: the approximation is closed form on the log scale."""
    with pm.Model() as model:
        unit = pm.Data("unit", np.ones(trials))
        size = pm.Gamma("rate", 3, 2)
        pm.Deterministic("doubled", 2 * size)
        pm.Poisson("n", size * unit)
    return Problem(model, observed="n", truth={"rate": rate})


@scenario
def two_modes(trials: int = 1) -> Problem:
    """Data say how large it is, and not of which sign."""
    with pm.Model() as model:
        side = pm.Normal("side", 0, 10)
        pm.Normal("y", side**2, 0.1, shape=trials)
    return Problem(model, observed="y", truth={"side": 2.0})


def first_case(of: Scenario, **levels: Any) -> tuple[Prepared, Simulated, Density]:
    (replicate,) = Design(of, {k: [v] for k, v in levels.items()}, replicates=1)
    workshop = Workshop(of)
    prepared = workshop.prepare(replicate.cell)
    simulated = simulate(replicate, prepared)
    density = workshop.density(prepared, workshop.sampler("laplace"), simulated)
    return prepared, simulated, density


def assert_normal(draws: Any, mean: Any, covariance: Any) -> None:
    """Draws of shape (n, d) have these moments, within 6 standard errors."""
    mean, covariance = np.atleast_1d(mean), np.atleast_2d(covariance)
    sd = np.sqrt(np.diag(covariance))
    n = len(draws)
    assert np.all(np.abs(draws.mean(axis=0) - mean) < 6 * sd / np.sqrt(n))
    scatter = np.atleast_2d(np.cov(draws.T)) - covariance
    assert np.all(np.abs(scatter) < 6 * np.outer(sd, sd) * np.sqrt(2 / n))


def test_a_normal_posterior_is_met_exactly() -> None:
    prepared, simulated, density = first_case(line, trials=5)
    fit = density.fit(simulated, MANY, 1)
    mean, covariance = ExactDensity(ExactSampler(), Target(prepared.problem, {})).posterior(
        simulated
    )
    assert fit.draws["betas"].shape == (1, 40_000, 2)
    assert_normal(fit.draws["betas"][0], mean, covariance)
    assert np.allclose(fit.draws["total"], fit.draws["betas"].sum(axis=-1))


def test_the_mode_is_that_of_the_variable_itself_and_the_curvature_that_of_its_logarithm() -> None:
    """With density rate^(a-1) e^(-b rate), that is (a-1)/b, and a - 1 on the log scale."""
    _, simulated, density = first_case(counts)
    fit = density.fit(simulated, MANY, 2)
    a, b = 3 + simulated.observed["n"].sum(), 2 + 12
    draws = np.log(fit.draws["rate"].reshape(-1, 1))
    assert_normal(draws, np.log((a - 1) / b), 1 / (a - 1))
    assert np.allclose(fit.draws["doubled"], 2 * fit.draws["rate"])


@pytest.mark.filterwarnings("ignore")  # pymc-extras and what it compiles warn of themselves
@pytest.mark.parametrize("name", ["plants", "logistic", "poisson"])
def test_it_has_the_mode_and_covariance_that_pymc_extras_finds(name: str) -> None:
    extras = pytest.importorskip("pymc_extras")
    prepared, simulated, density = first_case(load_scenario(name), trials=60)
    fit = density.fit(simulated, MANY, 3)
    problem = prepared.problem
    set_values(problem.model, simulated.data, simulated.lengths)
    model = Target(problem, {}).conditioned(simulated.observed)
    theirs = extras.fit_laplace(
        "trust-ncg", model=model, progressbar=False, random_seed=1, draws=10
    )
    columns = []
    for variable in model.value_vars:
        free = model.values_to_rvs[variable].name
        draws = fit.draws[free].reshape(40_000, -1)
        columns.append(np.log(draws) if variable.name.endswith("_log__") else draws)
    mean = theirs["fit"]["mean_vector"].values
    covariance = theirs["fit"]["covariance_matrix"].values
    assert_normal(np.concatenate(columns, axis=1), mean, covariance)


def test_a_density_without_a_mode_is_a_failure_with_the_reason() -> None:
    """Centred, the eight schools have no mode: the density grows without end as tau shrinks."""
    schools = load_scenario("eight_schools")
    (replicate,) = Design(schools, {}, replicates=1, settings=Settings("laplace"))
    record = run_replicate(replicate, Workshop(schools))
    assert record.status is Status.FAILED
    assert record.failure is not None
    assert record.failure.stage is Stage.SAMPLE
    assert record.failure.error.startswith("NoFit: ")
    assert "Hessian" in record.failure.error


def test_a_saddle_is_no_mode() -> None:
    """At zero, where the search begins, the slope is zero, but between two modes."""
    _, simulated, density = first_case(two_modes)
    with pytest.raises(NoFit, match="not positive definite"):
        density.fit(simulated, Settings(draws=50, chains=2), 1)


def test_data_that_have_no_density_are_a_failure_and_spoil_no_later_fit() -> None:
    _, simulated, density = first_case(counts)
    settings = Settings(draws=20, chains=2)
    before = density.fit(simulated, settings, 1).draws["rate"]
    broken = {"n": np.full_like(simulated.observed["n"], -1)}
    other = Simulated(simulated.truth, simulated.data, broken, simulated.lengths)
    with pytest.raises(NoFit, match="not finite"):
        density.fit(other, settings, 1)
    assert np.array_equal(density.fit(simulated, settings, 1).draws["rate"], before)
    assert not np.array_equal(density.fit(simulated, settings, 2).draws["rate"], before)
