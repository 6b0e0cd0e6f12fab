"""Bias of the posterior mean against an axis of the sweep."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from recovery.plots.frames import need, need_rows, of_mode, of_parameter, one_row_each
from recovery.plots.series import Line, draw_series, per_row
from recovery.plots.style import GUIDE, drawing
from recovery.plots.text import shown

LABELS = {
    "bias": "bias (units of the parameter)",
    "relative_bias": "bias (share of the truth)",
    "standardised_bias": "bias (empirical standard errors)",
    "z_mean": "bias (posterior sds)",
}
"""The measures of bias that can be drawn, and how the axis is named then."""


def plot_bias(
    measures: pd.DataFrame,
    parameter: str | None,
    x: str,
    *,
    hue: str | None = None,
    measure: str = "bias",
    truth: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw bias with plus and minus 1.96 Monte Carlo standard errors, and a line at zero.

    Parameters
    ----------
    measures : DataFrame
        As `Results.measures`, filtered to one cell for each level of `x` and `hue`.
    parameter : str or None
        A scalar parameter; None for all of them, with ``x="parameter"``.
    x : str
        An axis of the sweep, or ``parameter``; see `plot_coverage`.
    hue : str, optional
        An axis of the sweep, or ``truth``: a line per level.
    measure : {"bias", "relative_bias", "standardised_bias", "z_mean"}
        Bias in units of the parameter, or free of units, to compare parameters.
    truth : {"fixed", "prior"}, optional
        Truth mode; needed if the frame has both.
    ax : Axes, optional
        By default a new one, with a legend.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If something is not in the frame, or several cells share a place.
    """
    if measure not in LABELS:
        raise ValueError(f"measure: {measure!r} is no bias; give {', '.join(LABELS)}")
    need(measures, "measures", "measure", "estimate", "mcse", x)
    rows = of_mode(measures, "measures", "truth", truth, (x, hue))
    if parameter is not None:
        rows = of_parameter(rows, "measures", parameter)
    rows = rows[(rows["measure"] == measure) & np.isfinite(rows["estimate"])]
    need_rows(rows, "measures", f"with a finite {measure}")

    def summary(line: pd.DataFrame) -> Line:
        one_row_each(line, "measures", x)
        half = 1.96 * line["mcse"].to_numpy(float)
        value = line["estimate"].to_numpy(float)
        return per_row(line, x, value - half, value + half)

    with drawing(ax) as ax:
        ax.axhline(0, color=GUIDE, linestyle="--", linewidth=1, zorder=1, label="no bias")
        draw_series(ax, rows, "measures", x, hue, summary)
        ax.margins(y=0.08)
        ax.set_ylabel(LABELS[measure])
        ax.set_title(shown(parameter) if parameter is not None else "")
    return ax
