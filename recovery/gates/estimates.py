"""Gates on what estimates say of the truth: coverage of intervals, and bias."""

import math
from collections.abc import Callable
from typing import Final

import numpy as np

from recovery.blocks import Group
from recovery.equivalence import (
    Decision,
    Limits,
    decide_mean,
    decide_share,
    replicates_for_mean,
    replicates_for_share,
)
from recovery.gates.evidence import Evidence
from recovery.gates.rows import Judged, Row, nothing
from recovery.held import judged
from recovery.record import Floats

_MOMENTS: Final = ("truth", "mean", "sd")
_FEW: Final = 30  # values of which a mean is judged, at least: errors may be skewed
_FIXED: Final = ", at a fixed truth, where even an exact posterior need not keep to it"


def coverage_within(evidence: Evidence, limit: float) -> Judged:
    """Judge whether coverage is within a margin of nominal: an equivalence test.

    Failed fits have no interval. A row is inside only if it were, had all of them missed the truth,
    and had all of them held it.
    """
    level = evidence.ci_prob
    if reason := evidence.without(evidence.chosen):
        return nothing(reason)
    lower, upper = evidence.results.ends(level)
    found: list[tuple[Group, Floats]] = []
    for group in evidence.groups():
        inside = judged(*_moments(evidence, group), group.of(lower), group.of(upper))
        inside = inside[~np.isnan(inside)]
        if inside.size:
            found.append((group, inside))
    limits = evidence.limits(level - limit, level + limit, max(1, len(found)))
    rows = []
    for group, inside in found:
        failed = evidence.failed[group.position]
        decision = _with_failed(int(inside.sum()), inside.size, failed, limits)
        needed = None
        if not decision.decided:
            needed = _planned(decision, level, inside.size, limits, evidence.power(len(found)))
            needed = evidence.in_replicates(group.position, inside.size, needed)
        place = evidence.place(group.position, group.parameter)
        rows.append(Row(place, decision, inside.size, needed))

    def said(row: Row) -> str:
        d = row.decision
        return (
            f"coverage of {100 * level:g} % intervals of {row.where} is {d.estimate:.3f} "
            f"[{d.lower:.3f}, {d.upper:.3f}] (n = {row.n:,})"
        )

    between = f"within {limits.low:.3g} and {min(limits.high, 1):.3g}{_where(evidence)}"
    return _judged(evidence, rows, said, between, "coverage")


def bias_within(evidence: Evidence, limit: float) -> Judged:
    """Judge whether the mean error in posterior sds, z_mean, is within a margin of 0.

    A posterior without spread beside the truth is wrong by more sds than any margin. Failed fits
    have no error, and are not in it.
    """
    if reason := evidence.without(evidence.chosen):
        return nothing(reason)
    found: list[tuple[Group, Floats]] = []
    for group in evidence.groups():
        z = _errors(*_moments(evidence, group))
        if z.size:
            found.append((group, z))
    limits = evidence.limits(-limit, limit, max(1, len(found)))
    rows = []
    for group, z in found:
        n = z.size
        if np.isfinite(z).all():
            spread = float(z.std(ddof=1)) if n > 1 else math.nan
            decision = decide_mean(
                float(z.mean()), spread / math.sqrt(n), n if n >= _FEW else 1, limits
            )
        else:
            lost = math.inf
            decision = Decision(lost, lost, lost, inside=False, outside=True, p_value=0.0)
        needed = None
        if not decision.decided:
            power, spread = evidence.power(len(found)), spread if n >= _FEW else 1.0
            ideal = 0.0 if decision.lower <= 0 <= decision.upper else decision.estimate
            needed = replicates_for_mean(ideal, spread, limits, power)
            if needed is not None and _FEW <= needed <= n:
                needed = replicates_for_mean(decision.estimate, spread, limits, power)
            needed = None if needed is None else max(needed, _FEW)
            needed = evidence.in_replicates(group.position, n, needed)
        rows.append(Row(evidence.place(group.position, group.parameter), decision, n, needed))

    def said(row: Row) -> str:
        d = row.decision
        return (
            f"the mean error of {row.where} is {d.estimate:.3g} [{d.lower:.3g}, {d.upper:.3g}] "
            f"posterior sds (n = {row.n:,})"
        )

    return _judged(evidence, rows, said, f"within {limit:g} of 0{_where(evidence)}", "bias")


def _moments(evidence: Evidence, group: Group) -> tuple[Floats, Floats, Floats]:
    truth, mean, sd = (group.of(evidence.results.columns.column(name)) for name in _MOMENTS)
    return truth, mean, sd


def _errors(truth: Floats, mean: Floats, sd: Floats) -> Floats:
    """Return errors in posterior sds: infinite where draws are not finite or stand still off it."""
    known = np.isfinite(truth) & ~((sd == 0) & (mean == truth))
    whole = (truth == np.round(truth)) & (mean == np.round(mean)) & (sd == 0)
    if 2 * np.count_nonzero(truth == np.round(truth)) > truth.size:
        known &= ~whole  # a discrete posterior may be certain, and wrong once in a while
    with np.errstate(all="ignore"):
        z = (mean - truth) / sd
    return np.asarray(np.where(np.isfinite(z), z, np.inf)[known])


def _with_failed(k: int, n: int, failed: int, limits: Limits) -> Decision:
    """Decide on a share of the complete fits, and be inside only whatever the failed ones had."""
    found = decide_share(k, n, limits)
    if not failed or not found.inside:
        return found
    worst = [decide_share(held, n + failed, limits) for held in (k, k + failed)]
    inside = all(one.inside for one in worst)
    return Decision(
        found.estimate, worst[0].lower, worst[1].upper, inside, found.outside, found.p_value
    )


def _planned(decision: Decision, ideal: float, n: int, limits: Limits, power: float) -> int | None:
    """Return how many values decide on a share, if it is ideal, or else as it seems."""
    likely = ideal if decision.lower <= ideal <= decision.upper else decision.estimate
    needed = replicates_for_share(likely, limits, power)
    if needed is not None and needed <= n:  # it was bad luck, or it is not ideal
        needed = replicates_for_share(decision.estimate, limits, power)
    return needed


def _where(evidence: Evidence) -> str:
    return _FIXED if "fixed" in {evidence.modes[p] for p in evidence.chosen} else ""


def _judged(
    evidence: Evidence, rows: list[Row], said: Callable[[Row], str], inside: str, figure: str
) -> Judged:
    missing = "" if rows else "no parameter has a spread and a true value"
    mode = evidence.modes[evidence.chosen[0]]
    return Judged(rows, said, inside, figure=f"{figure}-{mode}", missing=missing,
                  beside=evidence.beside(evidence.chosen))  # fmt: skip
