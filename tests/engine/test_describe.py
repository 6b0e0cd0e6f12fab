"""A model is the same if it computes the same; what changes it is seen, wherever it hides."""

import functools
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest

from recovery import Problem
from recovery.engine.describe import describe
from recovery.engine.problem import check_problem
from recovery.engine.structure import Structure

Build = Callable[[], Problem]


def problem(*, covariate: Any = None, **changes: Any) -> Problem:
    sides = changes.get("sides", ["l", "r"])
    with pm.Model(coords={"side": sides}) as model:
        x = pm.Data("x", changes.get("x", np.zeros((4, 2))))
        how = {"transform": changes["how"]} if "how" in changes else {}
        b = pm.Normal("b", 0, changes.get("sd", 1.0), dims="side", **how)
        offset = pytensor.shared(np.array(changes.get("offset", 0.0)), name="offset")
        pm.Normal("y", x @ b + offset, 1)
    covariates = {} if covariate is None else {"x": covariate}
    return Problem(model, observed="y", truth=changes.get("truth"), covariates=covariates)


def mixture(weight: float) -> Problem:
    with pm.Model() as model:
        b = pm.Normal("b")
        pm.Mixture("y", w=[weight, 1 - weight], comp_dists=pm.Normal.dist([b, 0.0], 1), shape=3)
    return Problem(model, observed="y")


def censored(upper: float) -> Problem:
    with pm.Model() as model:
        b = pm.Normal("b")
        pm.Censored("y", pm.Normal.dist(b, 1), lower=None, upper=upper, shape=3)
    return Problem(model, observed="y")


def custom(factor: float) -> Problem:
    with pm.Model() as model:
        b = pm.Normal("b")

        def logp(value: Any, b: Any) -> Any:
            return -((value - factor * b) ** 2)

        def random(b: Any, rng: Any = None, size: Any = None) -> Any:
            return np.zeros(size)

        pm.CustomDist("y", b, logp=logp, random=random, shape=3)
    return Problem(model, observed="y")


def scanned(decay: float) -> Problem:
    with pm.Model() as model:
        b = pm.Normal("b")
        steps = pytensor.scan(
            lambda last: decay * last + b,
            outputs_info=[pt.zeros(())],
            n_steps=4,
            return_updates=False,
        )
        pm.Normal("y", steps, 1)
    return Problem(model, observed="y")


def drawn(how: str, size: float = 1.0) -> Any:
    scale = size
    return {
        "normal": lambda rng: scale * rng.normal(size=(4, 2)),
        "uniform": lambda rng: scale * rng.uniform(size=(4, 2)),
        "nested": lambda rng: np.array([[rng.normal() for _ in range(2)] for _ in range(4)]),
    }[how]


def scaled(rng: Any, *, by: float) -> Any:
    return by * rng.normal(size=(4, 2))


def told(build: Build) -> dict[str, Any]:
    description = describe(check_problem(build(), "here"))
    return {name: value for name, value in description.items() if name != "model"}


ordered = pm.distributions.transforms.ordered
PAIRS: list[tuple[str, Callable[..., Problem], dict[str, Any], dict[str, Any]]] = [
    ("prior", problem, {}, {"sd": 2.0}),
    ("transform", problem, {}, {"how": ordered}),
    ("labels", problem, {}, {"sides": ["l", "q"]}),
    ("data", problem, {}, {"x": np.ones((4, 2))}),
    ("other shared value", problem, {}, {"offset": 1.0}),
    ("truth", problem, {"truth": {"b": [0, 0]}}, {"truth": {"b": [0, 1]}}),
    ("mixture", mixture, {"weight": 0.5}, {"weight": 0.4}),
    ("censoring", censored, {"upper": 1.0}, {"upper": 2.0}),
    ("custom density", custom, {"factor": 1.0}, {"factor": 2.0}),
    ("inner graph of a scan", scanned, {"decay": 0.5}, {"decay": 0.9}),
    (
        "method called",
        problem,
        {"covariate": drawn("normal")},
        {"covariate": drawn("uniform")},
    ),
    (
        "closure",
        problem,
        {"covariate": drawn("normal")},
        {"covariate": drawn("normal", 2.0)},
    ),
    (
        "partial",
        problem,
        {"covariate": functools.partial(scaled, by=1.0)},
        {"covariate": functools.partial(scaled, by=2.0)},
    ),
    (
        "distribution",
        problem,
        {"covariate": pm.Normal.dist(shape=(4, 2))},
        {"covariate": pm.Normal.dist(1, shape=(4, 2))},
    ),
]


@pytest.mark.parametrize(
    ("build", "one", "two"), [pair[1:] for pair in PAIRS], ids=[pair[0] for pair in PAIRS]
)
def test_equal_problems_are_described_alike_and_a_change_is_seen(
    build: Callable[..., Problem], one: dict[str, Any], two: dict[str, Any]
) -> None:
    first = told(functools.partial(build, **one))
    if build is not custom:  # a custom density is an object of its own each time it is made
        assert first == told(functools.partial(build, **one))
    assert first != told(functools.partial(build, **two))


@pytest.mark.parametrize("build", [lambda: mixture(0.5), lambda: censored(1.0)])
def test_composite_distributions_share_a_structure_with_their_like(build: Build) -> None:
    assert Structure(check_problem(build(), "one")).matches(check_problem(build(), "two"))


@pytest.mark.parametrize(
    ("one", "two"), [(mixture(0.5), mixture(0.4)), (censored(1.0), censored(2.0))]
)
def test_composite_distributions_that_differ_inside_do_not(one: Problem, two: Problem) -> None:
    assert not Structure(check_problem(one, "one")).matches(check_problem(two, "two"))


def test_descriptions_are_the_same_in_every_process() -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]);"
        "import test_describe as t; import json;"
        "print(json.dumps([t.told(lambda: t.problem(covariate=t.drawn('nested'))),"
        " t.told(lambda: t.mixture(.5)), t.told(lambda: t.scanned(.5))]))"
    )
    folder = str(__import__("pathlib").Path(__file__).parent)
    outputs = {
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code, folder],
            env={**__import__("os").environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1")
    }
    assert len(outputs) == 1
