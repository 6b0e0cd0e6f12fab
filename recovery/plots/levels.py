"""Coverage of central intervals at every level at once, from where the truth lies in them."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from recovery.calibration import Counts, ecdf_band
from recovery.plots.frames import Floats, by_cell, need, need_rows, of_mode, of_parameter
from recovery.plots.rank import draw_band, of_band, some
from recovery.plots.style import BAD, GOOD, GUIDE, QUIET, drawing, looks
from recovery.plots.text import count, level_text, shown

LEVELS = 50
"""Levels that coverage is drawn at: 0.02, 0.04, up to 1."""


def plot_coverage_levels(
    estimates: pd.DataFrame,
    parameter: str,
    *,
    hue: str | None = None,
    truth: str | None = None,
    n_levels: int = LEVELS,
    alpha: float = 0.05,
    ax: Axes | None = None,
) -> Axes:
    """Draw coverage less nominal coverage of central intervals of every level, a line per cell.

    Above 0 intervals hold the truth too often, below 0 too rarely. Where truths come from the
    prior, the grey band is the exact simultaneous one of the cell with the fewest replicates: each
    line alone leaves its band with probability alpha or less if the posterior is right. At a fixed
    truth coverage need not be nominal, so there is no band and no line is judged.

    Parameters
    ----------
    estimates : DataFrame
        As `Results.estimates`.
    parameter : str
        A scalar parameter.
    hue : str, optional
        An axis of the sweep: a colour per level. By default colours tell which lines leave the
        band.
    truth : {"fixed", "prior"}, optional
        Truth mode; needed if the frame has both.
    n_levels : int
        At how many evenly spaced levels coverage is taken.
    alpha : float
        One minus the level of the simultaneous band, `recovery.calibration.ecdf_band`.
    ax : Axes, optional
        By default a new one, with a legend.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If something is not in the frame, or a PIT lies outside (0, 1).

    Notes
    -----
    A central interval of level c of a continuous quantity holds the truth where |2 PIT - 1| < c.
    Folded so, a uniform PIT is uniform again, so the band of its ECDF at ``n_levels`` places is
    that of as many ranks. What is folded away is on which side the truth lies; see
    `plot_rank_ecdf` for that. Coverage over levels with a simultaneous band: Säilynoja, Bürkner &
    Vehtari (2022), doi:10.1007/s11222-022-10090-6.
    """
    need(estimates, "estimates", "pit", *([hue] if hue is not None else []))
    if n_levels < 2:
        raise ValueError(f"n_levels: {n_levels} is not allowed; give 2 or more, usually {LEVELS}")
    drawn = truth
    if "truth_mode" in estimates.columns:
        estimates = of_mode(estimates, "estimates", "truth_mode", truth)
        drawn = str(estimates["truth_mode"].iloc[0]) if len(estimates) else truth
    rows = of_parameter(estimates, "estimates", parameter)
    rows = rows[rows["pit"].notna()]
    need_rows(rows, "estimates", f"of {parameter} with a PIT")
    cells = by_cell(rows, "pit", keys=[hue] if hue is not None else [])
    pits = cells["pit"].tolist()
    if not all(((pit > 0) & (pit < 1)).all() for pit in pits):
        raise ValueError("estimates: a pit lies outside (0, 1); pass the frame as Results gives it")
    folded = [fold(pit, n_levels) for pit in pits]
    with drawing(ax) as ax:
        labels = labels_of(cells, hue)
        draw_levels(ax, parameter, folded, n_levels, alpha, band=drawn == "prior", labels=labels)
    return ax


def labels_of(cells: pd.DataFrame, hue: str | None) -> list[str]:
    """Return the level of hue of each cell, or nothing."""
    if hue is None:
        return []
    return [f"{hue} = {level_text(level)}" for level in cells[hue]]


def fold(pit: Floats, n_levels: int = LEVELS) -> Counts:
    """Return how many of the levels 1/n, 2/n, ... have an interval that misses the truth."""
    cell = np.minimum(np.abs(2 * pit - 1) * n_levels, n_levels - 1)
    return np.asarray(cell, dtype=np.int64)


def covered(folded: Counts, n_levels: int = LEVELS) -> Counts:
    """Return how many truths lie inside the interval of each level, shape (n_levels,)."""
    inside = np.bincount(folded, minlength=n_levels).cumsum()
    return np.asarray(inside, dtype=np.int64)


def leaves(folded: Counts, n_levels: int = LEVELS, alpha: float = 0.05) -> bool:
    """Say whether coverage leaves its own exact simultaneous band."""
    lower, upper = ecdf_band(folded.size, n_levels, alpha)
    inside = covered(folded, n_levels)[:-1]
    return bool(((inside < lower) | (inside > upper)).any())


def draw_levels(
    ax: Axes,
    parameter: str,
    cells: list[Counts],
    n_levels: int,
    alpha: float,
    *,
    band: bool,
    labels: Sequence[str] = (),
    most: int | None = None,
) -> None:
    """Draw what `plot_coverage_levels` does, given folded ranks of each cell.

    With `labels`, one for each cell, there is a colour for each of them.
    """
    at = np.arange(n_levels + 1) / n_levels
    ax.axhline(0, color=GUIDE, linewidth=0.8, zorder=1)
    title = count(len(cells), "cell")
    if band:
        draw_band(ax, at, cells, alpha)
    out = [band and leaves(cell, n_levels, alpha) for cell in cells]
    inside = GOOD if len(cells) == 1 else QUIET
    there = list(dict.fromkeys(labels))
    by_label = dict(zip(there, looks(len(there)), strict=True))
    for name, look in by_label.items():
        style = "-" if band else look.linestyle  # a dash is for what leaves a band
        ax.plot([], [], color=look.color, linestyle=style, label=shown(name, 40))
    drawn = some(out, most)
    for i in drawn:
        cell, beyond = cells[i], out[i]
        colour, style = BAD if beyond else inside, "--" if beyond else "-"
        if by_label:
            colour = by_label[labels[i]].color
            style = style if band else by_label[labels[i]].linestyle
        share = np.concatenate([[0], covered(cell, n_levels)]) / cell.size
        # At level 1 an interval of draws has no end: what is drawn there tells nothing.
        last = None if band else -1
        ax.plot(at[:last], (share - at)[:last], color=colour, linestyle=style,
                linewidth=1.1, alpha=1.0 if beyond or len(cells) <= 12 else 0.6,
                zorder=3 if beyond else 2)  # fmt: skip
    if band:
        if not by_label:
            ax.plot([], [], color=inside, label="inside its band")
        ax.plot([], [], color=GUIDE if by_label else BAD, linestyle="--", label="leaves its band")
        title = of_band(sum(out), len(cells))
    if len(drawn) < len(cells):
        title += f"; {len(drawn)} drawn"
    ax.set_xlim(0, 1)
    ax.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "", "0.5", "", "1"])
    ax.set_xlabel("level of the interval")
    ax.set_ylabel("coverage less level")
    ax.set_title(f"{shown(parameter)}\n{title}")
