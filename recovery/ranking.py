"""How a truth is ranked: among draws thinned by their ESS, and on one scale for all fits.

Ranks are uniform only among independent draws, and draws of a chain are not. So a truth is ranked
among no more draws than its parameter has effective ones, evenly spaced. That number differs from
fit to fit; the randomised PIT does not depend on it: it is uniform on (0, 1) for any number of
draws (Modrák et al., 2025, doi:10.1214/23-BA1404). So ranks of different fits are compared on one
scale, the cell of 0..99 that the PIT falls in, which among 99 draws is the rank itself.
"""

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recovery.calibration import Counts, randomised_pit, ranks
from recovery.record import KEPT_DRAWS, Floats

RANK_CELLS: Final = KEPT_DRAWS + 1
"""Cells of the scale on which ranks are compared."""
_LADDER: Final = np.array([1, 4, 9, 19, 24, 49, 99])  # one less than the divisors of 100


def spaced(length: int, most: int) -> NDArray[np.intp]:
    """Return at most `most` of the places 0 to length - 1, evenly spaced, both ends included."""
    return np.linspace(0, length - 1, min(length, most)).astype(np.intp)


def draws_to_rank(ess: ArrayLike, n_kept: int) -> Counts:
    """Return among how many draws each truth is ranked, given the ESS of its parameter.

    Parameters
    ----------
    ess
        Effective draws, shape (n_parameters,), the smaller of bulk and tail; nan where unknown,
        which thins nothing.
    n_kept
        How many draws there are to rank among.

    Returns
    -------
    array of int, shape (n_parameters,)
        The largest of 1, 4, 9, 19, 24, 49 and 99 that is at most the ESS, `n_kept` at most; 1 for
        an ESS below that.
    """
    known = np.nan_to_num(np.asarray(ess, dtype=np.float64), nan=np.inf)
    rungs = np.searchsorted(_LADDER, known, side="right") - 1
    return np.asarray(np.minimum(_LADDER[np.maximum(rungs, 0)], n_kept))


def rank_truths(
    draws: Floats, truth: Floats, among: Counts, rng: np.random.Generator
) -> tuple[Counts, Floats]:
    """Rank each truth among evenly spaced draws.

    Parameters
    ----------
    draws
        Shape (n_kept, n_parameters).
    truth
        Shape (n_parameters,).
    among
        Among how many draws, shape (n_parameters,), 1..n_kept each.
    rng
        Breaks ties and randomises the PIT.

    Returns
    -------
    rank : array of int, shape (n_parameters,)
        In 0..among.
    pit : array, shape (n_parameters,)
        In (0, 1); nan where the truth or a draw is nan.
    """
    rank = np.empty(len(truth), dtype=np.int64)
    pit = np.empty(len(truth))
    for number in np.unique(among).tolist():
        mine = among == number
        rank[mine] = ranks(draws[spaced(len(draws), number)][:, mine], truth[mine], rng)
        pit[mine] = randomised_pit(rank[mine], number, rng)
    pit[np.isnan(truth) | np.isnan(draws).any(axis=0)] = np.nan
    return rank, pit


def rank_cells(pit: ArrayLike) -> Floats:
    """Return the cell of 0..99 that each PIT falls in, as whole numbers; nan where there is none.

    Among 99 draws this is the rank. From exact posteriors it is uniform on 0..99 for any number of
    draws, so cells of fits that ranked among different numbers are tested together.
    """
    cells = np.floor(np.asarray(pit, dtype=np.float64) * RANK_CELLS)
    return np.asarray(np.minimum(cells, RANK_CELLS - 1))
