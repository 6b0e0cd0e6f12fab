"""Log densities at many draws: beside SciPy, and row by row beside PyMC's own at one draw."""

from collections.abc import Callable

import numpy as np
import pymc as pm
import pytest
from scipy import stats

from recovery import Problem
from recovery.engine import densities
from recovery.engine.densities import LogDensities
from recovery.engine.problem import check_problem
from recovery.engine.structure import Simulated, Structure

ROWS = 7


def evaluated(model: pm.Model, observed: str | list[str] = "y", seed: int = 1):
    """Densities at draws from the prior, of data simulated at another."""
    problem = check_problem(Problem(model, observed), "here")
    structure = Structure(problem)
    with structure.lock:
        drawn = structure.draw_prior(problem, {}, seed, ROWS + 1)
        free = dict(zip(problem.free, drawn[-1], strict=True))
        simulated = structure.simulate(problem, free, {}, seed)
    columns = zip(*drawn[:-1], strict=True)
    rows = {name: np.stack(values) for name, values in zip(problem.free, columns, strict=True)}
    return LogDensities(structure), problem, simulated, rows


def test_a_regression_has_the_densities_that_scipy_gives() -> None:
    # To 1e-7: some constants of PyMC are of single precision.
    rng = np.random.default_rng(3)
    x = rng.normal(size=(9, 2))
    with pm.Model() as model:
        held = pm.Data("x", x)
        betas = pm.Normal("betas", 1, 2, shape=2)
        sigma = pm.HalfNormal("sigma", 3)
        pm.Normal("y", held @ betas, sigma)
    function, problem, simulated, rows = evaluated(model)
    found = function(problem, simulated, rows)
    y = simulated.observed["y"]
    for i in range(ROWS):
        betas, sigma = rows["betas"][i], rows["sigma"][i]
        prior = stats.norm.logpdf(betas, 1, 2).sum() + stats.halfnorm.logpdf(sigma, scale=3)
        points = stats.norm.logpdf(y, x @ betas, sigma)
        assert found.log_prior[i] == pytest.approx(prior, rel=1e-7)
        np.testing.assert_allclose(found.pointwise["y"][i], points, rtol=1e-7)
        assert found.log_likelihood()[i] == pytest.approx(points.sum(), rel=1e-7)
        assert found.log_posterior()[i] == pytest.approx(prior + points.sum(), rel=1e-7)


def test_data_of_any_length_and_other_covariates_need_no_other_function() -> None:
    with pm.Model() as model:
        held = pm.Data("x", np.zeros(4))
        b = pm.Normal("b")
        pm.Normal("y", held * b, 1)
    function, problem, _, rows = evaluated(model)
    for length in (3, 50):
        x, y = np.arange(length) / 10, np.ones(length)
        simulated = Simulated({"b": np.array(0.0)}, {"x": x}, {"y": y}, {})
        found = function(problem, simulated, rows)
        expected = stats.norm.logpdf(y, x * rows["b"][:, None], 1).sum(axis=1)
        np.testing.assert_allclose(found.log_likelihood(), expected, rtol=1e-7)


def test_several_observed_variables_a_hierarchy_and_a_potential_add_up() -> None:
    with pm.Model() as model:
        mu = pm.Normal("mu", 0, 5)
        tau = pm.HalfCauchy("tau", 5)
        theta = pm.Normal("theta", mu, tau, shape=3)
        pm.Potential("bound", -(mu**2))
        pm.Normal("y", theta, [1.0, 2.0, 3.0])
        pm.Poisson("k", pm.math.exp(pm.math.clip(mu, -3, 3)), shape=2)
    function, problem, simulated, rows = evaluated(model, ["y", "k"])
    found = function(problem, simulated, rows)
    mu, tau, theta = rows["mu"][:, None], rows["tau"][:, None], rows["theta"]
    prior = stats.norm.logpdf(mu, 0, 5) + stats.halfcauchy.logpdf(tau, scale=5)
    prior = prior[:, 0] + stats.norm.logpdf(theta, mu, tau).sum(axis=1)
    y = stats.norm.logpdf(simulated.observed["y"], theta, [1.0, 2.0, 3.0]).sum(axis=1)
    k = stats.poisson.logpmf(simulated.observed["k"], np.exp(np.clip(mu, -3, 3))).sum(axis=1)
    np.testing.assert_allclose(found.log_prior, prior, rtol=1e-7)
    np.testing.assert_allclose(found.log_likelihood("y"), y, rtol=1e-7)
    np.testing.assert_allclose(found.log_likelihood("k"), k, rtol=1e-7)
    np.testing.assert_allclose(found.log_potential, -(rows["mu"] ** 2), rtol=1e-7)
    whole = prior + y + k - rows["mu"] ** 2
    np.testing.assert_allclose(found.log_posterior(), whole, rtol=1e-7)


def _many_normal() -> None:
    mu = pm.MvNormal("mu", np.zeros(2), np.array([[1, 0.8], [0.8, 1]]))
    pm.MvNormal("y", mu, np.array([[1, 0.8], [0.8, 1]]), shape=(3, 2))


def _mixture() -> None:
    weights = pm.Dirichlet("weights", np.ones(2))
    places = pm.Normal("places", [-1, 1], 1, shape=2)
    pm.NormalMixture("y", weights, places, 0.5, shape=5)


def _censored() -> None:
    mu = pm.Normal("mu")
    pm.Censored("y", pm.Normal.dist(mu, 1, shape=6), lower=-0.5, upper=0.5)


def _truncated() -> None:
    mu = pm.Normal("mu")
    pm.Truncated("y", pm.Normal.dist(mu, 1), lower=-2, upper=3, shape=6)


def _categories() -> None:
    p = pm.Dirichlet("p", np.ones(3), shape=(2, 3))
    group = pm.Bernoulli("group", 0.5, shape=2)
    pm.Categorical("y", p[group], shape=2)


def _correlated() -> None:
    chol, _, _ = pm.LKJCholeskyCov(
        "chol", n=2, eta=2, sd_dist=pm.Exponential.dist(1, shape=2), compute_corr=True
    )
    pm.MvNormal("y", np.zeros(2), chol=chol, shape=(4, 2))


def _walk() -> None:
    walk = pm.GaussianRandomWalk("walk", sigma=0.3, init_dist=pm.Normal.dist(0, 1), steps=4)
    pm.StudentT("y", 4, mu=walk, sigma=1)


@pytest.mark.parametrize(
    "build",
    [_many_normal, _mixture, _censored, _truncated, _categories, _correlated, _walk],
    ids=lambda build: build.__name__.strip("_"),
)
def test_all_rows_at_once_are_what_pymc_gives_row_by_row(
    build: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pm.Model() as model:
        build()
    function, problem, simulated, rows = evaluated(model)
    found = function(problem, simulated, rows)

    def refuse(*_: object) -> None:
        raise NotImplementedError

    monkeypatch.setattr(densities, "_vectorised", refuse)
    singly, *_ = evaluated(model)
    alone = singly(problem, simulated, rows)
    np.testing.assert_allclose(found.log_prior, alone.log_prior, rtol=1e-10)
    np.testing.assert_allclose(found.pointwise["y"], alone.pointwise["y"], rtol=1e-10)
    assert found.pointwise["y"].shape[0] == ROWS
    # The sum at one row is that of the model conditioned on the data, without its transforms.
    conditioned = pm.observe(model, {"y": simulated.observed["y"]})
    logp = conditioned.compile_logp(jacobian=False)
    for i in range(ROWS):
        point = {}
        for rv in conditioned.free_RVs:
            value, transform = conditioned.rvs_to_values[rv], conditioned.rvs_to_transforms[rv]
            drawn = rows[rv.name][i]
            if transform is not None:
                drawn = transform.forward(pm.math.constant(drawn), *rv.owner.inputs).eval()
            point[value.name] = drawn
        whole = found.log_prior[i] + found.log_likelihood()[i]
        assert whole == pytest.approx(float(logp(point)), rel=1e-6)


def test_a_variable_without_a_density_is_said_to_have_none() -> None:
    with pm.Model() as model:
        mu = pm.Normal("mu")
        pm.CustomDist("y", mu, random=lambda mu, rng=None, size=None: rng.normal(mu, 1, size=size))
    function, problem, simulated, rows = evaluated(model)
    with pytest.raises(NotImplementedError):
        function(problem, simulated, rows)
