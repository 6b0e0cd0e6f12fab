"""Every measure by name, in the order in which readers meet them."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from recovery.measures.agreement import AGREEMENT
from recovery.measures.decisions import DECISIONS
from recovery.measures.family import Entry, MeasureInfo
from recovery.measures.intervals import INTERVALS
from recovery.measures.pairs import PAIRS
from recovery.measures.point import POINT
from recovery.measures.spread import SPREAD

ENTRIES: Final[Mapping[str, Entry]] = MappingProxyType(
    {**POINT, **SPREAD, **AGREEMENT, **INTERVALS, **DECISIONS, **PAIRS}
)
LEVELLED: Final = {name: e for name, e in {**INTERVALS, **DECISIONS}.items() if "lower" in e.needs}
"""Those of intervals, whose names end in a level."""
MEASURES: Mapping[str, MeasureInfo] = MappingProxyType(
    {name: entry.info for name, entry in ENTRIES.items()}
)
"""Every measure by its base name. In the formulas m and s are the posterior mean and sd, t is the
truth, l and u are the ends of an interval of level c, and mean and sd run over replicates; numbers
tell two samplers or two parameters apart."""


def measure_info(name: str) -> MeasureInfo:
    """Return what there is to know of a measure, named with or without a level: ``coverage_90``.

    A level is itself the ideal coverage, and half of what it leaves the ideal of either miss.
    Raises ValueError for a name that is no measure.
    """
    base, _, suffix = name.rpartition("_")
    if name in MEASURES or base not in MEASURES or not re.fullmatch(r"\d+(\.\d+)?", suffix):
        base, suffix = name, ""
    if base not in MEASURES:
        raise ValueError(f"no measure is called {name!r}; there are: {', '.join(MEASURES)}")
    info, level = MEASURES[base], float(suffix or "nan") / 100
    if suffix and base.endswith("coverage"):
        return info._replace(ideal=level)
    if suffix and base.startswith("miss"):
        return info._replace(ideal=round((1 - level) / 2, 12))
    return info
