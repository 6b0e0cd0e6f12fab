"""Two states of the code, run on one machine in turns, so that their times can be compared.

Each side is a process of its own, which compiles once and then runs the same replicates as the
other, round by round, while the other waits.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recovery.interleaved.job import Asked, Ran, interleave
    from recovery.interleaved.judged import judge

__all__ = ["Asked", "Ran", "interleave", "judge"]


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is (PEP 562): a side needs nothing that judges or draws."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = "judged" if name == "judge" else "job"
    return getattr(importlib.import_module(f"{__name__}.{module}"), name)
