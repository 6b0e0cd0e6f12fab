"""Coverage of predictions of new observations, and of their means."""

import pandas as pd
from matplotlib.axes import Axes

from recovery.plots.coverage import plot_coverage
from recovery.plots.frames import need, of_mode
from recovery.plots.style import drawing
from recovery.plots.view import MOST_LINES, farthest

_PREFIX = "predicted "


def plot_predictive_coverage(
    measures: pd.DataFrame,
    x: str,
    *,
    parameter: str | None = None,
    hue: str | None = None,
    ci_prob: float = 0.9,
    truth: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw coverage of predicted quantities with its 95 % Monte Carlo intervals.

    A predicted observation holds its own noise, which no amount of data removes; a predicted mean
    does not. Both have nominal coverage on average over the prior if posteriors are right.

    Parameters
    ----------
    measures : DataFrame
        As `Results.measures`, filtered to one cell for each level of `x` and `hue`.
    x : str
        An axis of the sweep, or ``parameter``; see `plot_coverage`.
    parameter : str, optional
        One predicted quantity, ``predicted y[0]`` or ``predicted mean of y[0]``; by default a
        line for each, at most the six farthest from nominal coverage, and the title says so.
    hue : str, optional
        An axis of the sweep, or ``truth``: a line per level, where one quantity is drawn or
        quantities stand side by side.
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
        If something is not in the frame, or nothing was predicted.

    Notes
    -----
    The intervals are Jeffreys intervals of a share, `recovery.shares.binomial_interval`.
    """
    need(measures, "measures", "parameter", "measure", x)
    rows = of_mode(measures, "measures", "truth", truth, (x, hue))
    rows = rows[rows["parameter"].astype(str).str.startswith(_PREFIX)]
    if rows.empty:
        raise ValueError(
            "measures: no predicted quantity; give predict= in the Problem to have some, or use "
            "plot_coverage for parameters"
        )
    if parameter is None and x != "parameter":
        if hue is not None:
            raise ValueError(f"hue: {hue!r} and all quantities at once; give parameter=, too")
        hue = "parameter"
    names = [str(name) for name in rows["parameter"].unique()]
    chosen = names if parameter is not None else farthest(rows, names, MOST_LINES, ci_prob)
    rows = rows[rows["parameter"].isin(chosen)]
    with drawing(ax) as ax:
        plot_coverage(rows, parameter, x, hue=hue, ci_prob=ci_prob, ax=ax)
        if len(chosen) < len(names):
            ax.set_title(f"{len(chosen)} of {len(names)} quantities, the farthest from nominal")
    return ax
