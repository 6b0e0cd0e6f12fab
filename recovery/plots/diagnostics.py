"""Convergence over the fits of each cell: r_hat and ESS, with their limits."""

from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator

from recovery.plots.frames import (
    Floats,
    axes_of,
    by_cell,
    by_hue,
    evenly,
    is_level,
    joined,
    need,
    need_rows,
)
from recovery.plots.scale import LevelScale, plain, plain_log
from recovery.plots.series import draw_bars
from recovery.plots.style import BAD, GUIDE, Look, drawing, looks
from recovery.plots.text import level_text, shown
from recovery.thresholds import THRESHOLDS, Threshold

_FEW = 30  # up to here every fit is a point
MOST_DOTS = 100  # fits beyond the thin bar drawn of one bar; the farthest are among them
_FLOOR = 1e-4  # r_hat closer to 1 than this is drawn here: on a log scale 1 itself has no place
_R_HAT_TICKS = (1.0001, 1.001, 1.01, 1.1, 2.0, 11.0, 101.0)


def plot_r_hat(
    replicates: pd.DataFrame,
    x: str | None = None,
    *,
    hue: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the largest r_hat of each fit, by cell, with the limit above which a fit is flagged.

    The scale is logarithmic in r_hat - 1. A thick bar goes from quartile to quartile, a thin one
    from the 5 % to the 95 % quantile, the marker is the median and dots are the fits beyond; up
    to 30 fits are all drawn as dots. Of more than 100 fits beyond, 100 are drawn, the farthest
    among them, and the legend says so. Fits with an infinite r_hat stand at the top as triangles.

    Parameters
    ----------
    replicates : DataFrame
        As `Results.replicates`; only complete fits are drawn.
    x : str, optional
        An axis of the sweep, whose levels stand side by side; by default each cell does.
    hue : str, optional
        Another axis: a colour per level.
    ax : Axes, optional
        By default a new one, with a legend.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If something is not in the frame, or no fit has an r_hat (one chain has none).
    """
    cells = _complete(replicates, "r_hat_max", x, hue)
    with drawing(ax) as ax:
        draw_r_hat(ax, cells, x, hue)
    return ax


def draw_r_hat(
    ax: Axes, cells: pd.DataFrame, x: str | None, hue: str | None, *, dots: int = MOST_DOTS
) -> None:
    """Draw what `plot_r_hat` does, given a row per cell with an array over its fits.

    Of one bar so many dots are drawn at most.
    """
    ax.set_ylim(1 + _FLOOR, 1.02)  # before the scale, which has no place for the usual 0 to 1
    ax.set_yscale("function", functions=(_log_excess, _excess_back))
    _distributions(ax, cells, "r_hat_max", x, hue, dots)
    values = joined(cells["r_hat_max"])
    top = max(float(values[np.isfinite(values)].max(initial=1.01)), 1.02)
    ax.yaxis.set_major_locator(FixedLocator(_R_HAT_TICKS))
    plain(ax.yaxis)
    if np.isinf(values).any():
        ax.set_ylim(1 + 0.7 * _FLOOR, 1 + 8 * (top - 1))
        _infinite(ax, cells, x, hue, 1 + 4 * (top - 1))
    else:
        ax.set_ylim(1 + 0.7 * _FLOOR, 1 + 2 * (top - 1))
    ax.set_ylabel("r_hat (largest)")


def plot_ess(
    replicates: pd.DataFrame,
    x: str | None = None,
    *,
    hue: str | None = None,
    kind: Literal["bulk", "tail"] = "bulk",
    ax: Axes | None = None,
) -> Axes:
    """Draw the smallest bulk or tail ESS of each fit, in draws, by cell, with its limit.

    Takes, returns and raises what `plot_r_hat` does, and is read in the same way.
    """
    if kind not in ("bulk", "tail"):
        raise ValueError(f"kind: {kind!r} is not allowed; give 'bulk' or 'tail'")
    cells = _complete(replicates, f"ess_{kind}_min", x, hue)
    with drawing(ax) as ax:
        draw_ess(ax, cells, x, hue, kind)
    return ax


def draw_ess(
    ax: Axes,
    cells: pd.DataFrame,
    x: str | None,
    hue: str | None,
    kind: Literal["bulk", "tail"],
    *,
    dots: int = MOST_DOTS,
) -> None:
    """Draw what `plot_ess` does, given a row per cell with an array over its fits."""
    _distributions(ax, cells, f"ess_{kind}_min", x, hue, dots)
    plain_log(ax)
    ax.set_ylabel(f"{kind} ESS (smallest)")


def threshold(measure: str) -> Threshold:
    """Return the threshold of a measure."""
    return next(limit for limit in THRESHOLDS if limit.measure == measure)


def _log_excess(r_hat: Floats) -> Floats:
    return np.asarray(np.log10(np.maximum(np.asarray(r_hat) - 1, _FLOOR)))


def _excess_back(place: Floats) -> Floats:
    return np.asarray(1 + 10 ** np.asarray(place, dtype=float))


def _complete(
    replicates: pd.DataFrame, column: str, x: str | None, hue: str | None
) -> pd.DataFrame:
    need(replicates, "replicates", "status", column, *[a for a in (x, hue) if a is not None])
    rows = replicates[(replicates["status"] == "ok") & replicates[column].notna()]
    need_rows(rows, "replicates", f"of a complete fit with {column}")
    return by_cell(rows, column, keys=[a for a in (x, hue) if a is not None])


def _with_cell(rows: pd.DataFrame, x: str | None) -> tuple[pd.DataFrame, str]:
    """Return the rows with what stands side by side, and its name."""
    if x is not None:
        return rows, x
    keys = [*axes_of(rows), "truth_mode"] if "truth_mode" in rows.columns else axes_of(rows)
    varied = [key for key in keys if rows[key].nunique(dropna=False) > 1]
    names = [
        " ".join(level_text(row[key]) for key in varied) or "all fits"
        for row in rows[keys].to_dict("records")
    ]
    return rows.assign(cell=names), "cell"


def placed(
    rows: pd.DataFrame, x: str | None, hue: str | None
) -> tuple[LevelScale, str, list[tuple[float, float, str, pd.DataFrame]]]:
    """Return scale, name, and (place, width, label, rows) of every distribution."""
    rows, name = _with_cell(rows, x)
    scale = LevelScale.of(rows[name], categories=True)
    series = by_hue(rows, "replicates", name, hue)
    width = 0.7 / len(series)
    bars = [
        (i + (j - (len(series) - 1) / 2) * width, width, label,
         part[is_level(part[name], level)])
        for j, (_, label, part) in enumerate(series)
        for i, level in enumerate(scale.levels)
    ]  # fmt: skip
    return scale, name, bars


def _distributions(
    ax: Axes, rows: pd.DataFrame, column: str, x: str | None, hue: str | None, most: int
) -> None:
    limit = threshold(column)
    ax.axhline(limit.limit, color=GUIDE, linestyle="--", linewidth=1, zorder=1,
               label="limit beyond which a fit is flagged")  # fmt: skip
    ax.annotate(f"{limit.limit:g}", (1, limit.limit), xycoords=ax.get_yaxis_transform(),
                xytext=(3, 0), textcoords="offset points", ha="left", va="center", fontsize=7,
                color=GUIDE)  # fmt: skip
    scale, name, bars = placed(rows, x, hue)
    labels = list(dict.fromkeys(label for _, _, label, _ in bars))
    by_label = dict(zip(labels, looks(len(labels)), strict=True))
    for label, look in by_label.items():
        if label:
            ax.plot([], [], color=look.color, marker=look.marker, linestyle="-", linewidth=2.5,
                    label=shown(label, 40))  # fmt: skip
    thinned = False
    for label, look in by_label.items():
        values = [(place, width, np.sort(joined(part[column])))
                  for place, width, of, part in bars if of == label and len(part)]  # fmt: skip
        finite = [(place, width, v[np.isfinite(v)]) for place, width, v in values]
        thinned |= _one_look(ax, [bar for bar in finite if bar[2].size], look, most)
    if thinned:
        ax.plot([], [], color=GUIDE, marker="o", linestyle="", markersize=2.5, alpha=0.5,
                label=f"fits beyond the bars, at most {most} of each")  # fmt: skip
    scale.apply(ax)
    ax.set_xlabel(shown(name, 60) if len(scale.levels) > 1 or x is not None else "")


def _one_look(ax: Axes, bars: list[tuple[float, float, Floats]], look: Look, most: int) -> bool:
    """Draw distributions of sorted values that look alike; say if some fits beyond are left out."""
    if not bars:
        return False
    places = np.array([place for place, _, _ in bars])
    ends = np.array(
        [np.quantile(v, [0.05, 0.25, 0.5, 0.75, 0.95], method="inverted_cdf") for _, _, v in bars]
    )
    low, q1, median, q3, high = ends.T
    few = np.array([values.size <= _FEW for _, _, values in bars])
    beyond = [
        values if all_of_it else values[(values < first) | (values > last)]
        for (_, _, values), all_of_it, first, last in zip(bars, few, low, high, strict=True)
    ]
    dots = [values[evenly(values.size, most)] for values in beyond]
    across = [
        place + _spread(drawn.size, 0.3 * width) * all_of_it
        for (place, width, _), drawn, all_of_it in zip(bars, dots, few, strict=True)
    ]
    ax.plot(np.concatenate(across), np.concatenate(dots), color=look.color, marker="o",
            linestyle="", markersize=2.5, alpha=0.5, markeredgewidth=0, zorder=2)  # fmt: skip
    draw_bars(ax, low[~few], high[~few], places[~few], look.color, upright=True, linewidth=0.9)
    draw_bars(ax, q1, q3, places, look.color, upright=True, linewidth=3, alpha=0.8, zorder=3)
    ax.plot(places, median, color=look.color, marker=look.marker, markeredgecolor="white",
            markeredgewidth=0.6, markersize=5, linestyle="", zorder=4)  # fmt: skip
    return any(drawn.size < of.size for drawn, of in zip(dots, beyond, strict=True))


def _spread(n: int, width: float) -> Floats:
    """Return offsets within plus and minus `width`, spread by the golden ratio."""
    phase = (np.arange(n) * 0.6180339887498949 + 0.5) % 1
    return np.asarray((2 * phase - 1) * width)


def _infinite(ax: Axes, rows: pd.DataFrame, x: str | None, hue: str | None, height: float) -> None:
    for place, _, _, part in placed(rows, x, hue)[2]:
        n = int(np.isinf(joined(part["r_hat_max"])).sum())
        if n:
            ax.plot([place], [height], color=BAD, marker="^", markersize=6, linestyle="", zorder=4)
            ax.annotate(f"{n} infinite", (place, height), xytext=(0, 5), ha="center",
                        textcoords="offset points", fontsize=7)  # fmt: skip
