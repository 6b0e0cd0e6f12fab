"""Whether the truth is found: estimates against truths, or intervals around one truth."""

from typing import TypeAlias

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray

from recovery.plots.frames import Floats, evenly, need, need_rows, of_mode, of_parameter
from recovery.plots.series import draw_bars
from recovery.plots.style import BAD, GOOD, GUIDE, drawing
from recovery.plots.text import shown

Flags: TypeAlias = NDArray[np.bool_]
Places: TypeAlias = NDArray[np.intp]

MOST_DRAWN = 150
"""Replicates drawn at most; with more, evenly chosen ones are drawn and the title says so."""
_HEAVY_TAILED = 50.0  # largest truth over the median one, from which a linear scale shows nothing


def plot_recovery(
    estimates: pd.DataFrame,
    parameter: str,
    *,
    truth: str | None = None,
    most: int = MOST_DRAWN,
    ax: Axes | None = None,
) -> Axes:
    """Draw the posterior mean and 90 % interval of each replicate beside its truth.

    Where truths vary, estimates stand over their truths, with a line where both are equal. Where
    all truths are equal, the intervals lie above each other, sorted by their means, with a line at
    the truth. Intervals that miss their truth have another colour and marker.

    Parameters
    ----------
    estimates : DataFrame
        As `Results.estimates`, filtered to the cells that may be shown together.
    parameter : str
        A scalar parameter.
    truth : {"fixed", "prior"}, optional
        Truth mode; needed if the frame has both.
    most : int
        How many replicates to draw. The share in the title is always that of all.
    ax : Axes, optional
        By default a new one, with a legend.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If something is not in the frame.
    """
    columns = ["truth", "mean", "eti_90_lower", "eti_90_upper"]
    need(estimates, "estimates", *columns)
    if "truth_mode" in estimates.columns or truth is not None:
        estimates = of_mode(estimates, "estimates", "truth_mode", truth)
    values = of_parameter(estimates, "estimates", parameter)[columns].to_numpy(float)
    values = values[np.isfinite(values).all(axis=1)]
    need_rows(pd.DataFrame(values), "estimates", f"of {parameter} with finite values")
    with drawing(ax) as ax:
        draw_recovery(ax, parameter, *values.T, most=most)
    return ax


def draw_recovery(
    ax: Axes,
    parameter: str,
    true: Floats,
    mean: Floats,
    lower: Floats,
    upper: Floats,
    *,
    most: int = MOST_DRAWN,
) -> None:
    """Draw what `plot_recovery` does, given finite arrays over replicates, shape (n,)."""
    hit = (lower <= true) & (true <= upper)
    fixed = bool((true == true[0]).all())
    order: Places = np.lexsort((mean, true))
    drawn = order[evenly(len(order), most)]
    if fixed:
        _around_one_truth(ax, float(true[0]), mean, lower, upper, hit, drawn)
    else:
        _against_truth(ax, true, mean, lower, upper, hit, drawn)
    note = f"{hit.sum()} of {hit.size} intervals hold the truth"
    if drawn.size < hit.size:
        note += f"; {drawn.size} drawn"
    ax.set_title(f"{shown(parameter)}\n{note}")


def _groups(hit: Flags) -> list[tuple[Flags, str, str, str]]:
    return [
        (hit, GOOD, "o", "90 % interval holds the truth"),
        (~hit, BAD, "x", "90 % interval misses it"),
    ]


def _against_truth(
    ax: Axes, true: Floats, mean: Floats, lower: Floats, upper: Floats, hit: Flags, drawn: Places
) -> None:
    shown_true = true[drawn]
    ends = [float(shown_true.min()), float(shown_true.max())]
    size = np.median(np.abs(shown_true))
    if size > 0 and np.abs(shown_true).max() > _HEAVY_TAILED * size:
        if min(shown_true.min(), lower[drawn].min()) > 0:
            ax.set_xscale("log")
            ax.set_yscale("log")
        else:
            ax.set_xscale("symlog", linthresh=size)
            ax.set_yscale("symlog", linthresh=size)
    ax.plot(ends, ends, color=GUIDE, linestyle="--", linewidth=1, zorder=4,
            label="estimate = truth")  # fmt: skip
    for group, color, marker, label in _groups(hit):
        i = drawn[group[drawn]]
        draw_bars(ax, lower[i], upper[i], true[i], color, alpha=0.45, upright=True)
        ax.plot(true[i], mean[i], color=color, marker=marker, linestyle="", markersize=3.5,
                zorder=3, label=label)  # fmt: skip
    if ax.get_xscale() == "linear":
        ax.locator_params(axis="x", nbins=6)
    ax.set_xlabel("truth")
    ax.set_ylabel("posterior mean, 90 % interval")


def _around_one_truth(
    ax: Axes, true: float, mean: Floats, lower: Floats, upper: Floats, hit: Flags, drawn: Places
) -> None:
    height = np.empty(hit.size)
    height[drawn] = np.arange(1, drawn.size + 1)
    ax.axvline(true, color=GUIDE, linestyle="--", linewidth=1, zorder=4, label="truth")
    for group, color, marker, label in _groups(hit):
        i = drawn[group[drawn]]
        draw_bars(ax, lower[i], upper[i], height[i], color, alpha=0.6)
        ax.plot(mean[i], height[i], color=color, marker=marker, linestyle="", markersize=3,
                zorder=3, label=label)  # fmt: skip
    ax.set_ylim(0, drawn.size + 1)
    ax.set_yticks([])
    ax.locator_params(axis="x", nbins=5)
    ax.grid(visible=False, axis="y")
    ax.set_xlabel("posterior mean, 90 % interval")
    ax.set_ylabel("replicates, by mean")
