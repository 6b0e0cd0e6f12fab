"""The row whose coverage is hardest to explain by chance, over all rows that chance had."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from scipy.special import bdtr

from recovery.measures import Measured
from recovery.report.measured import judged
from recovery.report.text import count, plain, share
from recovery.report.view import CI_PROB, Measures, View
from recovery.shares import binomial_interval

_MOST_DIGITS = 4  # of a share


@dataclass(frozen=True, slots=True)
class Lowest:
    """The row of some rows whose coverage is hardest to explain by chance."""

    measures: Measures
    among: int
    """Rows of the truth mode: chance had as many tries."""
    equals: int
    """Other rows with the same coverage and n."""
    low: bool
    """Whether any of the rows is too low even for the lowest of so many."""

    def interval(self) -> str:
        """Write the interval of the coverage, and how sure it is."""
        coverage = self.measures.coverage
        prob = simultaneous(self.among)
        lower, upper = binomial_interval(coverage.estimate, coverage.n, prob)
        over = f", simultaneous over the {self.among:,} rows" if self.among > 1 else ""
        return f"95 % interval{over}, {ends(lower, upper, digits_of(coverage.n))}"

    def where(self, view: View) -> str:
        """Write which row it is."""
        m = self.measures
        others = f" and {count(self.equals, 'other row')}" if self.equals else ""
        return f"{plain(m.parameter)}{view.at(m.position)}{others}"


def digits_of(n: int) -> int:
    """Return how many decimals of a share of n a reader can use."""
    return 2 if n < 10_000 else 3 if n < 1_000_000 else 4


def ends(lower: float, upper: float, digits: int) -> str:
    """Write the ends of an interval, finely enough to be seen beside the level they miss."""
    for least in (lower, upper):
        while digits < _MOST_DIGITS and f"{least:.{digits}f}" == f"{CI_PROB:.{digits}f}":
            digits += 1
    return f"{share(lower, digits)} to {share(upper, digits)}"


def simultaneous(among: int) -> float:
    """Return the level of each interval, so that all together hold at 95 % (Bonferroni)."""
    return 1 - 0.05 / among


def lowest(view: View, mode: str, without: Collection[int] = ()) -> Lowest | None:
    """Find the row whose coverage is hardest to explain by chance, some cells left out.

    The lowest coverage need not be: that of few fits varies more.
    """
    every = with_coverage(view.fitted(mode))
    rows = judgeable(view, [m for m in every if m.position not in without])
    if not rows:
        return None
    lowest = hardest(rows)
    same = lowest.coverage.estimate, lowest.coverage.n
    equals = sum((m.coverage.estimate, m.coverage.n) == same for m in rows) - 1
    return Lowest(lowest, len(every), equals, too_low(view, lowest, len(every)))


def with_coverage(rows: Sequence[Measures]) -> list[Measures]:
    """Return the rows that have a coverage at all."""
    return [m for m in rows if m.coverage.n and not math.isnan(m.coverage.estimate)]


def judgeable(view: View, rows: list[Measures]) -> list[Measures]:
    """Return the rows that tables judge; all of them only where there are none."""
    return [m for m in rows if judged(view, m)] or rows


def hardest(rows: Sequence[Measures]) -> Measures:
    """Return the row whose coverage is hardest to explain by chance: if any is too low, it is."""
    return min(rows, key=lambda m: (tail(m.coverage), m.coverage.estimate))


def too_low(view: View, measures: Measures, among: int) -> bool:
    """Say whether a coverage is lower than chance explains, at 5 % over so many rows (exact)."""
    return judged(view, measures) and tail(measures.coverage) <= 0.025 / among


def tail(coverage: Measured) -> float:
    """Return how likely so few intervals or fewer hold the truth where coverage is nominal."""
    return float(bdtr(round(coverage.estimate * coverage.n), coverage.n, CI_PROB))
