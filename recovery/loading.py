"""Finding scenarios: bundled ones by name, the user's by file."""

import ast
import copyreg
import importlib
import importlib.util
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from recovery.errors import ScenarioError, UserCodeError
from recovery.inert import message
from recovery.scenario import Scenario

_BUNDLED = Path(__file__).parent / "scenarios"


@dataclass(frozen=True, slots=True)
class Listing:
    """A bundled scenario as a list shows it: name, axes with their defaults, first doc line."""

    name: str
    axes: str
    summary: str


def bundled_scenarios() -> list[Listing]:
    """List the bundled scenarios without importing them (and with them PyMC)."""
    found = []
    for file in sorted(_BUNDLED.glob("[a-z]*.py")):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name == file.stem:
                summary = (ast.get_docstring(node) or "").splitlines()[:1]
                found.append(Listing(node.name, ast.unparse(node.args), "".join(summary)))
    return found


def load_scenario(target: str) -> Scenario:
    """Load a scenario by the name of a bundled one, or from a file.

    Parameters
    ----------
    target : str
        ``plants``, ``path/to/file.py``, or ``path/to/file.py:name`` where a file has several.
        Loading a file runs it: it is the user's own code.

    Raises
    ------
    ScenarioError
        If there is no such scenario, or none or several in the file.
    UserCodeError
        If the file itself raises.
    """
    path, _, wanted = target.rpartition(":") if ".py:" in target else (target, "", "")
    if not path.endswith(".py"):
        return _bundled(target)
    file = Path(path)
    if not file.is_file():
        raise ScenarioError(f"{path}: no such file; give a Python file or {_choices()}")
    loaded = _execute(file.resolve())
    here = {
        name: value
        for name, value in vars(loaded).items()
        if isinstance(value, Scenario) and value.function.__module__ == loaded.__name__
    }
    names = ", ".join(here)
    if not here:
        raise ScenarioError(
            f"{path}: no scenario in this file; put @scenario from recovery above the function "
            "that returns the Problem"
        )
    if wanted and wanted not in here:
        raise ScenarioError(f"{path}: no scenario {wanted!r} in this file; it has {names}")
    if not wanted and len(here) > 1:
        first = next(iter(here))
        raise ScenarioError(
            f"{path}: several scenarios in this file ({names}); name one, as {path}:{first}"
        )
    chosen = here[wanted] if wanted else next(iter(here.values()))
    chosen.recipe = (str(file.resolve()), chosen.name)
    return chosen


def _choices() -> str:
    return "a bundled scenario: " + ", ".join(listing.name for listing in bundled_scenarios())


def _bundled(name: str) -> Scenario:
    if name not in {listing.name for listing in bundled_scenarios()}:
        raise ScenarioError(
            f"{name}: no such scenario; give a Python file (ending in .py) or {_choices()}"
        )
    found = getattr(importlib.import_module(f"recovery.scenarios.{name}"), name)
    assert isinstance(found, Scenario)
    return found


def _execute(file: Path) -> ModuleType:
    name = f"_recovery_user_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ScenarioError(f"{file}: not a Python file that can be loaded")
    if str(file.parent) not in sys.path:
        # The user's file may import its neighbours, as it could when run by itself.
        sys.path.insert(0, str(file.parent))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except ScenarioError:
        raise
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise UserCodeError(
            f"{file.name}: raised {type(error).__name__} when it was loaded: {message(error)}",
            user_traceback(error, str(file)),
        ) from error
    return module


def user_traceback(error: BaseException, file: str | None) -> str:
    """Format a traceback from the first frame of the user's file on, leaving this program's out."""
    frames = traceback.extract_tb(error.__traceback__)
    first = next((i for i, frame in enumerate(frames) if frame.filename == file), 0)
    if isinstance(error, SyntaxError) and error.filename == file:
        first = len(frames)  # it names file and line itself; no line of the file has run
    lines = ["Traceback (most recent call last):\n"] if first < len(frames) else []
    lines += traceback.format_list(frames[first:])
    lines += traceback.format_exception_only(error)
    return "".join(lines).rstrip()


def _reduce(scenario: Scenario) -> tuple[Callable[..., Scenario], tuple[Any, ...]]:
    if scenario.recipe is not None:
        file, name = scenario.recipe
        return load_scenario, (f"{file}:{name}",)
    return Scenario, (scenario.function,)


# A scenario from a file travels to another process as the file it came from.
copyreg.pickle(Scenario, _reduce)
