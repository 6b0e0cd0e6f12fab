"""Lines of values with intervals against an axis of the sweep, one per level of another."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from recovery.plots.frames import Floats, by_hue, levels_of
from recovery.plots.scale import LevelScale
from recovery.plots.style import looks
from recovery.plots.text import shown

Line: TypeAlias = tuple[list[Any], Floats, Floats, Floats]
"""Levels, values, and the ends of the intervals (nan where there is none)."""


def draw_series(
    ax: Axes,
    frame: pd.DataFrame,
    what: str,
    x: str,
    hue: str | None,
    summary: Callable[[pd.DataFrame], Line],
    *,
    log: bool = False,
) -> tuple[float, float]:
    """Draw a line with intervals per level of hue, and return the lowest and highest point.

    With `log` positive numbers on `x` have a log scale, however little they span.
    """
    series = by_hue(frame, what, x, hue)
    scale = LevelScale.of(frame[x], log=log)
    reach: list[float] = []
    for i, ((_, label, rows), look) in enumerate(zip(series, looks(len(series)), strict=True)):
        levels, values, low, high = summary(rows)
        order = [levels.index(level) for level in scale.levels if level in levels]
        values, low, high = values[order], low[order], high[order]
        places = scale.at([levels[j] for j in order], i, len(series))
        # What stands side by side is no progression, so no line runs from one to the next.
        line = "" if scale.kind == "categories" else look.linestyle
        ax.vlines(places, low, high, color=look.color, linewidth=1.6, alpha=0.75, zorder=2)
        ax.plot(
            places, values, color=look.color, marker=look.marker, linestyle=line, zorder=3,
            label=shown(label, 40) or None,
        )  # fmt: skip
        reach += [float(v) for part in (values, low, high) for v in part if np.isfinite(v)]
    scale.apply(ax)
    ax.set_xlabel("truth" if x == "truth_mode" else shown(x, 60))
    return (min(reach), max(reach)) if reach else (np.nan, np.nan)


def per_row(rows: pd.DataFrame, x: str, low: Floats, high: Floats) -> Line:
    """Return rows of measures as one line: a level, a value and an interval each."""
    levels = [levels_of(rows[x].iloc[i : i + 1])[0] for i in range(len(rows))]
    return levels, rows["estimate"].to_numpy(float), low, high


def draw_bars(
    ax: Axes,
    low: Floats,
    high: Floats,
    at: Floats,
    color: str,
    *,
    alpha: float = 1.0,
    upright: bool = False,
    linewidth: float = 1.0,
    zorder: float = 2,
    label: str | None = None,
) -> None:
    """Draw intervals as one broken line: a fraction of the file that so many lines take."""
    ends = np.ravel([low, high, np.full(at.size, np.nan)], order="F")
    places = np.repeat(at, 3)
    ax.plot(*((places, ends) if upright else (ends, places)), color=color, linewidth=linewidth,
            alpha=alpha, solid_capstyle="butt", zorder=zorder, label=label)  # fmt: skip
