"""What a user's problem may be, and the one line they read where it cannot be used."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pymc as pm
import pytest

from recovery import Problem, scenario
from recovery.design import Design
from recovery.engine.problem import check_problem
from recovery.engine.workshop import Workshop
from recovery.errors import ProblemError, UserCodeError

Build = Callable[..., Problem]


def regression(**changes: Any) -> Problem:
    with pm.Model(coords={"trial": range(5), "side": ["left", "right"]}) as model:
        x = pm.Data("x", np.zeros((5, 2)), dims=["trial", "side"])
        betas = pm.Normal("betas", dims="side")
        sigma = pm.HalfNormal("sigma")
        pm.Normal("y", x @ betas, sigma, dims="trial")
    given = {"observed": "y", "truth": {"betas": [1, 2], "sigma": 0.5}} | changes
    return Problem(model, **given)


def check(problem: object, truth: Any = "fixed") -> None:
    """Check as a run does, before anything is written."""

    @scenario
    def tried() -> Problem:
        return problem  # type: ignore[return-value]  # some are wrong on purpose

    workshop = Workshop(tried)
    for cell in Design(tried, {}, (truth,)).cells:
        workshop.check(cell)


def flat() -> Problem:
    with pm.Model() as model:
        b = pm.Flat("b")
        pm.Normal("y", b, 1, shape=3)
    return Problem(model, observed="y", truth={"b": 1.0})


def with_potential() -> Problem:
    problem = regression()
    with problem.model:
        pm.Potential("penalty", -(problem.model["betas"][0] ** 2))
    return problem


def nothing_free() -> Problem:
    with pm.Model() as model:
        pm.Normal("y", 0, 1, shape=3)
    return Problem(model, observed="y")


def observed_twice() -> Problem:
    with pm.Model() as model:
        b = pm.Normal("b")
        pm.Normal("y", b, 1, observed=np.zeros(3))
        pm.Normal("z", b, 1, observed=np.zeros(3))
    return Problem(model, observed="y")


def bounded(value: float) -> Problem:
    with pm.Model() as model:
        p = pm.Beta("p", 1, 1)
        pm.Bernoulli("y", p, shape=4)
    return Problem(model, observed="y", truth={"p": value})


def counted(value: float) -> Problem:
    with pm.Model() as model:
        k = pm.Poisson("k", 3)
        pm.Normal("y", k, 1, shape=4)
    return Problem(model, observed="y", truth={"k": value})


def ordered() -> Problem:
    with pm.Model() as model:
        c = pm.Normal("c", shape=3, transform=pm.distributions.transforms.ordered)
        pm.Normal("y", c, 1)
    return Problem(model, observed="y", truth={"c": [-1.0, 0.0, 1.0]})


def minibatch() -> Problem:
    with pm.Model() as model:
        b = pm.Normal("b")
        pm.Normal("y", b, 1, observed=np.zeros(10), total_size=1000)
    return Problem(model, observed="y", truth={"b": 0.0})


def fixed_length() -> Problem:
    with pm.Model() as model:
        x = pm.Data("x", np.zeros(4))
        b = pm.Normal("b")
        pm.Normal("y", b * x + np.arange(4.0), 1)
    return Problem(model, observed="y", truth={"b": 0.0}, predict={"x": np.zeros(2)})


def whole_numbers() -> Problem:
    with pm.Model() as model:
        x = pm.Data("x", np.zeros(4, dtype=int))
        b = pm.Normal("b")
        pm.Normal("y", b * x, 1)
    covariates = {"x": pm.Normal.dist(shape=4)}
    return Problem(model, observed="y", truth={"b": 0.0}, covariates=covariates)


def started() -> Problem:
    with pm.Model() as model:
        b = pm.Normal("b", initval=1.0)
        pm.Normal("y", b, 1, shape=3)
    return Problem(model, observed="y", truth={"b": 0.0})


@pytest.mark.parametrize(
    ("build", "truth", "message"),
    [
        (ordered, "prior", "'c' has a transform that draws from its prior do not obey"),
        (minibatch, "fixed", "has a total_size, which scales its likelihood"),
        (fixed_length, "fixed", "cannot be simulated"),
        (whole_numbers, "fixed", "are float64, but the pm.Data holds int"),
        (started, "fixed", "cannot be simulated .*non-default initial_values"),
        (lambda: regression(truth={"beta": 1}), "fixed", "truth names 'beta', .* 'betas', 'sigma'"),
        (lambda: regression(truth={"y": 1}), "fixed", "'y' is both observed and in truth"),
        (lambda: regression(truth={"betas": [1]}), "fixed", r"shape \(1,\), .* shape \(2,\)"),
        (lambda: regression(truth={"betas": 1.0}), "fixed", r"shape \(\), but .* 1 dimension"),
        (lambda: regression(truth={"betas": ["a", "b"]}), "fixed", "no array of numbers"),
        (lambda: regression(truth={"betas": [1, np.nan]}), "fixed", "outside its support"),
        (
            lambda: regression(truth={"betas": [1, 2], "sigma": -1}),
            "fixed",
            r"truth of 'sigma' is -1.0, not inside the support of its prior \(HalfNormal\)",
        ),
        (lambda: regression(truth={"betas": [1, 2], "sigma": 0}), "fixed", "'sigma' is 0.0, not"),
        (lambda: bounded(1.5), "fixed", "'p' is 1.5, not inside the support"),
        (lambda: bounded(1.0), "fixed", "'p' is 1.0, not inside the support"),
        (lambda: counted(2.5), "fixed", "'k' is 2.5, outside its support .int64"),
        (lambda: counted(-2), "fixed", "'k' is -2, not inside the support"),
        (lambda: regression(truth=None), "fixed", "no truth is given.*--truth prior"),
        (lambda: regression(observed="z"), "fixed", "observed 'z' is no random variable.*'y'"),
        (lambda: regression(observed=()), "fixed", "observed is empty"),
        (observed_twice, "prior", "observes 'z' too; add it to observed"),
        (
            lambda: regression(covariates={"w": pm.Normal.dist(shape=(5, 2))}),
            "fixed",
            "covariates names 'w', which is no pm.Data of the model; it has 'x'",
        ),
        (
            lambda: regression(covariates={"x": pm.Normal.dist(shape=(4, 2))}),
            "fixed",
            r"covariates of 'x' have shape \(4, 2\), but the pm.Data has shape \(5, 2\)",
        ),
        (lambda: regression(covariates={"x": np.full((5, 2), np.inf)}), "fixed", "finite"),
        (lambda: regression(predict={"z": [[1, 2]]}), "fixed", "predict names 'z'"),
        (lambda: regression(predict={"x": [[1, 2, 3]]}), "fixed", "only the first length may"),
        (nothing_free, "prior", "no free variable, so there is nothing to recover"),
        (with_potential, "prior", "Potential 'penalty', which fits honour but simulation cannot"),
        (flat, "prior", "the prior cannot be drawn from .*--truth fixed"),
        (lambda: 7, "fixed", "returned int, not a Problem; end it with return Problem"),
        (lambda: Problem("model", "y"), "fixed", "model is str, not a pymc.Model"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_used_is_told_in_one_line(build: Build, truth: str, message: str) -> None:
    with pytest.raises(ProblemError, match=message) as caught:
        check(build(), truth)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("tried")


@pytest.mark.parametrize(
    ("build", "truth"),
    [
        (regression, "fixed"),
        (regression, "prior"),
        (ordered, "fixed"),
        (flat, "fixed"),
        (with_potential, "fixed"),
        (lambda: bounded(0.3), "fixed"),
        (lambda: counted(2), "fixed"),
        (lambda: regression(truth={"sigma": 0.5}), "fixed"),
        (lambda: regression(covariates={"x": lambda rng: rng.normal(size=(5, 2))}), "prior"),
        (lambda: regression(predict={"x": [[1, 2]]}), "prior"),
    ],
)
def test_what_can_be_used_passes(build: Build, truth: str) -> None:
    check(build(), truth)


def test_an_exception_in_the_users_function_points_at_their_own_line() -> None:
    @scenario
    def broken(size: int = 1) -> Problem:
        raise KeyError("mine")

    with pytest.raises(UserCodeError, match="broken size=1: the scenario raised KeyError") as got:
        Workshop(broken).prepare(Design(broken, {}).cells[0])
    text = got.value.traceback_text
    assert 'raise KeyError("mine")' in text
    assert "workshop.py" not in text


def test_labels_carry_coordinates_and_fall_back_to_numbers() -> None:
    checked = check_problem(regression(), "here")
    assert checked.labels("betas", (2,)) == ["betas[left]", "betas[right]"]
    assert checked.labels("sigma", ()) == ["sigma"]
    assert checked.labels("y", (2,)) == ["y[0]", "y[1]"]


def test_only_deterministics_of_fixed_size_are_recorded() -> None:
    problem = regression()
    with problem.model as model:
        x, betas = model["x"], model["betas"]
        pm.Deterministic("total", betas.sum())
        pm.Deterministic("ratio of sides", betas / betas[0], dims="side")
        pm.Deterministic("mu", x @ betas)
        pm.Deterministic("mu with dims", x @ betas, dims="trial")
        pm.Deterministic("column means", x.mean(axis=0) * betas)
    checked = check_problem(problem, "here")
    assert set(checked.deterministics) >= {"total", "ratio of sides"}
    assert not {"mu", "mu with dims"} & set(checked.deterministics)
    assert checked.recorded[:2] == ("betas", "sigma")


def test_a_covariate_function_that_raises_points_at_its_own_line() -> None:
    def wrong(rng: np.random.Generator) -> Any:
        raise KeyError("mine")

    with pytest.raises(UserCodeError, match="function for 'x' raised KeyError") as caught:
        check(regression(covariates={"x": wrong}))
    assert 'raise KeyError("mine")' in caught.value.traceback_text


def test_labels_that_repeat_fall_back_to_positions() -> None:
    with pm.Model(coords={"side": ["same", "same"]}) as model:
        b = pm.Normal("b", dims="side")
        pm.Normal("y", b, 1)
    assert check_problem(Problem(model, "y"), "here").labels("b", (2,)) == ["b[0]", "b[1]"]
