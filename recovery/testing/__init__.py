"""Scenarios whose posterior is known in closed form, and samplers of it, sound and faulty.

With them a whole sweep runs without compiling a density, and what it must find is known exactly.
"""

from recovery.testing.line import ExactDensity, ExactSampler, line
from recovery.testing.pair import Flaw, PairDensity, PairSampler, pair

__all__ = [
    "ExactDensity",
    "ExactSampler",
    "Flaw",
    "PairDensity",
    "PairSampler",
    "line",
    "pair",
]
