"""The gate on calibration: whether ranks of truths drawn from the prior are uniform."""

import math
from typing import Final

import numpy as np

from recovery.departures import replicates_to_find
from recovery.equivalence import POWER, Decision
from recovery.gates.evidence import Evidence
from recovery.gates.rows import Judged, Row, nothing
from recovery.inert import plain
from recovery.rank_tests import TESTED, untested, usable_ranks
from recovery.record import KEPT_DRAWS

DETECTED: Final = 0.8
"""Posterior sd over what it should be, that a calibrated run would have shown."""
_FIGURE: Final = "rank-ecdf"
_LOST: Final = 0.05  # share of complete fits without a rank from which nothing is claimed
_HARMLESS: Final = ("constant", "no true value")


def calibrated(evidence: Evidence, limit: bool) -> Judged:
    """Judge whether ranks of truths drawn from the prior are uniform.

    A row is outside if its exact p value is at most its part of the error rate (Bonferroni, which
    for whether anything is rejected is the same as Holm). Not to be rejected is no proof: a row is
    inside only if `DETECTED` would have been found with the chance that decides. That is reckoned
    for a continuous parameter; replicates whose posterior has no spread do not count.
    """
    cells = [p for p, mode in enumerate(evidence.modes) if mode == "prior"]
    if not cells:
        return nothing("truth mode prior was not run; run it with --truth prior or both")
    if reason := evidence.without(cells) or _unranked(evidence):
        return nothing(reason)
    tests = evidence.results.rank_tests()
    alpha = evidence.alpha / max(1, len(tests))
    wanted = replicates_to_find(DETECTED, KEPT_DRAWS, alpha, POWER)
    rows = []
    for test in tests:
        p_value, where, needed = (
            test.result.p_value,
            f"{plain(test.parameter)} over all cells",
            wanted,
        )
        enough = wanted is not None
        if test.position is not None:
            where = evidence.place(test.position, test.parameter)
            told = _telling(evidence, test.position, test.parameter)
            enough = wanted is not None and told >= wanted
            needed = evidence.in_replicates(test.position, told, wanted)
        decision = Decision(
            p_value, math.nan, math.nan, enough and p_value > alpha, p_value <= alpha, p_value
        )
        rows.append(Row(where, decision, test.result.n, needed))

    def said(row: Row) -> str:
        return (
            f"ranks of {row.where} have p = {row.decision.estimate:.2g} (n = {row.n:,}; rejected "
            f"up to {alpha:.2g})"
        )

    inside = (
        f"uniform, by a test that finds a posterior sd of {DETECTED:g} times the right one in "
        f"{POWER:.0%} of runs"
    )
    return Judged(rows, said, inside, figure=_FIGURE)


def _unranked(evidence: Evidence) -> str:
    """Say which parameter has no rank in many fits that are complete."""
    columns = evidence.results.columns
    for position, parameter, reason in untested(columns, evidence.modes):
        if not reason.endswith(_HARMLESS):
            return f"ranks of {evidence.place(position, parameter)} are {reason}"
    harmless = {(p, name) for p, name, _ in untested(columns, evidence.modes)}
    for (position, parameter), group in columns.groups.items():
        ranked = evidence.modes[position] == "prior" and group.kind in TESTED
        if not ranked or (position, parameter) in harmless:
            continue
        complete, known = evidence.complete[position], usable_ranks(columns, group).size
        if known < (1 - _LOST) * complete:
            return (
                f"{evidence.place(position, parameter)} has no rank in {complete - known:,} of "
                f"{complete:,} complete fits"
            )
    return ""


def _telling(evidence: Evidence, position: int, parameter: str) -> int:
    """Return how many fits have a posterior with a spread, whose ranks can tell something."""
    columns = evidence.results.columns
    sd = columns.groups[position, parameter].of(columns.column("sd"))
    return int(np.count_nonzero(sd > 0))
