"""The posteriors that are tried: one sound, the others with a flaw that is known."""

from dataclasses import dataclass
from typing import Final

from recovery.testing import Flaw, PairSampler

DRAWS: Final = 250
"""Per chain, of four chains: so many that every truth is ranked among all 99 kept draws."""
CHAINS: Final = 4


@dataclass(frozen=True, slots=True)
class Case:
    """A posterior, and how often it is tried.

    Attributes
    ----------
    name : str
    sampler : PairSampler
    runs : int
        How many runs there are, of each size.
    sizes : tuple of int
        Simulations per run, ascending. A run of fewer is made of the first replicates.
    points : int
        Of the data.
    """

    name: str
    sampler: PairSampler
    runs: int
    sizes: tuple[int, ...]
    points: int = 3

    @property
    def replicates(self) -> int:
        """How many replicates are fitted."""
        return self.runs * self.sizes[-1]


_SAMPLERS: Final = {
    "sound": PairSampler(),
    "posterior is the prior": PairSampler(Flaw.PRIOR),
    "one of 3 points dropped": PairSampler(Flaw.DROPPED),
    "correlation lost": PairSampler(Flaw.UNCORRELATED),
    "random bias": PairSampler(Flaw.BIASED),
    "sd x 0.5": PairSampler(sd_factor=0.5),
    "sd x 0.8": PairSampler(sd_factor=0.8),
    "sd x 1.25": PairSampler(sd_factor=1.25),
    "shift 1 sd": PairSampler(shift=1.0),
}
_QUICK_SIZES: Final = {
    "sound": 50,
    "one of 3 points dropped": 50,
    "correlation lost": 50,
    "random bias": 50,
}
_QUICK_RUNS: Final = {"sound": 40}
QUICK: Final = tuple(
    Case(name, sampler, _QUICK_RUNS.get(name, 20), (_QUICK_SIZES.get(name, 20),))
    for name, sampler in _SAMPLERS.items()
)
"""Less than a minute on two cores."""
FULL: Final = (
    *(Case(name, sampler, 60, (20, 50, 100, 200)) for name, sampler in _SAMPLERS.items()),
    Case("one of 20 points dropped", PairSampler(Flaw.DROPPED), 60, (20, 50, 100, 200), 20),
)
"""The whole table of powers; ten minutes and more."""
