"""simuk's simulation-based calibration of the same model, on data of its own.

simuk draws truth and data from the prior itself, so its data sets are not the others', and the
covariates are those of the first data set throughout.
"""

import time

import simuk

from peers import base
from peers.conditioned import Conditioned


class Peer(base.Peer):
    """One `SBC` per call, with PyMC's own NUTS."""

    def __init__(self, task: base.Task) -> None:
        super().__init__(task)
        self._model = Conditioned(task).with_constants(task.data[0])

    def introduce(self) -> base.Introduction:
        self.seconds(1)
        first_at = time.time()
        return base.Introduction(first_at, 1 / self.seconds(1), [])

    def seconds(self, count: int) -> float:
        settings = {
            "draws": self.task.draws,
            "tune": self.task.tune,
            "chains": self.task.chains,
            "cores": self.task.workers,
            "nuts_sampler": "pymc",
        }
        started = time.perf_counter()
        sbc = simuk.SBC(self._model, num_simulations=count, sample_kwargs=settings, seed=1)
        sbc.run_simulations()
        # It logs what goes wrong and returns what it has.
        assert sbc._simulations_complete == count
        return time.perf_counter() - started
