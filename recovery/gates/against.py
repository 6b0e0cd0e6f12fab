"""Gates that compare with a baseline: pairs of replicates, and rounds of pairs for times."""

import math
from collections.abc import Callable
from typing import Final

import numpy as np

from recovery.comparison import Matched
from recovery.comparison.pairs import coverage_hits, log_ratios, times
from recovery.equivalence import (
    Decision,
    Limits,
    decide_drop,
    decide_mean,
    pairs_for_drop,
    replicates_for_mean,
)
from recovery.gates.evidence import Evidence
from recovery.gates.rows import Judged, Row, nothing
from recovery.record import Floats

_FEW_ROUNDS: Final = 4  # of which a mean is judged, at least
_FEW_PAIRS: Final = 30


def coverage_drop_below(evidence: Evidence, limit: float) -> Judged:
    """Judge by how much coverage is lower than the baseline's, in pairs of replicates.

    A row is inside only if it were, had every fit that failed lost a truth that was held before.
    """
    matching, reason = evidence.matching
    if matching is None:
        return nothing(reason)
    level = evidence.ci_prob
    found = list(coverage_hits(matching, level))
    limits = evidence.limits(-math.inf, limit, max(1, len(found)))
    rows = []
    for one in found:
        n, position = one.base.size, one.cell.head
        lost, won = int((one.base & ~one.head).sum()), int((~one.base & one.head).sum())
        decision = decide_drop(lost, won, n, limits)
        if failed := evidence.failed[position]:
            worst = decide_drop(lost + failed, won, n + failed, limits)
            decision = Decision(
                decision.estimate, decision.lower, worst.upper, worst.inside, decision.outside,
                decision.p_value,
            )  # fmt: skip
        needed = None
        if not decision.decided:
            needed = pairs_for_drop(lost, won, n, limits, evidence.power(len(found)))
            needed = evidence.in_replicates(position, n, needed)
        rows.append(Row(evidence.place(position, one.parameter), decision, n, needed))

    def said(row: Row) -> str:
        d = row.decision
        return (
            f"coverage of {100 * level:g} % intervals of {row.where} is lower than the "
            f"baseline's by {d.estimate:.3f} [{d.lower:.3f}, {d.upper:.3f}] (n = {row.n:,} pairs)"
        )

    missing = "" if rows else "no parameter has a coverage in both runs"
    mode = "prior" if "prior" in evidence.modes else "fixed"
    cells = [cell.head for cell in matching.cells]
    return Judged(rows, said, f"a drop below {limit:g}", figure=f"coverage-{mode}",
                  missing=missing, beside=evidence.beside(cells))  # fmt: skip


def gradients_ratio_below(evidence: Evidence, limit: float) -> Judged:
    """Judge gradient evaluations per effective draw over the baseline's, in pairs.

    Where only the head has no effective draws, no number of gradients is enough.
    """
    matching, reason = evidence.matching
    if matching is None:
        return nothing(reason)
    limits = evidence.limits(-math.inf, math.log(limit), len(matching.cells))
    rows = []
    for cell in matching.cells:
        logs = log_ratios(matching, matching.pairs(cell), "ess_bulk_per_gradient", -1)
        if not logs.size:
            return nothing(f"no pair counts gradients {evidence.at(cell.head)}")
        row = _mean_row(evidence, cell, logs, limits, len(matching.cells), _FEW_PAIRS)
        needed = evidence.in_replicates(cell.head, logs.size, row.needed)
        rows.append(Row(row.where, row.decision, row.n, needed))
    what = "gradient evaluations per effective draw"
    cells = [cell.head for cell in matching.cells]
    return Judged(rows, _ratio_said(what, "pairs"), f"a ratio below {limit:g}", figure="cost",
                  beside=evidence.beside(cells))  # fmt: skip


def time_ratio_below(evidence: Evidence, limit: float) -> Judged:
    """Judge the wall time of a fit over the baseline's, by rounds of one interleaved job."""
    return _by_rounds(evidence, "wall_s", "wall time of a fit", -math.inf, math.log(limit),
                      f"a ratio below {limit:g}")  # fmt: skip


def ess_per_s_ratio_above(evidence: Evidence, limit: float) -> Judged:
    """Judge effective draws per second over the baseline's, by rounds of one interleaved job."""
    return _by_rounds(evidence, "ess_bulk_per_s", "effective draws per second", math.log(limit),
                      math.inf, f"a ratio above {limit:g}")  # fmt: skip


def _by_rounds(
    evidence: Evidence, name: str, what: str, low: float, high: float, inside: str
) -> Judged:
    matching, reason = evidence.matching
    if matching is None:
        return nothing(reason)
    limits = evidence.limits(low, high, len(matching.cells))
    rows = []
    for cell in matching.cells:
        timed = times(matching, cell)
        if timed.reason:
            return nothing(f"refused to compare times: {timed.reason}")
        logs: Floats = getattr(timed, name)
        if not logs.size:
            return nothing(f"no round has pairs {evidence.at(cell.head)}")
        rows.append(_mean_row(evidence, cell, logs, limits, len(matching.cells), _FEW_ROUNDS))
    return Judged(rows, _ratio_said(what, "rounds"), inside, "rounds", "cost")


def _mean_row(
    evidence: Evidence, cell: Matched, logs: Floats, limits: Limits, rows: int, few: int
) -> Row:
    """Judge the mean of logarithms of ratios, and tell it as a ratio."""
    n, where = logs.size, evidence.place(cell.head)
    if not np.isfinite(logs).all():
        ratio = math.exp(float(logs[~np.isfinite(logs)][0]))
        return Row(where, Decision(ratio, ratio, ratio, inside=False, outside=True, p_value=0.0), n)
    mean, sd = float(logs.mean()), float(logs.std(ddof=1)) if n > 1 else math.nan
    if sd == 0:
        # Ratios that are all alike could be so although a few in a hundred are not.
        few = math.ceil(math.log(evidence.error_rate) / math.log(1 - evidence.tolerated))
    found = decide_mean(mean, sd / math.sqrt(n), n if n >= few else 1, limits)
    needed = None
    if n < few:
        needed = few
    elif not found.decided:
        needed = replicates_for_mean(mean, sd, limits, evidence.power(rows))
        needed = needed if needed is None else max(needed, n + 1)
    low, mid, high = (math.exp(min(v, 700)) for v in (found.lower, mean, found.upper))
    shown = Decision(mid, low, high, found.inside, found.outside, found.p_value)
    return Row(where, shown, n, needed)


def _ratio_said(what: str, units: str) -> Callable[[Row], str]:
    def said(row: Row) -> str:
        d, place = row.decision, f" at {row.where}" if row.where else ""
        shown, low, high = map(_ratio, (d.estimate, d.lower, d.upper))
        return (
            f"{what}{place}, over the baseline's: {shown} [{low}, {high}] (n = {row.n:,} {units})"
        )

    return said


def _ratio(value: float) -> str:
    """Write a ratio; the interval of few rounds may have an end beyond all bounds."""
    return f"{value:.3f}" if 0.001 <= value < 1000 else f"{value:.2g}"
