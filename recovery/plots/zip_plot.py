"""Which intervals miss the truth, and whether by being off or by being narrow: a zip plot."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from recovery.plots.frames import Floats, evenly, need, need_rows, of_mode, of_parameter
from recovery.plots.recovery import MOST_DRAWN
from recovery.plots.series import draw_bars
from recovery.plots.style import BAD, BAND, GOOD, GUIDE, drawing
from recovery.plots.text import shown
from recovery.shares import binomial_interval

_LEVEL = 90


def plot_zip(
    estimates: pd.DataFrame,
    parameter: str,
    *,
    truth: str | None = None,
    most: int = MOST_DRAWN,
    ax: Axes | None = None,
) -> Axes:
    """Draw the 90 % intervals of one cell by the centile of |mean - truth| / sd: a zip plot.

    The farther a posterior mean is from its truth in posterior sds, the higher stands its interval;
    those that miss the truth have another colour and a cross at their mean. In a sound cell they
    begin near the 90th centile: the grey band is the 95 % Monte Carlo interval of coverage. Misses
    on one side only tell of bias, misses on both of intervals that are too narrow.

    Parameters
    ----------
    estimates : DataFrame
        As `Results.estimates`, filtered to the cells that may be shown together, usually one.
    parameter : str
        A scalar parameter.
    truth : {"fixed", "prior"}, optional
        Truth mode; needed if the frame has both.
    most : int
        How many intervals to draw, evenly chosen. Centiles and shares are always those of all.
    ax : Axes, optional
        By default a new one, with a legend.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If something is not in the frame.

    Notes
    -----
    Morris, White & Crowther (2019), doi:10.1002/sim.8086, figure 4. Where truths vary, intervals
    are drawn less their truth and in posterior sds, since nothing else is common to them.
    """
    columns = ["truth", "mean", "sd", "eti_90_lower", "eti_90_upper"]
    need(estimates, "estimates", *columns)
    if "truth_mode" in estimates.columns or truth is not None:
        estimates = of_mode(estimates, "estimates", "truth_mode", truth)
    values = zipped(*of_parameter(estimates, "estimates", parameter)[columns].to_numpy(float).T)
    need_rows(pd.DataFrame(values.T), "estimates", f"of {parameter} with finite values")
    with drawing(ax, 5.0) as ax:
        draw_zip(ax, parameter, *values, most=most)
    return ax


def zipped(*columns: Floats) -> Floats:
    """Return the finite replicates with an sd above 0 of truth, mean, sd, lower and upper end."""
    values = np.array(columns, dtype=np.float64)
    return values[:, np.isfinite(values).all(axis=0) & (values[2] > 0)]


def draw_zip(
    ax: Axes,
    parameter: str,
    true: Floats,
    mean: Floats,
    sd: Floats,
    lower: Floats,
    upper: Floats,
    *,
    most: int = MOST_DRAWN,
) -> None:
    """Draw what `plot_zip` does, given finite arrays over replicates, shape (n,)."""
    n = true.size
    hit = (lower <= true) & (true <= upper)
    order = np.argsort(np.abs(mean - true) / sd, kind="stable")
    centile = np.empty(n)
    centile[order] = 100 * np.arange(1, n + 1) / n
    at = order[evenly(n, most)]
    fixed = bool((true == true[0]).all())
    zero, unit = (np.zeros(n), np.ones(n)) if fixed else (true, sd)
    low, middle, high = ((v - zero) / unit for v in (lower, mean, upper))
    share = int(hit.sum()) / n
    ends = binomial_interval(share, n)
    ax.axhspan(100 * ends[0], 100 * ends[1], color=BAND, linewidth=0, zorder=0,
               label="95 % Monte Carlo interval of coverage")  # fmt: skip
    ax.axhline(_LEVEL, color=GUIDE, linestyle=":", linewidth=1, zorder=1,
               label=f"nominal {_LEVEL} %")  # fmt: skip
    ax.axvline(float(true[0]) if fixed else 0.0, color=GUIDE, linestyle="--", linewidth=1, zorder=4,
               label="truth")  # fmt: skip
    held, missed = at[hit[at]], at[~hit[at]]
    for group, color, label in ((held, GOOD, "holds the truth"), (missed, BAD, "misses it")):
        draw_bars(ax, low[group], high[group], centile[group], color, alpha=0.7,
                  label=f"90 % interval {label}")  # fmt: skip
    ax.plot(middle[missed], centile[missed], color=BAD, marker="x", linestyle="", markersize=3,
            zorder=3)  # fmt: skip
    ax.set_ylim(0, 102)
    ax.set_yticks([0, 25, 50, 75, 100])
    ax.locator_params(axis="x", nbins=5)
    ax.grid(visible=False, axis="y")
    ax.set_xlabel("90 % interval" if fixed else "90 % interval less truth (sds)")
    ax.set_ylabel("centile of |mean \N{MINUS SIGN} truth| / sd")
    note = f"{int(hit.sum())} of {n} intervals hold the truth"
    if at.size < n:
        note += f"; {at.size} drawn"
    ax.set_title(f"{shown(parameter)}\n{note}")
