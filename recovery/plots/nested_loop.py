"""A measure in all cells of a sweep in one line, in the order of nested loops over its axes."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from scipy.stats import binom

from recovery.calibration import Counts
from recovery.plots.frames import axes_of, levels_of, need, need_rows, of_mode, of_parameter
from recovery.plots.heat import ideal, measure_label, measured
from recovery.plots.style import BAND, GUIDE, QUIET, drawing, looks
from recovery.plots.text import distinct, inert, level_text, shorten
from recovery.plots.view import TRUTH, swept

_STEPS: Final = 0.13  # share of the height that the steps of an axis take
_MOST_NAMED = 6  # levels written out beside the name of an axis


def plot_nested_loop(
    measures: pd.DataFrame,
    parameter: str | Sequence[str],
    *,
    measure: str = "coverage_90",
    axes: Sequence[str] | None = None,
    truth: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a measure in every cell as a step line, with the levels of each axis as steps below.

    Cells stand in lexicographic order: the first axis changes slowest, the last in every cell.
    What depends on an axis goes up and down with its steps.

    Parameters
    ----------
    measures : DataFrame
        As `Results.measures`.
    parameter : str or sequence of str
        Scalar parameters, a line each.
    measure : str
        One of the measures in the frame.
    axes : sequence of str, optional
        Axes of the sweep, the outermost loop first; by default all with more than one level.
        Together they must tell all cells apart.
    truth : {"fixed", "prior"}, optional
        Truth mode; by default a line for each there is.
    ax : Axes, optional
        By default a new one, with a legend.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If something is not in the frame, or several cells share a place.

    Notes
    -----
    Rücker & Schwarzer (2014), doi:10.1186/1471-2288-14-129.
    """
    need(measures, "measures", "measure", "estimate", "n", *(axes or ()))
    names = [parameter] if isinstance(parameter, str) else list(parameter)
    rows = of_mode(measures, "measures", "truth", truth, ("truth",))
    rows = pd.concat([of_parameter(rows, "measures", name) for name in names])
    rows = measured(rows, measure)
    need_rows(rows, "measures", f"with measure {measure} and n > 0")
    loops = list(axes) if axes is not None else swept(rows, axes_of(rows))
    with drawing(ax, 5.0) as ax:
        draw_nested_loop(ax, rows, names, loops, measure)
    return ax


def draw_nested_loop(
    ax: Axes, rows: pd.DataFrame, names: Sequence[str], loops: Sequence[str], measure: str
) -> None:
    """Draw what `plot_nested_loop` does, given the rows of one measure."""
    levels = {axis: levels_of(rows[axis]) for axis in loops}
    place = _places(rows, levels)
    cells = sorted(set(place.tolist()))
    at = {cell: i for i, cell in enumerate(cells)}
    modes = [mode for mode in TRUTH if (rows["truth"] == mode).any()]
    lines = [(name, mode) for name in names for mode in modes]
    labels = distinct(
        [name if len(modes) == 1 else f"{name}, {TRUTH[mode]}" for name, mode in lines], 44
    )
    reach = [float(rows["estimate"].min()), float(rows["estimate"].max())]
    right = ideal(measure)
    if right is not None:
        word = "nominal" if "coverage" in measure else "ideal"
        ax.axhline(right, color=GUIDE, linestyle="--", linewidth=1, zorder=1,
                   label=f"{word} {right:g}")  # fmt: skip
        reach += [right]
        if "coverage" in measure:
            fewest = int(rows["n"].min())
            ends = np.asarray(binom.interval(0.95, fewest, right)) / fewest
            ax.axhspan(*ends, color=BAND, linewidth=0, zorder=0,
                       label=f"95 % range of one coverage (n = {fewest})")  # fmt: skip
            reach += ends.tolist()
    edges = np.arange(len(cells) + 1) - 0.5
    for (name, mode), label, look in zip(lines, labels, looks(len(lines)), strict=True):
        mine = ((rows["parameter"] == name) & (rows["truth"] == mode)).to_numpy()
        _one_row_each(place[mine], name, loops)
        heights = np.full(len(cells), np.nan)
        heights[[at[cell] for cell in place[mine].tolist()]] = rows.loc[mine, "estimate"]
        ax.stairs(heights, edges, baseline=None, color=look.color, linestyle=look.linestyle,
                  linewidth=1.4, alpha=0.9, zorder=3, label=inert(label))  # fmt: skip
    low, high = min(reach), max(reach)
    room = max(high - low, 0.02)
    share = _STEPS * len(loops)  # of the height, below the lines
    bottom = low - room * (share / (1 - share) * 1.1 + 0.05)
    ax.set_ylim(bottom, high + 0.05 * room)
    _steps(ax, levels, cells, share)
    ax.set_xlim(edges[0], edges[-1])
    ax.set_xticks([])
    ticks = [tick for tick in ax.get_yticks() if low - 0.03 * room <= tick <= high + 0.05 * room]
    ax.set_yticks(ticks)
    ax.set_ylabel(measure_label(measure))
    ax.set_xlabel(f"{len(cells)} cells, in the order of nested loops")


def _places(rows: pd.DataFrame, levels: dict[str, list[Any]]) -> Counts:
    """Return the number of each row's cell among all combinations, the first axis slowest."""
    place = np.zeros(len(rows), dtype=np.int64)
    for axis, there in levels.items():
        # Levels may be None or nan, which equal nothing: codes do.
        code = {_key(level): i for i, level in enumerate(there)}
        place = place * len(there) + np.array([code[_key(level)] for level in rows[axis]])
    return place


def _key(level: Any) -> Any:
    return None if level_text(level) == "None" and not isinstance(level, str) else level


def _steps(ax: Axes, levels: dict[str, list[Any]], cells: list[int], share: float) -> None:
    """Draw the level of each axis in each cell as steps, below the lines."""
    after = 1
    rest = {}
    for axis in reversed(levels):
        rest[axis], after = after, after * len(levels[axis])
    for i, (axis, there) in enumerate(levels.items()):
        index = np.array(cells) // rest[axis] % len(there)
        top = share - i * _STEPS
        base, height = top - 0.92 * _STEPS, 0.4 * _STEPS
        edges = np.arange(len(cells) + 1) - 0.5
        ax.stairs(base + height * index / max(len(there) - 1, 1), edges, baseline=None, color=QUIET,
                  linewidth=1.1, transform=ax.get_xaxis_transform(), zorder=2)  # fmt: skip
        ax.text(0.005, base + height + 0.06 * _STEPS, inert(_named(axis, there)), fontsize=7,
                color=GUIDE, transform=ax.transAxes, ha="left", va="bottom")  # fmt: skip


def _named(axis: str, levels: list[Any]) -> str:
    texts = [shorten(level_text(level), 14) for level in levels]
    if len(texts) > _MOST_NAMED:
        texts = [*texts[:2], "…", texts[-1]]
    return f"{shorten(axis, 40)}: {', '.join(texts)}"


def _one_row_each(places: Counts, name: str, loops: Sequence[str]) -> None:
    if len(set(places.tolist())) < len(places):
        raise ValueError(
            f"measures: several rows of {name} in one place of {', '.join(loops) or 'no axis'}; "
            "give every axis with more than one level in axes, or choose one level of it"
        )
