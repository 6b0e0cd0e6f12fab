"""A logistic regression: single yes-or-no outcomes, which say little each."""

import numpy as np
import pymc as pm

from recovery import Problem, scenario


@scenario
def logistic(trials: int = 100, intercept: float = -1.0, slope: float = 1.0) -> Problem:
    """Explain yes-or-no outcomes by dose and age."""
    coords = {"trial": range(trials), "features": ["dose", "age"]}
    with pm.Model(coords=coords) as model:
        x = pm.Data("x", np.zeros((trials, 2)), dims=["trial", "features"])
        alpha = pm.Normal("alpha", 0, 1.5)
        betas = pm.Normal("betas", 0, 1, dims="features")
        pm.Bernoulli("outcome", logit_p=alpha + x @ betas, dims="trial")
    return Problem(
        model,
        observed="outcome",
        truth={"alpha": intercept, "betas": [slope, -slope]},
        covariates={"x": pm.Normal.dist(shape=(trials, 2))},
    )
