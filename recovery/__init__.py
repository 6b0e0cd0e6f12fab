"""Parameter recovery for PyMC: the truth is known; does this model and this sampler find it.

A `Sweep` runs a `scenario`, a function from levels to a `Problem`; its `Results` are frames.
"""

import importlib
from typing import TYPE_CHECKING, Any

from recovery.scenario import Problem, Scenario, scenario

if TYPE_CHECKING:
    from recovery.comparison import compare
    from recovery.results import Results
    from recovery.sweep import Sweep

__all__ = ["Problem", "Results", "Scenario", "Sweep", "compare", "scenario"]

# PyMC and pandas take seconds to import, so what needs them is imported when first asked for.
_LATER = {
    "Results": "recovery.results",
    "Sweep": "recovery.sweep",
    "compare": "recovery.comparison",
}


def __getattr__(name: str) -> Any:
    """Import the larger names when they are first used (PEP 562)."""
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_LATER[name]), name)
