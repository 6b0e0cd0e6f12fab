"""Mistakes that harnesses have made with ranks; chance has no part in them."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from recovery.calibration import randomised_pit, uniformity
from recovery.ranking import rank_cells
from recovery.record import KEPT_DRAWS
from recovery.selfcheck.finding import Finding, certain

_CASE: Final = "trap"


def traps() -> Iterator[Finding]:
    """Try each."""
    yield _part_of_the_range()
    yield _ends_of_the_range()
    yield _whole_numbers()
    yield _fractions()


def _part_of_the_range() -> Finding:
    # Rescaled by the largest rank seen, these would be perfectly uniform.
    ranks = np.arange(310) % 31
    rejected = uniformity(ranks, KEPT_DRAWS).rejected
    return certain(_CASE, "ranks on 0..30 of 99", "rejected", "passed", rejected)


def _ends_of_the_range() -> Finding:
    ranks = rank_cells(np.linspace(0, 1, 101)).astype(np.int64)
    inside = bool(ranks.min() == 0 and ranks.max() == KEPT_DRAWS)
    passed = inside and not uniformity(ranks, KEPT_DRAWS).rejected
    return certain(_CASE, "a PIT of 0, and one of 1", "no alarm", "alarm", passed)


def _whole_numbers() -> Finding:
    # Every rank comes back from its PIT, and turning all round gives the same test to the bit.
    rng = np.random.default_rng(0)
    ranks = np.arange(KEPT_DRAWS + 1)
    back = all(
        (rank_cells(randomised_pit(ranks, KEPT_DRAWS, rng)) == ranks).all() for _ in range(100)
    )
    some = rng.integers(0, KEPT_DRAWS, 80, endpoint=True)
    same = uniformity(some, KEPT_DRAWS) == uniformity(KEPT_DRAWS - some, KEPT_DRAWS)
    return certain(_CASE, "ranks as whole numbers", "kept", "lost", back and same)


def _fractions() -> Finding:
    try:
        uniformity(np.arange(100) / 100, KEPT_DRAWS)
    except ValueError:
        refused = True
    else:
        refused = False
    return certain(_CASE, "ranks as fractions", "refused", "taken", refused)
