"""Gates that compare the cost of a cell with the baseline's: by pairs, and by rounds for times."""

import math
from dataclasses import replace
from typing import Final

from recovery.comparison.pairs import log_ratios, times
from recovery.gates.evidence import Evidence
from recovery.gates.ratios import FEW_PAIRS, ratio_row, ratio_said
from recovery.gates.rows import Judged, nothing
from recovery.measures.ratio import mean_log_ratio
from recovery.record import Floats

_FEW_ROUNDS: Final = 4  # of which a mean is judged, at least


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
        found, where = mean_log_ratio(logs), evidence.place(cell.head)
        row = ratio_row(evidence, where, found, limits, len(matching.cells), FEW_PAIRS)
        needed = evidence.in_replicates(cell.head, logs.size, row.needed)
        rows.append(replace(row, needed=needed))
    said = ratio_said("gradient evaluations per effective draw", "pairs", "at")
    cells = [cell.head for cell in matching.cells]
    return Judged(rows, said, f"a ratio below {limit:g}", figure="cost",
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
        found, where = mean_log_ratio(logs), evidence.place(cell.head)
        rows.append(ratio_row(evidence, where, found, limits, len(matching.cells), _FEW_ROUNDS))
    return Judged(rows, ratio_said(what, "rounds", "at"), inside, "rounds", "cost")
