"""What a gate says: pass, fail, inconclusive, or that nothing was measured."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from recovery.gates.limits import Kind, Limit


class Outcome(StrEnum):
    """How a gate came out; `ERROR` means that it measured nothing."""

    PASS = "pass"  # noqa: S105  (no password)
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one gate says of one run.

    Attributes
    ----------
    scenario, gate : str
    kind : {"statistical", "count", "time"}
    limit : number or bool
    outcome : Outcome
    reason : str
        A sentence, with its numbers.
    where : str
        Cell and parameter of the row that decided; empty if there is none.
    estimate, lower, upper : float
        Of that row, and its interval; nan if there is none.
    n : int
        Replicates, pairs or rounds of that row.
    judged : int
        Rows that were judged: parameters and cells.
    needed : int or None
        Replicates a cell (rounds, of times) from which on it is decided 8 times in 10, if it is
        inconclusive and any number would do.
    figure : str
        Slug of the figure that shows it; empty if none does.
    """

    scenario: str
    gate: str
    kind: Kind
    limit: Limit
    outcome: Outcome
    reason: str
    where: str = ""
    estimate: float = math.nan
    lower: float = math.nan
    upper: float = math.nan
    n: int = 0
    judged: int = 0
    needed: int | None = None
    figure: str = ""


def exit_code(verdicts: Iterable[Verdict], *, allow_inconclusive: bool = False) -> int:
    """Return the exit code of a build: 1 if a gate failed, 3 if one is open or measured nothing.

    Parameters
    ----------
    verdicts : iterable of Verdict
    allow_inconclusive : bool
        Count what is inconclusive as passed; what measured nothing still is an error.
    """
    found = {verdict.outcome for verdict in verdicts}
    if Outcome.FAIL in found:
        return 1
    if Outcome.ERROR in found or not found:
        return 3
    return 3 if Outcome.INCONCLUSIVE in found and not allow_inconclusive else 0
