"""A measure over two axes of the sweep at once, as numbers on coloured tiles."""

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import QuadMesh
from matplotlib.colors import Colormap, LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure, SubFigure

from recovery.measures import measure_info
from recovery.plots.frames import (
    Floats,
    axes_of,
    is_level,
    levels_of,
    need,
    need_rows,
    of_mode,
    of_parameter,
)
from recovery.plots.scale import LevelScale
from recovery.plots.style import BAD, BAND, TICK_SIZE, drawing
from recovery.plots.text import distinct, inert, level_text, shown
from recovery.shares import binomial_interval

_BLUE: Final = "#0073B1"  # GOOD but for a trifle: a page in the dark has another colour for GOOD
DARK_INK: Final = "#010101"
LIGHT_INK: Final = "#FEFEFE"
DIVERGING: Final = LinearSegmentedColormap.from_list("below_above", [BAD, "#F7F7F7", _BLUE])
SEQUENTIAL: Final = LinearSegmentedColormap.from_list("low_high", ["#F7FBFF", _BLUE, "#08264A"])
_FEWEST = 10  # fits from which a coverage is told apart from its level
_LEAST_DEVIATION = 0.15  # of the colours about an ideal value, so that noise stays pale


def plot_heat(
    measures: pd.DataFrame,
    x: str,
    y: str,
    *,
    parameter: str,
    measure: str = "coverage_90",
    truth: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a measure over two axes of the sweep as coloured tiles with their numbers.

    The colours of a coverage go from nominal to orange below and blue above, told apart by
    everyone; those of other measures from light to dark. A coverage in bold has a 95 % Monte Carlo
    interval that does not hold its level. Numbers are left out where tiles are too small for them.

    Parameters
    ----------
    measures : DataFrame
        As `Results.measures`, filtered to one cell for each pair of levels.
    x, y : str
        Axes of the sweep. Levels stand side by side, numbers in ascending order.
    parameter : str
        A scalar parameter.
    measure : str
        One of the measures in the frame.
    truth : {"fixed", "prior"}, optional
        Truth mode; needed if the frame has both.
    ax : Axes, optional
        By default a new one. A colour bar is put beside it.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If something is not in the frame, or several cells share a tile.

    Notes
    -----
    The pair of colours is of Okabe & Ito (2008, "Color universal design").
    """
    need(measures, "measures", "measure", "estimate", "n", x, y)
    if x == y:
        raise ValueError(f"x and y: both are {x!r}; give two axes of the sweep")
    rows = of_parameter(of_mode(measures, "measures", "truth", truth), "measures", parameter)
    rows = measured(rows, measure)
    need_rows(rows, "measures", f"with measure {measure} and n > 0")
    with drawing(ax) as ax:
        colours = Colours(rows["estimate"].to_numpy(float), measure)
        draw_heat(ax, rows, x, y, colours)
        ax.set_title(shown(parameter))
        figure = ax.get_figure()
        assert figure is not None
        colours.bar(figure, [ax])
    return ax


def measured(measures: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Return the rows of one measure that have a finite value."""
    finite = np.isfinite(measures["estimate"].to_numpy(float))
    rows: pd.DataFrame = measures[(measures["measure"] == measure) & (measures["n"] > 0) & finite]
    return rows


class Colours:
    """The colours of a measure, one scale for all panels of a figure."""

    def __init__(self, values: Floats, measure: str) -> None:
        self.measure = measure
        self.nominal = ideal(measure) if "coverage" in measure else None
        low, high = float(values.min()), float(values.max())
        self.cmap: Colormap = SEQUENTIAL
        if self.nominal is None:
            self.norm = Normalize(low, high if high > low else low + max(abs(low), 1.0))
            self.ends = (self.norm.vmin, self.norm.vmax)
            return
        far = max(high - self.nominal, self.nominal - low, _LEAST_DEVIATION)
        self.norm, self.cmap = Normalize(self.nominal - far, self.nominal + far), DIVERGING
        self.ends = (max(self.nominal - far, 0.0), min(self.nominal + far, 1.0))

    def written(self, value: float) -> str:
        """Write a value as briefly as a tile needs."""
        text = f"{value:.2f}" if self.nominal is not None else f"{value:.3g}"
        return text.replace("-", "\N{MINUS SIGN}")

    def stands_out(self, value: float, n: int) -> bool:
        """Say whether the Monte Carlo interval of a coverage does not hold its level."""
        if self.nominal is None or not 0 <= value <= 1 or n < _FEWEST:
            return False
        low, high = binomial_interval(value, n)
        return not low <= self.nominal <= high

    def ink(self, value: float) -> str:
        """Return dark or light, whichever is read better on the colour of a value.

        Neither is black or white, which a page in the dark exchanges: a tile stays as it is.
        """
        red, green, blue, _ = self.cmap(self.norm(value))
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
                  for c in (red, green, blue)]  # fmt: skip
        luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
        return DARK_INK if luminance > 0.179 else LIGHT_INK

    def bar(self, figure: Figure | SubFigure, panels: Sequence[Axes]) -> None:
        """Put a colour bar beside panels."""
        bar = figure.colorbar(ScalarMappable(self.norm, self.cmap), ax=list(panels), aspect=30,
                              fraction=0.05, pad=0.02)  # fmt: skip
        bar.ax.set_ylim(*self.ends)
        bar.ax.grid(visible=False)
        bar.outline.set_visible(False)
        if self.nominal is not None:
            bar.ax.axhline(self.nominal, color=DARK_INK, linewidth=0.8)
        bar.set_label(measure_label(self.measure))


def draw_heat(ax: Axes, rows: pd.DataFrame, x: str, y: str, colours: Colours) -> None:
    """Draw what `plot_heat` does but for the colour bar, given the rows of one measure."""
    _one_row_each(rows, x, y)
    across, up = LevelScale.of(rows[x], categories=True), levels_of(rows[y])
    values = np.full((len(up), len(across.levels)), np.nan)
    ns = np.zeros(values.shape, dtype=np.int64)
    for i, level in enumerate(up):
        line = rows[is_level(rows[y], level)]
        places = across.at(line[x].tolist()).astype(int)
        values[i, places], ns[i, places] = line["estimate"], line["n"]
    mesh = ax.pcolormesh(np.arange(values.shape[1] + 1) - 0.5, np.arange(values.shape[0] + 1) - 0.5,
                         np.ma.masked_invalid(values), cmap=colours.cmap, norm=colours.norm,
                         edgecolor="white", linewidth=0.8)  # fmt: skip
    assert isinstance(mesh, QuadMesh)
    ax.set_facecolor(BAND)
    ax.grid(visible=False)
    across.apply(ax)
    ax.set_xlim(-0.5, values.shape[1] - 0.5)
    ax.set_ylim(-0.5, values.shape[0] - 0.5)
    _label_rows(ax, up)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set_xlabel(shown(x, 60))
    ax.set_ylabel(shown(y, 24))
    _write(ax, values, ns, colours)


def _write(ax: Axes, values: Floats, ns: Any, colours: Colours) -> None:
    box = ax.get_window_extent()
    figure = ax.get_figure(root=True)
    assert figure is not None
    wide = 0.8 * box.width / figure.dpi * 72 / values.shape[1]  # a layout still to come takes room
    high = 0.8 * box.height / figure.dpi * 72 / values.shape[0]
    there = [(i, j) for i, j in np.ndindex(*values.shape) if np.isfinite(values[i, j])]
    texts = [colours.written(float(values[place])) for place in there]
    size = min(TICK_SIZE, high / 1.3, wide / (0.68 * max(map(len, texts))))
    if size < 5:
        return
    for (i, j), text in zip(there, texts, strict=True):
        value = float(values[i, j])
        bold = colours.stands_out(value, int(ns[i, j]))
        ax.text(j, i, text, ha="center", va="center", fontsize=size, clip_on=True,
                color=colours.ink(value), weight="bold" if bold else "normal")  # fmt: skip


def _label_rows(ax: Axes, levels: Sequence[Any]) -> None:
    """Label rows of tiles, as many as have room."""
    figure = ax.get_figure(root=True)
    assert figure is not None
    high = ax.get_window_extent().height / figure.dpi * 72
    step = max(1, math.ceil(1.6 * TICK_SIZE * len(levels) / high))
    texts = distinct((level_text(level) for level in levels), 14)
    ax.set_yticks(range(0, len(levels), step), [inert(text) for text in texts[::step]])


def ideal(measure: str) -> float | None:
    """Return the value of a measure that is right; None where there is none."""
    try:
        return measure_info(measure).ideal
    except ValueError:
        return None


def measure_label(measure: str) -> str:
    """Return how an axis of a measure is named."""
    base, _, level = measure.rpartition("_")
    if base == "coverage":
        return f"coverage of {level} % intervals"
    return measure.replace("_", " ")


def _one_row_each(rows: pd.DataFrame, x: str, y: str) -> None:
    """Raise ValueError if several cells would be drawn on one tile."""
    twice = rows.duplicated([x, y])
    if twice.any():
        first = rows[twice].iloc[0]
        same = rows[is_level(rows[x], first[x]) & is_level(rows[y], first[y])]
        others = [a for a in axes_of(rows) if a not in (x, y) and same[a].nunique(dropna=False) > 1]
        raise ValueError(
            f"measures: several rows at {x}={level_text(first[x])}, {y}={level_text(first[y])}; "
            f"choose one level of: {', '.join(others) or 'parameter or measure'}"
        )
