"""What a reader is shown of a model: its variables, their distributions, and what feeds what."""

import numpy as np
import pymc as pm

from recovery import Problem
from recovery.engine.portrait import portrait
from recovery.engine.problem import check_problem
from recovery.scenarios.eight_schools import eight_schools
from recovery.scenarios.plants import plants


def test_the_plants_model_is_four_variables() -> None:
    found = portrait(check_problem(plants.function(), "plants"))
    assert found["x"] == {
        "role": "data", "distribution": "", "dims": ["trial", "features"], "parents": [],
    }  # fmt: skip
    assert found["betas"]["distribution"] == "Normal(0, 1)"
    assert found["betas"]["dims"] == ["features"]
    assert found["plant growth"]["role"] == "observed"
    assert found["plant growth"]["parents"] == ["betas", "sigma", "x"]


def test_a_hierarchy_has_its_levels() -> None:
    found = portrait(check_problem(eight_schools.function(), "eight_schools"))
    assert found["theta"]["parents"] == ["mu", "tau"]
    assert found["y"]["parents"] == ["theta"]


def test_a_model_of_many_variables_or_a_strange_one_is_none_or_small() -> None:
    with pm.Model() as model:
        many = [pm.Normal(f"a{i}") for i in range(70)]
        pm.Normal("y", sum(many), 1, shape=2)
    assert portrait(check_problem(Problem(model, observed="y"), "many")) == {}

    def density(value: object, mu: object) -> object:
        return -((value - mu) ** 2)  # type: ignore[operator]  # of tensors

    with pm.Model() as model:
        mu = pm.Normal("mu \ud800 <b>")
        custom = pm.CustomDist("custom", mu, logp=density, random=lambda m, rng, size: m)
        pm.Potential("soft", -custom)
        pm.Normal("y", custom, 1, observed=np.zeros(3))
    found = portrait(check_problem(Problem(model, observed="y"), "strange"))
    assert set(found) == {"mu ? <b>", "custom", "soft", "y"}
    assert found["soft"]["role"] == "potential"
    assert found["custom"]["parents"] == ["mu ? <b>"]
