"""Figures that show coverage in all cells of one truth mode: heat maps and a nested loop."""

from typing import Final

import numpy as np

from recovery.plots import findings
from recovery.plots.frames import evenly, is_level, levels_of
from recovery.plots.grid import Grid, Made, described
from recovery.plots.heat import Colours, draw_heat
from recovery.plots.nested_loop import draw_nested_loop
from recovery.plots.part import CI_PROB, Part
from recovery.plots.text import inert
from recovery.plots.view import MOST_LINES, farthest, left_out

_MEASURE: Final = f"coverage_{100 * CI_PROB:g}"
_FEWEST_CELLS = 12  # of a nested loop: fewer are read as well in any other figure
_MOST_TILES = 12  # in a row or column of a heat map
_MOST_NUMBERS = 320  # on all tiles, from which a file gets slow to load
_CAVEAT = "at one fixed truth even exact posteriors need not have nominal coverage"


def heat(part: Part) -> Made | None:
    """Draw coverage over two axes, a panel per parameter."""
    x, y = part.view.x, part.view.hue
    if x is None or y is None:
        return None
    rows = part.measured(_MEASURE)
    limits = [note for note in part.view.notes if "levels of" not in note.split(",")[0]]
    for axis, level in part.view.held.items():
        rows = rows[is_level(rows[axis], level)]
    for axis in (x, y):
        levels = levels_of(rows[axis])
        if len(levels) > _MOST_TILES:
            kept = [levels[i] for i in evenly(len(levels), _MOST_TILES)]
            rows = rows[np.logical_or.reduce([is_level(rows[axis], level) for level in kept])]
            limits.append(f"{_MOST_TILES} of {len(levels)} levels of {axis}")
    there = [name for name in part.shown if (rows["parameter"] == name).any()]
    if not there:
        return None
    most = max(1, _MOST_NUMBERS // (len(levels_of(rows[x])) * len(levels_of(rows[y]))))
    names = farthest(part.measures, there, most, CI_PROB)
    limits = [*left_out(part.names, names), *limits]
    rows = rows[rows["parameter"].isin(names)]
    grid = Grid.of(len(names), height=2.3)
    colours = Colours(rows["estimate"].to_numpy(float), _MEASURE)
    colours.bar(grid.figure, grid.panels)
    for name, ax in zip(names, grid.panels, strict=True):
        draw_heat(ax, rows[rows["parameter"] == name], x, y, colours)
        ax.set_title(inert(part.labels[name]))
    title = f"Coverage of {100 * CI_PROB:g} % intervals over two axes, {part.truth}"
    if part.mode == "fixed":
        limits.append(_CAVEAT)
    notes = [*limits, "bold: the 95 % Monte Carlo interval does not hold the level"]
    finding = findings.of_coverage(rows, CI_PROB, part.swept, chosen=len(names) < len(part.names))
    text = described(f"{title}, {x} and {y}", limits, finding)
    return f"heat-coverage-{part.mode}", grid.finish(title, notes, share="y"), text


def nested_loop(part: Part) -> Made | None:
    """Draw coverage in every cell, a line per parameter."""
    rows = part.measured(_MEASURE)
    if len(part.swept) < 2 or rows.groupby("parameter").size().max() < _FEWEST_CELLS:
        return None
    names = farthest(part.measures, rows["parameter"].unique().tolist(), MOST_LINES, CI_PROB)
    rows = rows[rows["parameter"].isin(names)]
    grid = Grid.of(1, height=3.6)
    draw_nested_loop(grid.panels[0], rows, names, part.swept, _MEASURE)
    title = f"Coverage of {100 * CI_PROB:g} % intervals in every cell, {part.truth}"
    limits = left_out(part.names, names)
    if part.mode == "fixed":
        limits.append(_CAVEAT)
    notes = [*limits, "below: the levels of each axis, the first changing slowest"]
    finding = findings.of_coverage(rows, CI_PROB, part.swept, chosen=len(names) < len(part.names))
    text = described(f"{title}, in the order of nested loops", limits, finding)
    return f"nested-loop-{part.mode}", grid.finish(title, notes), text
