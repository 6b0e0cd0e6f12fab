"""Confidence sequences for a share: intervals that hold it at every number of replicates at once.

Let k of n replicates be hits, each a hit with probability p. The beta-binomial mixture

    M_n(p) = B(a + k, b + n - k) / B(a, b) / (p^k (1 - p)^(n - k))

is a nonnegative martingale that begins at 1, so M_n(p) < 1 / alpha for all n with probability at
least 1 - alpha (Ville's inequality), and the set of p where that holds is a confidence sequence
(Robbins, 1970, doi:10.1214/aoms/1177696786; Howard, Ramdas, McAuliffe & Sekhon, 2021,
doi:10.1214/20-AOS1991; Waudby-Smith & Ramdas, 2024, doi:10.1093/jrsssb/qkad009). It is an interval,
as log M is convex in p and least at k / n. It depends on k and n alone and is not intersected with
the ones before it, so it is never empty and may widen for a while.

Any Beta(a, b) chosen beforehand is valid; this one is made for shares near .9 and some hundreds of
replicates. Median number of replicates at alpha = .05 until [.85, .95] holds the interval at
p = .9, and until the interval leaves out .9 at p = .81 and .96, for a + b = 2, 10, 40 and 160 with
a / (a + b) = .9: 536, 442, 373, 313; 127, 105, 114, 164; 135, 127, 156, 220.
"""

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaln, xlog1py, xlogy

from recovery.shares import check_probability

Array = NDArray[np.float64]

PRIOR: Final = (36.0, 4.0)
"""The mixing distribution, Beta(a, b)."""
_HALVINGS: Final = 50  # leave an error below 1e-15


def log_evidence(share: Array | float, hits: ArrayLike, n: ArrayLike) -> Array:
    """Return log M_n(p), the evidence that a share is not p.

    Parameters
    ----------
    share : array
        p, in [0, 1].
    hits, n : array
        Hits, and replicates. Shapes are broadcast.
    """
    k, total = np.asarray(hits, dtype=np.float64), np.asarray(n, dtype=np.float64)
    return _marginal(k, total) - _log_likelihood(share, k, total)


def confidence_sequence(hits: ArrayLike, n: ArrayLike, alpha: float) -> tuple[Array, Array]:
    """Return the interval of the share at each of some numbers of replicates.

    Parameters
    ----------
    hits, n : array
        Hits among the first n replicates, and n. Shapes are broadcast.
    alpha : float
        How often, at most, the true share may lie outside at any n.

    Returns
    -------
    lower, upper : array
        0 and 1 at n = 0. The ends are found by bisection and lie outside by less than 1e-14.

    Raises
    ------
    ValueError
        If alpha is not strictly between 0 and 1, or hits not in 0..n.
    """
    check_probability("alpha", alpha)
    k, total = np.broadcast_arrays(np.asarray(hits, np.float64), np.asarray(n, np.float64))
    if ((k < 0) | (k > total)).any():
        raise ValueError("hits must lie in 0..n")
    most_likely = np.where(total > 0, k / np.maximum(total, 1), 0.5)
    least = _marginal(k, total) + np.log(alpha)
    return _end(0.0, most_likely, k, total, least), _end(1.0, most_likely, k, total, least)


def _marginal(k: Array, n: Array) -> Array:
    a, b = PRIOR
    return np.asarray(betaln(a + k, b + n - k) - betaln(a, b))


def _log_likelihood(share: Array | float, k: Array, n: Array) -> Array:
    return np.asarray(xlogy(k, share) + xlog1py(n - k, -share))


def _end(outside: float, inside: Array, k: Array, n: Array, least: Array) -> Array:
    """Return the end between a place that may be outside and one that is not.

    Inside, the log likelihood is above `least`.
    """
    far = np.full_like(inside, outside)
    near = np.where(_log_likelihood(far, k, n) > least, far, inside)
    for _ in range(_HALVINGS):
        middle = (far + near) / 2
        within = _log_likelihood(middle, k, n) > least
        far, near = np.where(within, far, middle), np.where(within, middle, near)
    return far
