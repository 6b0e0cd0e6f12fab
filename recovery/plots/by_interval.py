"""Figures of the intervals and errors of one truth mode: all levels, zip plots and RMSE."""

from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binom

from recovery.calibration import Counts
from recovery.plots import findings
from recovery.plots.by_rank import ALPHA, MOST_POINTS, RANKED, usable
from recovery.plots.frames import Floats, levels_of
from recovery.plots.grid import Grid, Made, described, name_panel
from recovery.plots.levels import LEVELS, draw_levels, fold, labels_of, leaves
from recovery.plots.part import CI_PROB, Part
from recovery.plots.rmse import draw_rmse, half_width, rmse_and_claim, suits_log
from recovery.plots.text import inert, level_text, shorten
from recovery.plots.view import left_out
from recovery.plots.zip_plot import draw_zip, zipped
from recovery.record import KEPT_DRAWS

_MOST_COLOURS = 7  # levels told apart in a cloud of lines
_ZIPPED = ("truth", "mean", "sd", "eti_90_lower", "eti_90_upper")


def levels(part: Part) -> Made | None:
    """Draw coverage at all levels, a panel per parameter and a line per cell."""
    prior = part.mode == "prior"
    # Without a band to judge by, a colour tells where in the sweep a line is.
    hue = None if prior or len(_levels(part)) > _MOST_COLOURS else part.view.x
    cells: dict[str, list[Counts]] = {}
    labels: dict[str, list[str]] = {}
    for name in part.names:
        rows = part.estimates[part.estimates["parameter"] == name]
        ranks = [usable(*found) for found in zip(*(rows[c] for c in RANKED), strict=True)]
        # The middle of a rank's cell: folded, no cell is halved.
        folded = [fold((rank + 0.5) / (KEPT_DRAWS + 1)) for rank in ranks if rank.size]
        if folded:
            cells[name] = folded
            labels[name] = labels_of(rows[[rank.size > 0 for rank in ranks]], hue)
    names = [name for name in part.shown if name in cells]
    if not names:
        return None
    grid = Grid.of(len(names), share="y")
    most = max(3, MOST_POINTS // (LEVELS * len(names)))
    for name, ax in zip(names, grid.panels, strict=True):
        draw_levels(
            ax, name, cells[name], LEVELS, ALPHA, band=prior, labels=labels[name], most=most
        )
        name_panel(ax, part.labels[name])
    title = f"Coverage less nominal coverage of central intervals of every level, {part.truth}"
    limits = left_out(part.names, names)
    if prior:
        notes = [*limits, "a line per cell, each with its own exact 95 % band"]
        lines = [line for of_name in cells.values() for line in of_name]
        out = sum(leaves(line) for line in lines)
        finding = findings.of_levels(out, len(lines), len(cells), ALPHA)
    else:
        limits.append("at one fixed truth coverage need not be nominal, so there is no band")
        limits.append("fits of low ESS have ranks among few draws, which pulls them to nominal")
        notes = [*limits, "a line per cell"]
        finding = findings.of_level_differences(cells)
    text = described(title, limits, finding)
    return f"coverage-levels-{part.mode}", grid.finish(title, notes, share="y"), text


def _levels(part: Part) -> list[Any]:
    return [] if part.view.x is None else levels_of(part.estimates[part.view.x])


def zips(part: Part) -> Made | None:
    """Draw a zip plot of each parameter in the cell whose coverage chance explains least."""
    chosen = {}
    for name in part.shown:
        rows = part.estimates[part.estimates["parameter"] == name]
        found = [zipped(*columns) for columns in zip(*(rows[c] for c in _ZIPPED), strict=True)]
        chances = [_log_chance(values) if values.size else np.inf for values in found]
        if chances and np.isfinite(min(chances)):
            at = int(np.argmin(chances))
            chosen[name] = (rows.iloc[at], found[at])
    if not chosen:
        return None
    grid = Grid.of(len(chosen), height=3.0)
    for (name, (row, values)), ax in zip(chosen.items(), grid.panels, strict=True):
        draw_zip(ax, name, *values)
        name_panel(ax, part.labels[name])
        cell = ", ".join(f"{a} = {shorten(level_text(row[a]), 16)}" for a in part.swept)
        first, _, rest = ax.get_title().partition("\n")
        ax.set_title("\n".join(filter(None, [first, inert(cell), rest])))
    title = f"Zip plot: 90 % intervals by how far off their means are, {part.truth}"
    limits = left_out(part.names, list(chosen))
    cells = part.estimates.groupby("parameter").size().max()
    if cells > 1:
        limits.append(
            f"of {cells} cells the one whose coverage chance explains least, so its band, which is "
            "that of one cell, often lies off 90 %"
        )
    finding = findings.of_zip({n: (row, v) for n, (row, v) in chosen.items()}, part.swept)
    text = described(title, limits, finding)
    return f"zip-{part.mode}", grid.finish(title, limits), text


def _log_chance(values: Floats) -> float:
    """Return the log of the smaller tail of so many intervals that hold, were 90 % nominal."""
    true, _, _, lower, upper = values
    n, k = true.size, int(((lower <= true) & (true <= upper)).sum())
    return float(min(binom.logcdf(k, n, CI_PROB), binom.logsf(k - 1, n, CI_PROB)))


def rmse(part: Part) -> Made | None:
    """Draw RMSE beside what posteriors claim, a panel per parameter."""
    view = part.view
    rows = rmse_and_claim(view.rows(part.measures))
    names = [name for name in part.shown if (rows["parameter"] == name).any()]
    if not names:
        return None
    grid = part.grid(rows, names)
    if view.x is None:
        draw_rmse(
            grid.panels[0], rows[rows["parameter"].isin(names)], "parameter", None, relative=True
        )
    else:
        log = suits_log(rows[rows["parameter"].isin(names)])
        for name, ax in zip(names, grid.panels, strict=True):
            draw_rmse(
                ax, rows[rows["parameter"] == name], view.x, view.hue, relative=False, log=log
            )
            ax.set_title(inert(part.labels[name]))
    title = f"Root mean square error beside what the posteriors claim, {part.truth}"
    limits = [*left_out(part.names, names), *view.notes]
    if part.mode == "fixed":
        limits.append("at one fixed truth the two need not agree even for exact posteriors")
    notes = [*limits, "bars: 95 % Monte Carlo intervals"]
    if view.x is not None:
        notes.append("in the units of each parameter")
    half = pd.Series(half_width(rows, relative=True), index=rows.index)
    finding = findings.of_rmse(rows, half, part.swept)
    text = described(title + view.against, limits, finding)
    return f"rmse-{part.mode}", grid.finish(title, notes), text
