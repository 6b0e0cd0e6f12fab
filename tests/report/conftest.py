"""Small real stores with exact normal posteriors, and two throw-away figures."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy.stats import norm

from recovery.ranking import rank_truths
from recovery.record import (
    KEPT_DRAWS,
    QUANTILE_GRID,
    Compilation,
    Estimates,
    Failure,
    Record,
    Sampling,
    Stage,
    Status,
    Times,
)
from recovery.results import Results
from recovery.store import Store

Numbers = np.ndarray[Any, np.dtype[np.float64]]
SETTINGS = {
    "sampler": "exact",
    "draws": 500,
    "tune": 500,
    "chains": 4,
    "target_accept": 0.8,
    "ess": 0,
}


@dataclass
class Run:
    """What a run holds; every posterior is exact unless `sd_factor` or `edit` changes it."""

    axes: Mapping[str, Sequence[Any]] = field(default_factory=lambda: {"trials": [10, 40]})
    modes: Sequence[str] = ("fixed", "prior")
    replicates: int | Sequence[int] = 20  # of each cell
    planned: int | None = None
    parameters: Mapping[str, float] = field(default_factory=lambda: {"mu": 0.5, "far": 6.0})
    predicted: Sequence[str] = ()
    failed: Callable[[int], str | None] = lambda index: None
    flagged: Callable[[int], bool] = lambda index: False
    sd_factor: float = 1.0
    edit: Callable[[dict[str, Any]], None] = lambda estimates: None
    prior_variance_relative_se: float = 0.02
    chains_and_draws: tuple[int, int] = (4, 500)
    settings: Mapping[str, Any] = field(default_factory=dict)
    cell_settings: Mapping[str, Any] = field(default_factory=dict)
    draws_of: Callable[[int, int], int] | None = None
    ess: float = 1200.0
    execution: Mapping[str, Any] = field(default_factory=dict)
    scenario: str = "conjugate"
    traceback: str = "Traceback (most recent call last):\n  ...\nValueError: bad\n"
    command: str = "recovery run conjugate"

    def write(self, folder: Path) -> Results:
        """Write the store, and return its results."""
        combinations = [
            dict(zip(self.axes, c, strict=True)) for c in itertools.product(*self.axes.values())
        ]
        cells = [
            {
                "digest": f"{mode}{i}",
                "levels": levels,
                "truth_mode": mode,
                "settings": SETTINGS | dict(self.cell_settings),
                "problem": {
                    "model": dict.fromkeys(self.parameters, "free Normal"),
                    "covariates": {"x": "1"},
                },
                "priors": [self._prior(name, truth) for name, truth in self.parameters.items()],
            }
            for mode in self.modes
            for i, levels in enumerate(combinations)
        ]
        most = self.replicates if isinstance(self.replicates, int) else max(self.replicates)
        planned = self.planned or most
        identity = {"scenario": self.scenario, "axes": list(self.axes), "seed": 42}
        with Store.create_or_open(folder) as store:
            store.begin(
                identity | {"sampler": "exact", "draws": 500} | dict(self.settings),
                cells,
                [(cell["digest"], 42, planned) for cell in cells],
                {
                    "started": "2030-01-02T03:04:05+00:00",
                    "command": self.command,
                    "workers": 2,
                    "python": "3.13.0",
                    "packages": {"pymc": "6.4.0"},
                    "machine": {"system": "Linux", "processor": "a processor", "cores": 2},
                    "git_commit": "0" * 40,
                },
            )
            for number, cell in enumerate(cells):
                count = (
                    self.replicates if isinstance(self.replicates, int) else self.replicates[number]
                )
                store.append([self._record(cell, number, i) for i in range(count)])
            if self.execution:
                store.end(self.execution)
        return Results(folder)

    def _prior(self, name: str, truth: float) -> dict[str, Any]:
        tail = 2 * float(norm.sf(abs(truth)))
        return {"parameter": name, "mean": 0.0, "sd": 1.0, "truth": truth,
                "variance_relative_se": self.prior_variance_relative_se,
                "tail_probability": tail}  # fmt: skip

    def _record(self, cell: Mapping[str, Any], number: int, index: int) -> Record:
        rng = np.random.default_rng([number, index])
        error = self.failed(index)
        times = Times(0.001, 0.5 + 0.01 * index, 0.002)
        compilation = (Compilation("density", 1.5, 7),) if (number, index) == (0, 0) else ()
        common: dict[str, Any] = {
            "key": f"{cell['digest']}-42-{index}", "cell": cell["digest"], "seed": 42,
            "index": index, "times": times, "compilations": compilation,
        }  # fmt: skip
        if error:
            failure = Failure(Stage.SAMPLE, error, self.traceback)
            return Record(status=Status.FAILED, failure=failure, **common)
        flagged = self.flagged(index)
        chains, draws = self.chains_and_draws
        draws = cell["levels"].get("draws", draws)
        if self.draws_of is not None:
            draws = self.draws_of(number, index)
        return Record(
            status=Status.OK,
            sampling=Sampling("exact", chains, draws, 500, 3 * flagged, 0, 3, 0.9, 5000 + index),
            estimates=self._estimates(cell, rng, 1.2 if flagged else 1.001, chains * draws),
            **common,
        )

    def _estimates(
        self, cell: Mapping[str, Any], rng: np.random.Generator, r_hat: float, draws: int
    ) -> Estimates:
        names = (*self.parameters, *self.predicted)
        kinds = ("parameter",) * len(self.parameters) + ("predicted",) * len(self.predicted)
        given = np.array([*self.parameters.values(), *[0.0] * len(self.predicted)])
        truth = given if cell["truth_mode"] == "fixed" else rng.normal(size=len(names))
        trials = next((v for v in cell["levels"].values() if isinstance(v, int)), 10)
        data = truth + rng.normal(size=len(names)) / np.sqrt(trials)
        mean = data * trials / (trials + 1)
        sd = np.full(len(names), self.sd_factor / np.sqrt(trials + 1))
        kept = rng.normal(mean, sd, size=(min(KEPT_DRAWS, draws), len(names)))
        among = np.full(len(names), len(kept))
        rank, pit = rank_truths(kept, truth, among, rng)
        known = np.array([kind == "parameter" for kind in kinds])
        made: dict[str, Any] = {
            "names": names, "kinds": kinds, "truth": truth, "mean": mean, "sd": sd,
            "r_hat": np.where(known, r_hat, np.nan),
            "ess_bulk": np.where(known, 1500.0, np.nan),
            "ess_tail": np.where(known, self.ess, np.nan),
            "mcse_mean": np.where(known, sd / 40, np.nan),
            "quantiles": mean[:, None] + sd[:, None] * norm.ppf(QUANTILE_GRID),
            "crps": np.abs(mean - truth),
            "rank": rank,
            "ranked_among": among,
            "pit": pit,
            "kept_draws": kept[:, known],
        }  # fmt: skip
        self.edit(made)
        return Estimates(**made)


@pytest.fixture(scope="session")
def write() -> Callable[..., Results]:
    """Write a run into a folder; the other arguments are the fields of `Run`."""

    def run(folder: Path, **fields: Any) -> Results:
        return Run(**fields).write(folder)

    return run


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Results]:
    """Write a run; the arguments are the fields of `Run`."""

    def write(folder: str = "run", **fields: Any) -> Results:
        return Run(**fields).write(tmp_path / folder)

    return write


@pytest.fixture
def two_figures() -> Callable[..., Iterator[tuple[str, Figure, str]]]:
    """Two small figures with a clip path and a marker, whose ids would collide."""

    def figures(title: str = "a title") -> Iterator[tuple[str, Figure, str]]:
        for slug in ("first", "second"):
            figure = Figure(figsize=(3, 2))
            axes = figure.subplots()
            axes.plot([0, 1, 2], [0, 1, 0], marker="o")
            axes.set_title(title, parse_math=False)
            yield slug, figure, f"{title}, {slug}"

    return figures
