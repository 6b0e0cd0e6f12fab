"""What coverage would be had no fit failed: between the two worst cases."""

from typing import NamedTuple


class Bounds(NamedTuple):
    """The lowest and the highest that a share can be, over ``n`` replicates, failed ones too."""

    lowest: float
    highest: float
    n: int


def coverage_bounds(k_covered: int, n_ok: int, n_failed: int) -> Bounds:
    """Return the bounds of coverage where fits failed, whatever made them fail.

    Lowest: had every failed fit missed. Highest: had every one covered. They need no assumption on
    why fits failed (Manski 1990, American Economic Review 80, 319-323), and leave out the Monte
    Carlo error of the share itself.

    Parameters
    ----------
    k_covered : int
        Intervals that hold the truth.
    n_ok, n_failed : int
        Fits that have an interval, and those that have none.

    Raises
    ------
    ValueError
        If a number is negative, more intervals cover than there are, or there is no replicate.
    """
    if not 0 <= k_covered <= n_ok or n_failed < 0 or n_ok + n_failed < 1:
        raise ValueError(
            f"got k_covered={k_covered}, n_ok={n_ok}, n_failed={n_failed}; give "
            "0 <= k_covered <= n_ok, n_failed >= 0 and at least one replicate"
        )
    n = n_ok + n_failed
    return Bounds(k_covered / n, (k_covered + n_failed) / n, n)
