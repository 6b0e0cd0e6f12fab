"""How many fits met divergent transitions."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from recovery.plots.diagnostics import placed
from recovery.plots.frames import by_cell, joined, need, need_rows
from recovery.plots.style import drawing, looks
from recovery.plots.text import shown
from recovery.shares import binomial_interval

_LEAST_TOP = 0.05  # of the scale, so that no divergence at all is not a picture of noise


def plot_divergences(
    replicates: pd.DataFrame,
    x: str | None = None,
    *,
    hue: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the share of complete fits that have a divergent transition, with its 95 % interval.

    One divergence shows a region that the sampler could not follow (Betancourt 2017,
    arXiv:1701.02434). Above each share that is not 0 stands how many divergences its fits have
    in all. Fits of samplers that know no divergences are left out.

    Parameters
    ----------
    replicates : DataFrame
        As `Results.replicates`; only complete fits are counted.
    x : str, optional
        An axis of the sweep, whose levels stand side by side; by default each cell does.
    hue : str, optional
        Another axis: a colour per level.
    ax : Axes, optional
        By default a new one, with a legend if there is a hue.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If something is not in the frame, or no fit has a count.

    Notes
    -----
    The intervals are Jeffreys intervals of a share, `recovery.shares.binomial_interval`.
    """
    need(replicates, "replicates", "status", "divergences",
         *[a for a in (x, hue) if a is not None])  # fmt: skip
    rows = replicates[(replicates["status"] == "ok") & replicates["divergences"].notna()]
    need_rows(rows, "replicates", "of a complete fit with a count of divergences")
    cells = by_cell(rows, "divergences", keys=[a for a in (x, hue) if a is not None])
    with drawing(ax) as ax:
        draw_divergences(ax, cells, x, hue)
    return ax


def draw_divergences(ax: Axes, cells: pd.DataFrame, x: str | None, hue: str | None) -> None:
    """Draw what `plot_divergences` does, given a row per cell with an array over its fits."""
    scale, name, distributions = placed(cells, x, hue)
    labels = list(dict.fromkeys(label for _, _, label, _ in distributions))
    top, counted = _LEAST_TOP, []
    for label, look in zip(labels, looks(len(labels)), strict=True):
        series = [(place, joined(part["divergences"])) for place, _, of, part in distributions
                  if of == label and len(part)]  # fmt: skip
        if not series:
            continue
        places = np.array([place for place, _ in series])
        shares = np.array([(counts > 0).mean() for _, counts in series])
        ends = np.array([binomial_interval(float((c > 0).mean()), c.size) for _, c in series])
        ax.vlines(
            places, ends[:, 0], ends[:, 1], color=look.color, linewidth=1.6, alpha=0.75, zorder=2
        )
        ax.plot(places, shares, color=look.color, marker=look.marker, linestyle="", zorder=3,
                label=shown(label, 40) or None)  # fmt: skip
        top = max(top, float(ends[:, 1].max()))
        counted += [(place, high, int(counts.sum()))
                    for (place, counts), high in zip(series, ends[:, 1], strict=True)]  # fmt: skip
    scale.apply(ax)
    few = len(counted) <= _room(ax)
    for place, high, total in counted:
        if total and few:
            ax.annotate(f"{total}", (place, high), xytext=(0, 2), textcoords="offset points",
                        ha="center", va="bottom", fontsize=7)  # fmt: skip
    ax.set_ylim(-0.03 * top, 1.15 * top)
    ax.set_ylabel("share with divergences")
    ax.set_xlabel(shown(name, 60) if len(scale.levels) > 1 or x is not None else "")


def _room(ax: Axes) -> int:
    """Return how many numbers fit beside each other."""
    figure = ax.get_figure(root=True)
    assert figure is not None
    return int(ax.get_window_extent().width / figure.dpi * 72 / 22)
