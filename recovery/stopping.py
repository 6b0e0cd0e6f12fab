"""When a fit has drawn enough: checked at blocks of draws, on the draws alone.

A rule that looks at clocks or at how far other chains happen to be would give another posterior on
another day. This one sees the first n draws of every chain, for n at whole blocks, and nothing
else: the same seed stops at the same draw on every machine, with any number of workers.
"""

import math
from dataclasses import dataclass

import numpy as np

from recovery.diagnostics import diagnose
from recovery.record import Floats
from recovery.thresholds import limit_of

BLOCK = 25
"""Draws per chain between two places where a fit may stop."""
_LEAST = 50  # draws per chain below which r_hat and ESS say little
_SMALLEST_STEP = 0.1  # share of the draws so far that the next look adds at least
_LARGEST_STEP = 1.0


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at the first draws of every chain says.

    Attributes
    ----------
    enough : bool
        Whether every parameter has the ESS asked for, in bulk and tails, and an r_hat below the
        limit that flags a fit.
    next_draws : int
        Draws per chain at which to look again; meaningless once there are enough.
    """

    enough: bool
    next_draws: int


def first_look(ess: float, chains: int, most: int) -> int:
    """Return the draws per chain at which to look first: where independent draws would do.

    Parameters
    ----------
    ess : float
        The ESS that every parameter must have.
    chains : int
    most : int
        Draws per chain at which a fit ends in any case.
    """
    return min(most, max(_LEAST, _blocks(ess / chains)))


def look(draws: Floats, ess: float, most: int) -> Look:
    """Judge the draws so far, and say when to look again.

    Parameters
    ----------
    draws : array, shape (n_chains, n_draws, n_parameters)
    ess, most
        As for `first_look`.

    Notes
    -----
    A constant parameter has as many effective draws as draws, and no r_hat: it holds nothing up.
    A single chain has no r_hat either. Draws that are not finite are never enough.
    """
    now = draws.shape[1]
    if now >= most:
        return Look(True, most)
    found = diagnose(draws)
    least = np.minimum(found.ess_bulk, found.ess_tail).min(initial=np.inf)
    mixed = not (found.r_hat >= limit_of("r_hat_max")).any()
    if least >= ess and mixed:
        return Look(True, now)
    # ESS grows about in proportion to the draws; r_hat says nothing of how much more it needs.
    wanted = now * ess / least if least > 0 else math.inf
    step = min(max(wanted, now * (1 + _SMALLEST_STEP)), now * (1 + _LARGEST_STEP))
    return Look(False, min(most, _blocks(step)))


def _blocks(draws: float) -> int:
    """Round up to whole blocks."""
    return BLOCK * math.ceil(draws / BLOCK)
