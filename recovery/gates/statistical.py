"""Gates on calibration, coverage and bias."""

import math

import numpy as np

from recovery.departures import replicates_to_find
from recovery.equivalence import (
    Decision,
    Limits,
    decide_mean,
    decide_share,
    replicates_for_mean,
    replicates_for_share,
)
from recovery.gates.evidence import Evidence
from recovery.gates.rows import Judged, Row
from recovery.held import judged
from recovery.inert import plain
from recovery.record import KEPT_DRAWS, Floats

DETECTED = 0.8
"""Posterior sd over what it should be, that a calibrated run would have shown."""
_MOMENTS = ("truth", "mean", "sd")
_FEW = 8  # values of which a mean is judged, at least


def calibrated(evidence: Evidence, limit: float) -> Judged:
    """Judge whether ranks of truths drawn from the prior are uniform.

    A row is outside if its exact p value is at most its part of the error rate (Bonferroni, which
    for whether anything is rejected is the same as Holm). Not to be rejected is no proof: a row is
    inside only if `DETECTED` would have been found with the chance that decides.
    """
    figure = "rank-ecdf"
    cells = [p for p, mode in enumerate(evidence.modes) if mode == "prior"]
    if not cells:
        return _missing("truth mode prior was not run; run it with --truth prior or both", figure)
    if reason := _without(evidence, cells):
        return _missing(reason, figure)
    tests = evidence.results.rank_tests()
    untested = set(cells) - {test.position for test in tests}
    if untested:
        place = evidence.place(min(untested)) or "the cell"
        return _missing(f"no rank could be tested in {place}", figure)
    alpha, power = evidence.alpha / len(tests), evidence.power(1)
    wanted = replicates_to_find(DETECTED, KEPT_DRAWS, alpha, power)
    rows = []
    for test in tests:
        enough = wanted is not None and (test.position is None or test.result.n >= wanted)
        p_value = test.result.p_value
        decision = Decision(
            p_value, math.nan, math.nan, enough and p_value > alpha, p_value <= alpha, p_value
        )
        where = f"{plain(test.parameter)} over all cells"
        if test.position is not None:
            where = evidence.place(test.position, test.parameter)
        rows.append(Row(where, decision, test.result.n, wanted))

    def said(row: Row) -> str:
        return (
            f"ranks of {row.where} have p = {row.decision.estimate:.2g} (n = {row.n:,}; rejected "
            f"up to {alpha:.2g})"
        )

    inside = f"uniform, by a test that would find a posterior sd {DETECTED:g} times the right one"
    return Judged(rows, said, inside, figure=figure)


def coverage_within(evidence: Evidence, limit: float) -> Judged:
    """Judge whether coverage is within a margin of nominal: an equivalence test."""
    level, figure = evidence.ci_prob, "coverage"
    if reason := _without(evidence, evidence.chosen):
        return _missing(reason, figure)
    lower, upper = evidence.results.ends(level)
    found: list[tuple[str, Floats]] = []
    for group in evidence.groups():
        truth, mean, sd = (group.of(evidence.results.columns.column(n)) for n in _MOMENTS)
        inside = judged(truth, mean, sd, group.of(lower), group.of(upper))
        inside = inside[np.isfinite(inside)]
        if inside.size:
            found.append((evidence.place(group.position, group.parameter), inside))
    limits = evidence.limits(level - limit, level + limit, max(1, len(found)))
    rows = []
    for where, inside in found:
        decision = decide_share(int(inside.sum()), inside.size, limits)
        needed = None
        if not (decision.inside or decision.outside):
            needed = _planned(decision, level, inside.size, limits, evidence.power(len(found)))
        rows.append(Row(where, decision, inside.size, needed))

    def said(row: Row) -> str:
        d = row.decision
        return (
            f"coverage of {100 * level:g} % intervals of {row.where} is {d.estimate:.3f} "
            f"[{d.lower:.3f}, {d.upper:.3f}] (n = {row.n:,})"
        )

    inside_of = f"within {limits.low:.3g} and {min(limits.high, 1):.3g}"
    mode = evidence.modes[evidence.chosen[0]]
    missing = "" if rows else "no parameter has a coverage that could be nominal"
    return Judged(rows, said, inside_of, figure=f"{figure}-{mode}", missing=missing)


def bias_within(evidence: Evidence, limit: float) -> Judged:
    """Judge whether the mean error in posterior sds, z_mean, is within a margin of 0."""
    if reason := _without(evidence, evidence.chosen):
        return _missing(reason, "bias")
    found: list[tuple[str, Floats]] = []
    for group in evidence.groups():
        truth, mean, sd = (group.of(evidence.results.columns.column(n)) for n in _MOMENTS)
        with np.errstate(all="ignore"):
            z = (mean - truth) / sd
        z = z[np.isfinite(z)]
        if z.size:
            found.append((evidence.place(group.position, group.parameter), z))
    limits = evidence.limits(-limit, limit, max(1, len(found)))
    rows = []
    for where, z in found:
        n = z.size
        spread = float(z.std(ddof=1)) if n > 1 else math.nan
        se = spread / math.sqrt(n)
        decision = decide_mean(float(z.mean()), se, n if n >= _FEW else 1, limits)
        needed = None
        if not (decision.inside or decision.outside):
            ideal = 0.0 if decision.lower <= 0 <= decision.upper else decision.estimate
            power, spread = evidence.power(len(found)), spread if n >= _FEW else 1.0
            needed = replicates_for_mean(ideal, spread, limits, power)
            if needed is not None and needed <= n:
                needed = replicates_for_mean(decision.estimate, spread, limits, power)
            needed = needed if needed is None else max(needed, n + 1)
        rows.append(Row(where, decision, n, needed))

    def said(row: Row) -> str:
        d = row.decision
        return (
            f"the mean error of {row.where} is {d.estimate:.3g} [{d.lower:.3g}, {d.upper:.3g}] "
            f"posterior sds (n = {row.n:,})"
        )

    mode = evidence.modes[evidence.chosen[0]]
    missing = "" if rows else "no parameter has an error in posterior sds"
    return Judged(rows, said, f"within {limit:g} of 0", figure=f"bias-{mode}", missing=missing)


def _planned(decision: Decision, ideal: float, n: int, limits: Limits, power: float) -> int | None:
    """Return from how many replicates on a share is decided, if it is ideal or else as it seems."""
    likely = ideal if decision.lower <= ideal <= decision.upper else decision.estimate
    needed = replicates_for_share(likely, limits, power)
    if needed is not None and needed <= n:  # it was bad luck, or it is not ideal
        needed = replicates_for_share(decision.estimate, limits, power)
    return needed if needed is None else max(needed, n + 1)


def _without(evidence: Evidence, cells: list[int]) -> str:
    """Say which of some cells have no complete fit."""
    if not cells:
        return "no cell of the truth mode that is to be judged was run"
    for position in cells:
        if not evidence.complete[position]:
            return f"no fit is complete {_at(evidence, position)}"
    return ""


def _at(evidence: Evidence, position: int) -> str:
    place = evidence.place(position)
    return f"at {place}" if place else "in the run"


def _missing(reason: str, figure: str) -> Judged:
    return Judged((), lambda row: row.where, "", figure=figure, missing=reason)
