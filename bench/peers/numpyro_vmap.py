"""NumPyro by hand: one NUTS, compiled once, over all data sets and chains at the same time."""

import os
from collections.abc import Iterator
from typing import Any

# One device per core: what is mapped over devices runs beside each other.
os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={os.cpu_count()}"

import jax
import numpy as np
from numpyro.infer import MCMC, NUTS

from peers import base
from peers.numpyro_models import MODELS

BATCH = 32
"""More at once is no faster on a processor, and the first result comes later."""


class Peer(base.Peer):
    """In single precision, which is NumPyro's default. The first fit comes with the whole batch."""

    def __init__(self, task: base.Task) -> None:
        super().__init__(task)
        self._devices = min(task.workers, jax.device_count())
        self.batch = -(-min(len(task.data), BATCH) // self._devices) * self._devices
        self._run = jax.pmap(jax.vmap(self._fit))

    def _fit(self, key: Any, data: Any) -> Any:
        mcmc = MCMC(
            NUTS(MODELS[self.task.model]),
            num_warmup=self.task.tune,
            num_samples=self.task.draws,
            num_chains=self.task.chains,
            chain_method="vectorized",
            progress_bar=False,
        )
        mcmc.run(key, data)
        return mcmc.get_samples()

    def fits(self, numbers: range) -> Iterator[Any]:
        for start in range(numbers.start, numbers.stop, self.batch):
            yield from self._batch(range(start, start + self.batch))

    def _batch(self, numbers: range) -> Iterator[Any]:
        chosen = [self.task.data[number % len(self.task.data)] for number in numbers]
        stacked = {name: np.stack([data[name] for data in chosen]) for name in chosen[0]}
        keys = jax.vmap(jax.random.key)(np.asarray(numbers))
        shape = (self._devices, self.batch // self._devices)
        spread = jax.tree.map(lambda a: a.reshape(*shape, *a.shape[1:]), (keys, stacked))
        draws = jax.tree.map(lambda a: np.asarray(a).reshape(-1, *a.shape[2:]), self._run(*spread))
        for place in range(self.batch):
            yield {name: values[place] for name, values in draws.items()}

    def draws(self, fit: Any) -> base.Arrays:
        return fit
