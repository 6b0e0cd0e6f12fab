"""Stores of as many replicates as wanted, in seconds: conjugate posteriors from the closed form.

The design, the problems and the priors are those of a real run; what follows are records as a
worker would send them, written through `Store` as a run writes them. Truths of truth mode ``prior``
come from the prior and posteriors are exact, so every such store is calibrated.

Run with ``python bench/big_store.py FOLDER REPLICATES`` to keep one; it takes 11 kB per replicate.
"""

import argparse
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pymc as pm
from numpy.typing import NDArray
from scipy.special import ndtri

from recovery import Problem, Sweep, scenario
from recovery.record import (
    KEPT_DRAWS,
    QUANTILE_GRID,
    Estimates,
    Failure,
    Record,
    Sampling,
    Stage,
    Status,
    Times,
)
from recovery.store import Store
from recovery.testing import ExactSampler

Floats = NDArray[np.float64]

TRIALS = [25, 50, 100, 200]
BATCH = 2000
_CHAINS, _DRAWS, _TUNE = 4, 1000, 1000
_FAILED, _DIVERGENT = 5000, 500  # one of so many replicates
_Z = ndtri(QUANTILE_GRID)


@scenario
def slopes(trials: int = 100) -> Problem:
    """Three slopes under a standard normal prior, with known noise: four scalar parameters."""
    with pm.Model(coords={"side": ["left", "middle", "right"]}) as model:
        x = pm.Data("x", np.zeros((trials, 3)), dims=["trial", "side"])
        noise_sd = pm.Data("noise_sd", 1.0)
        betas = pm.Normal("betas", dims="side")
        pm.Deterministic("total", betas.sum())
        pm.Normal("y", x @ betas, noise_sd, dims="trial")
    return Problem(
        model,
        observed="y",
        truth={"betas": [1.0, 0.0, -0.5]},
        covariates={"x": pm.Normal.dist(shape=(trials, 3))},
    )


@dataclass
class Maker:
    """Records of `slopes`, one of each cell after another, as a run makes them.

    Parameters
    ----------
    cells : sequence of mapping
        As `Store.cells` gives them.
    names, kinds : sequence of str
        Of the parameters, as the store has them.
    ess : int
        If given, fits end early: their draws vary around what that takes.
    """

    cells: Sequence[Mapping[str, Any]]
    names: Sequence[str]
    kinds: Sequence[str]
    ess: int = 0

    def __post_init__(self) -> None:
        self._trials = np.array([cell["levels"]["trials"] for cell in self.cells], dtype=float)
        self._prior = np.array([cell["truth_mode"] == "prior" for cell in self.cells])
        self._given = np.array([prior["truth"] for prior in self.cells[0]["priors"]], dtype=float)

    def records(self, start: int, stop: int) -> list[Record]:
        """Make the records of such numbers, counted over all cells."""
        rng = np.random.default_rng(start)
        number = np.arange(start, stop)
        cell, n = number % len(self.cells), stop - start
        trials = self._trials[cell][:, None]
        betas = np.where(self._prior[cell][:, None], rng.normal(size=(n, 3)), self._given)
        data = betas + rng.normal(size=(n, 3)) / np.sqrt(trials)
        mean, sd = data * trials / (trials + 1), 1 / np.sqrt(trials + 1)
        kept = mean[:, None] + sd[:, None] * rng.normal(size=(n, KEPT_DRAWS, 3))
        kept = np.concatenate([kept, kept.sum(axis=2, keepdims=True)], axis=2)
        truth = np.column_stack([betas, betas.sum(axis=1)])
        mean = np.column_stack([mean, mean.sum(axis=1)])
        sds = np.column_stack([sd, sd, sd, np.sqrt(3) * sd])
        rank = (kept < truth[:, None]).sum(axis=1)
        # The test quantities that every fit has: any numbers do, of which no chain is known.
        beside = len(self.names) - truth.shape[1]
        other, unknown = rng.normal(size=(2, n, beside)), np.full((n, beside), np.nan)
        truth, mean = np.hstack([truth, other[0] + other[1]]), np.hstack([mean, other[0]])
        sds = np.hstack([sds, np.ones((n, beside))])
        rank = np.hstack([rank, rng.integers(0, KEPT_DRAWS, size=(n, beside), endpoint=True)])
        draws = np.full(n, _DRAWS)
        if self.ess:
            needed = rng.normal(1.1 + 40 / trials[:, 0], 0.2) * self.ess / _CHAINS
            draws = np.clip(25 * np.ceil(needed / 25), 50, _DRAWS).astype(int)
        share = rng.normal(0.8, 0.03, size=(2, n, 4))
        ess_bulk, ess_tail = share * _CHAINS * draws[:, None]
        ess_bulk, ess_tail = np.hstack([ess_bulk, unknown]), np.hstack([ess_tail, unknown])
        r_hat = np.hstack([1 + rng.gamma(2, 0.0008, size=(n, 4)), unknown])
        columns = {
            "truth": truth, "mean": mean, "sd": sds, "r_hat": r_hat, "ess_bulk": ess_bulk,
            "ess_tail": ess_tail, "mcse_mean": sds / np.sqrt(ess_bulk),
            "quantiles": mean[..., None] + sds[..., None] * _Z, "rank": rank,
            "crps": np.abs(mean - truth), "ranked_among": np.full_like(rank, KEPT_DRAWS),
            "pit": (rank + rng.uniform(size=rank.shape)) / (KEPT_DRAWS + 1), "kept_draws": kept,
        }  # fmt: skip
        sample_s = rng.lognormal(np.log(0.08), 0.2, n) * (draws + _TUNE) / (_DRAWS + _TUNE)
        return [
            self._record(
                int(number[i]), float(sample_s[i]), int(draws[i]),
                {name: column[i] for name, column in columns.items()},
            )
            for i in range(n)
        ]  # fmt: skip

    def _record(
        self, number: int, sample_s: float, draws: int, columns: Mapping[str, Floats]
    ) -> Record:
        index, place = divmod(number, len(self.cells))
        cell = self.cells[place]["digest"]
        common: dict[str, Any] = {
            "key": f"{cell}-42-{index}", "cell": cell, "seed": 42, "index": index,
            "times": Times(0.0005, sample_s, 0.002), "data_digest": f"{number:032x}",
        }  # fmt: skip
        if number % _FAILED == _FAILED - 1:
            failure = Failure(Stage.SAMPLE, "SamplingError: planted", "Traceback\n  planted\n")
            return Record(status=Status.FAILED, failure=failure, **common)
        divergences = 3 * (number % _DIVERGENT == _DIVERGENT - 1)
        gradients = 7 * _CHAINS * (draws + _TUNE)
        sampling = Sampling(
            "exact", _CHAINS, draws, _TUNE, divergences, 0, 3, 0.85, gradients + number % 100
        )
        estimates = Estimates(tuple(self.names), tuple(self.kinds), **columns)  # type: ignore[arg-type]  # by name
        return Record(status=Status.OK, sampling=sampling, estimates=estimates, **common)


def begin(folder: Path, replicates: int, **options: Any) -> tuple[Store, Maker]:
    """Run one real replicate of each cell, and return its store open for writing, and a maker.

    Parameters
    ----------
    folder : Path
    replicates : int
        Planned over all cells.
    **options
        Of the sweep.
    """
    sweep = Sweep(
        slopes, {"trials": TRIALS}, replicates=1, truth="both", sampler=ExactSampler(), **options
    )
    results = sweep.run(folder, workers=1, progress=False, report=False)
    store = Store.create_or_open(folder)
    cells = store.cells()
    planned = [(cell["digest"], 42, -(-replicates // len(cells))) for cell in cells]
    store.begin(store.identity(), [], planned, {**results.sessions[0], "command": "big_store.py"})
    (layout,) = store.layouts().values()
    return store, Maker(cells, *layout, options.get("ess", 0))


def batches(maker: Maker, replicates: int, size: int = BATCH) -> Iterator[list[Record]]:
    """Go through all records but the first of each cell, so many at a time."""
    ends = [*range(len(maker.cells), replicates, size), replicates]
    return (maker.records(start, stop) for start, stop in itertools.pairwise(ends))


def write(folder: Path, replicates: int, **options: Any) -> Path:
    """Write a store of so many replicates, and return its folder."""
    store, maker = begin(folder, replicates, **options)
    with store:
        for batch in batches(maker, replicates):
            store.append(batch)
        store.end(
            {"fits": replicates, "fitting_s": 0.045 * replicates, "workers": 2, "processes": 1,
             "threads": 2, "python_share": 0.04}
        )  # fmt: skip
    return folder


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("replicates", type=int)
    parser.add_argument("--ess", type=int, default=0)
    given = parser.parse_args()
    write(given.folder, given.replicates, **({"ess": given.ess} if given.ess else {}))
