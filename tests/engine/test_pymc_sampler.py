"""PyMC's own samplers: compiled once, yet the very draws of `pm.sample`.

Draws are compared bit for bit, so nothing here is a matter of chance.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from numba.core.event import install_recorder
from pymc.exceptions import SamplingError
from pytensor.compile.ops import wrap_py

from recovery import Problem, Scenario, scenario
from recovery.design import Design, Settings
from recovery.diagnostics import diagnose
from recovery.engine.replicate import run_replicate, simulate
from recovery.engine.samplers import Density, Fit, Target
from recovery.engine.samplers.own_code import own_mode
from recovery.engine.samplers.pymc import PublicDensity, PymcSampler
from recovery.engine.samplers.pymc_nuts import NutsDensity
from recovery.engine.structure import Simulated, set_values
from recovery.engine.workshop import Prepared, Workshop

pytestmark = pytest.mark.slow

FEW = Settings("pymc", draws=40, tune=40, chains=2, target_accept=0.9)
Case = tuple[Prepared, Simulated, Density]


@scenario
def transformed(trials: int = 20) -> Problem:
    """Variables on every kind of transform, deterministics, a Potential, names with spaces."""
    coords = {"trial": range(trials), "feature": ["sun", "water"]}
    with pm.Model(coords=coords) as model:
        x = pm.Data("x", np.zeros((trials, 2)), dims=["trial", "feature"])
        shares = pm.Dirichlet("shares", np.ones(3))
        betas = pm.Normal("the betas", dims="feature")
        rate = pm.Uniform("rate", -1, 1)
        noise = pm.HalfNormal("noise")
        pm.Deterministic("products", betas[:, None] * shares)
        pm.Deterministic("steep", betas[0] > 1)
        mu = pm.Deterministic("mu", x @ betas + rate * shares[0], dims="trial")
        pm.Potential("near zero", -0.1 * betas[0] ** 2)
        pm.Normal("y", mu, noise, dims="trial")
        pm.Poisson("n", pm.math.exp(rate), dims="trial")
    return Problem(
        model,
        observed=["y", "n"],
        truth={"shares": [0.2, 0.3, 0.5], "the betas": [0.5, 1.5], "rate": 0.2, "noise": 0.7},
        covariates={"x": pm.Normal.dist(shape=(trials, 2))},
    )


@scenario
def walled(trials: int = 20) -> Problem:
    """Most jittered starts lie behind a wall, and so do the ends of many trajectories."""
    with pm.Model() as model:
        scale = pm.Data("scale", 0.5)
        a = pm.Normal("a", 0, 1)
        pm.Potential("wall", pm.math.switch(a > 0.2, 0, -np.inf))
        pm.Normal("y", a, scale, shape=trials)
    return Problem(model, observed="y", truth={"a": 0.3})


@scenario
def mixed(trials: int = 10) -> Problem:
    """A count that needs a step method of its own beside NUTS."""
    with pm.Model(coords={"trial": range(trials)}) as model:
        x = pm.Data("x", np.zeros(trials), dims="trial")
        k = pm.Poisson("k", 3)
        slope = pm.Normal("slope")
        pm.Normal("y", k + slope * x, 0.1, dims="trial")
    return Problem(
        model,
        observed="y",
        truth={"k": 4, "slope": -1},
        covariates={"x": pm.Normal.dist(shape=trials)},
    )


def cases(of: Scenario, levels: dict[str, list[Any]] | None = None) -> Iterator[Case]:
    """Two data sets of every cell, with the density they are fitted with."""
    workshop = Workshop(of)
    for replicate in Design(of, levels or {}, replicates=2, settings=FEW):
        prepared = workshop.prepare(replicate.cell)
        simulated = simulate(replicate, prepared)
        density = workshop.density(prepared, workshop.sampler("pymc"), simulated)
        yield prepared, simulated, density


def of_pm_sample(prepared: Prepared, simulated: Simulated, settings: Settings, seed: int) -> Any:
    """Fit as a user would: a model of its own, conditioned on these data alone.

    Compiled alike, too: the same source has other last bits as another function calls it.
    """
    problem = prepared.problem
    set_values(problem.model, simulated.data, simulated.lengths)
    return pm.sample(
        compile_kwargs={"mode": own_mode()},
        model=Target(problem, {}).conditioned(simulated.observed),
        draws=settings.draws,
        tune=settings.tune,
        chains=settings.chains,
        cores=1,
        random_seed=seed,
        nuts_sampler="pymc",
        nuts={"target_accept": settings.target_accept},
        discard_tuned_samples=False,
        compute_convergence_checks=False,
        progressbar=False,
    )


def assert_equal(fit: Fit, trace: Any, settings: Settings) -> None:
    for name, draws in fit.draws.items():
        expected = trace["posterior"][name].values
        assert draws.shape == expected.shape
        assert np.array_equal(draws, expected), name
    kept = trace["sample_stats"]
    sampling = fit.sampling
    assert sampling.sampler == "pymc"
    assert (sampling.chains, sampling.draws) == (settings.chains, settings.draws)
    assert sampling.tune == settings.tune
    assert sampling.divergences == kept["diverging"].values.sum()
    assert sampling.reached_max_treedepth == kept["reached_max_treedepth"].values.sum()
    assert sampling.tree_depth_max == kept["tree_depth"].values.max()
    assert sampling.acceptance_rate == pytest.approx(kept["acceptance_rate"].values.mean())
    steps = kept["n_steps"].values.sum()
    if settings.tune:
        steps += trace["warmup_sample_stats"]["n_steps"].values.sum()
    assert sampling.gradient_evaluations == steps


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::UserWarning")
@pytest.mark.parametrize("of", [transformed, walled])
def test_the_draws_are_those_of_pm_sample_bit_for_bit(of: Scenario) -> None:
    """Two data sets each of two lengths, by turns, and then the first once more."""
    seed = 2**63 - 25
    fitted = list(cases(of, {"trials": [20, 35]}))
    firsts = []
    for number, (prepared, simulated, density) in enumerate(fitted):
        assert isinstance(density, NutsDensity)
        fit = density.fit(simulated, FEW, seed + number)
        assert_equal(fit, of_pm_sample(prepared, simulated, FEW, seed + number), FEW)
        assert set(fit.draws) == set(prepared.problem.recorded)
        firsts.append(fit)
    _, simulated, density = fitted[0]
    again = density.fit(simulated, FEW, seed)
    assert again.sampling == firsts[0].sampling
    assert all(np.array_equal(again.draws[name], d) for name, d in firsts[0].draws.items())
    if of is walled:
        assert sum(fit.sampling.divergences for fit in firsts) > 0


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::UserWarning")
@pytest.mark.parametrize(
    "settings", [Settings("pymc", draws=30, tune=0, chains=1), Settings(draws=4, tune=150)]
)
def test_the_draws_are_those_of_pm_sample_without_warm_up_and_with_little_else(
    settings: Settings,
) -> None:
    prepared, simulated, density = next(cases(transformed))
    fit = density.fit(simulated, settings, 1)
    assert_equal(fit, of_pm_sample(prepared, simulated, settings, 1), settings)


def test_a_model_without_a_finite_start_fails_as_in_pm_sample() -> None:
    @scenario
    def impossible() -> Problem:
        with pm.Model() as model:
            a = pm.Normal("a")
            pm.Potential("nowhere", pm.math.switch(a > 5, 0, -np.inf))
            pm.Normal("y", a, 1, shape=3)
        return Problem(model, observed="y", truth={"a": 6.0})

    _, simulated, density = next(cases(impossible))
    with pytest.raises(SamplingError, match="nowhere"):
        density.fit(simulated, FEW, 1)


class Compilations:
    """Functions that PyTensor was asked for, and functions that numba compiled."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.functions = 0
        asked = pytensor.function

        def counted(*args: Any, **kwargs: Any) -> Any:
            self.functions += 1
            return asked(*args, **kwargs)

        monkeypatch.setattr(pytensor, "function", counted)

    @contextmanager
    def none(self) -> Iterator[None]:
        before = self.functions
        with install_recorder("numba:compile") as recorded:
            yield
        assert self.functions == before
        assert not recorded.buffer


def test_a_density_is_compiled_once_whatever_the_length_and_layout_of_its_data(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compilations = Compilations(monkeypatch)
    (prepared, first, density), *others = cases(transformed, {"trials": [20, 35]})
    compiled = compilations.functions
    assert compiled > 0
    settings = Settings(draws=4, tune=4, chains=2)
    with compilations.none():
        density.fit(first, settings, 0)
        for _, simulated, same in others:
            assert same is density
            column_major = {name: np.asfortranarray(x) for name, x in simulated.data.items()}
            other = Simulated(simulated.truth, column_major, simulated.observed, simulated.lengths)
            density.fit(other, settings, 1)
    of_pm_sample(prepared, first, settings, 0)
    assert compilations.functions > compiled


def test_a_compilation_is_recorded_once_for_all_cells_of_a_structure() -> None:
    workshop = Workshop(transformed)
    settings = Settings("pymc", draws=10, tune=10, chains=2)
    design = Design(transformed, {"trials": [20, 35]}, replicates=2, settings=settings)
    records = [run_replicate(replicate, workshop) for replicate in design]
    assert [record.failure for record in records] == [None] * 4
    spent = [[c.seconds for c in r.compilations if c.kind == "density"] for r in records]
    assert [len(seconds) for seconds in spent] == [1, 0, 0, 0]
    assert spent[0][0] > 0.1
    assert all(record.times.sample_s < 5 for record in records)


def test_a_fit_ends_when_it_has_the_ess_asked_for_and_its_draws_are_the_first_of_all() -> None:
    everything = Settings(draws=1000, tune=300, chains=3)
    early = Settings(draws=1000, tune=300, chains=3, ess=150)
    _, simulated, density = next(cases(walled))
    full, fit = (density.fit(simulated, settings, 3) for settings in (everything, early))
    assert full.sampling.draws == 1000
    drawn = fit.sampling.draws
    assert fit.draws["a"].shape == (3, drawn)
    assert 50 <= drawn < 1000
    assert np.array_equal(fit.draws["a"], full.draws["a"][:, :drawn])
    found = diagnose(fit.draws["a"][..., None])
    assert min(found.ess_bulk[0], found.ess_tail[0]) >= 150
    assert found.r_hat[0] < 1.01
    assert fit.sampling.gradient_evaluations < full.sampling.gradient_evaluations


def test_an_ess_out_of_reach_costs_no_draw_and_changes_none() -> None:
    settings = [Settings(draws=130, tune=80, chains=2, ess=ess) for ess in (0, 10**6)]
    _, simulated, density = next(cases(transformed))
    plain, hopeless = (density.fit(simulated, each, 3) for each in settings)
    assert hopeless.sampling == plain.sampling
    assert plain.sampling.draws == 130
    for name, draws in plain.draws.items():
        assert np.array_equal(draws, hopeless.draws[name])


def test_other_step_methods_go_through_pm_sample_and_draw_all_that_was_asked_for() -> None:
    settings = Settings("pymc", draws=200, tune=300, chains=2, ess=20)
    workshop = Workshop(mixed)
    design = Design(mixed, {"trials": [10, 14]}, replicates=1, settings=settings)
    for replicate in design:
        record = run_replicate(replicate, workshop)
        assert record.sampling is not None, record.failure
        assert record.sampling.sampler == "pymc"
        assert record.sampling.draws == 200
        assert record.sampling.gradient_evaluations > 1000
        assert record.estimates is not None
        # The posterior sd of the slope is .03 and k all but known: 6 sd, false alarm below 1e-8.
        assert record.estimates.mean[:2] == pytest.approx([4, -1], abs=0.2)
        # pm.sample compiled in this very fit.
        assert sum(c.seconds for c in record.compilations if c.kind == "density") > 0.05


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::UserWarning")
def test_what_goes_through_pm_sample_has_its_draws_too() -> None:
    prepared, simulated, density = next(cases(mixed))
    assert isinstance(density, PublicDensity)
    fit = density.fit(simulated, FEW, 7)
    trace = of_pm_sample(prepared, simulated, FEW, 7)
    for name, draws in fit.draws.items():
        assert np.array_equal(draws, trace["posterior"][name].values)
    assert fit.compile_s > 0
    assert fit.sampling.gradient_evaluations > 0


@pytest.mark.parametrize("of", [walled, mixed])
@pytest.mark.parametrize("at", [20, 60, 100])
def test_an_interrupted_fit_is_no_fit_and_spoils_none(
    of: Scenario, at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted in the warm-up or the draws of the first chain, or in the second chain."""
    _, simulated, density = next(cases(of))
    step, steps = pm.NUTS.step, 0

    def interrupted(self: Any, point: Any) -> Any:
        nonlocal steps
        steps += 1
        if steps == at:
            raise KeyboardInterrupt
        return step(self, point)

    before = density.fit(simulated, FEW, 1)
    with monkeypatch.context() as patch:
        patch.setattr(pm.NUTS, "step", interrupted)
        with pytest.raises(KeyboardInterrupt):
            density.fit(simulated, FEW, 1)
    after = density.fit(simulated, FEW, 1)
    for name, draws in before.draws.items():
        assert np.array_equal(draws, after.draws[name])


@wrap_py(itypes=[pt.dscalar], otypes=[pt.dscalar])
def twice(value: Any) -> Any:
    """A function in Python, without a gradient."""
    return np.asarray(2 * value)


def test_a_continuous_model_without_gradient_takes_other_steps() -> None:
    @scenario
    def opaque() -> Problem:
        with pm.Model() as model:
            a = pm.Normal("a")
            pm.Normal("y", twice(a), 1, shape=3)
        return Problem(model, observed="y", truth={"a": 0.0})

    _, simulated, density = next(cases(opaque))
    assert isinstance(density, PublicDensity)
    assert density.fit(simulated, Settings(draws=20, tune=20), 1).draws["a"].shape == (4, 20)


def test_nothing_is_beyond_it() -> None:
    sampler = PymcSampler()
    assert sampler.cannot(Workshop(mixed).checked({"trials": 10})) == ""
    assert not sampler.threads
    assert sampler.counts_compilation
