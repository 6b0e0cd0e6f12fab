"""Imports go down the layers only, and PyMC stays in its rooms."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "recovery"

# From the bottom up: a module imports only what stands before it (its own folder aside).
LAYERS = [
    "errors",
    "inert",
    "toml_lines",
    "streams",
    "importing",
    "leash",
    "shares",
    "least",
    "measures",
    "calibration",
    "departures",
    "multiplicity",
    "evidence",
    "confidence",
    "equivalence",
    "scores",
    "ordering",
    "autocorrelation",
    "diagnostics",
    "thresholds",
    "scenario",
    "loading",
    "design",
    "restored",
    "record",
    "ranking",
    "stopping",
    "checksum",
    "stored",
    "schema",
    "migration",
    "database",
    "store",
    "recorded",
    "ahead",
    "blocks",
    "columns",
    "cells",
    "summary",
    "comparisons",
    "correlations",
    "held",
    "rank_tests",
    "rows",
    "conflict",
    "seen",
    "growth",
    "precision",
    "decided",
    "agenda",
    "refits",
    "escalation",
    "plan",
    "pauses",
    "engine",
    "supplement",
    "progress",
    "execution",
    "provenance",
    "fitting",
    "arrays",
    "notebook",
    "plots",
    "plotted",
    "results",
    "comparison",
    "history",
    "gates",
    "policy",
    "planned",
    "report",
    "sweep",
    "replay",
    "status",
    "verify",
    "scenarios",
    "testing",
    "selfcheck",
    "interleaved",
    "cached",
    "benchmarking",
    "tested",
    "pytest_plugin",
    "starter",
    "cli",
    "__main__",
]
PYMC_ROOMS = {"engine", "scenarios", "testing"}
HEAVY = {"pymc", "pytensor", "nutpie", "arviz"}
# What these import at once decides how soon the command line answers.
LIGHT = {
    "errors",
    "inert",
    "toml_lines",
    "streams",
    "importing",
    "scenario",
    "loading",
    "store",
    "record",
    "status",
    "tested",
    "pytest_plugin",
    "starter",
    "cli",
    "__init__",
}
MODULES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))


def room(module: str) -> str:
    return module.removesuffix(".py").split("/")[0]


def imports(module: str, *, top_level: bool = False) -> set[str]:
    """Names of the modules that a module imports, type-checking blocks aside."""
    tree = ast.parse((PACKAGE / module).read_text(encoding="utf-8"))
    skipped: set[ast.AST] = set()
    for node in ast.walk(tree):
        type_checking = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        if type_checking or (top_level and isinstance(node, ast.FunctionDef)):
            skipped.update(ast.walk(node))
    found: set[str] = set()
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


@pytest.mark.parametrize("module", MODULES)
def test_every_module_has_a_layer_and_imports_downward_only(module: str) -> None:
    if module == "__init__.py":
        return  # the front door names what lies behind it
    assert room(module) in LAYERS, f"{module} is in no layer; give it its place in LAYERS"
    for name in imports(module):
        parts = name.split(".")
        if parts[0] == "recovery" and len(parts) > 1 and parts[1] in LAYERS:
            own = parts[1] == room(module)
            assert own or LAYERS.index(parts[1]) < LAYERS.index(room(module)), (
                f"{module} imports {name}, which stands above it"
            )


@pytest.mark.parametrize("module", MODULES)
def test_pymc_is_imported_in_its_rooms_only(module: str) -> None:
    if room(module) not in PYMC_ROOMS:
        assert not {name.split(".")[0] for name in imports(module)} & HEAVY


@pytest.mark.parametrize("module", MODULES)
def test_what_must_start_at_once_imports_nothing_heavy(module: str) -> None:
    if room(module) in LIGHT:
        slow = HEAVY | {"pandas", "matplotlib", "scipy", "xarray"}
        assert not {name.split(".")[0] for name in imports(module, top_level=True)} & slow


@pytest.mark.parametrize("module", MODULES)
def test_no_module_outgrows_its_room(module: str) -> None:
    lines = (PACKAGE / module).read_text(encoding="utf-8").count("\n")
    assert lines <= 420, f"{module} has {lines} lines; redesign it"


def test_the_top_level_holds_what_it_should_and_nothing_else() -> None:
    allowed = {"bench", "recovery", "reports", "tests", "pyproject.toml", "README.md", "tox.ini"}
    present = {path.name for path in PACKAGE.parent.iterdir() if not path.name.startswith(".")}
    assert present - {"LICENSE"} <= allowed
