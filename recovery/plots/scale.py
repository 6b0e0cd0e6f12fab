"""Where the levels of an axis lie on the horizontal axis of a figure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

from recovery.plots.frames import Floats, levels_of, numeric
from recovery.plots.style import TICK_SIZE
from recovery.plots.text import distinct, inert, level_text

LOG_FROM = 8.0
"""Levels that span this factor or more are drawn on a log scale."""
_DODGE = 0.5  # share of the smallest gap between levels that all series of one level take


@dataclass(frozen=True, slots=True)
class LevelScale:
    """Levels and their places: on their own scale if they are numbers, otherwise side by side.

    Parameters
    ----------
    levels : tuple
        In the order drawn.
    kind : {"linear", "log", "categories"}
    """

    levels: tuple[Any, ...]
    kind: str

    @classmethod
    def of(cls, column: Any, *, categories: bool = False, log: bool = False) -> Self:
        """Choose the scale for a column of levels; with `log` that of positive numbers is log."""
        levels = tuple(levels_of(column))
        if categories or len(levels) < 2 or not numeric(levels):
            return cls(levels, "categories")
        spans = min(levels) > 0 and (log or max(levels) / min(levels) >= LOG_FROM)
        return cls(levels, "log" if spans else "linear")

    @property
    def places(self) -> Floats:
        """Places of the levels on an even scale: the log10 of the levels on a log scale."""
        if self.kind == "categories":
            return np.arange(len(self.levels), dtype=np.float64)
        values = np.asarray(self.levels, dtype=np.float64)
        return np.log10(values) if self.kind == "log" else values

    @property
    def gap(self) -> float:
        """Smallest distance between two places."""
        places = self.places
        return float(np.diff(places).min()) if len(places) > 1 else 1.0

    def at(self, levels: Sequence[Any], i: int = 0, n: int = 1) -> Floats:
        """Return x coordinates of levels for series i of n, which stand a little apart."""
        where = {self._key(level): place for level, place in zip(self.levels, self.places,
                                                                 strict=True)}  # fmt: skip
        step = min(0.09, _DODGE / n) * self.gap
        shifted = np.array([where[self._key(level)] for level in levels], dtype=np.float64)
        shifted += (i - (n - 1) / 2) * step
        return np.asarray(10**shifted) if self.kind == "log" else shifted

    @staticmethod
    def _key(level: Any) -> Any:
        missing = level is None or (isinstance(level, float) and math.isnan(level))
        return None if missing else level

    def apply(self, ax: Axes) -> None:
        """Set scale, limits and ticks: a tick at each level, labels as far as they fit."""
        places, pad = self.places, 0.5 * _DODGE * self.gap
        if self.kind == "categories":
            low, high = -0.6, len(places) - 0.4
        else:
            room = 0.05 * float(np.ptp(places)) + pad
            low, high = float(places.min()) - room, float(places.max()) + room
        ticks = places
        if self.kind == "log":
            ax.set_xscale("log")
            low, high, ticks = 10**low, 10**high, 10**places
        ax.set_xlim(low, high)
        fractions = (places - places.min() + 1e-9) / max(float(np.ptp(places)), 1e-9)
        self._label(ax, ticks, fractions)

    def _label(self, ax: Axes, ticks: Floats, fractions: Floats) -> None:
        width = ax.get_window_extent().width / ax.get_figure(root=True).dpi * 72  # type: ignore[union-attr]  # an Axes drawn on has a figure
        n = len(self.levels)
        texts = distinct((level_text(level) for level in self.levels), 24)
        needed = [0.66 * TICK_SIZE * len(text) + 5 for text in texts]
        if self.kind == "categories":
            rotate = max(needed, default=0) > 0.95 * width / max(n, 1)
            step = max(1, math.ceil(1.5 * TICK_SIZE * n / width)) if rotate else 1
            keep = list(range(0, n, step))
        else:
            rotate, keep = False, _fitting(fractions * 0.9 * width, needed)
        labels = [inert(texts[i]) for i in keep]
        ax.set_xticks(ticks[keep], labels)
        if rotate:
            ax.tick_params(axis="x", rotation=40)
            for label in ax.get_xticklabels():
                label.set(ha="right", rotation_mode="anchor")
        rest = sorted(set(range(n)) - set(keep))
        ax.xaxis.set_minor_locator(FixedLocator(list(ticks[rest])) if rest else NullLocator())
        ax.xaxis.set_minor_formatter("")
        if self.kind == "categories":
            ax.grid(visible=False, axis="x")


def _fitting(places: Floats, needed: Sequence[float]) -> list[int]:
    """Return which labels fit beside each other: the last, then from the first on."""
    kept = [len(places) - 1]
    for i in range(len(places) - 1):
        fits = all(abs(places[i] - places[j]) >= (needed[i] + needed[j]) / 2 for j in kept)
        if fits:
            kept.append(i)
    return sorted(kept)


def plain(axis: Axis) -> None:
    """Write numbers as 0.001, 20 or 5000, never as powers of ten, which are hard to read."""
    axis.set_major_formatter(
        FuncFormatter(lambda value, _: f"{value:.6g}".replace("-", "\N{MINUS SIGN}"))
    )
    axis.set_minor_formatter(NullFormatter())


def plain_log(ax: Axes) -> None:
    """Make the vertical axis logarithmic, with plain numbers at 1, 2 and 5 or at powers of ten."""
    ax.set_yscale("log")
    low, high = ax.dataLim.intervaly
    few = 0 < low < high < 1000 * low
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if few else (1,)))
    plain(ax.yaxis)
