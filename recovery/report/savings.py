"""What was saved: draws of fits that ended early, and replicates of cells that needed fewer."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from recovery.measures import Measured
from recovery.report.document import Block, Cell, Column, Section, Table, Text, row
from recovery.report.measured import PERCENT, axis_columns
from recovery.report.text import MISSING, count, level, number, plain, with_error
from recovery.report.view import MODES, View
from recovery.thresholds import limit_of


def savings_section(view: View) -> Section | None:
    """Return the section on fits that ended early and cells that grew by need, if there are any."""
    blocks = [*_early(view), *_grown(view)]
    return Section("savings", "What was saved", tuple(blocks)) if blocks else None


# --- draws ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Early:
    """How early the complete fits of a cell ended.

    Attributes
    ----------
    ess, most : int
        ESS asked for, and draws per chain at most.
    draws : array, shape (n,)
        Draws per chain that were kept.
    at_most, lacking : int
        Fits that kept the most draws, and those of them that still had too little.
    """

    position: int
    ess: int
    most: int
    draws: "np.ndarray[Any, np.dtype[np.float64]]"
    at_most: int
    lacking: int

    @property
    def kept(self) -> Measured:
        """Mean draws per chain that were kept."""
        n = len(self.draws)
        mcse = float(self.draws.std(ddof=1)) / n**0.5 if n > 1 else np.nan
        return Measured(float(self.draws.mean()), mcse, n)


def _cells(view: View) -> list[_Early]:
    """Return the cells whose fits end by their ESS and that have a complete one."""
    ok, fits = view.results.columns.ok, view.fits
    position = view.replicate_positions
    names = ("draws", "ess_bulk_min", "ess_tail_min", "r_hat_max")
    columns = [fits[name].to_numpy(float) for name in names]
    found = []
    for place, settings in enumerate(view.results.settings):
        ess, most = int(settings.get("ess") or 0), int(settings.get("draws") or 0)
        start, stop = np.searchsorted(position, [place, place + 1])
        complete = ok[start:stop]
        if not ess or not complete.any():
            continue
        draws, bulk, tail, r_hat = (column[start:stop][complete] for column in columns)
        last = draws >= most
        lacking = ~(np.minimum(bulk, tail) >= ess) | (r_hat >= limit_of("r_hat_max"))
        counts = int(last.sum()), int((last & lacking).sum())
        found.append(_Early(place, ess, most, draws, *counts))
    return found


def _early(view: View) -> list[Block]:
    cells = _cells(view)
    if not cells:
        return []
    kept = sum(float(cell.draws.sum()) for cell in cells)
    whole = sum(cell.most * len(cell.draws) for cell in cells)
    fits, lacking = sum(len(cell.draws) for cell in cells), sum(cell.lacking for cell in cells)
    text = (
        "A fit ended as soon as every parameter had the bulk and tail ESS asked for and an r_hat "
        f"below {limit_of('r_hat_max'):g}. Over {count(fits, 'complete fit')}, "
        f"{_percent(1 - kept / whole)} of the draws after warm-up were saved."
    )
    if lacking:
        text += (
            f" {count(lacking, 'fit')} kept all the draws allowed and still had too little: more "
            "draws, or a better model, would help."
        )
    columns = (
        Column("truth mode", numeric=False),
        *axis_columns(view),
        Column("ESS asked for"),
        Column("n ok", hint="complete fits"),
        Column("draws at most", hint="per chain, after warm-up"),
        Column("draws kept", hint="per chain, after warm-up: mean over complete fits"),
        Column("saved", hint="share of the draws at most that was not kept"),
        Column("kept all", hint="fits that kept all the draws allowed"),
        Column("too little", hint="those of them without the ESS or the r_hat asked for"),
    )
    rows = tuple(
        row(
            MODES.get(view.modes[cell.position], ""),
            *view.levels[cell.position],
            level(cell.ess),
            level(cell.kept.n),
            level(cell.most),
            with_error(*cell.kept[:2]),
            _percent(1 - cell.kept.estimate / cell.most),
            level(cell.at_most),
            Cell(level(cell.lacking), "warn" if cell.lacking else ""),
        )
        for cell in cells
    )
    notes = (
        "A sampler that cannot be stopped at the right draw draws more than it keeps; what it did "
        "draw is in the cost.",
        "± is one Monte Carlo standard error of the mean over the fits of the cell.",
    )
    caption = "Draws per chain after warm-up, of fits that end by their ESS."
    return [Text(text, "warn" if lacking else ""), Table(caption, columns, rows, notes)]


# --- replicates ----------------------------------------------------------------------------------


def _grown(view: View) -> list[Block]:
    wanted = [e for s in view.results.sessions if (e := s.get("execution") or {}).get("precision")]
    if not wanted:
        return []
    target, most = float(wanted[-1]["precision"]), wanted[-1].get("max_replicates")
    used = np.bincount(view.replicate_positions, minlength=len(view.cells))
    widest = _widest(view)
    states = [
        _state(int(n), widest.get(place), target, most) for place, n in enumerate(used.tolist())
    ]
    columns = (
        Column("truth mode", numeric=False),
        *axis_columns(view),
        Column("replicates"),
        Column("mcse", hint=f"largest Monte Carlo standard error of the {PERCENT} coverage"),
        Column("of", numeric=False, hint="the parameter that has it"),
        Column("target", numeric=False),
    )
    rows = tuple(
        row(
            MODES.get(view.modes[place], ""),
            *view.levels[place],
            level(n),
            *((number(widest[place][0], 2), plain(widest[place][1])) if place in widest
              else (MISSING, MISSING)),
            Cell(states[place], "" if states[place] == _REACHED else "warn"),
        )
        for place, n in enumerate(used.tolist())
    )  # fmt: skip
    caption = (
        f"Replicates of each cell, and how well they tell the coverage of {PERCENT} intervals."
    )
    return [_grown_text(used.tolist(), states, target, most), Table(caption, columns, rows)]


_REACHED = "reached"
_AT_MOST = "not reached at the most replicates"
_MISSED = "not reached"


def _widest(view: View) -> dict[int, tuple[float, str]]:
    """Return the largest mcse of coverage in each cell that has one, and its parameter."""
    found: dict[int, tuple[float, str]] = {}
    for m in view.all_fits:
        known = m.coverage
        if known.n and known.mcse > found.get(m.position, (-1.0, ""))[0]:
            found[m.position] = (known.mcse, m.parameter)
    return found


def _state(n: int, widest: tuple[float, str] | None, target: float, most: int | None) -> str:
    if widest is not None and widest[0] <= target:
        return _REACHED
    return _AT_MOST if most is not None and n >= most else _MISSED


def _grown_text(used: list[int], states: list[str], target: float, most: int | None) -> Text:
    total, largest = sum(used), max(used)
    text = (
        "Cells were to grow until the coverage of every parameter's "
        f"{PERCENT} interval had a Monte Carlo standard error of {target:g}"
        + (f", to {count(most, 'replicate')} at most" if most is not None else "")
        + f". {count(len(used), 'cell')} took {min(used):,} to {largest:,} replicates, "
        f"{total:,} in all."
    )
    ended, missed = states.count(_AT_MOST), states.count(_MISSED)
    if ended:
        text += (
            f" {count(ended, 'cell')} ended at the most replicates without reaching the target; "
            "allow more to reach it."
        )
    if missed:
        text += (
            f" {count(missed, 'cell')} stopped before that; go on with the run to reach the target."
        )
    else:
        equal = len(used) * largest
        text += (
            f" As many in each cell as in the largest would have been {equal:,}: "
            f"{_percent(1 - total / equal)} were saved."
        )
    return Text(text, "warn" if ended or missed else "")


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
