"""Rows of gates on ratios of a run to its baseline: judged as logarithms, told as ratios."""

import math
from collections.abc import Callable
from typing import Final

from recovery.equivalence import Decision, Limits, decide_mean, replicates_for_mean
from recovery.gates.evidence import Evidence
from recovery.gates.rows import Row
from recovery.measures.ratio import LogRatio

_ALIKE: Final = 1e-12  # mcse of logarithms of ratios that differ by rounding alone
_EVEN: Final = 0.05  # of the pairs count at least, for a number that would decide to be told
_LARGEST: Final = 700.0  # whose exponential is a number
FEW_PAIRS: Final = 30
"""Pairs of which a ratio is judged, at least."""


def ratio_row(
    evidence: Evidence, where: str, found: LogRatio, limits: Limits, rows: int, few: int
) -> Row:
    """Judge the logarithm of a ratio, and tell it as a ratio.

    Parameters
    ----------
    evidence : Evidence
    where : str
        Cell and parameter.
    found : LogRatio
    limits : Limits
        Of the logarithm.
    rows : int
        How many rows are judged together.
    few : int
        Pairs or rounds that are needed at least.
    """
    n, finite = found.n, math.isfinite(found.estimate)
    if found.mcse < _ALIKE or not finite:
        # Ratios that are all alike could be so although a few in a hundred are not.
        few = evidence.few
    if not finite:
        ratio = math.exp(found.estimate)
        within = limits.low <= found.estimate < limits.high
        decision = Decision(ratio, ratio, ratio, within and n >= few, not within, float(within))
        return Row(where, decision, n, few if within and n < few else None)
    judged = decide_mean(found.estimate, found.mcse, found.effective if n >= few else 1, limits)
    needed, why = None, ""
    if n < few:
        needed = few
    elif not judged.decided and found.effective < _EVEN * n:
        why = "a few pairs outweigh the others, and how many would decide cannot be told from them"
    elif not judged.decided:
        sd, share = found.mcse * math.sqrt(n), found.effective / n
        needed = replicates_for_mean(found.estimate, sd, limits, evidence.power(rows), share)
        needed = needed if needed is None else max(needed, n + 1)
    low, mid, high = map(_exp, (judged.lower, found.estimate, judged.upper))
    shown = Decision(mid, low, high, judged.inside, judged.outside, judged.p_value)
    return Row(where, shown, n, needed, why)


def ratio_said(what: str, units: str, joint: str) -> Callable[[Row], str]:
    """Return how to speak of a row: what was compared, and the word before its place."""

    def said(row: Row) -> str:
        d, place = row.decision, f" {joint} {row.where}" if row.where else ""
        shown, low, high = map(_ratio, (d.estimate, d.lower, d.upper))
        return (
            f"{what}{place}, over the baseline's: {shown} [{low}, {high}] (n = {row.n:,} {units})"
        )

    return said


def _exp(value: float) -> float:
    return math.exp(value) if value < _LARGEST else math.inf


def _ratio(value: float) -> str:
    """Write a ratio; the interval of few rounds may have an end beyond all bounds."""
    return f"{value:.3f}" if 0.001 <= value < 1000 else f"{value:.2g}"
