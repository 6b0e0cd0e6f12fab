"""Figures of all fits of a run: ranks, convergence and cost."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import numpy as np
import pandas as pd

from recovery.plots import findings
from recovery.plots.cost import ESS_PER_SECOND, WALL_TIME, draw_cost, suits_log
from recovery.plots.diagnostics import draw_ess, draw_r_hat
from recovery.plots.divergences import draw_divergences
from recovery.plots.frames import Flags, Floats, among, known, levels_of
from recovery.plots.grid import Grid, Made, described
from recovery.plots.view import TRUTH, View, swept

_MOST_COLOURS = 12  # levels of hue told apart where every cell is shown
_MOST_DOTS = 800  # in a figure, from which a file gets slow to load
_DRAWN: Final[dict[str, Callable[..., None]]] = {
    "r_hat_max": draw_r_hat,
    "ess_bulk_min": partial(draw_ess, kind="bulk"),
    "ess_tail_min": partial(draw_ess, kind="tail"),
    "divergences": draw_divergences,
}


def convergence(fits: pd.DataFrame, axes: Sequence[str]) -> Made | None:
    """Draw r_hat and ESS of all complete fits, a row each and a column per truth mode."""
    columns = [c for c in _DRAWN if any(known(values).any() for values in fits[c].tolist())]
    if not columns:
        return None
    modes = [mode for mode in TRUTH if (fits["truth_mode"] == mode).any()]
    view = View.of(fits, axes)
    hue = view.hue
    if hue is not None and len(levels_of(fits[hue])) > _MOST_COLOURS:
        hue = None
    pooled = [axis for axis in swept(fits, axes) if axis not in (view.x, hue)]
    limits = [f"all levels of {', '.join(pooled)} together"] if pooled else []
    dots = max(2, _MOST_DOTS // (len(fits) * len(columns)))
    grid = Grid.of(len(columns) * len(modes), len(modes), height=2.3)
    for i, ax in enumerate(grid.panels):
        column, mode = columns[i // len(modes)], modes[i % len(modes)]
        part = among(fits[fits["truth_mode"] == mode], column, known)
        if len(part):
            draw = _DRAWN[column]
            draw(ax, part, view.x, hue, **({} if column == "divergences" else {"dots": dots}))
        else:
            ax.set_axis_off()
        if i < len(modes) and len(modes) > 1:
            ax.set_title(TRUTH[mode])
    title = "Convergence of each fit: the worst of its parameters"
    notes = [
        "thick bars: quartiles; thin bars: 5 % to 95 %; dots: fits beyond these",
        *limits,
    ]
    against = "" if view.x is None else f", against {view.x}" + (f", by {hue}" if hue else "")
    text = described(title + against, limits, findings.of_diagnostics(fits))
    return "diagnostics", grid.finish(title, notes, share="rows"), text


def cost(fits: pd.DataFrame, axes: Sequence[str]) -> Made | None:
    """Draw wall time and ESS per second, a row each and a column per truth mode."""
    fits = among(fits, "wall_s", _positive)
    if fits.empty:
        return None
    view = View.of(fits, axes)
    fits, x = view.rows(fits), view.x or "truth_mode"
    modes = [mode for mode in TRUTH if (fits["truth_mode"] == mode).any()]
    parts = [fits] if view.x is None else [fits[fits["truth_mode"] == mode] for mode in modes]
    costs = [WALL_TIME]
    if all(len(among(part, ESS_PER_SECOND[0], _positive)) for part in parts):
        costs.append(ESS_PER_SECOND)
    by_mode = len(parts) > 1
    grid = Grid.of(len(costs) * len(parts), len(parts) if by_mode else len(costs), height=2.6)
    for i, ax in enumerate(grid.panels):
        column, label = costs[i // len(parts)]
        part = among(parts[i % len(parts)], column, _positive)
        log = suits_log(among(fits, column, _positive), x, column)
        draw_cost(ax, part, x, view.hue, column, label, log=log)
        if by_mode and i < len(parts):
            ax.set_title(TRUTH[modes[i]])
    title = "Wall time per fit, and effective draws per second of sampling"
    notes = [*view.notes, "medians of complete fits; bars: from quartile to quartile"]
    finding = findings.of_cost(fits, swept(fits, [*axes, "truth_mode"]))
    text = described(title + view.against, view.notes, finding)
    return "cost", grid.finish(title, notes, share="rows" if by_mode else ""), text


def _positive(values: Floats) -> Flags:
    return np.isfinite(values) & (values > 0)
