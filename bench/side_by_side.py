"""End-to-end throughput of a sweep against nutpie's own loop, interleaved in one sitting.

Run with ``python bench/side_by_side.py [pairs] [fits]``. Both do the plants regression (100
trials, 4 chains of 1,000 + 1,000) in as many threads as there are cores, after compilation:

- bare: a thread pool over ``with_data`` and ``sample(..., return_raw_trace=True)``, with data
  simulated beforehand, nothing kept;
- sweep: from the first record to the last commit of `Sweep.run`, simulation, diagnostics,
  estimates and the store included.

Prints fits per second of each pair and the median of their ratios.
"""

import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import nutpie
import pymc as pm
import pytensor

from recovery import Sweep
from recovery.execute import default_workers
from recovery.loading import load_scenario


class Bare:
    """What a careful user of nutpie would write by hand."""

    def __init__(self) -> None:
        problem = load_scenario("plants")()
        outcome = pytensor.shared(np.zeros(100), name="outcome")
        model = pm.observe(problem.model, {"plant growth": outcome})
        self.compiled = nutpie.compile_pymc_model(model)

    def fit(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(100, 3))
        y = x @ [5, 20, 2] + rng.normal(size=100) * 0.5
        nutpie.sample(
            self.compiled.with_data(outcome=y, x=x),
            draws=1000,
            tune=1000,
            chains=4,
            cores=1,
            seed=seed,
            progress_bar=False,
            return_raw_trace=True,
        )

    def fits_per_s(self, fits: int, workers: int) -> float:
        started = time.perf_counter()
        with ThreadPoolExecutor(workers) as threads:
            list(threads.map(self.fit, range(fits)))
        return fits / (time.perf_counter() - started)


def main() -> None:
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    fits = int(sys.argv[2]) if len(sys.argv) > 2 else 100
    workers = default_workers()
    bare = Bare()
    bare.fit(0)
    sweep = Sweep(load_scenario("plants"), replicates=fits)
    with tempfile.TemporaryDirectory() as folder:
        # The first run compiles; the later ones reuse what this object has compiled.
        sweep.run(f"{folder}/first", workers=workers, progress=False, report=False)
        ratios = []
        for pair in range(pairs):
            order = ("bare", "sweep") if pair % 2 == 0 else ("sweep", "bare")
            rates = {}
            for which in order:
                if which == "bare":
                    rates[which] = bare.fits_per_s(fits, workers)
                else:
                    started = time.perf_counter()
                    sweep.run(f"{folder}/{pair}", workers=workers, progress=False, report=False)
                    rates[which] = fits / (time.perf_counter() - started)
            ratios.append(rates["sweep"] / rates["bare"])
            print(
                f"pair {pair + 1}: bare {rates['bare']:.2f} fits/s, sweep {rates['sweep']:.2f} "
                f"fits/s, ratio {ratios[-1]:.3f}",
                flush=True,
            )
    print(f"median ratio {statistics.median(ratios):.3f} over {pairs} pairs, {workers} workers")


if __name__ == "__main__":
    main()
