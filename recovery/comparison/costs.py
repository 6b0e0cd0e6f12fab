"""What two runs cost, side by side: ratios head over base per cell, with their intervals.

Counts (gradient evaluations, draws, divergences) compare whatever the machine. Times compare only
where both sides ran by turns in one job, see `recovery.comparison.pairs`.
"""

import math
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from recovery.comparison.matching import Matched, Matching
from recovery.comparison.pairs import CellTimes, times
from recovery.comparison.side import Side
from recovery.measures.terms import mean_se
from recovery.record import Floats

LEVEL: Final = 0.95
"""Level of the intervals of ratios, each for itself."""
RATIOS: Final = ("gradient_evaluations", "ess_bulk_per_gradient", "draws")
TIMES: Final = ("wall_s", "ess_bulk_per_s")
NO_RATIO: Final = "no ratio: none on one side"
COLUMNS: Final = ("position", "cost", "base", "base_mcse", "base_n", "head", "head_mcse", "head_n",
                  "ratio", "lower", "upper", "n", "unit", "note")  # fmt: skip


class _Ratio(NamedTuple):
    ratio: float
    lower: float
    upper: float
    n: int
    unit: str
    note: str = ""


def cost_rows(matching: Matching) -> pd.DataFrame:
    """Return a row per cell and cost, see `Comparison.cost`; ``position`` is the head's."""
    rows = [row for cell in matching.cells for row in _cell(matching, cell)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _cell(matching: Matching, cell: Matched) -> Iterator[tuple[Any, ...]]:
    pairs = matching.pairs(cell)
    base, head = matching.base, matching.head
    places = (base.complete(cell.base), head.complete(cell.head))
    if len(pairs):
        places = pairs.base, pairs.head

    def row(cost: str, ratio: _Ratio) -> tuple[Any, ...]:
        mine, theirs = _mean(base, cost, places[0]), _mean(head, cost, places[1])
        return cell.head, cost, *mine, *theirs, *ratio

    for cost in RATIOS:
        sides = base.fits(cost)[places[0]], head.fits(cost)[places[1]]
        yield row(cost, _of_logs(*sides) if len(pairs) else _of_samples(*sides))
    divergences = [s.fits("divergences")[p] for s, p in zip((base, head), places, strict=True)]
    yield row("divergences", _of_means(divergences[0], divergences[1], paired=len(pairs) > 0))
    timed = times(matching, cell)
    for cost in TIMES:
        yield row(cost, _of_rounds(timed, cost))


def _mean(side: Side, cost: str, places: Any) -> tuple[float, float, int]:
    values = side.fits(cost)[places]
    values = values[np.isfinite(values)]
    return (*mean_se(values), len(values)) if len(values) else (math.nan, math.nan, 0)


def _of_logs(base: Floats, head: Floats) -> _Ratio:
    """Return the geometric mean of the ratios of pairs."""
    with np.errstate(all="ignore"):
        logs = np.log(head) - np.log(base)
    return _interval(logs[np.isfinite(logs)], "pairs")


def _interval(logs: Floats, unit: str) -> _Ratio:
    n = len(logs)
    if not n:
        return _Ratio(math.nan, math.nan, math.nan, 0, unit, "nothing to compare")
    centre, error = mean_se(logs)
    return _around(centre, error, n - 1, n, unit)


def _of_samples(base: Floats, head: Floats) -> _Ratio:
    """Return the ratio of the geometric means of two samples that are no pairs."""
    with np.errstate(all="ignore"):
        sides = [np.log(side) for side in (base, head)]
    sides = [side[np.isfinite(side)] for side in sides]
    if min(map(len, sides)) < 1:
        return _Ratio(math.nan, math.nan, math.nan, 0, "fits", "nothing to compare")
    (one, se_one), (other, se_other) = (mean_se(side) for side in sides)
    fewest = min(map(len, sides))
    # With the degrees of freedom of the smaller sample the interval is a little too wide, if so.
    return _around(other - one, math.hypot(se_one, se_other), fewest - 1, fewest, "fits")


def _of_means(base: Floats, head: Floats, *, paired: bool) -> _Ratio:
    """Return the ratio of two means of counts, of which many are 0, by the delta method."""
    unit = "pairs" if paired else "fits"
    if paired:
        known = np.isfinite(base) & np.isfinite(head)
        base, head = base[known], head[known]
    else:
        base, head = base[np.isfinite(base)], head[np.isfinite(head)]
    n = min(len(base), len(head))
    if n and not base.any() and not head.any():
        return _Ratio(math.nan, math.nan, math.nan, n, unit, "none in either")
    if not n or not base.any() or not head.any():
        return _Ratio(math.nan, math.nan, math.nan, n, unit, NO_RATIO)
    over, under = float(head.mean()), float(base.mean())
    if paired:
        error = mean_se(head / over - base / under)[1]
    else:
        error = math.hypot(mean_se(head / over)[1], mean_se(base / under)[1])
    return _around(math.log(over / under), error, n - 1, n, unit)


def _of_rounds(timed: CellTimes, cost: str) -> _Ratio:
    if timed.reason:
        return _Ratio(math.nan, math.nan, math.nan, 0, "rounds", timed.reason)
    return _interval(getattr(timed, cost), "rounds")


def _around(log: float, error: float, freedom: int, n: int, unit: str) -> _Ratio:
    if freedom < 1:
        return _Ratio(math.exp(log), math.nan, math.nan, n, unit, f"one of {unit} has no interval")
    reach = float(stdtrit(freedom, (1 + LEVEL) / 2)) * error
    return _Ratio(math.exp(log), math.exp(log - reach), math.exp(log + reach), n, unit)
