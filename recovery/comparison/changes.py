"""How a measure, or a cost, changed from run to run of a history."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

import numpy as np

from recovery.comparison.costs import TIMES
from recovery.comparison.matching import CellKey, Matched, Matching, cell_key
from recovery.comparison.measured import found_in
from recovery.comparison.pairs import by_rounds, rounds_of
from recovery.comparison.side import Side
from recovery.measures.terms import mean_se, share_se
from recovery.record import Floats

COSTS: Final = (*TIMES, "gradient_evaluations", "ess_bulk_per_gradient", "divergences", "flagged")
"""What of the fits themselves has a history: means per complete fit, and the share flagged."""
Key: TypeAlias = tuple[CellKey, str]
"""A cell, and a parameter of it; no parameter for costs."""


class Stand(NamedTuple):
    """How a measure stood in one run."""

    estimate: float
    mcse: float
    n: int


class Change(NamedTuple):
    """By how much a measure is another than in an earlier run.

    Attributes
    ----------
    change, mcse : float
        nan where there is none.
    n : int
        Pairs, or fits of the smaller run; rounds for times.
    data : str
        What the pairs share.
    why : str
        Why times have no change; empty if they have one.
    """

    change: float = math.nan
    mcse: float = math.nan
    n: int = 0
    data: str = ""
    why: str = ""


def changes_of(
    sides: Sequence[Side],
    found: Sequence[Mapping[Key, Stand]],
    axes: Sequence[str],
    measure: str,
    levels: Mapping[str, float | None],
) -> list[dict[Key, Change]]:
    """Return the changes of every run from the latest earlier one that has each row.

    Times change from the latest earlier run of the same interleaved job.

    Parameters
    ----------
    sides : sequence of Side
        The oldest run first.
    found : sequence of mapping
        How the measure stood in each.
    axes : sequence of str
        Of all runs.
    measure : str
        A measure, or one of `COSTS`.
    levels : mapping of str to float
        Levels of intervals, by measure.
    """
    changes: list[dict[Key, Change]] = []
    jobs = [_jobs(side) for side in sides]
    for i in range(len(sides)):
        mine: dict[Key, Change] = {}
        for j in reversed(range(i)):
            open_keys = {
                key for key in found[i].keys() & found[j].keys() if key not in mine or mine[key].why
            }
            # Once it is known why times do not compare, only a run of the same job can help.
            if not open_keys or (open_keys <= mine.keys() and not jobs[i] & jobs[j]):
                continue
            matching = Matching(sides[j], sides[i], list(axes), {})
            for key, change in _between(matching, axes, measure, levels):
                if key in open_keys and not (key in mine and change.why):
                    mine[key] = change
        changes.append(mine)
    return changes


def _jobs(side: Side) -> set[str]:
    """Return the interleaved jobs that a run was a side of."""
    told = (side.interleaved(place) for place in range(len(side.results.sessions)))
    return {str(one["job"]) for one in told if one is not None}


def mean_of(measure: str, values: Floats) -> Stand:
    """Return the mean of one of `COSTS` over fits, with its standard error.

    Parameters
    ----------
    measure : str
    values : array, shape (n_fits,)
    """
    values = values[np.isfinite(values)]
    if not len(values):
        return Stand(math.nan, math.nan, 0)
    estimate, mcse = mean_se(values)
    if measure == "flagged":
        mcse = share_se(int(values.sum()), len(values))
    return Stand(estimate, mcse, len(values))


def _between(
    matching: Matching, axes: Sequence[str], measure: str, levels: Mapping[str, float | None]
) -> Iterator[tuple[Key, Change]]:
    head = matching.head
    if measure in COSTS:
        found = _time_change if measure in TIMES else _cost_change
        for cell in matching.cells:
            change = found(matching, cell, measure)
            if change.n or change.why:  # or else an earlier run may have what this one has not
                yield (cell_key(head, cell.head, axes), ""), change
        return
    probs = [prob for prob in levels.values() if prob is not None]
    for cell, parameter, data, measures in found_in(matching, probs):
        one = measures.get(measure)
        if one is not None:
            n = min(one.base.n, one.head.n)
            change = Change(one.difference, one.mcse, n, data)
            yield (cell_key(head, cell.head, axes), parameter), change


def _time_change(matching: Matching, cell: Matched, measure: str) -> Change:
    """Return the mean over rounds; what else a machine did is in no error of other runs."""
    pairs = matching.pairs(cell)
    rounds, why = rounds_of(matching, pairs)
    if why:
        return Change(why=why)
    apart = matching.head.fits(measure)[pairs.head] - matching.base.fits(measure)[pairs.base]
    means = by_rounds(apart, rounds, np.isfinite(apart))
    if not len(means):
        return Change(why="no round has pairs")
    return Change(*mean_se(means), len(means), pairs.data)


def _cost_change(matching: Matching, cell: Matched, measure: str) -> Change:
    pairs = matching.pairs(cell)
    base, head = matching.base.fits(measure), matching.head.fits(measure)
    if len(pairs):
        apart = head[pairs.head] - base[pairs.base]
        apart = apart[np.isfinite(apart)]
        if not len(apart):
            return Change()
        change, mcse = mean_se(apart)
        if measure == "flagged" and not apart.any():
            mcse = share_se(0, len(apart))  # none of so few pairs differ: not known to be none
        return Change(change, mcse, len(apart), pairs.data)
    sides = [
        mean_of(measure, values[side.complete(position)])
        for side, values, position in (
            (matching.base, base, cell.base),
            (matching.head, head, cell.head),
        )
    ]
    mcse = math.hypot(sides[0].mcse, sides[1].mcse)
    n = min(sides[0].n, sides[1].n)
    return Change(sides[1].estimate - sides[0].estimate, mcse, n, pairs.data)
