"""One simulator for all cells that differ in data, sizes or truth only; and it simulates right."""

from typing import Any

import numpy as np
import pymc as pm
import pytest

from recovery import Problem, scenario
from recovery.design import Design, Purpose
from recovery.engine.problem import check_problem
from recovery.engine.replicate import simulate
from recovery.engine.structure import Structure
from recovery.engine.workshop import Workshop
from recovery.loading import load_scenario


def counts(workshop: Workshop) -> dict[str, int]:
    kinds = [compilation.kind for compilation in workshop.collect_compilations()]
    return {kind: kinds.count(kind) for kind in kinds}


def test_trials_noise_truth_and_covariates_share_one_simulator() -> None:
    plants = load_scenario("plants")
    design = Design(
        plants, {"trials": [3, 25, 50], "noise": [0.25, 1.0]}, ("fixed", "prior"), replicates=2
    )
    workshop = Workshop(plants)
    for cell in design.cells:
        workshop.check(cell)
    for replicate in design:
        simulated = simulate(replicate, workshop.prepare(replicate.cell))
        trials = replicate.cell.levels["trials"]
        assert simulated.data["x"].shape == (trials, 3)
        assert simulated.observed["plant growth"].shape == (trials,)
        if replicate.cell.truth_mode == "fixed":
            assert simulated.truth["betas"].tolist() == [5, 20, 2]
            assert simulated.truth["sigma"] == replicate.cell.levels["noise"]
    assert counts(workshop) == {"simulator": 1, "covariates": 1}


def test_the_walkthrough_data_come_out_to_all_printed_digits() -> None:
    """Reference values of the PyMC 103 walkthrough, seed 42; the same on PyMC 5.28 and 6."""
    plants = load_scenario("plants")
    prepared = Workshop(plants).prepare(Design(plants, {}).cells[0])
    problem, structure = prepared.problem, prepared.structure
    free = structure.draw_truth(problem, problem.truth, {}, 0)
    simulated = structure.simulate(problem, free, prepared.draw_covariates(42), 42)
    x = pm.draw(pm.Normal.dist(shape=(100, 3)), random_seed=42)
    assert np.array_equal(simulated.data["x"], x)
    printed = [f"{value:.4f}" for value in simulated.observed["plant growth"][:5]]
    assert printed == ["14.4699", "24.7474", "-6.7730", "-35.2634", "13.5993"]


def test_simulated_data_equal_pymcs_own_prior_predictive_of_the_do_model() -> None:
    plants = load_scenario("plants")
    prepared = Workshop(plants).prepare(Design(plants, {"trials": [7]}).cells[0])
    problem, structure = prepared.problem, prepared.structure
    covariates = prepared.draw_covariates(5)
    free = structure.draw_truth(problem, problem.truth, {}, 0)
    ours = structure.simulate(problem, free, covariates, 11).observed["plant growth"]
    fixed = pm.do(problem.model, {"betas": np.array([5.0, 20, 2]), "sigma": 0.5})
    fixed["x"].set_value(covariates["x"])
    # The structure had drawn with 100 trials meanwhile or not: its lengths are set each time.
    fixed.dim_lengths["trial"].set_value(np.array(7))
    assert np.allclose(ours, pm.draw(fixed["plant growth"], random_seed=11), rtol=0, atol=0)


def structure_pair(first: Any, second: Any) -> bool:
    one, two = check_problem(first, "one"), check_problem(second, "two")
    return Structure(one).matches(two)


def model(
    *, n: int = 5, sd: float = 1.0, name: str = "b", kind: Any = pm.Normal, power: int = 1
) -> Problem:
    with pm.Model() as built:
        x = pm.Data("x", np.arange(float(n)))
        b = kind(name, 0, sd)
        pm.Normal("y", x * b**power, 1)
    return Problem(built, observed="y")


def test_a_structure_is_shared_by_other_data_and_by_nothing_else() -> None:
    assert structure_pair(model(), model(n=9))
    assert not structure_pair(model(), model(sd=2.0))  # another prior
    assert not structure_pair(model(), model(name="c"))  # another name
    assert not structure_pair(model(), model(kind=pm.Cauchy))  # another distribution
    assert not structure_pair(model(), model(power=2))  # another mean


def test_another_transform_is_another_structure() -> None:
    def bounded(upper: float) -> Problem:
        with pm.Model() as built:
            b = pm.Normal("b", transform=pm.distributions.transforms.Interval(lower=0, upper=upper))
            pm.Normal("y", b, 1, shape=3)
        return Problem(built, observed="y")

    assert structure_pair(bounded(2.0), bounded(2.0))
    assert not structure_pair(bounded(2.0), bounded(3.0))


def hierarchy() -> Problem:
    with pm.Model() as built:
        mu = pm.Normal("mu", 0, 10)
        tau = pm.HalfNormal("tau")
        theta = pm.Normal("theta", mu, tau, shape=400)
        pm.Normal("y", theta, 1)
    return Problem(built, observed="y", truth={"mu": 30.0, "tau": 0.01})


def test_free_variables_left_out_of_the_truth_are_drawn_given_those_in_it() -> None:
    structure = Structure(problem := check_problem(hierarchy(), "here"))
    free = structure.draw_truth(problem, problem.truth, {}, 1)
    assert free["mu"] == 30.0
    # 400 draws with sd .01: their mean is within 6 of its standard errors (false alarm 2e-9).
    assert abs(free["theta"].mean() - 30) < 6 * 0.01 / 20
    assert not np.array_equal(
        free["theta"], structure.draw_truth(problem, problem.truth, {}, 2)["theta"]
    )
    drawn = structure.draw_truth(problem, {}, {}, 1)
    assert drawn["mu"] != 30.0


def test_deterministics_are_true_at_the_truth() -> None:
    @scenario
    def doubled() -> Problem:
        with pm.Model() as built:
            b = pm.Normal("b", shape=2)
            pm.Deterministic("twice", 2 * b)
            pm.Normal("y", b[0], 1, shape=3)
        return Problem(built, observed="y", truth={"b": [1.0, 3.0]})

    (replicate,) = Design(doubled, {}, replicates=1)
    simulated = simulate(replicate, Workshop(doubled).prepare(replicate.cell))
    assert simulated.truth["twice"].tolist() == [2.0, 6.0]


def test_measured_covariates_stay_as_they_are_and_functions_redraw_them() -> None:
    measured = np.array([1.0, 5.0, 9.0])

    @scenario
    def mixed() -> Problem:
        with pm.Model() as built:
            x = pm.Data("x", measured)
            z = pm.Data("z", np.zeros(3))
            b = pm.Normal("b")
            pm.Normal("y", b * x + z, 1)
        return Problem(
            built,
            observed="y",
            truth={"b": 1},
            covariates={"z": lambda rng: rng.uniform(size=3)},
        )

    first, second = Design(mixed, {}, replicates=2)
    workshop = Workshop(mixed)
    one = simulate(first, workshop.prepare(first.cell))
    two = simulate(second, workshop.prepare(second.cell))
    assert np.array_equal(one.data["x"], measured)
    assert np.array_equal(two.data["x"], measured)
    assert not np.array_equal(one.data["z"], two.data["z"])


def test_models_that_were_observed_already_are_simulated_anew() -> None:
    with pm.Model() as built:
        b = pm.Normal("b")
        pm.Normal("y one", b, 1, observed=np.full(3, 99.0))
        pm.Poisson("y two", pm.math.exp(b), observed=np.full(2, 99))
    problem = check_problem(
        Problem(built, observed=["y one", "y two"], truth={"b": 0.0}), "observed"
    )
    simulated = Structure(problem).simulate(problem, {"b": np.array(0.0)}, {}, 3)
    assert simulated.observed["y one"].shape == (3,)
    assert np.all(np.abs(simulated.observed["y one"]) < 10)  # false alarm 1e-22
    assert simulated.observed["y two"].dtype.kind == "i"


@pytest.mark.parametrize("purpose", list(Purpose))
def test_each_replicate_and_purpose_has_its_own_random_numbers(purpose: Purpose) -> None:
    plants = load_scenario("plants")
    first, second = Design(plants, {}, replicates=2)
    assert first.integer_seed(purpose) != second.integer_seed(purpose)


def test_a_prior_that_rests_on_a_covariate_is_drawn_at_the_covariates_of_its_replicate() -> None:
    @scenario
    def resting() -> Problem:
        with pm.Model() as built:
            x = pm.Data("x", np.zeros(4))
            theta = pm.Normal("theta", 1000 * x, 0.001, shape=4)
            pm.Normal("y", theta, 1)
        return Problem(built, observed="y", covariates={"x": pm.Normal.dist(shape=4)})

    (replicate,) = Design(resting, {}, ("prior",), replicates=1)
    simulated = simulate(replicate, Workshop(resting).prepare(replicate.cell))
    assert np.allclose(simulated.truth["theta"], 1000 * simulated.data["x"], atol=0.02)


def test_covariates_are_drawn_alike_in_any_number_of_threads() -> None:
    """Two structures share one drawer; a race between them would mix their sizes."""
    import sys
    from concurrent.futures import ThreadPoolExecutor

    @scenario
    def two(prior: str = "a", size: int = 5) -> Problem:
        with pm.Model() as built:
            x = pm.Data("x", np.zeros(size))
            b = pm.Normal("b", 0, 1 if prior == "a" else 2)
            pm.Normal("y", b * x, 1)
        return Problem(built, observed="y", covariates={"x": pm.Normal.dist(shape=size)})

    design = Design(two, {"prior": ["a", "b"], "size": [5, 50]}, ("prior",), replicates=60)
    workshop = Workshop(two)
    serial = [simulate(r, workshop.prepare(r.cell)).digest() for r in design]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as threads:
            found = threads.map(lambda r: simulate(r, workshop.prepare(r.cell)).digest(), design)
            assert list(found) == serial
    finally:
        sys.setswitchinterval(before)
    assert counts(workshop) == {"simulator": 2, "covariates": 1}
