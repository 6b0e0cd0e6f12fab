"""Figures of the parameters of one truth mode: coverage, recovery, bias and contraction."""

from typing import Any

import numpy as np
import pandas as pd

from recovery.plots import findings
from recovery.plots.bias import LABELS, plot_bias
from recovery.plots.contraction import (
    MOST_DRAWN,
    Points,
    draw_contraction,
    suits_log,
    z_and_contraction,
)
from recovery.plots.coverage import plot_coverage
from recovery.plots.frames import arrays, evenly, is_level, joined, levels_of
from recovery.plots.grid import Grid, Made, described, name_panel
from recovery.plots.part import CI_PROB, Part
from recovery.plots.recovery import MOST_DRAWN as MOST_BARS
from recovery.plots.recovery import draw_recovery
from recovery.plots.style import PALETTE
from recovery.plots.text import inert, level_text, shorten
from recovery.plots.view import MOST_PARAMETERS, farthest, left_out

_MOST_INTERVALS = 800  # of all panels, from which a file gets slow to load
_MOST_CELLS = 6  # panels of contraction
_RECOVERED = ("truth", "mean", "eti_90_lower", "eti_90_upper")


def coverage(part: Part) -> Made | None:
    """Draw coverage, a panel per parameter."""
    rows = part.rows(f"coverage_{100 * CI_PROB:g}")
    names = [name for name in part.shown if (rows["parameter"] == name).any()]
    if not names:
        return None
    grid, view = part.grid(rows, names, "y"), part.view
    if view.x is None:
        drawn = rows[rows["parameter"].isin(names)]
        plot_coverage(drawn, None, "parameter", ci_prob=CI_PROB, ax=grid.panels[0])
    else:
        for name, ax in zip(names, grid.panels, strict=True):
            plot_coverage(rows, name, view.x, hue=view.hue, ci_prob=CI_PROB, ax=ax)
            name_panel(ax, part.labels[name])
        reach = np.array([ax.dataLim.intervaly for ax in grid.panels])
        room = max(0.06 * float(np.ptp(reach)), 0.01)
        grid.panels[0].set_ylim(reach.min() - room, reach.max() + room)
    what = " of predicted quantities" if part.kind else ""
    title = f"Coverage of {100 * CI_PROB:g} % intervals{what}, {part.truth}"
    limits = [*left_out(part.names, names), *view.notes]
    if part.mode == "fixed":
        limits.append("at one fixed truth even exact posteriors need not have nominal coverage")
    figure = grid.finish(title, [*limits, "bars: 95 % Monte Carlo intervals"], share="y")
    finding = findings.of_coverage(rows, CI_PROB, part.swept)
    slug = "-".join(filter(None, ["coverage", part.kind, part.mode]))
    return slug, figure, described(title + view.against, limits, finding)


def bias(part: Part) -> Made | None:
    """Draw bias, a panel per parameter; free of units if there is one panel for all."""
    view = part.view
    measure = "standardised_bias" if view.x is None else "bias"
    rows = part.rows(measure)
    names = [name for name in part.shown if (rows["parameter"] == name).any()]
    if not names:
        return None
    grid = part.grid(rows, names)
    limits = [*left_out(part.names, names), *view.notes]
    notes = [*limits, "bars: 1.96 Monte Carlo standard errors to either side"]
    if view.x is None:
        drawn = rows[rows["parameter"].isin(names)]
        plot_bias(drawn, None, "parameter", measure=measure, ax=grid.panels[0])
    else:
        for name, ax in zip(names, grid.panels, strict=True):
            plot_bias(rows, name, view.x, hue=view.hue, ax=ax)
            name_panel(ax, part.labels[name])
            ax.set_ylabel("bias")
        notes.append("in the units of each parameter")
    title = f"Bias of the posterior mean, {part.truth}"
    unit = LABELS[measure].partition(" ")[2].strip("()")
    finding = findings.of_bias(rows, part.swept, unit)
    text = described(title + view.against, limits, finding)
    return f"bias-{part.mode}", grid.finish(title, notes), text


def recovery(part: Part) -> Made | None:
    """Draw each replicate beside its truth, a panel per parameter and up to three cells."""
    names, x = part.shown, part.view.x
    limits = left_out(part.names, names)
    rows = _finite(part.estimates)
    if rows.empty:
        return None
    for axis in part.swept:
        if axis != x:
            n, first = len(levels_of(rows[axis])), levels_of(rows[axis].iloc[:1])[0]
            rows = rows[is_level(rows[axis], first)]
            limits.append(f"{axis} = {shorten(level_text(first))}, one of {n} levels")
    cells = _cells(rows, x, max(1, min(3, MOST_PARAMETERS // len(names))), limits)
    panels = [(n, level, cell[cell["parameter"] == n]) for n in names for level, cell in cells]
    panels = [panel for panel in panels if not panel[2].empty]
    aligned = len(cells) > 1 and len(panels) == len(names) * len(cells)
    grid = Grid.of(len(panels), len(cells) if aligned else None)
    most = min(MOST_BARS, _MOST_INTERVALS // len(panels))
    for (name, level, cell), ax in zip(panels, grid.panels, strict=True):
        draw_recovery(ax, name, *(joined(cell[c]) for c in _RECOVERED), most=most)
        at = "" if x is None else f", {x} = {shorten(level_text(level))}"
        name_panel(ax, part.labels[name] + at)
    title = f"Posterior mean and 90 % interval of each replicate, {part.truth}"
    finding = findings.of_recovery(pd.concat([cell for _, _, cell in panels]))
    text = described(f"{title}, beside the truth", limits, finding)
    return f"recovery-{part.mode}", grid.finish(title, limits), text


def _finite(estimates: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that have a finite replicate, without the others in their arrays."""
    columns = [np.array(values) for values in zip(*(estimates[c] for c in _RECOVERED), strict=True)]
    columns = [column[:, np.isfinite(column).all(axis=0)] for column in columns]
    made = {name: arrays([column[i] for column in columns]) for i, name in enumerate(_RECOVERED)}
    return estimates.assign(**made)[[column.size > 0 for column in columns]]


def contraction(part: Part) -> Made | None:
    """Draw z-score against contraction, a panel per level of the axis with the most levels."""
    rows = z_and_contraction(part.estimates, part.priors)
    if rows.empty:
        return None
    there = [str(name) for name in rows["parameter"].unique()]
    names = farthest(part.measures, there, len(PALETTE), CI_PROB)
    rows = rows[rows["parameter"].isin(names)]
    limits, x = left_out(there, names), part.view.x
    cells = [(level, Points.of(cell)) for level, cell in _cells(rows, x, _MOST_CELLS, limits)]
    pooled = [axis for axis in part.swept if axis != x]
    limits += [f"all levels of {', '.join(pooled)} together"] if pooled else []
    log = suits_log(joined(rows["contraction"]))
    grid = Grid.of(len(cells), share="y", height=2.8)
    for (level, points), ax in zip(cells, grid.panels, strict=True):
        draw_contraction(
            ax, points, most=MOST_DRAWN // len(cells), scale="log" if log else "linear"
        )
        if x is not None:
            at = inert(f"{x} = {shorten(level_text(level))}")
            ax.set_title("; ".join(filter(None, [at, ax.get_title()])))
    ends = [end for ax in grid.panels for end in ax.get_xlim()]
    for ax in grid.panels:
        ax.set_xlim(min(ends), max(ends))
    title = f"Error in posterior sds against the share of prior variance removed, {part.truth}"
    shown = [each for _, points in cells for each in points]
    finding = findings.of_contraction(shown, part.mode == "prior")
    figure = grid.finish(title, limits, share="y")
    return f"contraction-{part.mode}", figure, described(title, limits, finding)


def _cells(
    rows: pd.DataFrame, x: str | None, most: int, limits: list[str]
) -> list[tuple[Any, pd.DataFrame]]:
    """Return rows by level of x, evenly chosen levels if there are many, and note that."""
    if x is None:
        return [(None, rows)]
    levels = levels_of(rows[x])
    kept = [levels[i] for i in evenly(len(levels), most)]
    if len(kept) < len(levels):
        limits.append(f"{len(kept)} of {len(levels)} levels of {x}")
    return [(level, rows[is_level(rows[x], level)]) for level in kept]
