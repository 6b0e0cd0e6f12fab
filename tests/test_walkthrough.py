"""The PyMC 103 walkthrough, step by step, against its published numbers.

Both generations of PyMC meet the same data; posterior and predictions agree within Monte Carlo
error. The published numbers have Monte Carlo error of their own and three decimals, so a mean may
differ by 5 mcse of each run and half a digit (false alarm below 1e-6 per number).
"""

from typing import Any

import numpy as np
import pymc as pm
import pytest

from recovery import Problem, scenario
from recovery.design import Design, Purpose, Settings
from recovery.engine.estimate import Joint, estimate, pooled
from recovery.engine.prediction import Predictor
from recovery.engine.replicate import run_replicate
from recovery.engine.samplers import Fit, sampler_by_name
from recovery.engine.structure import Simulated
from recovery.engine.workshop import Prepared, Workshop
from recovery.loading import load_scenario
from recovery.record import Estimates

pytestmark = pytest.mark.slow

PUBLISHED = {
    "betas[sunlight hours]": (4.973, 0.054, 4.875, 5.076),
    "betas[water amount]": (19.963, 0.050, 19.867, 20.059),
    "betas[soil nitrogen]": (1.996, 0.056, 1.897, 2.103),
    "sigma": (0.512, 0.038, 0.443, 0.582),
}
PREDICTED = [
    (14.230, 0.514, 13.270, 15.203),
    (24.415, 0.513, 23.442, 25.365),
    (-6.749, 0.517, -7.744, -5.808),
]
SETTINGS = Settings(draws=1000, tune=1000, chains=4)


@pytest.fixture(scope="module")
def prepared() -> Prepared:
    plants = load_scenario("plants")
    return Workshop(plants).prepare(Design(plants, {}).cells[0])


@pytest.fixture(scope="module")
def simulated(prepared: Prepared) -> Simulated:
    free = prepared.structure.draw_truth(prepared.problem, prepared.problem.truth, {}, 0)
    return prepared.structure.simulate(prepared.problem, free, prepared.draw_covariates(42), 42)


@pytest.fixture(scope="module", params=["nutpie", "pymc"])
def fit(request: pytest.FixtureRequest, prepared: Prepared, simulated: Simulated) -> Fit:
    workshop = Workshop(load_scenario("plants"))
    density = workshop.density(prepared, sampler_by_name(request.param), simulated)
    return density.fit(simulated, SETTINGS, 42)


@pytest.fixture(scope="module")
def summary(prepared: Prepared, simulated: Simulated, fit: Fit) -> Estimates:
    joint = Joint.of(prepared.problem, fit.draws)
    entropy = np.random.SeedSequence(1)
    return estimate(prepared.problem, simulated.truth, joint, [], [], entropy)


def test_the_summary_agrees_with_the_published_one(summary: Estimates) -> None:
    assert set(summary.names) == set(PUBLISHED)
    for i, name in enumerate(summary.names):
        mean, sd, lower, upper = PUBLISHED[name]
        tolerance = 5 * np.sqrt(2) * summary.mcse_mean[i] + 0.0005
        assert summary.mean[i] == pytest.approx(mean, abs=tolerance)
        assert summary.sd[i] == pytest.approx(sd, rel=0.1)
        # The published intervals are highest-density ones; near symmetry the two kinds agree.
        quantiles = summary.quantiles[i]
        assert quantiles[6] == pytest.approx(lower, abs=0.012)
        assert quantiles[-7] == pytest.approx(upper, abs=0.012)
    assert (summary.r_hat < 1.01).all()
    assert (summary.ess_bulk > 2500).all()
    assert (summary.ess_tail > 1500).all()


def test_the_sampler_says_what_it_did(fit: Fit) -> None:
    assert fit.draws["betas"].shape == (4, 1000, 3)
    assert fit.sampling.divergences == 0
    # Trees of at least one step in each of 8,000 draws, warm-up included, and few large ones.
    assert 8_000 < fit.sampling.gradient_evaluations < 200_000
    assert 0.6 < fit.sampling.acceptance_rate < 1
    assert 1 <= fit.sampling.tree_depth_max <= 8
    assert fit.sample_s > 0


def test_predictions_at_new_covariates_agree_with_the_published_ones(
    prepared: Prepared, simulated: Simulated, fit: Fit
) -> None:
    """4,000 predictive draws of sd .51: mean within 5 se of both runs, quantiles within .1."""
    new = pm.draw(pm.Normal.dist(shape=(3, 3)), random_seed=42)
    draws = {name: pooled(fit.draws[name], 4000) for name in ("betas", "sigma")}
    free = {name: simulated.truth[name] for name in ("betas", "sigma")}
    (found,) = Predictor(prepared.structure).predict(
        prepared.problem, free, {"x": new}, draws, (1, 2)
    )
    for i, (mean, sd, lower, upper) in enumerate(PREDICTED):
        values = found.draws[:, i]
        assert values.mean() == pytest.approx(mean, abs=5 * sd * np.sqrt(2 / 4000) + 0.0005)
        assert values.std() == pytest.approx(sd, rel=0.08)
        assert np.quantile(values, [0.03, 0.97]) == pytest.approx([lower, upper], abs=0.1)
    assert found.mean_draws is not None
    assert found.mean_draws == pytest.approx(draws["betas"] @ new.T)


@scenario
def everything(trials: int = 30) -> Problem:
    """Each step a walkthrough model may take, in one: names with spaces to predictions."""
    coords = {"trial": range(trials), "features": ["sunlight hours", "water amount"]}
    with pm.Model(coords=coords) as model:
        x = pm.Data("x", np.zeros((trials, 2)), dims=["trial", "features"])
        soil = pm.Data("measured soil", np.linspace(-1, 1, trials), dims="trial")
        betas = pm.Normal("the betas", dims="features")
        sigma = pm.HalfNormal("sigma")
        mu = pm.Deterministic("mu", x @ betas + soil, dims="trial")
        pm.Deterministic("difference", betas[1] - betas[0])
        pm.Potential("near zero", -0.5 * betas[0] ** 2)
        pm.Normal("plant growth", mu, sigma, dims="trial")
    return Problem(
        model,
        observed="plant growth",
        truth={"the betas": [0.5, 1.5], "sigma": 0.7},
        covariates={"x": pm.Normal.dist(shape=(trials, 2))},
        predict={"x": np.eye(2), "measured soil": np.zeros(2)},
    )


@pytest.mark.parametrize("sampler", ["nutpie", "pymc"])
def test_every_kind_of_variable_goes_through_both_samplers(sampler: str) -> None:
    settings = Settings(sampler, draws=300, tune=300, chains=2)
    design = Design(everything, {"trials": [30, 60]}, replicates=1, settings=settings)
    workshop = Workshop(everything)
    records = [run_replicate(replicate, workshop) for replicate in design]
    for record in records:
        assert record.failure is None, record.failure and record.failure.traceback
        assert record.estimates is not None
        assert record.estimates.names == (
            "the betas[sunlight hours]",
            "the betas[water amount]",
            "sigma",
            "difference",
            "predicted plant growth[0]",
            "predicted plant growth[1]",
            "predicted mean of plant growth[0]",
            "predicted mean of plant growth[1]",
            "log_likelihood",
            "log_prior",
            "log_posterior",
        )
        assert not record.quantity_failures
        truth = dict(zip(record.estimates.names, record.estimates.truth, strict=True))
        assert truth["difference"] == 1.0
        assert truth["predicted mean of plant growth[1]"] == 1.5
        error = np.abs(record.estimates.mean - record.estimates.truth)[:4]
        assert (error < 6 * record.estimates.sd[:4]).all()
    kinds = [c.kind for record in records for c in record.compilations]
    if sampler == "nutpie":
        assert sorted(kinds) == ["covariates", "density", "predictor", "quantities", "simulator"]


def test_the_potential_is_honoured_by_the_fit() -> None:
    """A Potential that pins b at 3 moves the posterior there, away from the truth at 0."""

    @scenario
    def pinned() -> Problem:
        with pm.Model() as model:
            b = pm.Normal("b", 0, 10)
            pm.Potential("pin", -0.5 * ((b - 3) / 0.01) ** 2)
            pm.Normal("y", b, 1, shape=5)
        return Problem(model, observed="y", truth={"b": 0.0})

    (replicate,) = Design(pinned, {}, replicates=1, settings=Settings(draws=200, tune=300))
    record = run_replicate(replicate, Workshop(pinned))
    assert record.estimates is not None
    assert record.estimates.mean[0] == pytest.approx(3, abs=0.05)


def test_a_discrete_model_goes_to_pymc_and_the_record_says_so() -> None:
    @scenario
    def counted() -> Problem:
        with pm.Model() as model:
            k = pm.Poisson("k", 3)
            pm.Normal("y", k, 0.1, shape=5)
        return Problem(model, observed="y", truth={"k": 4})

    settings = Settings("nutpie", draws=200, tune=200, chains=2)
    (replicate,) = Design(counted, {}, replicates=1, settings=settings)
    record = run_replicate(replicate, Workshop(counted))
    assert record.sampling is not None, record.failure
    assert record.sampling.sampler == "pymc"
    assert record.estimates is not None
    assert record.estimates.mean[0] == pytest.approx(4, abs=0.05)
    # All draws equal the truth: the rank is by random ties, and there is no r_hat.
    assert 0 <= record.estimates.rank[0] <= 99
    # It compiles inside the fit, once, and that is counted once.
    assert [c.kind for c in record.compilations].count("density") == 1


def test_the_same_seed_gives_the_same_draws_alone_and_beside_others(
    prepared: Prepared, simulated: Simulated
) -> None:
    from concurrent.futures import ThreadPoolExecutor

    workshop = Workshop(load_scenario("plants"))
    density: Any = workshop.density(prepared, sampler_by_name("nutpie"), simulated)
    settings = Settings(draws=100, tune=200, chains=2)

    def run(seed: int) -> np.ndarray:
        return np.asarray(density.fit(simulated, settings, seed).draws["betas"])

    alone = [run(seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as threads:
        beside = list(threads.map(run, range(4)))
    for one, two in zip(alone, beside, strict=True):
        assert np.array_equal(one, two)
    assert not np.array_equal(alone[0], alone[1])
    assert Purpose.SAMPLER == 3


def test_a_dim_of_a_free_variable_may_be_an_axis() -> None:
    """Each length is a density of its own, whatever cell was prepared last."""

    @scenario
    def grouped(groups: int = 4) -> Problem:
        with pm.Model(coords={"group": range(groups)}) as model:
            g = pm.Data("g", np.repeat(np.arange(groups), 5))
            mu = pm.Normal("mu")
            z = pm.Normal("z", dims="group")
            pm.Normal("y", mu + z[g], 1)
        return Problem(model, observed="y", truth={"mu": 0.3})

    settings = Settings(draws=100, tune=200, chains=2)
    design = Design(grouped, {"groups": [4, 7]}, replicates=2, settings=settings)
    workshop = Workshop(grouped)
    for cell in design.cells:
        workshop.check(cell)
    records = [run_replicate(replicate, workshop) for replicate in design]
    for record in records:
        assert record.estimates is not None, record.failure
    assert [len(r.estimates.names) for r in records if r.estimates] == [8, 11, 8, 11]
    kinds = [c.kind for record in records for c in record.compilations]
    assert sorted(kinds) == ["density", "density", "quantities", "simulator"]
