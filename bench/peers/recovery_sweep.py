"""`recovery` itself: simulation, diagnostics, estimates and the store on the clock."""

import time
from typing import Any

import numpy as np

from peers import base
from recovery import Results, Sweep
from recovery.loading import load_scenario
from recovery.store import Store


class Peer(base.Peer):
    """From the beginning of a session in the store to its last commit, as `Store` sees them."""

    def __init__(self, task: base.Task) -> None:
        super().__init__(task)
        self.batch = len(task.data)
        self._sweep = Sweep(
            load_scenario(task.scenario),
            replicates=self.batch,
            chains=task.chains,
            draws=task.draws,
            tune=task.tune,
        )
        self._runs = 0
        self._commits: list[float] = []
        self._begun = 0.0
        self._watch()

    def _watch(self) -> None:
        begin, append = Store.begin, Store.append

        def watched_begin(store: Store, *args: Any, **kwargs: Any) -> None:
            begin(store, *args, **kwargs)
            self._begun, self._commits = time.time(), []

        def watched_append(store: Store, *args: Any, **kwargs: Any) -> None:
            append(store, *args, **kwargs)
            self._commits.append(time.time())

        Store.begin, Store.append = watched_begin, watched_append  # type: ignore[method-assign]

    def _run(self) -> Results:
        self._runs += 1
        folder = f"{self.task.folder}/{self._runs}"
        return self._sweep.run(folder, workers=self.task.workers, progress=False, report=False)

    def introduce(self) -> base.Introduction:
        frame = self._run().estimates
        first_at, last_at = self._commits[0], self._commits[-1]
        frame = frame[(frame["replicate"] < self.checked) & (frame["kind"] == "parameter")]
        moments = [self._by_variable(rows) for _, rows in frame.groupby("replicate", sort=True)]
        return base.Introduction(first_at, self.batch / (last_at - first_at), moments)

    @staticmethod
    def _by_variable(rows: Any) -> dict[str, tuple[Any, Any]]:
        variables = rows["parameter"].str.partition("[")[0]
        return {
            str(name): (own["mean"].to_numpy(), own["sd"].to_numpy())
            for name, own in rows.groupby(np.asarray(variables), sort=False)
        }

    def seconds(self, count: int) -> float:
        assert count == self.batch
        self._run()
        return self._commits[-1] - self._begun
