"""Two runs side by side, paired where they share seeds."""

from recovery.comparison.compared import Comparison, compare
from recovery.comparison.matching import Matched, Matching, Pairs
from recovery.comparison.measured import DEFAULT
from recovery.comparison.pairs import (
    CellRatios,
    CellTimes,
    CoverageHits,
    gradient_ratios,
    paired_coverage,
    time_rounds,
)
from recovery.comparison.setups import Differing

__all__ = [
    "DEFAULT",
    "CellRatios",
    "CellTimes",
    "Comparison",
    "CoverageHits",
    "Differing",
    "Matched",
    "Matching",
    "Pairs",
    "compare",
    "gradient_ratios",
    "paired_coverage",
    "time_rounds",
]
