"""A Poisson regression on covariates as they come: not centred, and correlated."""

import numpy as np
import pymc as pm

from recovery import Problem, scenario

# Correlated and far from zero, so that intercept and slopes go together in the posterior; an
# approximation without correlations is far too sure of each.
MEANS = np.array([2.0, 1.0])
COVARIANCE = np.array([[0.25, 0.2], [0.2, 0.25]])


@scenario
def poisson(trials: int = 100, intercept: float = 0.5, slope: float = 0.3) -> Problem:
    """Explain counts by temperature and rainfall, correlated and not centred."""
    coords = {"trial": range(trials), "features": ["temperature", "rainfall"]}
    with pm.Model(coords=coords) as model:
        x = pm.Data("x", np.zeros((trials, 2)), dims=["trial", "features"])
        alpha = pm.Normal("alpha", 0, 1)
        betas = pm.Normal("betas", 0, 0.5, dims="features")
        pm.Poisson("count", pm.math.exp(alpha + x @ betas), dims="trial")
    return Problem(
        model,
        observed="count",
        truth={"alpha": intercept, "betas": [slope, -slope]},
        covariates={"x": pm.MvNormal.dist(MEANS, COVARIANCE, shape=(trials, 2))},
    )
