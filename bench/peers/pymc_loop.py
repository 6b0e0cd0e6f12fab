"""The loop of the PyMC walkthroughs: `pm.observe` and `pm.sample` per data set."""

from collections.abc import Iterator
from typing import Any

import pymc as pm

from peers import base
from peers.conditioned import Conditioned, stacked


class Peer(base.Peer):
    """PyMC's own NUTS; nothing is compiled once."""

    checked = 2
    cores = 1

    def __init__(self, task: base.Task) -> None:
        super().__init__(task)
        self._model = Conditioned(task)

    def fits(self, numbers: range) -> Iterator[Any]:
        for number in numbers:
            with self._model.with_constants(self.task.data[number]):
                yield pm.sample(
                    draws=self.task.draws,
                    tune=self.task.tune,
                    chains=self.task.chains,
                    cores=self.cores,
                    nuts_sampler="pymc",
                    random_seed=number,
                    progressbar=False,
                )

    def draws(self, fit: Any) -> base.Arrays:
        return stacked(fit["posterior"], self._model.variables)
