"""Figures of all fits of a run: ranks, convergence and cost."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from recovery.plots import findings
from recovery.plots.cost import plot_ess_per_second, plot_wall_time
from recovery.plots.diagnostics import plot_ess, plot_r_hat
from recovery.plots.frames import levels_of
from recovery.plots.grid import Grid, Made, described, name_panel
from recovery.plots.rank import leaves_band, plot_rank_ecdf
from recovery.plots.text import distinct
from recovery.plots.view import MOST_PARAMETERS, TRUTH, View, farthest, left_out, swept
from recovery.record import KEPT_DRAWS

CI_PROB = 0.9
ALPHA = 0.05
_MOST_COLOURS = 12  # levels of hue told apart where every cell is shown


def ranks(
    replicates: pd.DataFrame, measures: pd.DataFrame, estimates: pd.DataFrame, axes: Sequence[str]
) -> Made | None:
    """Draw the ECDF of ranks in truth mode prior, a panel per parameter and a line per cell."""
    rows = estimates[(estimates["truth_mode"] == "prior") & estimates["rank"].notna()]
    rows = rows[np.isfinite(rows["mean"]) & np.isfinite(rows["sd"]) & (rows["sd"] > 0)]
    if rows.empty:
        return None
    rows, n_draws, limits = _equally_ranked(rows, replicates, axes)
    there = [str(name) for name in rows["parameter"].unique()]
    names = farthest(measures[measures["truth"] == "prior"], there, MOST_PARAMETERS, CI_PROB)
    limits = [*left_out(there, names), *limits]
    grid = Grid.of(len(names), share="y")
    labels = dict(zip(there, distinct(there), strict=True))
    for name, ax in zip(names, grid.panels, strict=True):
        plot_rank_ecdf(rows, name, n_draws=n_draws, alpha=ALPHA, ax=ax)
        name_panel(ax, labels[name])
    lines = [
        cell.to_numpy(np.int64)
        for _, cell in rows.groupby(["parameter", *axes], sort=False, dropna=False)["rank"]
    ]
    leaving = sum(leaves_band(line, n_draws, ALPHA) for line in lines)
    title = "ECDF of the ranks less that of uniform ranks, truth drawn from the prior"
    notes = [*limits, "a line per cell, each with its own exact 95 % band"]
    finding = findings.of_ranks(leaving, len(lines), len(there), ALPHA)
    return "rank-ecdf", grid.finish(title, notes, share="y"), described(title, limits, finding)


def _equally_ranked(
    rows: pd.DataFrame, replicates: pd.DataFrame, axes: Sequence[str]
) -> tuple[pd.DataFrame, int, list[str]]:
    """Return the estimates ranked among the most draws, that number, and a note on the others."""
    keys = [*axes, "truth_mode", "seed", "replicate"]
    fits = replicates[replicates["status"] == "ok"]
    drawn = (fits["chains"] * fits["draws"]).clip(upper=KEPT_DRAWS).fillna(KEPT_DRAWS)
    joined = rows.merge(fits[keys].assign(ranked_among=drawn), on=keys, how="left")
    among = joined["ranked_among"].fillna(KEPT_DRAWS)
    most = int(among.max())
    if (among == most).all():
        return rows, most, []
    return joined[among == most], most, ["cells with fewer draws left out"]


def convergence(replicates: pd.DataFrame, axes: Sequence[str]) -> Made | None:
    """Draw r_hat and ESS of all complete fits, a row each and a column per truth mode."""
    fits = replicates[replicates["status"] == "ok"]
    columns = [c for c in ("r_hat_max", "ess_bulk_min", "ess_tail_min") if fits[c].notna().any()]
    if not columns:
        return None
    modes = [mode for mode in TRUTH if (fits["truth_mode"] == mode).any()]
    view = View.of(fits, axes)
    hue = view.hue
    if hue is not None and len(levels_of(fits[hue])) > _MOST_COLOURS:
        hue = None
    pooled = [axis for axis in swept(fits, axes) if axis not in (view.x, hue)]
    limits = [f"all levels of {', '.join(pooled)} together"] if pooled else []
    grid = Grid.of(len(columns) * len(modes), len(modes), height=2.3)
    draw: dict[str, Callable[..., Any]] = {
        "r_hat_max": plot_r_hat,
        "ess_bulk_min": plot_ess,
        "ess_tail_min": lambda *args, **more: plot_ess(*args, kind="tail", **more),
    }
    for i, ax in enumerate(grid.panels):
        column, mode = columns[i // len(modes)], modes[i % len(modes)]
        part = fits[fits["truth_mode"] == mode]
        if part[column].notna().any():
            draw[column](part, view.x, hue=hue, ax=ax)
        else:
            ax.set_axis_off()
        if i < len(modes) and len(modes) > 1:
            ax.set_title(TRUTH[mode])
    title = "Convergence of each fit: the worst of its parameters"
    notes = [
        "thick bars: quartiles; thin bars: 5 % to 95 %; dots: fits beyond, or all of 30 or fewer",
        *limits,
    ]
    against = "" if view.x is None else f", against {view.x}" + (f", by {hue}" if hue else "")
    text = described(title + against, limits, findings.of_diagnostics(fits))
    return "diagnostics", grid.finish(title, notes, share="rows"), text


def cost(replicates: pd.DataFrame, axes: Sequence[str]) -> Made | None:
    """Draw wall time and ESS per second, a row each and a column per truth mode."""
    fits = replicates[(replicates["status"] == "ok") & (replicates["wall_s"] > 0)]
    if fits.empty:
        return None
    view = View.of(fits, axes)
    fits, x = view.rows(fits), view.x or "truth_mode"
    modes = [mode for mode in TRUTH if (fits["truth_mode"] == mode).any()]
    parts = [fits] if view.x is None else [fits[fits["truth_mode"] == mode] for mode in modes]
    draw = [plot_wall_time]
    if all((np.isfinite(p["ess_bulk_per_s"]) & (p["ess_bulk_per_s"] > 0)).any() for p in parts):
        draw.append(plot_ess_per_second)
    by_mode = len(parts) > 1
    grid = Grid.of(len(draw) * len(parts), len(parts) if by_mode else len(draw), height=2.6)
    for i, ax in enumerate(grid.panels):
        draw[i // len(parts)](parts[i % len(parts)], x, hue=view.hue, ax=ax)
        if by_mode and i < len(parts):
            ax.set_title(TRUTH[modes[i]])
    title = "Wall time per fit, and effective draws per second of sampling"
    notes = [*view.notes, "medians of complete fits; bars: from quartile to quartile"]
    finding = findings.of_cost(fits, swept(fits, [*axes, "truth_mode"]))
    text = described(title + view.against, view.notes, finding)
    return "cost", grid.finish(title, notes, share="rows" if by_mode else ""), text
