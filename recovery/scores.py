"""Scores of a whole posterior at the truth."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def crps_of_draws(draws: Floats, truth: Floats) -> Floats:
    """Return the CRPS of each row of draws at its truth (provisional)."""
    n = draws.shape[1]
    ordered = np.sort(draws, axis=1)
    weights = 2.0 * np.arange(n) - (n - 1)
    with np.errstate(all="ignore"):
        spread = (ordered * weights).sum(axis=1) / (n * max(n - 1, 1))
        return np.asarray(np.abs(draws - truth[:, None]).mean(axis=1) - spread)
