"""Gates on the share of fits that cross a limit, are flagged, failed or diverged."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from recovery.equivalence import decide_share, replicates_for_share
from recovery.gates.evidence import Evidence
from recovery.gates.rows import Judged, Row
from recovery.record import Floats


@dataclass(frozen=True, slots=True)
class _Counted:
    """So many of n fits of a cell."""

    position: int
    k: int
    n: int


def r_hat_below(evidence: Evidence, limit: float) -> Judged:
    """Judge the share of fits whose largest r_hat is not below a limit."""

    def crossed(position: int) -> _Counted:
        values = evidence.of_cell("r_hat_max", position)
        # Draws that are not finite have no r_hat, and an ESS that counts as none.
        lost = evidence.of_cell("ess_bulk_min", position) == 0
        chains = evidence.of_cell("chains", position)
        known = (chains > 1) & (~np.isnan(values) | lost)
        return _Counted(position, int(((values >= limit) | lost)[known].sum()), int(known.sum()))

    return _judged(
        evidence, map(crossed, _cells(evidence)), evidence.tolerated,
        f"an r_hat of {limit:g} or more", "has an r_hat (a single chain has none)", "diagnostics",
    )  # fmt: skip


def ess_above(evidence: Evidence, limit: float) -> Judged:
    """Judge the share of fits whose smallest bulk or tail ESS is not above a limit."""

    def crossed(position: int) -> _Counted:
        ess = [evidence.of_cell(f"ess_{kind}_min", position) for kind in ("bulk", "tail")]
        least = np.minimum(*ess)
        known = least[np.isfinite(least)]
        return _Counted(position, int((known <= limit).sum()), known.size)

    return _judged(
        evidence, map(crossed, _cells(evidence)), evidence.tolerated,
        f"an ESS of {limit:g} or less", "has an ESS", "diagnostics",
    )  # fmt: skip


def flagged_below(evidence: Evidence, limit: float) -> Judged:
    """Judge the share of complete fits that are flagged."""
    return _judged(
        evidence, _where(evidence, "flagged", lambda flagged: flagged > 0), limit,
        "a flag", "is complete", "diagnostics",
    )  # fmt: skip


def divergences_below(evidence: Evidence, limit: float) -> Judged:
    """Judge the share of complete fits with a divergent transition."""
    return _judged(
        evidence, _where(evidence, "divergences", lambda count: count > 0), limit,
        "a divergent transition", "counts divergences", "diagnostics",
    )  # fmt: skip


def failed_below(evidence: Evidence, limit: float) -> Judged:
    """Judge the share of all fits that failed."""
    found = [
        _Counted(position, evidence.failed[position], evidence.done[position])
        for position in _cells(evidence)
    ]
    return _judged(evidence, found, limit, "failed", "was run", "", verb="")


def _where(
    evidence: Evidence, name: str, bad: Callable[[Floats], np.ndarray]
) -> Iterable[_Counted]:
    for position in _cells(evidence):
        values = evidence.of_cell(name, position)
        known = values[np.isfinite(values)]
        yield _Counted(position, int(bad(known).sum()), known.size)


def _cells(evidence: Evidence) -> range:
    return range(len(evidence.modes))


def _judged(
    evidence: Evidence, counted: Iterable[_Counted], limit: float, what: str, needs: str,
    figure: str, *, verb: str = "have ",
) -> Judged:  # fmt: skip
    """Judge a share of each cell against a limit."""
    found = list(counted)
    limits = evidence.limits(-math.inf, limit, max(1, len(found)))
    rows, missing = [], ""
    for one in found:
        place = evidence.place(one.position)
        if not one.n:
            missing = missing or f"no fit {needs}{f' at {place}' if place else ''}"
            continue
        decision = decide_share(one.k, one.n, limits)
        needed = None
        if not decision.decided:
            # As if half a fit more were one of them: none of few do not promise none.
            likely = (one.k + 0.5) / (one.n + 1)
            likely = likely if one.k else min(likely, limit / 4)
            needed = replicates_for_share(likely, limits, evidence.power(len(found)))
            needed = evidence.in_replicates(one.position, one.n, needed)
        rows.append(Row(place, decision, one.n, needed))

    def said(row: Row) -> str:
        d = row.decision
        place = f" at {row.where}" if row.where else ""
        return (
            f"{round(d.estimate * row.n):,} of {row.n:,} fits{place} {verb}{what}, a share of "
            f"{d.estimate:.3g} [{d.lower:.3g}, {d.upper:.3g}]"
        )

    return Judged(rows, said, f"below {limit:g}", figure=figure, missing=missing)
