"""What a fit costs against an axis of the sweep: wall time, and effective draws per second."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from recovery.plots.frames import by_cell, is_level, joined, levels_of, need, need_rows
from recovery.plots.scale import LOG_FROM, LevelScale, plain_log
from recovery.plots.series import Line, draw_series
from recovery.plots.style import drawing

WALL_TIME = ("wall_s", "wall time per fit (s)")
ESS_PER_SECOND = ("ess_bulk_per_s", "bulk ESS per second")
"""Columns of the costs that can be drawn, and how the axis is named then."""


def plot_wall_time(
    replicates: pd.DataFrame, x: str, *, hue: str | None = None, ax: Axes | None = None
) -> Axes:
    """Draw the median wall time per complete fit in seconds, with a bar from quartile to quartile.

    Parameters
    ----------
    replicates : DataFrame
        As `Results.replicates`. All complete fits of a level of `x` and `hue` are taken together.
    x : str
        An axis of the sweep. Both scales are logarithmic if its levels are positive numbers: a
        cost that grows with a power of the size is a straight line then.
    hue : str, optional
        Another axis: a line per level.
    ax : Axes, optional
        By default a new one, with a legend.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If something is not in the frame, or no fit is complete.
    """
    return _plot(replicates, x, hue, *WALL_TIME, ax)


def plot_ess_per_second(
    replicates: pd.DataFrame, x: str, *, hue: str | None = None, ax: Axes | None = None
) -> Axes:
    """Draw the median of the smallest bulk ESS per second of sampling, with a quartile bar.

    Takes, returns and raises what `plot_wall_time` does.
    """
    return _plot(replicates, x, hue, *ESS_PER_SECOND, ax)


def _plot(
    replicates: pd.DataFrame, x: str, hue: str | None, column: str, label: str, ax: Axes | None
) -> Axes:
    need(replicates, "replicates", "status", column, x)
    complete = replicates["status"] == "ok"
    rows = replicates[complete & np.isfinite(replicates[column]) & (replicates[column] > 0)]
    need_rows(rows, "replicates", f"of a complete fit with {column} above 0")
    cells = by_cell(rows, column, keys=[a for a in (x, hue) if a is not None])
    with drawing(ax) as ax:
        draw_cost(ax, cells, x, hue, column, label, log=suits_log(cells, x, column))
    return ax


def suits_log(cells: pd.DataFrame, x: str, column: str) -> bool:
    """Say whether a cost is drawn on a log scale: against a size, or where it varies widely."""
    if LevelScale.of(cells[x], log=True).kind == "log":
        return True
    middle = [np.quantile(values, [0.25, 0.75]) for values in cells[column].tolist()]
    low, high = min(ends[0] for ends in middle), max(ends[1] for ends in middle)
    return bool(high >= LOG_FROM * low)


def draw_cost(
    ax: Axes,
    cells: pd.DataFrame,
    x: str,
    hue: str | None,
    column: str,
    label: str,
    *,
    log: bool,
) -> None:
    """Draw a cost against an axis, given a row per cell with an array over its fits."""

    def summary(line: pd.DataFrame) -> Line:
        levels = levels_of(line[x])
        quartiles = np.array(
            [
                np.quantile(joined(line.loc[is_level(line[x], v), column]), [0.25, 0.5, 0.75])
                for v in levels
            ]
        )
        return levels, quartiles[:, 1], quartiles[:, 0], quartiles[:, 2]

    _, high = draw_series(ax, cells, "replicates", x, hue, summary, log=True)
    if log:
        plain_log(ax)
    else:
        ax.set_ylim(bottom=0, top=1.1 * high)
    ax.set_ylabel(label)
