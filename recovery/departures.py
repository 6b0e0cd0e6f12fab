"""How often ranks that are not uniform are found out, and how many replicates that takes: exactly.

If the posterior sd is `sd_factor` times what it should be, a truth lies z right sds from the right
centre, z standard normal, and its rank among n_draws draws is Bin(n_draws, Phi(z / sd_factor)).
Averaged over z that gives the chance of every rank, and from those follows by the recursion of
`recovery.calibration` how often the path of counts leaves its band.
"""

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri
from scipy.stats import binom

from recovery.calibration import band_gamma, path_probability
from recovery.least import least
from recovery.shares import check_probability

MOST: Final = 100_000
"""Replicates beyond which a departure counts as too small to be found."""
_NODES: Final = 20_000  # of the midpoint rule over the distribution of z


@lru_cache(maxsize=64)
def rank_shares(sd_factor: float, n_draws: int) -> NDArray[np.float64]:
    """Return the chance of every rank of a truth among draws of a posterior with a wrong sd.

    Parameters
    ----------
    sd_factor : float
        Posterior sd over what it should be.
    n_draws : int

    Returns
    -------
    array, shape (n_draws + 1,)
        Of ranks 0..n_draws; read-only.
    """
    if not sd_factor > 0:
        raise ValueError(f"sd_factor must be positive, got {sd_factor}")
    level = ndtr(ndtri((np.arange(_NODES) + 0.5) / _NODES) / sd_factor)
    chances = binom.pmf(np.arange(n_draws + 1)[:, None], n_draws, level)
    shares: NDArray[np.float64] = np.mean(chances, axis=1)
    shares.flags.writeable = False
    return shares


@lru_cache(maxsize=1024)
def power(n: int, sd_factor: float, n_draws: int, alpha: float) -> float:
    """Return how often n ranks of a posterior with a wrong sd are rejected at a level."""
    check_probability("alpha", alpha)
    n_cells = n_draws + 1
    threshold = band_gamma(n, n_cells, alpha)
    return 1 - path_probability(n, n_cells, threshold, rank_shares(sd_factor, n_draws))


@lru_cache(maxsize=256)
def replicates_to_find(sd_factor: float, n_draws: int, alpha: float, wanted: float) -> int | None:
    """Return from about how many replicates on a wrong sd is found with a chance of `wanted`.

    Returns
    -------
    int or None
        To within 2 %; None if more than `MOST` would be needed.
    """
    check_probability("wanted", wanted)

    def found(n: int) -> bool:
        return power(n, sd_factor, n_draws, alpha) >= wanted

    return least(found, start=8, most=MOST, precision=50)
