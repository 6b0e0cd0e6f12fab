"""The plant-growth regression: one outcome, three covariates, independent noise."""

import numpy as np
import pymc as pm

from recovery import Problem, scenario


@scenario
def plants(trials: int = 100, noise: float = 0.5) -> Problem:
    """Plant growth explained by sunlight, water and soil nitrogen."""
    coords = {
        "trial": range(trials),
        "features": ["sunlight hours", "water amount", "soil nitrogen"],
    }
    with pm.Model(coords=coords) as model:
        x = pm.Data("x", np.zeros((trials, 3)), dims=["trial", "features"])
        betas = pm.Normal("betas", dims="features")
        sigma = pm.HalfNormal("sigma")
        pm.Normal("plant growth", x @ betas, sigma, dims="trial")
    return Problem(
        model,
        observed="plant growth",
        truth={"betas": [5, 20, 2], "sigma": noise},
        covariates={"x": pm.Normal.dist(shape=(trials, 3))},
    )
