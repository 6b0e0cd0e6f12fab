"""nutpie's own loop: one compilation, fits in as many threads as cores, nothing kept."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import nutpie
import pyarrow

from peers import base
from peers.conditioned import Conditioned


class Peer(base.Peer):
    """What a careful user of nutpie would write by hand."""

    def __init__(self, task: base.Task) -> None:
        super().__init__(task)
        self._model = Conditioned(task)
        self._compiled = nutpie.compile_pymc_model(self._model.swappable(task.data[0]))

    def fits(self, numbers: range) -> Iterator[Any]:
        with ThreadPoolExecutor(self.task.workers) as threads:
            yield from threads.map(self._fit, numbers)

    def _fit(self, number: int) -> Any:
        return nutpie.sample(
            self._compiled.with_data(**self._model.values(self.task.data[number])),
            draws=self.task.draws,
            tune=self.task.tune,
            chains=self.task.chains,
            cores=1,
            seed=number,
            progress_bar=False,
            return_raw_trace=True,
        )

    def draws(self, fit: Any) -> base.Arrays:
        batches, _ = fit.get_arrow_trace()
        found = {}
        for name in self._model.variables:
            chains = [pyarrow.array(batch.column(name)) for batch in batches]
            flat = [c.flatten() if hasattr(c, "flatten") else c for c in chains]
            values = [
                c.to_numpy(zero_copy_only=False).reshape(self.task.tune + self.task.draws, -1)
                for c in flat
            ]
            found[name] = np.concatenate([v[self.task.tune :] for v in values])
        return found
