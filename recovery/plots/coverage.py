"""Coverage of credible intervals against an axis of the sweep."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from recovery.plots.frames import need, need_rows, of_mode, of_parameter, one_row_each
from recovery.plots.series import Line, draw_series, per_row
from recovery.plots.style import GUIDE, drawing
from recovery.plots.text import shown
from recovery.shares import binomial_interval


def plot_coverage(
    measures: pd.DataFrame,
    parameter: str | None,
    x: str,
    *,
    hue: str | None = None,
    ci_prob: float = 0.9,
    truth: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw coverage with its 95 % Monte Carlo intervals, and the nominal level as a dashed line.

    Parameters
    ----------
    measures : DataFrame
        As `Results.measures`, filtered to one cell for each level of `x` and `hue`.
    parameter : str or None
        A scalar parameter; None for all of them, with ``x="parameter"``.
    x : str
        An axis of the sweep, or ``parameter``. Numbers lie on their own scale, on a log scale if
        they span a factor of 8; anything else lies side by side.
    hue : str, optional
        An axis of the sweep, or ``truth``: a line per level.
    ci_prob : float
        Level of the intervals; it must be among the measures.
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

    Notes
    -----
    The intervals are Jeffreys intervals of a share, `recovery.shares.binomial_interval`.
    """
    need(measures, "measures", "measure", "estimate", "n", x)
    rows = of_mode(measures, "measures", "truth", truth, (x, hue))
    if parameter is not None:
        rows = of_parameter(rows, "measures", parameter)
    name = f"coverage_{100 * ci_prob:g}"
    rows = rows[(rows["measure"] == name) & rows["estimate"].notna() & (rows["n"] > 0)]
    need_rows(rows, "measures", f"with measure {name} and n > 0")

    def summary(line: pd.DataFrame) -> Line:
        one_row_each(line, "measures", x)
        ends = np.array(
            [binomial_interval(p, int(n)) for p, n in zip(line["estimate"], line["n"], strict=True)]
        )
        return per_row(line, x, ends[:, 0], ends[:, 1])

    with drawing(ax) as ax:
        ax.axhline(ci_prob, color=GUIDE, linestyle="--", linewidth=1, zorder=1,
                   label=f"nominal {ci_prob:g}")  # fmt: skip
        low, high = draw_series(ax, rows, "measures", x, hue, summary)
        low, high = min(low, ci_prob), max(high, ci_prob)
        room = max(0.06 * (high - low), 0.01)
        ax.set_ylim(low - room, high + room)
        ax.set_ylabel(f"coverage of {100 * ci_prob:g} % intervals")
        ax.set_title(shown(parameter) if parameter is not None else "")
    return ax
