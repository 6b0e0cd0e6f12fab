"""How far draws lie from the truth, as one number: the continuous ranked probability score."""

from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]


def crps_of_draws(draws: Floats, truth: Floats) -> Floats:
    """Return the continuous ranked probability score of the draws of several parameters.

    ``E|X - t| - E|X - X'| / 2``, where X and X' are two different draws (Gneiting & Raftery 2007,
    doi:10.1198/016214506000001437). All n (n - 1) pairs of different draws count: with the n pairs
    of a draw and itself the score of normal draws would be 0.56 posterior sds over n too large.
    This fair score (Ferro 2014, doi:10.1002/qj.2270) has the same expectation whatever the number
    of independent draws, so fits of unequal length can be compared. A single draw has no other:
    its score is its distance from the truth.

    Parameters
    ----------
    draws : array, shape (n_parameters, n_draws)
    truth : array, shape (n_parameters,)

    Returns
    -------
    array, shape (n_parameters,)
        In the units of each parameter; nan where a draw or the truth is not finite.

    Raises
    ------
    ValueError
        If the shapes do not belong together or there is no draw.
    """
    if draws.ndim != 2 or truth.shape != draws.shape[:1] or not draws.shape[1]:
        raise ValueError(
            f"draws {draws.shape} and truth {truth.shape}: give shapes (n_parameters, n_draws) and "
            "(n_parameters,), with at least one draw"
        )
    with np.errstate(invalid="ignore"):  # of infinite values: inf - inf
        error = draws - truth[:, None]  # the score is blind to a shift, its rounding is not
        error.sort(axis=1)
        weights = _pair_weights(draws.shape[1])
        return np.asarray(np.abs(error).mean(axis=1) - (error * weights).sum(axis=1))


@lru_cache(maxsize=16)
def _pair_weights(n: int) -> Floats:
    """Return by which weights n ascending values add up to half their mean absolute difference."""
    weights = (2 * np.arange(n) + 1.0 - n) / max(n * (n - 1), 1)
    weights.flags.writeable = False
    return weights
