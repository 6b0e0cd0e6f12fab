"""One thing that was looked at: what had to be found, what was, and how probable that is."""

import math
from dataclasses import dataclass
from typing import Final

from scipy.stats import betabinom, binom


@dataclass(frozen=True, slots=True)
class Finding:
    """A row of the table.

    Attributes
    ----------
    case, subject : str
        The posterior, and what was looked at.
    expected, measured : str
        For a reader.
    p_value : float
        Probability, in a sound harness, of something as far from what is expected; 1 or 0 where
        chance has no part in it.
    weight : int
        Its part of the chance of a false alarm. Findings on all replicates at once see the smallest
        flaws, and there are few of them, so they have more of it.
    """

    case: str
    subject: str
    expected: str
    measured: str
    p_value: float
    weight: int = 1


@dataclass(frozen=True, slots=True)
class Rate:
    """A known rate.

    Attributes
    ----------
    value : float
    runs : int or None
        From how many simulated runs it is known; None if exactly.
    """

    value: float
    runs: int | None = None

    def agreement(self, k: int, n: int) -> float:
        """Return the probability of a count as far from this rate as k of n, two-sided.

        Exact: k is binomial if the rate is, and beta-binomial, with Jeffreys' prior on the rate,
        if the rate itself has been counted over a number of runs. 0 where n is 0 or the rate nan:
        what was not measured agrees with nothing.
        """
        if n == 0 or math.isnan(self.value):
            return 0.0
        if self.runs is None:
            tails = binom.cdf(k, n, self.value), binom.sf(k - 1, n, self.value)
        else:
            found = self.value * self.runs
            prior = found + 0.5, self.runs - found + 0.5
            tails = betabinom.cdf(k, n, *prior), betabinom.sf(k - 1, n, *prior)
        return float(min(1.0, 2 * min(tails)))


WHOLE: Final = 20
"""Weight of a finding on all replicates of a case at once."""


def counted(case: str, subject: str, expected: Rate, k: int, n: int, *, weight: int = 1) -> Finding:
    """Return a finding of k of n where a rate is known."""
    measured = f"{k / n:.3f} ({k} of {n})" if n else "nothing"
    p_value = expected.agreement(k, n)
    return Finding(case, subject, f"{expected.value:.3f}", measured, p_value, weight)


def certain(case: str, subject: str, expected: str, otherwise: str, holds: bool) -> Finding:
    """Return a finding that chance has no part in."""
    return Finding(case, subject, expected, expected if holds else otherwise, float(holds))
