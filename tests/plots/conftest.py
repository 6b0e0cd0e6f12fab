"""Frames of the exact schema of `Results`, made from normal posteriors in an instant."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pytest

from recovery.measures import performance
from recovery.plots.frames import by_cell

CI_PROBS = (0.5, 0.8, 0.9, 0.95)
_Z = {0.5: 0.6744898, 0.8: 1.2815516, 0.9: 1.6448536, 0.95: 1.959964}
_PRIOR_SD = 1.5


@dataclass
class Frames:
    """What of `Results` the plots use."""

    axes: list[str]
    estimates: pd.DataFrame
    replicates: pd.DataFrame
    priors: pd.DataFrame
    _measures: pd.DataFrame = field(default_factory=pd.DataFrame)
    sessions: list[dict[str, Any]] = field(default_factory=list)

    @property
    def estimates_by_cell(self) -> pd.DataFrame:
        numbers = ("truth", "mean", "sd", "eti_90_lower", "eti_90_upper", "rank")
        frame = by_cell(self.estimates, *numbers, keys=["parameter", "kind"])
        return frame

    @property
    def fits_by_cell(self) -> pd.DataFrame:
        fits = self.replicates[self.replicates["status"] == "ok"]
        worst = ("r_hat_max", "ess_bulk_min", "ess_tail_min", "divergences")
        numbers = (*worst, "wall_s", "ess_bulk_per_s")
        return by_cell(fits, *numbers)

    def measures(self) -> pd.DataFrame:
        return self._measures


MEASURE_COLUMNS = ["truth", "parameter", "measure", "estimate", "mcse", "n"]


def frames(
    levels: Mapping[str, Sequence[Any]],
    parameters: Sequence[str] = ("betas[water]", "sigma"),
    *,
    modes: Sequence[str] = ("fixed", "prior"),
    replicates: int = 40,
    ok: bool = True,
    predicted: Sequence[str] = (),
    chains: int = 4,
    scale: float = 1.0,
) -> Frames:
    """Fit a normal mean with known sd per parameter; ``scale`` makes posterior sds wrong."""
    axes = list(levels)
    estimates, rows, priors, measures = [], [], [], []
    cells = list(itertools.product(modes, itertools.product(*levels.values())))
    names = [*parameters, *predicted] if ok else []
    for position, (mode, combination) in enumerate(cells):
        rng = np.random.default_rng([7, position])
        where = dict(zip(axes, combination, strict=True))
        n = next((v for v in combination if isinstance(v, int) and v > 1), 20)
        se = 1.0 / np.sqrt(n)
        for i, name in enumerate(names):
            kind = "predicted" if name in predicted else "parameter"
            prior_draw = rng.normal(0.0, _PRIOR_SD, replicates)
            truth = np.full(replicates, 0.5 + i) if mode == "fixed" else prior_draw
            precision = 1 / _PRIOR_SD**2 + 1 / se**2
            mean = (truth + rng.normal(0, se, replicates)) / se**2 / precision
            sd = np.full(replicates, scale / np.sqrt(precision))
            sd *= rng.uniform(0.97, 1.03, replicates)
            draws = rng.normal(mean[:, None], sd[:, None], (replicates, 99))
            intervals = {p: (mean - z * sd, mean + z * sd) for p, z in _Z.items()}
            rank = (draws < truth[:, None]).sum(axis=1)
            estimates.append(
                pd.DataFrame(
                    {axis: [level] * replicates for axis, level in where.items()}
                    | {
                        "truth_mode": mode, "seed": 42, "replicate": np.arange(replicates),
                        "parameter": name, "kind": kind, "truth": truth, "mean": mean, "sd": sd,
                        "median": mean, "eti_90_lower": intervals[0.9][0],
                        "eti_90_upper": intervals[0.9][1],
                        "r_hat": 1.001, "ess_bulk": 2000.0, "ess_tail": 1500.0,
                        "mcse_mean": sd / 45, "crps": sd / 4, "rank": rank,
                        "ranked_among": 99, "pit": (rank + 0.5) / 100,
                    }
                )
            )  # fmt: skip
            done = performance(mean, sd, truth, intervals, prior_sd=_PRIOR_SD)
            measures += [
                {**where, "truth": mode, "parameter": name, "measure": measure,
                 "estimate": value.estimate, "mcse": value.mcse, "n": value.n}
                for measure, value in done.items()
            ]  # fmt: skip
            if kind == "parameter":
                priors.append(
                    {**where, "truth_mode": mode, "parameter": name, "mean": 0.0,
                     "sd": _PRIOR_SD, "variance_relative_se": 0.02, "truth": np.nan,
                     "tail_probability": np.nan, "z_score": np.nan}
                )  # fmt: skip
        sample_s = rng.lognormal(np.log(0.01 * n), 0.2, replicates)
        rows.append(
            pd.DataFrame(
                {axis: [level] * replicates for axis, level in where.items()}
                | {
                    "truth_mode": mode, "seed": 42, "replicate": np.arange(replicates),
                    "status": "ok" if ok else "failed", "chains": float(chains), "draws": 1000.0,
                    "sample_s": sample_s, "wall_s": sample_s + 0.01, "divergences": 0.0,
                    "r_hat_max": 1 + rng.gamma(2, 0.001, replicates) if chains > 1 else np.nan,
                    "ess_bulk_min": rng.normal(2000, 200, replicates),
                    "ess_tail_min": rng.normal(1500, 200, replicates),
                    "ess_bulk_per_s": 2000 / sample_s, "flags": "", "flagged": False,
                }
            )
        )  # fmt: skip
    if not ok:
        rows[0].loc[:, ["r_hat_max", "ess_bulk_min", "ess_tail_min", "ess_bulk_per_s"]] = np.nan
    schema = frames({}, replicates=1).estimates if not estimates else estimates[0]
    made = pd.concat(estimates, ignore_index=True) if estimates else schema.iloc[:0]
    if not estimates:
        made = pd.concat([pd.DataFrame(columns=axes, dtype=object), made], axis=1)
    made = made.astype({"rank": "Int64"})
    columns = [*axes, *MEASURE_COLUMNS]
    return Frames(
        axes,
        made,
        pd.concat(rows, ignore_index=True),
        pd.DataFrame(priors, columns=list(priors[0]) if priors else [*axes, "truth_mode"]),
        pd.DataFrame(measures, columns=columns),
    )


@pytest.fixture(name="frames")
def _frames() -> Callable[..., Frames]:
    """Build frames; see the function of this name."""
    return frames


@pytest.fixture(scope="session")
def twelve() -> Frames:
    """Twelve cells in each of two truth modes, two parameters."""
    return frames({"trials": [25, 50, 100, 200], "noise": [0.25, 0.5, 1.0]})


@pytest.fixture(scope="session")
def three() -> Frames:
    """Three axes, one with the name of an argument, and a predicted quantity."""
    levels = {"trials": [25, 50, 100], "noise": [0.25, 0.5], "x": ["u", "v"]}
    return frames(levels, predicted=["predicted y[0]"], replicates=12)
