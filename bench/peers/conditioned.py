"""The scenario's PyMC model, conditioned by hand as its user would."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pymc as pm
import pytensor

from peers.base import Arrays, Task
from recovery.loading import load_scenario


class Conditioned:
    """A model whose observations are shared variables, for samplers that swap data."""

    def __init__(self, task: Task) -> None:
        self.problem = load_scenario(task.scenario)()
        self.model: pm.Model = self.problem.model
        observed = self.problem.observed
        self.observed = (observed,) if isinstance(observed, str) else tuple(observed)
        free = (variable.name for variable in self.model.free_RVs)
        self.variables = tuple(name for name in free if name not in self.observed)
        self.covariates = tuple(self.problem.covariates or ())

    def swappable(self, first: Arrays) -> pm.Model:
        held = {
            name: pytensor.shared(np.asarray(first[name]), name=self.held(name))
            for name in self.observed
        }
        return pm.observe(self.model, held)

    def values(self, data: Arrays) -> dict[str, Any]:
        """Return what `swappable` needs for a data set, by name of the shared variable."""
        observed = {self.held(name): data[name] for name in self.observed}
        return {name: data[name] for name in self.covariates} | observed

    def with_constants(self, data: Arrays) -> pm.Model:
        """Return a model observed as the walkthroughs do it: data in, `pm.observe`."""
        with self.model:
            pm.set_data({name: data[name] for name in self.covariates})
        return pm.observe(self.model, {name: data[name] for name in self.observed})

    @staticmethod
    def held(name: str) -> str:
        return f"{name} (held)"


def stacked(posterior: Mapping[str, Any], names: Any) -> Arrays:
    """Return draws of a labelled posterior with the chains after one another."""
    return {n: np.concatenate(np.asarray(posterior[n].values), axis=0) for n in names}
