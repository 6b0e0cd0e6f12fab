"""The model with 50 scalar parameters, as a scenario."""

import numpy as np
import pymc as pm

from recovery import Problem, scenario


@scenario
def hierarchical(groups: int = 48, per_group: int = 10) -> Problem:
    """Group means around a common one, non-centred, with known noise of 1."""
    group = np.repeat(np.arange(groups), per_group)
    with pm.Model(coords={"group": range(groups)}) as model:
        mu = pm.Normal("mu", 0, 5)
        tau = pm.HalfNormal("tau", 1)
        z = pm.Normal("z", dims="group")
        pm.Normal("y", mu + tau * z[group], 1)
    z_true = np.random.default_rng(0).normal(size=groups)
    return Problem(model, observed="y", truth={"mu": 2.0, "tau": 0.7, "z": z_true})
