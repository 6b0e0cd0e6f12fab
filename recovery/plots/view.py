"""Which cells and parameters a figure shows, and the words that say so."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd

from recovery.plots.frames import Floats, evenly, is_level, levels_of, numeric
from recovery.plots.text import level_text, shorten

TRUTH = {"fixed": "fixed truth", "prior": "truth drawn from the prior"}
"""The truth modes, in the order of figures, and their names there."""
MOST_PARAMETERS = 12
MOST_LINES = 6
_MANY_LEVELS = 6  # of x, from which half as many lines are as much as one can follow


@dataclass(frozen=True, slots=True)
class View:
    """The two axes that a figure unfolds, and the levels at which the others are held.

    Parameters
    ----------
    x : str or None
        The swept axis of numbers with the most levels, or, if no numbers are swept, the swept
        axis with the most levels; None if nothing is swept.
    hue : str or None
        The next swept axis.
    held : dict
        The other swept axes, at the first level that is there.
    notes : tuple of str
        What of the sweep is not shown.
    """

    x: str | None
    hue: str | None
    held: dict[str, Any]
    hue_levels: tuple[Any, ...]
    notes: tuple[str, ...]

    @classmethod
    def of(cls, frame: pd.DataFrame, axes: Sequence[str]) -> Self:
        """Choose for a frame with the axes as columns."""
        levels = {axis: levels_of(frame[axis]) for axis in axes}
        there = swept(frame, axes)
        numbers = [axis for axis in there if numeric(levels[axis])]
        x = max(numbers or there, key=lambda axis: len(levels[axis]), default=None)
        rest = [axis for axis in there if axis != x]
        hue = rest[0] if rest else None
        held = {axis: levels_of(frame[axis].iloc[:1])[0] for axis in rest[1:]}
        notes = [
            f"{axis} = {shorten(level_text(level))}, one of {len(levels[axis])} levels"
            for axis, level in held.items()
        ]
        lines = levels[hue] if hue else []
        most = MOST_LINES if x is None or len(levels[x]) <= _MANY_LEVELS else MOST_LINES // 2
        if len(lines) > most:
            notes.append(f"{most} of {len(lines)} levels of {hue}")
            lines = [lines[i] for i in evenly(len(lines), most)]
        return cls(x, hue, held, tuple(lines), tuple(notes))

    @property
    def against(self) -> str:
        """The two axes in words, to follow a title."""
        if self.x is None:
            return ""
        return f", against {self.x}" + (f", by {self.hue}" if self.hue else "")

    def rows(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the rows of the cells shown."""
        keep = pd.Series(data=True, index=frame.index)
        for axis, level in self.held.items():
            keep &= is_level(frame[axis], level)
        if self.hue is not None:
            lines = [is_level(frame[self.hue], level) for level in self.hue_levels]
            keep &= np.logical_or.reduce(lines)
        return frame[keep]


def swept(frame: pd.DataFrame, axes: Sequence[str]) -> list[str]:
    """Return the axes with more than one level."""
    return [axis for axis in axes if len(levels_of(frame[axis])) > 1]


def farthest(measures: pd.DataFrame, names: Sequence[str], most: int, ci_prob: float) -> list[str]:
    """Return at most `most` parameters: those farthest, in some cell, from nominal coverage.

    The parameters stay in their order.
    """
    if len(names) <= most:
        return list(names)
    rows = measures[measures["measure"] == f"coverage_{100 * ci_prob:g}"]
    distance = pd.Series(distance_from_nominal(rows, ci_prob), index=rows.index)
    worst = distance.groupby(rows["parameter"]).max().reindex(list(names)).fillna(-1.0)
    chosen = set(worst.sort_values(ascending=False, kind="stable").index[:most])
    return [name for name in names if name in chosen]


def distance_from_nominal(rows: pd.DataFrame, ci_prob: float) -> Floats:
    """Return how far each coverage is from nominal, in standard errors.

    The standard error is that of a share whose true value is nominal: the mcse of a measured share
    gets so small near 0 and 1 that 0.98 of 50 fits would seem farther from 0.9 than 0.78 does.
    """
    away = (rows["estimate"] - ci_prob).abs()
    distance = away * (rows["n"] / (ci_prob * (1 - ci_prob))) ** 0.5
    return np.asarray(distance.fillna(-1.0), dtype=np.float64)


def left_out(names: Sequence[str], shown: Sequence[str]) -> list[str]:
    """Return a note on parameters that are not shown, or none."""
    if len(shown) == len(names):
        return []
    return [f"{len(shown)} of {len(names)} parameters shown: the farthest from nominal coverage"]
