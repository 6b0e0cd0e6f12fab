"""Gates that compare each parameter of each cell with the baseline's, in pairs of replicates.

Coverage and posterior sds are judged in both truth modes: what a fixed truth in conflict with its
prior does to them it does to those of the baseline, too. Errors are judged over the prior: at a
truth near the prior mean the less is known the smaller they are.

A posterior that leaves out half of the data stays calibrated and covers as it should, so no gate on
one run alone can see it. It is wider, which `model_se_ratio_below` sees, and misses the truth by
more, which `rmse_ratio_below` sees.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from recovery.comparison import Matching
from recovery.comparison.pairs import coverage_hits
from recovery.comparison.squares import RootMean, squares
from recovery.equivalence import Decision, decide_drop, pairs_for_drop
from recovery.gates.evidence import Evidence
from recovery.gates.ratios import ratio_row, ratio_said
from recovery.gates.rows import Judged, Row, nothing
from recovery.measures.ratio import root_mean_log_ratio


def coverage_drop_below(evidence: Evidence, limit: float) -> Judged:
    """Judge by how much coverage is lower than the baseline's, in pairs of replicates.

    A row is inside only if it were, had every fit that failed lost a truth that was held before.
    """
    matching, reason = evidence.shared
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

    return _judged(
        evidence, matching, rows, said, inside=f"a drop below {limit:g}", figure="coverage",
        missing="no parameter has a coverage in both runs",
    )  # fmt: skip


def model_se_ratio_below(evidence: Evidence, limit: float) -> Judged:
    """Judge posterior sds over the baseline's: the ratio of the root mean squares, model_se.

    Not the mean of the logarithms of ratios, pair by pair: this one is the quotient of the two
    numbers that a comparison prints, and a posterior without spread among them spoils nothing.
    """
    return _root_means(evidence, "model_se", "the model SE", "a spread", limit)


def rmse_ratio_below(evidence: Evidence, limit: float) -> Judged:
    """Judge the RMSE of posterior means over the baseline's, in the cells over the prior.

    Squared errors are skewed, the more so the more posteriors differ in width, and a few of them
    tell little: see `recovery.measures.ratio` for how that is judged.
    """
    return _root_means(evidence, "rmse", "the RMSE", "an error and a true value", limit)


def _root_means(
    evidence: Evidence, measure: RootMean, what: str, needs: str, limit: float
) -> Judged:
    """Judge a ratio of root mean squares of the pairs that are complete in both, and finite.

    No row is inside if more of the head's fits than are tolerated failed, or were not finite.
    """
    matching, reason = evidence.shared
    if matching is None:
        return nothing(reason)
    cells = matching.cells
    if measure == "rmse":
        cells = [cell for cell in cells if evidence.modes[cell.head] == "prior"]
    if not cells:
        return nothing(
            "an RMSE at a fixed truth tells how near that is to the prior mean, not what is "
            "known; run over the prior, or leave the gate out"
        )
    found = list(squares(matching, cells, measure))
    limits = evidence.limits(-math.inf, math.log(limit), max(1, len(found)))
    rows = []
    for one in found:
        position = one.cell.head
        where = evidence.place(position, one.parameter)
        if not one.base.size:
            return nothing(f"no pair has {needs} of {where} in both runs")
        ratio = root_mean_log_ratio(one.base, one.head)
        row = ratio_row(evidence, where, ratio, limits, len(found), evidence.few)
        needed = evidence.in_replicates(position, row.n, row.needed)
        row = replace(row, needed=needed)
        lost = one.lost + evidence.failed[position]
        if row.decision.inside and lost > evidence.tolerated * (row.n + lost):
            why = f"{lost:,} fits of {row.n + lost:,} failed, or have draws that are not finite"
            row = replace(row, decision=replace(row.decision, inside=False), needed=None, why=why)
        rows.append(row)
    return _judged(
        evidence, matching, rows, ratio_said(what, "pairs", "of"),
        inside=f"a ratio below {limit:g}", figure="rmse",
        missing=f"no parameter has {needs} in both runs",
    )  # fmt: skip


def _judged(
    evidence: Evidence, matching: Matching, rows: Sequence[Row], said: Callable[[Row], str], *,
    inside: str, figure: str, missing: str,
) -> Judged:  # fmt: skip
    """Return the rows of a gate, with what is missing if there are none."""
    mode = "prior" if "prior" in evidence.modes else "fixed"
    beside = evidence.beside([cell.head for cell in matching.cells])
    return Judged(rows, said, inside, figure=f"{figure}-{mode}", missing="" if rows else missing,
                  beside=beside)  # fmt: skip
