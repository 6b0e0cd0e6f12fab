"""Two runs side by side, paired where they share seeds."""

from recovery.comparison.matching import Matched, Matching, Pairs
from recovery.comparison.pairs import (
    CellRatios,
    CellTimes,
    CoverageHits,
    gradient_ratios,
    paired_coverage,
    time_rounds,
)

__all__ = [
    "CellRatios",
    "CellTimes",
    "CoverageHits",
    "Matched",
    "Matching",
    "Pairs",
    "gradient_ratios",
    "paired_coverage",
    "time_rounds",
]
