"""Whether intervals hold the truth, where that says anything."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def look(
    truth: Floats, mean: Floats, sd: Floats, lower: Floats, upper: Floats
) -> tuple[Floats, Flags, Flags]:
    """Look at intervals, arrays of one shape.

    Returns
    -------
    inside : array
        1 where the interval holds the truth, 0 where not, nan where that is unknown or trivial.
    whole : array of bool
        Where the truth and both ends are integers.
    constant : array of bool
        Where the posterior stands still upon the truth; its interval holds it whatever its level.
    """
    held = ((lower <= truth) & (truth <= upper)).astype(np.float64)
    finite = np.isfinite(lower) & np.isfinite(upper) & np.isfinite(truth)
    constant = np.asarray((sd == 0) & (mean == truth))
    whole = (truth == np.round(truth)) & (lower == np.round(lower)) & (upper == np.round(upper))
    return np.where(finite & ~constant, held, np.nan), np.asarray(whole), constant


def judged(truth: Floats, mean: Floats, sd: Floats, lower: Floats, upper: Floats) -> Floats:
    """Return whether the intervals of one parameter hold the truth, where nominal coverage is due.

    Parameters
    ----------
    truth, mean, sd, lower, upper : array, shape (n_replicates,)

    Returns
    -------
    array, shape (n_replicates,)
        1, 0 or nan. All nan if the parameter is discrete (truth and ends are integers in most
        replicates): even an exact posterior does not cover nominally there.
    """
    inside, whole, _ = look(truth, mean, sd, lower, upper)
    discrete = 2 * np.count_nonzero(whole) > whole.size
    return np.full_like(inside, np.nan) if discrete else inside
