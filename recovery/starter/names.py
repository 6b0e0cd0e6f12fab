"""What a scenario file can be called without being in the way of another module."""

import importlib.util
import keyword
import re
import sys
from pathlib import Path
from typing import Final

from recovery.errors import ScenarioError

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,59}")
_COLLECTED: Final = "conftest setup"  # what pytest and pip load of a folder of themselves


def check_name(name: str, folder: Path) -> None:
    """Refuse a name that no scenario, module or test can have.

    Parameters
    ----------
    name : str
        As the user gave it.
    folder : Path
        Where ``name.py`` is to be; a module there shadows nothing.

    Raises
    ------
    ScenarioError
        With what is wrong with it.
    """
    if not _NAME.fullmatch(name):
        raise ScenarioError(
            f"{name!r} cannot be the name of a scenario; give lower-case letters, digits and "
            "underscores, at most 60, beginning with a letter, as dose_response"
        )
    if keyword.iskeyword(name):
        raise ScenarioError(f"{name}: a word of Python itself; give another, as {name}_model")
    if name.startswith("test_") or name.endswith("_test"):
        raise ScenarioError(
            f"{name}: pytest would take {name}.py for a test; give another, without test_ or _test"
        )
    if name in _COLLECTED.split() or name in sys.stdlib_module_names or _installed(name, folder):
        raise ScenarioError(
            f"{name}: {name}.py would stand in the way of the module {name}; give another, as "
            f"{name}_model"
        )


def _installed(name: str, folder: Path) -> bool:
    """Return whether a module of that name can be imported from elsewhere."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return True  # there is something, although it cannot be loaded
    if spec is None:
        return False
    places = [*(spec.submodule_search_locations or []), *([spec.origin] if spec.origin else [])]
    return not any(Path(place).resolve().parent == folder.resolve() for place in places)
