"""One measure over many runs: a line per parameter, a panel per cell."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from recovery.plots.frames import axes_of, levels_of, need, need_rows
from recovery.plots.grid import Grid, name_panel
from recovery.plots.style import GUIDE, QUIET, drawing, looks, styled
from recovery.plots.text import count, distinct, inert, level_text, shorten, shown

MOST_CELLS: Final = 12
MOST_LINES: Final = 7
_MOST_TICKS: Final = 11  # that have room side by side on a figure of one panel
_WIDE: Final = 12  # characters of a word below a run
_Z: Final = 1.96
_SPREAD: Final = 0.4  # of the distance between runs, that the lines of one run take


def plot_history(
    rows: pd.DataFrame, *, nominal: float | None = None, ax: Axes | None = None
) -> Axes:
    """Draw a measure with its 95 % Monte Carlo intervals over runs, a line per parameter.

    Parameters
    ----------
    rows : DataFrame
        As `recovery.history.History.rows`, of one cell.
    nominal : float, optional
        What the measure should be, drawn as a dashed line.
    ax : Axes, optional
        By default a new one, with a legend.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If there is nothing to draw, or several cells share a place.

    Notes
    -----
    Intervals are estimate +- 1.96 mcse. Dotted lines stand where the machine changed.
    """
    need(rows, "rows", "parameter", "measure", "run", "estimate", "mcse")
    known = rows[np.isfinite(rows["estimate"].astype(float))]
    need_rows(known, "rows", "with a finite estimate")
    if known.duplicated(["parameter", "run"]).any():
        raise ValueError("rows: several cells; choose one, a level of each axis and a truth mode")
    names = [str(name) for name in known["parameter"].unique()]
    with drawing(ax) as ax:
        if nominal is not None:
            ax.axhline(nominal, color=GUIDE, linestyle="--", linewidth=1, zorder=1,
                       label=f"ideal {nominal:g}")  # fmt: skip
        _mark_machines(ax, rows)
        labels = distinct(names)
        for i, (name, look) in enumerate(zip(names, looks(len(names)), strict=True)):
            line = known[known["parameter"] == name].sort_values("run")
            at = line["run"].to_numpy(float) + _SPREAD * ((i + 0.5) / len(names) - 0.5)
            middle = line["estimate"].to_numpy(float)
            reach = _Z * line["mcse"].to_numpy(float)
            ax.vlines(at, middle - reach, middle + reach, color=look.color, linewidth=1.6,
                      alpha=0.75, zorder=2)  # fmt: skip
            ax.plot(at, middle, color=look.color, marker=look.marker, linestyle=look.linestyle,
                    zorder=3, label=inert(labels[i]) or None)  # fmt: skip
        _name_runs(ax, rows, _MOST_TICKS)
        ax.set_ylabel(shown(str(known["measure"].iloc[0]), 40))
    return ax


def history_figure(rows: pd.DataFrame, title: str, *, nominal: float | None = None) -> Figure:
    """Draw every cell in a panel of its own, at most `MOST_CELLS` of at most `MOST_LINES` lines.

    Parameters
    ----------
    rows : DataFrame
        As `recovery.history.History.rows`.
    title : str
        What stands above, beside what is left out.
    nominal : float, optional
        See `plot_history`.
    """
    need(rows, "rows", "parameter", "run", "estimate", "truth")
    axes = axes_of(rows)
    by = [*range(len(axes) + 1)]
    keys = [tuple(level_text(rows.iloc[i, j]) for j in by) for i in range(len(rows))]
    cells = list(dict.fromkeys(keys))
    names = list(dict.fromkeys(rows["parameter"]))
    notes = ["bars: 95 % Monte Carlo intervals"]
    if len(cells) > MOST_CELLS:
        notes.append(f"{MOST_CELLS} of {count(len(cells), 'cell')}")
    if len(names) > MOST_LINES:
        notes.append(f"{MOST_LINES} of {count(len(names), 'parameter')}")
    if _moves(rows).any():
        notes.append("dotted: the machine changed")
    if rows.get("dirty") is not None and rows["dirty"].any():
        notes.append("*: files had changed since the commit")
    kept = names[:MOST_LINES]
    varied = [j for j in by if len({cell[j] for cell in cells}) > 1]
    columns = [*axes, "truth"]
    with styled():
        grid = Grid.of(min(len(cells), MOST_CELLS), height=2.3)
        for i, (cell, ax) in enumerate(zip(cells, grid.panels, strict=False)):
            mine = np.array([key == cell for key in keys]) & rows["parameter"].isin(kept).to_numpy()
            label = ", ".join(f"{shorten(columns[j], 20)} = {shorten(cell[j], 20)}" for j in varied)
            if np.isfinite(rows["estimate"].to_numpy(float)[mine]).any():
                plot_history(rows[mine], nominal=nominal, ax=ax)
            ax.set_title("")
            name_panel(ax, label)
            # All panels have the same runs below them, named under the last of each column.
            _name_runs(ax, rows, max(3, _MOST_TICKS // grid.columns))
            ax.tick_params(labelbottom=i + grid.columns >= len(grid.panels))
        return grid.finish(title, notes)


def _moves(rows: pd.DataFrame) -> "pd.Series[bool]":
    """Return which rows are of runs on another machine than the run before."""
    notes = rows.get("note", pd.Series("", index=rows.index))
    return notes.astype(str).str.startswith("machine changed")


def _mark_machines(ax: Axes, rows: pd.DataFrame) -> None:
    for run in levels_of(rows.loc[_moves(rows), "run"]):
        ax.axvline(float(run) - 0.5, color=QUIET, linestyle=":", linewidth=1, zorder=1)


def _name_runs(ax: Axes, rows: pd.DataFrame, most: int) -> None:
    """Name some of the runs below, by date and commit; those alike by what tells them apart."""
    names = _names(rows.drop_duplicates("run").sort_values("run"))
    runs = list(names)
    chosen = runs[:: -(-len(runs) // most)]
    ax.set_xticks(chosen, [names[run] for run in chosen])
    ax.set_xlim(min(runs) - 0.6, max(runs) + 0.6)


def _names(runs: pd.DataFrame) -> dict[int, str]:
    """Return the names of runs, a row each."""
    told = runs.to_dict("records")
    dates = [str(row.get("started", ""))[:10] or f"run {row['run']}" for row in told]
    commits = [_commit(row) for row in told]
    for apart in ([""] * len(told), *_telling_apart(told)):
        named = list(zip(dates, apart, commits, strict=True))
        if len(set(named)) == len(named):
            break
    return {
        int(row["run"]): "\n".join(shown(word, _WIDE) for word in words if word)
        for row, words in zip(told, named, strict=True)
    }


def _telling_apart(told: Sequence[Mapping[Any, Any]]) -> Iterator[list[str]]:
    """Go through what may tell runs of one day and one commit apart, the last one surely."""
    yield [str(row.get("started", ""))[11:16] for row in told]
    yield [shorten(re.split(r"[/\\]", str(row.get("folder", "")))[-1], _WIDE) for row in told]
    yield [f"run {row['run']}" for row in told]


def _commit(row: Mapping[Any, Any]) -> str:
    commit = str(row.get("commit", "") or "")[:7]
    return f"{commit}*" if commit and row.get("dirty") else commit
