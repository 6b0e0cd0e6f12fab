"""Where what is checked out leads on the other side, and what is no part of it."""

import sys
from pathlib import Path
from typing import Final

_PACKAGES: Final = "site-packages"


def follow(entry: str, here: Path, there: Path) -> str:
    """Return where an entry of a path of modules leads on the other side.

    Parameters
    ----------
    entry : str
        What is not absolute stays: it is looked up from the folder of the side itself.
    here, there : pathlib.Path
        What is checked out now, and on the other side.
    """
    if not Path(entry).is_absolute():
        return entry
    path = Path(entry).resolve()
    if not path.is_relative_to(here) or of_the_environment(path):
        return entry
    return str(there / path.relative_to(here))


def of_the_environment(path: Path) -> bool:
    """Say whether a place is of an interpreter or of what is installed, wherever that lies."""
    prefixes = {Path(prefix).resolve() for prefix in (sys.prefix, sys.base_prefix)}
    return _PACKAGES in path.parts or any(path.is_relative_to(prefix) for prefix in prefixes)
