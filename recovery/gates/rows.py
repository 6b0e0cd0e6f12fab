"""From the rows that a gate judged, cells and parameters, to its verdict."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from recovery.equivalence import Decision
from recovery.gates.limits import GateInfo, Limit
from recovery.gates.verdict import Outcome, Verdict


@dataclass(frozen=True, slots=True)
class Row:
    """What was found of one parameter or cell.

    Attributes
    ----------
    where : str
    decision : Decision
    n : int
    needed : int or None
        See `Verdict`; looked at where the row is not decided.
    why : str
        Why it is not, if there is more to say than that it lies near the limit.
    """

    where: str
    decision: Decision
    n: int
    needed: int | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Judged:
    """The rows of a gate, and how to speak of them.

    Attributes
    ----------
    rows : sequence of Row
    said : callable
        From a row to what was found, as in "coverage is 0.87 [0.84, 0.9] of b".
    inside : str
        What a row is to be, as in "within 0.85 and 0.95".
    units : str
        What is counted by `Row.n` and `Row.needed`.
    figure : str
    missing : str
        What should have been judged and could not be; a gate with that is an error.
    beside : str
        What else is to be known, such as what is not among the replicates.
    """

    rows: Sequence[Row]
    said: Callable[[Row], str]
    inside: str
    units: str = "replicates a cell"
    figure: str = ""
    missing: str = ""
    beside: str = ""


def nothing(reason: str) -> Judged:
    """Return that nothing could be judged, and why."""
    return Judged((), lambda row: row.where, "", missing=reason)


def unmeasured(scenario: str, info: GateInfo, limit: Limit, reason: str) -> Verdict:
    """Return the verdict of a gate that measured nothing."""
    return Verdict(scenario, info.name, info.kind, limit, Outcome.ERROR, reason)


def settle(scenario: str, info: GateInfo, limit: Limit, judged: Judged) -> Verdict:
    """Return the verdict: fail if any row is outside, pass if all are inside."""
    verdict = _settled(scenario, info, limit, judged)
    if judged.beside and verdict.outcome is not Outcome.ERROR:
        return replace(verdict, reason=f"{verdict.reason}; {judged.beside}")
    return verdict


def _settled(scenario: str, info: GateInfo, limit: Limit, judged: Judged) -> Verdict:
    if judged.missing or not judged.rows:
        missing = judged.missing or "there is nothing that it could judge"
        return unmeasured(scenario, info, limit, f"nothing was measured: {missing}")
    rows = judged.rows
    outside = [row for row in rows if row.decision.outside]
    if outside:
        worst = min(outside, key=lambda row: row.decision.p_value)
        more = f", and so are {len(outside) - 1} more of {len(rows)}" if len(outside) > 1 else ""
        reason = f"{judged.said(worst)}: not {judged.inside}{more}"
        return _verdict(scenario, info, limit, judged, worst, Outcome.FAIL, reason)
    open_rows = [row for row in rows if not row.decision.decided]
    if open_rows:
        worst = max(open_rows, key=lambda row: math.inf if row.needed is None else row.needed)
        which = f" ({len(open_rows)} of {len(rows)} rows are open)" if len(rows) > 1 else ""
        needed = None if worst.needed is None else _rounded(worst.needed)
        end = worst.why or "it lies on the limit, or nearly, so more of them would not decide"
        if needed is not None:
            end = f"about {needed:,} {judged.units} would decide"
        reason = f"{judged.said(worst)}: not known yet whether it is {judged.inside}{which}; {end}"
        verdict = _verdict(scenario, info, limit, judged, worst, Outcome.INCONCLUSIVE, reason)
        return replace(verdict, needed=needed)
    # The smaller its p value, the nearer a row is to being outside.
    nearest = min(rows, key=lambda row: row.decision.p_value)
    what = (
        f"all {len(rows)} rows are {judged.inside}; nearest to a limit: " if len(rows) > 1 else ""
    )
    reason = what + judged.said(nearest) + ("" if what else f": {judged.inside}")
    return _verdict(scenario, info, limit, judged, nearest, Outcome.PASS, reason)


def _rounded(number: int) -> int:
    """Round up to two digits: what is planned for is an estimate itself."""
    unit = int(10 ** max(0, len(str(number)) - 2))
    return -(-number // unit) * unit


def _verdict(
    scenario: str, info: GateInfo, limit: Limit, judged: Judged, row: Row, outcome: Outcome,
    reason: str,
) -> Verdict:  # fmt: skip
    d = row.decision
    return Verdict(
        scenario, info.name, info.kind, limit, outcome, reason, row.where, d.estimate, d.lower,
        d.upper, row.n, len(judged.rows), figure=judged.figure,
    )  # fmt: skip
