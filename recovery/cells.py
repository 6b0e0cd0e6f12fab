"""Tables of one row per cell or prior: what was planned, how it converged, what it cost."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Cells: TypeAlias = Sequence[Mapping[str, Any]]
"""As `Store.cells` gives them."""


def cell_table(cells: Cells, axes: Sequence[str], planned: Mapping[int, int]) -> pd.DataFrame:
    """Return the levels of each cell, see `Results.cells`.

    Parameters
    ----------
    cells : sequence of mapping
    axes : sequence of str
    planned : mapping of int to int
        Replicates by the position of their cell.
    """
    rows = []
    for position, cell in enumerate(cells):
        levels = {**cell["levels"], **cell["settings"]}
        rows.append(
            {axis: levels.get(axis) for axis in axes}
            | {
                "truth_mode": cell["truth_mode"],
                "cell": cell["digest"],
                "n_planned": planned.get(position, 0),
            }
        )
    frame = pd.DataFrame(rows, columns=[*axes, "truth_mode", "cell", "n_planned"])
    # Levels of mixed types ([None, 5]) keep what they are.
    mixed = [axis for axis in axes if frame[axis].map(type).nunique() > 1]
    for axis in mixed:
        frame[axis] = pd.Series([row[axis] for row in rows], dtype=object)
    return frame


def prior_table(cells: Cells) -> pd.DataFrame:
    """Return the prior of each parameter and where a given truth lies in it, see `Results.priors`.

    Parameters
    ----------
    cells : sequence of mapping
    """
    # A given truth is the truth of the fixed cells only.
    none = {"truth": None, "tail_probability": None}
    rows = [
        {"position": position, **prior, **({} if cell["truth_mode"] == "fixed" else none)}
        for position, cell in enumerate(cells)
        for prior in cell["priors"]
    ]
    columns = ["position", "parameter", "mean", "sd", "variance_relative_se", "truth",
               "tail_probability"]  # fmt: skip
    frame = pd.DataFrame(rows, columns=columns)
    frame[columns[2:]] = frame[columns[2:]].astype(float)
    frame["z_score"] = (frame["truth"] - frame["mean"]) / frame["sd"]
    return frame


def convergence(fits: pd.DataFrame, n_planned: NDArray[np.int64]) -> pd.DataFrame:
    """Return how the fits of each cell converged, a row for every cell, see `Results.diagnostics`.

    Parameters
    ----------
    fits : DataFrame
        As `Results.fits`.
    n_planned : array of int, shape (n_cells,)
    """
    table = fits.groupby("position", sort=True).agg(
        n=("ok", "size"),
        n_ok=("ok", "sum"),
        n_flagged=("flagged", "sum"),
        r_hat_max=("r_hat_max", "max"),
        ess_bulk_min=("ess_bulk_min", "min"),
        ess_tail_min=("ess_tail_min", "min"),
        divergences=("divergences", "sum"),
        reached_max_treedepth=("reached_max_treedepth", "sum"),
        tree_depth_max=("tree_depth_max", "max"),
    )
    table.insert(2, "n_failed", table["n"] - table["n_ok"])
    table = table.reindex(range(len(n_planned)))
    counts = ["n", "n_ok", "n_failed", "n_flagged", "divergences", "reached_max_treedepth"]
    table[counts] = table[counts].fillna(0).astype(int)
    table.insert(0, "n_planned", n_planned)
    return table.reset_index(names="position")


def costs(fits: pd.DataFrame, n_cells: int) -> pd.DataFrame:
    """Return what the complete fits of each cell cost, a row for every cell, see `Results.cost`.

    Parameters
    ----------
    fits : DataFrame
        As `Results.fits`.
    n_cells : int
    """
    names = ["simulate_s", "sample_s", "rest_s", "wall_s", "gradient_evaluations",
             "ess_bulk_per_s", "ess_bulk_per_gradient"]  # fmt: skip
    grouped = fits.loc[fits["ok"], ["position", *names]].groupby("position", sort=True)
    table = pd.DataFrame({"n_ok": grouped.size()})
    for name in names:
        table[name] = grouped[name].mean()
        if name not in ("simulate_s", "sample_s", "rest_s"):
            table[f"{name}_mcse"] = grouped[name].std(ddof=1) / np.sqrt(grouped[name].count())
    table = table.reindex(range(n_cells))
    table["n_ok"] = table["n_ok"].fillna(0).astype(int)
    return table.reset_index(names="position")
