"""Gates that compare with a baseline: pairs of replicates, and rounds of pairs for times."""

import math
from collections.abc import Callable

from recovery.comparison import Matched, gradient_ratios, paired_coverage, time_rounds
from recovery.equivalence import (
    Decision,
    Limits,
    decide_drop,
    decide_mean,
    pairs_for_drop,
    replicates_for_mean,
)
from recovery.errors import NothingInCommon
from recovery.gates.evidence import Evidence
from recovery.gates.rows import Judged, Row
from recovery.inert import plain
from recovery.record import Floats

_FEW_ROUNDS = 4  # of which a mean is judged, at least
_FEW_PAIRS = 8


def coverage_drop_below(evidence: Evidence, limit: float) -> Judged:
    """Judge by how much coverage is lower than the baseline's, in pairs of replicates."""
    level, base = evidence.ci_prob, evidence.baseline
    assert base is not None
    try:
        found = paired_coverage(base, evidence.results, level)
    except NothingInCommon as error:
        return _missing(error)
    limits = evidence.limits(-math.inf, limit, max(1, len(found)))
    rows = []
    for one in found:
        n = one.base.size
        lost, won = int((one.base & ~one.head).sum()), int((~one.base & one.head).sum())
        decision = decide_drop(lost, won, n, limits)
        needed = None
        if not (decision.inside or decision.outside):
            needed = pairs_for_drop(lost, won, n, limits, evidence.power(len(found)))
            needed = needed if needed is None else max(needed, n + 1)
        place = evidence.place(one.cell.head, one.parameter)
        rows.append(Row(place, decision, n, needed))

    def said(row: Row) -> str:
        d = row.decision
        return (
            f"coverage of {100 * level:g} % intervals of {row.where} is lower than the "
            f"baseline's by {d.estimate:.3f} [{d.lower:.3f}, {d.upper:.3f}] (n = {row.n:,} pairs)"
        )

    return Judged(rows, said, f"a drop below {limit:g}", "pairs a cell", "coverage-prior",
                  "" if rows else "no pair of replicates has a coverage in both runs")  # fmt: skip


def gradients_ratio_below(evidence: Evidence, limit: float) -> Judged:
    """Judge gradient evaluations per effective draw over the baseline's, in pairs."""
    base = evidence.baseline
    assert base is not None
    try:
        found = gradient_ratios(base, evidence.results)
    except NothingInCommon as error:
        return _missing(error)
    limits = evidence.limits(-math.inf, math.log(limit), len(found))
    rows = []
    for one in found:
        if not one.log_ratios.size:
            return _missing(f"no pair counts gradients {_at(evidence, one.cell)}")
        rows.append(_mean_row(evidence, one.cell, one.log_ratios, limits, len(found), _FEW_PAIRS))
    what = "gradient evaluations per effective draw"
    return Judged(rows, _ratio_said(what, "pairs"), f"a ratio below {limit:g}", "pairs a cell",
                  "cost")  # fmt: skip


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
    base = evidence.baseline
    assert base is not None
    try:
        found = time_rounds(base, evidence.results)
    except NothingInCommon as error:
        return _missing(error)
    limits = evidence.limits(low, high, len(found))
    rows = []
    for one in found:
        if one.reason:
            return _missing(f"refused to compare times: {one.reason}")
        logs: Floats = getattr(one, name)
        if not logs.size:
            return _missing(f"no round has pairs {_at(evidence, one.cell)}")
        rows.append(_mean_row(evidence, one.cell, logs, limits, len(found), _FEW_ROUNDS))
    return Judged(rows, _ratio_said(what, "rounds"), inside, "rounds", "cost")


def _mean_row(
    evidence: Evidence, cell: Matched, logs: Floats, limits: Limits, rows: int, few: int
) -> Row:
    """Judge the mean of logarithms of ratios, and tell it as a ratio."""
    n = logs.size
    mean, sd = float(logs.mean()), float(logs.std(ddof=1)) if n > 1 else math.nan
    found = decide_mean(mean, sd / math.sqrt(n), n if n >= few else 1, limits)
    needed = None
    if not (found.inside or found.outside):
        needed = replicates_for_mean(mean, sd, limits, evidence.power(rows))
        needed = needed if needed is None else max(needed, n + 1, few)
    low, mid, high = (math.exp(min(v, 700)) for v in (found.lower, mean, found.upper))
    shown = Decision(mid, low, high, found.inside, found.outside, found.p_value)
    return Row(evidence.place(cell.head), shown, n, needed)


def _ratio_said(what: str, units: str) -> Callable[[Row], str]:
    def said(row: Row) -> str:
        d, place = row.decision, f" at {row.where}" if row.where else ""
        return (
            f"{what}{place}, over the baseline's: {d.estimate:.3f} [{d.lower:.3f}, {d.upper:.3f}] "
            f"(n = {row.n:,} {units})"
        )

    return said


def _at(evidence: Evidence, cell: Matched) -> str:
    place = evidence.place(cell.head)
    return f"at {place}" if place else "in the run"


def _missing(reason: object) -> Judged:
    return Judged((), lambda row: row.where, "", missing=plain(reason))
