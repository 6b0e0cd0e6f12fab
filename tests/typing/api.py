"""The public interface, as a type checker sees it; never run."""

from pathlib import Path

import numpy as np
import pandas as pd
import pymc as pm

from recovery import Problem, Results, Scenario, Sweep, compare, scenario
from recovery.measures import Measured, coverage
from recovery.report import write_report


@scenario
def typed(trials: int = 10) -> Problem:
    """Build a problem."""
    with pm.Model() as model:
        pm.Normal("y", pm.Normal("b"), 1, shape=trials)
    return Problem(
        model,
        observed="y",
        truth={"b": 1.0},
        covariates={},
        predict={},
        quantities={"square": lambda p, d: p["b"] ** 2, "one": "log_likelihood[y, 0]"},
    )


a_scenario: Scenario = typed
sweep: Sweep = Sweep(typed, {"trials": [10, 20]}, replicates=5, truth="both", seed=1)
growing: Sweep = Sweep(typed, truth="prior", stop_when="decided", margin=0.04)
results: Results = sweep.run("out", workers=2, fresh=False, progress=False)
again: Results = Results(Path("out"))
frames: list[pd.DataFrame] = [
    results.replicates,
    results.estimates,
    results.priors,
    results.cells,
    results.measures(ci_probs=(0.9,), fits="clean"),
    results.diagnostics(),
    results.cost(),
    results.sensitivity(),
    results.coverage_bounds((0.9,)),
    results.relative_precision(),
    results.pairs(["b"]),
    results.calibration("clean"),
    results.quantity_failures,
]
beside: pd.DataFrame = compare(results, Path("base"), measures=["bias"]).measures
dims = [results.to_xarray().dims, results.to_xarray("measures").dims]
measured: Measured = coverage(np.zeros(3), np.ones(3), np.ones(3))
estimate: float = measured.estimate
paths: list[Path] = write_report(results)

Sweep(typed, truth="true")  # type: ignore[arg-type]  # not a truth mode
results.to_xarray("draws")  # type: ignore[arg-type]  # neither estimates nor measures
results.measures(fits="good")  # type: ignore[arg-type]  # neither all nor clean
