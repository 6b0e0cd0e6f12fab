"""What gates judge of two runs: pairs of replicates, as arrays per cell.

Costs are compared as logarithms of ratios, head over base: a mean of those and its standard error
are the mean factor and its interval on the scale of factors. Times are compared only where both
sides ran by turns on one machine, and a round is the unit, since what slows a machine down lasts
longer than a fit.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from recovery.blocks import Flags, Integers
from recovery.comparison.matching import Matched, Matching, Pairs
from recovery.comparison.origins import machine
from recovery.comparison.side import Side, at_places
from recovery.held import judged
from recovery.record import FITTED, Floats
from recovery.results import Results

NOT_INTERLEAVED: Final = (
    "not run by turns in one job, so the times differ by what else the machines did; "
    "recovery ci --base runs both by turns"
)


@dataclass(frozen=True)
class CellRatios:
    """Gradient evaluations per effective draw in one cell.

    Attributes
    ----------
    cell : Matched
    log_ratios : array, shape (n_pairs,)
        Natural logarithm of head over base; pairs without gradients or effective draws are left
        out.
    """

    cell: Matched
    log_ratios: Floats


@dataclass(frozen=True)
class CoverageHits:
    """Whether intervals of both runs held the truth, for one parameter of one cell.

    Attributes
    ----------
    cell : Matched
    parameter : str
    base, head : array of bool, shape (n_pairs,)
    """

    cell: Matched
    parameter: str
    base: Flags
    head: Flags


@dataclass(frozen=True)
class CellTimes:
    """Times in one cell, by rounds of one job.

    Attributes
    ----------
    cell : Matched
    wall_s, ess_bulk_per_s : array, shape (n_rounds,)
        Mean over the pairs of a round of the logarithm of head over base; empty with a reason.
    n : int
        Pairs in all rounds.
    reason : str
        Why the times do not compare; empty if they do.
    """

    cell: Matched
    wall_s: Floats
    ess_bulk_per_s: Floats
    n: int
    reason: str


def gradient_ratios(base: Results, head: Results) -> list[CellRatios]:
    """Compare gradient evaluations per effective draw, the smallest bulk ESS counting.

    Raises
    ------
    NothingInCommon
        If no cell is in both runs.
    """
    matching = Matching.of(base, head)
    return [
        CellRatios(cell, log_ratios(matching, matching.pairs(cell), "ess_bulk_per_gradient", -1))
        for cell in matching.cells
    ]


def log_ratios(matching: Matching, pairs: Pairs, column: str, sign: int = 1) -> Floats:
    """Return the logarithms of head over base of a column of `Results.fits`, of pairs that have it.

    Infinite and worse than any ratio where only the head has none of it, as of effective draws;
    pairs are left out where the base has none of it.

    Parameters
    ----------
    matching : Matching
    pairs : Pairs
    column : str
    sign : {1, -1}
        -1 for the inverse of the column.
    """
    logs = _logs(matching, pairs, column)
    return np.asarray(sign * logs[~np.isnan(logs) & (logs < np.inf)])


def paired_coverage(base: Results, head: Results, ci_prob: float = 0.9) -> list[CoverageHits]:
    """Compare which intervals hold the truth, for every fitted parameter of every cell.

    Left out are pairs where an interval or the truth is not finite or the posterior stands still
    upon the truth in either run, and parameters that are discrete (truth and ends integers in most
    replicates): even an exact posterior does not cover nominally there.

    Parameters
    ----------
    base, head : Results
    ci_prob : float
        Level of the equal-tailed intervals.

    Raises
    ------
    NothingInCommon
        If no cell is in both runs.
    """
    return list(coverage_hits(Matching.of(base, head), ci_prob))


def coverage_hits(matching: Matching, ci_prob: float) -> Iterator[CoverageHits]:
    """Go through the intervals of two runs, see `paired_coverage`."""
    for cell in matching.cells:
        pairs = matching.pairs(cell)
        for parameter in matching.parameters(cell):
            kind = matching.head.columns.groups[cell.head, parameter].kind
            if kind not in FITTED:
                continue
            left = _held(matching.base, cell.base, parameter, pairs.base, ci_prob)
            right = _held(matching.head, cell.head, parameter, pairs.head, ci_prob)
            both = np.isfinite(left) & np.isfinite(right)
            if both.any():
                yield CoverageHits(cell, parameter, left[both] == 1, right[both] == 1)


def time_rounds(base: Results, head: Results) -> list[CellTimes]:
    """Compare wall times and effective draws per second, by rounds of one interleaved job.

    Raises
    ------
    NothingInCommon
        If no cell is in both runs.
    """
    matching = Matching.of(base, head)
    return [times(matching, cell) for cell in matching.cells]


def times(matching: Matching, cell: Matched) -> CellTimes:
    """Compare the times of one cell, see `time_rounds`."""
    pairs = matching.pairs(cell)
    nothing = np.empty(0)
    rounds, reason = rounds_of(matching, pairs)
    if reason:
        return CellTimes(cell, nothing, nothing, 0, reason)
    wall, speed = (_logs(matching, pairs, name) for name in ("wall_s", "ess_bulk_per_s"))
    known = (rounds >= 0) & np.isfinite(wall)
    means = [
        by_rounds(logs, rounds, known & ~np.isnan(logs) & (logs < np.inf)) for logs in (wall, speed)
    ]
    return CellTimes(cell, means[0], means[1], int(np.count_nonzero(known)), "")


def rounds_of(matching: Matching, pairs: Pairs) -> tuple[Integers, str]:
    """Return the round in which both sides ran each pair, -1 where there is none.

    The text says why times of no pair compare; it is empty if those of some do.
    """
    if not len(pairs):
        return np.empty(0, dtype=np.int64), "no replicate is complete in both runs"
    base, head = matching.base, matching.head
    mine, theirs = base.sessions[pairs.base].tolist(), head.sessions[pairs.head].tolist()
    rounds = np.array([_round(base, a, head, b) for a, b in zip(mine, theirs, strict=True)])
    if (rounds >= 0).any():
        return rounds, ""
    reasons = [_apart(base, a, head, b) for a, b in sorted(set(zip(mine, theirs, strict=True)))]
    return rounds, reasons[0] or "nothing but the warm-up was run by turns"


def by_rounds(values: Floats, rounds: Integers, there: Flags) -> Floats:
    """Return the mean of each round, shape (n_rounds,), of pairs that have a round.

    Parameters
    ----------
    values : array, shape (n_pairs,)
    rounds : array of int, shape (n_pairs,)
        See `rounds_of`.
    there : array of bool, shape (n_pairs,)
        Which values count.
    """
    there = there & (rounds >= 0)
    numbers, at = np.unique(rounds[there], return_inverse=True)
    sums = np.bincount(at, values[there], len(numbers))
    return np.asarray(sums / np.bincount(at, None, len(numbers)))


def _logs(matching: Matching, pairs: Pairs, column: str) -> Floats:
    with np.errstate(all="ignore"):
        over = np.log(matching.head.fits(column)[pairs.head])
        return np.asarray(over - np.log(matching.base.fits(column)[pairs.base]))


def _held(side: Side, position: int, parameter: str, places: np.ndarray, ci_prob: float) -> Floats:
    """Return 1 where the interval holds the truth, 0 where not, nan where that says nothing."""
    group = side.columns.groups[position, parameter]
    names = ("truth", "mean", "sd")
    truth, mean, sd = (group.of(side.columns.column(name)) for name in names)
    lower, upper = (group.of(end) for end in side.ends(ci_prob))
    return at_places(side, position, parameter, places, judged(truth, mean, sd, lower, upper))


def _round(base: Side, mine: int, head: Side, theirs: int) -> int:
    """Return the round that two sessions ran in by turns; -1 if there is none."""
    left, right = base.interleaved(mine), head.interleaved(theirs)
    if left is None or right is None or _apart(base, mine, head, theirs):
        return -1
    return int(left["round"])


def _apart(base: Side, mine: int, head: Side, theirs: int) -> str:
    """Say why the times of two sessions do not compare; nothing if they do."""
    machines = [_machine(base, mine), _machine(head, theirs)]
    if machines[0] != machines[1]:
        return f"made on another machine: {machines[1]}; the base on {machines[0]}"
    left, right = base.interleaved(mine), head.interleaved(theirs)
    if left is None or right is None:
        return NOT_INTERLEAVED
    if left["job"] != right["job"]:
        return "run in two jobs, not by turns in one"
    if left["round"] != right["round"]:
        return "no replicate was run by both sides in one round"
    return ""


def _machine(side: Side, session: int) -> str:
    return machine(side.results.sessions[session] if session >= 0 else {})
