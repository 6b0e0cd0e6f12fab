"""Evidence that PITs are not uniform, which may be looked at after every replicate.

If truths are drawn from the prior and the posterior is right, the PITs u_1, u_2, ... of a quantity
are independent and uniform. Let q_1, q_2, ... be densities on (0, 1), and w_1, w_2, ... weights
whose sum is 1. Then

    E_n = sum_k w_k q_k(u_1) ... q_k(u_n)

is a nonnegative martingale that begins at 1: the money of a gambler who bets on the PITs at fair
odds. So by Ville's inequality P(E_n >= 1 / alpha for any n) <= alpha, whenever and for whatever
reason looking ends (Ramdas, Grünwald, Vovk & Shafer, 2023, doi:10.1214/23-STS894; the method of
mixtures: Robbins, 1970, doi:10.1214/aoms/1177696786). The mean over several quantities of the same
fits is such a martingale too, however they depend on one another (Vovk & Wang, 2021,
doi:10.1214/20-AOS2020).

The bets are that the posterior is off by a shift, or too narrow or too wide: the normal score
z = Phi^-1(u) is then N(m, s^2). Each density is constant over 100 equal cells, the rank cells of
99 kept draws. A tenth of the weight is on densities constant over 10 cells, under a Dirichlet
prior: the bet that learns any other shape.

How many replicates it takes to reach E >= 20 (one quantity, 99 draws, 1,000 runs), and the number
at which the exact band of `recovery.calibration`, looked at once, rejects in half of all runs:

======================  ======  ==========  =================  ====
posterior               median  80 % of it  decided by 500     band
======================  ======  ==========  =================  ====
sd x 0.5                    10          17  all                < 50
sd x 0.8                    93         168  .99                 110
sd x 0.9                   960      > 1000  .39                 500
sd x 1.25                  109         177  all                 150
shifted by .25 sd          140         252  .96                  90
shifted by .5 sd            36          60  all                < 50
shift .25, sd x 0.8         50          93  all
======================  ======  ==========  =================  ====

Families tried besides, with medians at sd x 0.8, x 1.25, shift .25: a grid of 49 shifts and scales
together 101, 146, 178; 48 beta densities 114, 138, 181; a histogram alone 226, 210, 240.
"""

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp, ndtr, ndtri

Array = NDArray[np.float64]

CELLS: Final = 100
"""Cells of (0, 1) over which every density is constant."""
SHIFTS: Final = (-0.6, -0.3, 0.3, 0.6)
"""Means of the normal scores that are bet on, in posterior sds."""
SCALES: Final = (0.6, 0.8, 1.25, 2.0)
"""Sds of the normal scores that are bet on: above 1 the posterior is too narrow."""
BINS: Final = 10
"""Cells of the bet that learns."""
_CONCENTRATION: Final = 5.0  # of its Dirichlet prior, for each of the cells
_LEARNING: Final = 0.1  # its weight
_MOST_AT_ONCE: Final = 2**20  # numbers held at once while replicates are gone through


def densities() -> Array:
    """Return the densities that are bet on, shape (n_bets, CELLS): their mean over cells is 1."""
    edges = ndtri(np.linspace(0, 1, CELLS + 1))
    bets = [(m, 1.0) for m in SHIFTS] + [(0.0, s) for s in SCALES]
    return np.array([np.diff(ndtr((edges - m) / s)) * CELLS for m, s in bets])


_LOG_DENSITIES: Final = np.log(np.pad(densities(), ((0, 0), (0, 1)), constant_values=1.0))
"""The last entry is for no PIT: nothing is bet then."""


class Evidence:
    """The e-values of several quantities, replicate after replicate.

    What is held does not grow with the replicates, and the e-values after them do not depend on
    how they were parted into calls.

    Parameters
    ----------
    n_quantities : int
    """

    def __init__(self, n_quantities: int) -> None:
        self._log_e = np.zeros((len(_LOG_DENSITIES), n_quantities))
        self._learnt = np.zeros(n_quantities)
        self._counts = np.zeros((n_quantities, BINS))

    @property
    def log_e_values(self) -> Array:
        """Natural logarithm of the e-value of each quantity, shape (n_quantities,)."""
        return _mixed(self._log_e, self._learnt)

    def add(self, pit: ArrayLike) -> Array:
        """Bet on the PITs of some replicates, in their order.

        Parameters
        ----------
        pit : array, shape (n, n_quantities)
            In [0, 1]; nan where there is none, which leaves the e-value as it is.

        Returns
        -------
        array, shape (n, n_quantities)
            Natural logarithm of the e-values after each of these replicates.

        Raises
        ------
        ValueError
            If the shape is another, or a PIT is outside [0, 1].
        """
        values = np.asarray(pit, dtype=np.float64)
        n_bets, n_quantities = self._log_e.shape
        if values.ndim != 2 or values.shape[1] != n_quantities:
            raise ValueError(f"pit must have shape (n, {n_quantities}), got {values.shape}")
        if ((values < 0) | (values > 1)).any():
            raise ValueError("a PIT lies in [0, 1]; give nan where there is none")
        rows = max(1, _MOST_AT_ONCE // max(1, (n_bets + BINS) * n_quantities))
        found = [self._add(values[i : i + rows]) for i in range(0, len(values), rows)]
        return np.concatenate([np.empty((0, n_quantities)), *found])

    def _add(self, pit: Array) -> Array:
        there = np.isfinite(pit)
        cell = np.minimum(np.where(there, pit, 0.0) * CELLS, CELLS - 1).astype(np.intp)
        bets = np.cumsum(_LOG_DENSITIES[:, np.where(there, cell, CELLS)], axis=1)
        bets += self._log_e[:, None]
        learnt = self._learnt + np.cumsum(self._learn(cell * BINS // CELLS, there), axis=0)
        self._log_e, self._learnt = bets[:, -1], learnt[-1]
        return _mixed(bets, learnt)

    def _learn(self, drawn: NDArray[np.intp], there: NDArray[np.bool_]) -> Array:
        """Return the log density that the cells so far give to the next; 0 without a PIT."""
        new = (drawn[..., None] == np.arange(BINS)) & there[..., None]
        counts = self._counts + np.cumsum(new, axis=0)
        before = counts - new
        its = np.take_along_axis(before, drawn[..., None], axis=-1)[..., 0]
        n = before.sum(axis=-1)
        self._counts = counts[-1]
        log_density = np.log((its + _CONCENTRATION) / (n / BINS + _CONCENTRATION))
        return np.where(there, log_density, 0.0)


def averaged(log_e_values: Array) -> Array:
    """Return the log of the mean e-value over quantities, the last axis."""
    return np.asarray(logsumexp(log_e_values, axis=-1) - np.log(log_e_values.shape[-1]))


def _mixed(bets: Array, learnt: Array) -> Array:
    """Return the log of the mixture over the first axis of `bets`, and what was learnt."""
    fixed = logsumexp(bets, axis=0) + np.log((1 - _LEARNING) / len(bets))
    return np.asarray(np.logaddexp(fixed, learnt + np.log(_LEARNING)))
