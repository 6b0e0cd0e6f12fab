"""Gates on counts that no clock and no chance is in: compilations, and draws kept."""

import numpy as np

from recovery.equivalence import Decision
from recovery.gates.evidence import Evidence
from recovery.gates.rows import Judged, Row
from recovery.inert import plain


def compilations_at_most(evidence: Evidence, limit: float) -> Judged:
    """Judge how often a process compiled the same in a session: a simulator, a density.

    Counted are compilations of one kind for one structure of the model, or of its generator, which
    may be another; structures that differ in no more than constants count as one, since a number
    or a size that is data need not be compiled anew. Densities for variables of other shapes are
    others. A store of an earlier format does not tell structures apart, and all of a kind count
    together.
    """
    frame = evidence.results.compilations
    rows, unknown = [], set()
    for kind, group in frame.groupby("kind", sort=True):
        counts = group.groupby(["session", "process", "structure"], as_index=False).size()
        most = int(counts["size"].max())
        rows.append(Row(plain(kind), _exact(most, most <= limit), len(group)))
        if (counts.loc[counts["size"] == most, "structure"] == "").any():
            unknown.add(plain(kind))

    def said(row: Row) -> str:
        of_one = "" if row.where in unknown else " for one structure"
        count = _times(row.decision.estimate)
        return f"{row.where} was compiled {count}{of_one} in a process and session"

    return Judged(rows, said, f"at most {_times(limit)}",
                  missing="" if rows else "no compilation was recorded")  # fmt: skip


def draws_at_least(evidence: Evidence, limit: float) -> Judged:
    """Judge how many draws the fit with the fewest has kept, over all its chains."""
    rows, missing = [], ""
    for position in range(len(evidence.modes)):
        draws = evidence.of_cell("draws", position) * evidence.of_cell("chains", position)
        place = evidence.place(position)
        if not draws.size or not np.isfinite(draws).all():
            missing = missing or f"no fit is complete{f' at {place}' if place else ''}"
            continue
        least = int(draws.min())
        rows.append(Row(place, _exact(least, least >= limit), draws.size))

    def said(row: Row) -> str:
        place = f" at {row.where}" if row.where else ""
        return f"the fewest draws of a fit{place} are {row.decision.estimate:,.0f} (n = {row.n:,})"

    return Judged(rows, said, f"{limit:,.0f} or more", missing=missing)


def _exact(value: int, inside: bool) -> Decision:
    return Decision(value, value, value, inside, not inside, float(inside))


def _times(count: float) -> str:
    return "once" if count == 1 else f"{count:,.0f} times"
