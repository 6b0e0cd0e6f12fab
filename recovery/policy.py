"""A policy: which scenarios a build runs, and by which gates they are judged.

It is ``recovery.toml``, or the table ``tool.recovery`` of ``pyproject.toml``::

    error_rate = 0.05

    [gates]                        # for every scenario
    calibrated = true
    coverage_within = 0.05

    [scenarios.plants]
    scenario = "models/plants.py"  # FILE.py, FILE.py:NAME or a bundled one; by default the name
    axes = { trials = [50, 100] }
    replicates = 400
    truth = "prior"

    [scenarios.plants.gates]       # for this one instead
    coverage_within = 0.1
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NoReturn

from recovery.errors import PolicyError
from recovery.gates.limits import ERROR_RATE, GATES, choices, clash_of, problem_of
from recovery.toml_lines import Lines

FILE: Final = "recovery.toml"
_PYPROJECT: Final = "pyproject.toml"
_LONGEST: Final = 2**20  # characters: policies are written by hand
_NAME: Final = "letters, digits, '-', '_' and '.', beginning with a letter, at most 60 of them"


def _text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _whole(least: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and value >= least


def _share(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1


OPTIONS: Final[Mapping[str, tuple[str, Callable[[Any], bool]]]] = MappingProxyType(
    {
        "replicates": ("a whole number from 1", _whole(1)),
        "truth": (
            '"fixed", "prior" or "both"',
            lambda v: isinstance(v, str) and v in ("fixed", "prior", "both"),
        ),
        "seed": ("a whole number from 0", _whole(0)),
        "sampler": ("the name of a sampler, such as nutpie", _text),
        "draws": ("a whole number from 4", _whole(4)),
        "tune": ("a whole number from 0", _whole(0)),
        "chains": ("a whole number from 1", _whole(1)),
        "target_accept": ("a number between 0 and 1", _share),
        "ess": ("a whole number from 0", _whole(0)),
    }
)
"""Keywords of `Sweep` that a policy can give, with what they take."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One scenario that a policy runs and judges.

    Attributes
    ----------
    name : str
        Of its section.
    scenario : str
        What `load_scenario` takes in the folder of the policy.
    axes : mapping of str to list
        Levels by axis.
    options : mapping
        Keywords of `Sweep`.
    gates : mapping
        Gates and options of gates, those of all scenarios included.
    """

    name: str
    scenario: str
    axes: Mapping[str, list[Any]]
    options: Mapping[str, Any]
    gates: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Policy:
    """What a build runs and by what it is judged.

    Attributes
    ----------
    path : pathlib.Path
        Of its file.
    error_rate : float
        Chance that a build in which nothing is wrong fails.
    scenarios : tuple of Planned
    gates : mapping
        Those of every scenario.
    """

    path: Path
    error_rate: float
    scenarios: tuple[Planned, ...]
    gates: Mapping[str, Any]


def find_policy(folder: str | os.PathLike[str] = ".") -> Path:
    """Return the policy of a folder: ``recovery.toml``, else ``pyproject.toml`` if it has one.

    Raises
    ------
    PolicyError
        If there is none.
    """
    own, project = Path(folder) / FILE, Path(folder) / _PYPROJECT
    if own.is_file():
        return own
    if project.is_file() and _table(project, Lines.of(_read(project), project))[0] is not None:
        return project
    raise PolicyError(
        f"{folder}: no {FILE}, and no [tool.recovery] in a {_PYPROJECT}; write one with "
        "recovery new NAME, or name another with --policy FILE"
    )


def read_policy(path: str | os.PathLike[str]) -> Policy:
    """Read and check a policy.

    Parameters
    ----------
    path : path
        A TOML file; of one called ``pyproject.toml`` the table ``tool.recovery``.

    Raises
    ------
    PolicyError
        If it cannot be read, or has unknown keys or impossible values, with the line.
    """
    file = Path(path)
    lines = Lines.of(_read(file), file)
    found, root = _table(file, lines)
    if found is None:
        raise PolicyError(f"{file}: has no table [tool.recovery]; add it, or use {FILE}")
    return _Reader(file, lines, root).policy(found)


def _read(file: Path) -> str:
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise PolicyError(f"{file}: no such file; give the policy, a TOML file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyError(f"{file}: cannot be read as a TOML file: {error}") from None
    if len(text) > _LONGEST:
        raise PolicyError(f"{file}: longer than any policy; give a TOML file")
    return text


def _table(file: Path, lines: Lines) -> tuple[Mapping[str, Any] | None, tuple[str, ...]]:
    """Return the table of a policy and where in its file it stands."""
    if file.name != _PYPROJECT:
        return lines.data, ()
    tools = lines.data.get("tool", {})
    found = tools.get("recovery") if isinstance(tools, dict) else None
    return (found if isinstance(found, dict) else None), ("tool", "recovery")


@dataclass(frozen=True, slots=True)
class _Reader:
    file: Path
    lines: Lines
    root: tuple[str, ...]

    def policy(self, table: Mapping[str, Any]) -> Policy:
        self._known(table, (), ("error_rate", "gates", "scenarios"))
        rate = table.get("error_rate", ERROR_RATE)
        if not (_share(rate) and rate < 0.5):
            self._refuse(f"error_rate: {rate!r} is not allowed; give a number between 0 and 0.5",
                         "error_rate")  # fmt: skip
        gates = self._gates(self._mapping(table, "gates"), "gates")
        if problem := clash_of(gates):
            self._refuse(problem, "gates", "coverage_within")
        sections = self._mapping(table, "scenarios")
        scenarios = tuple(self._planned(name, sections, gates) for name in sections)
        if not scenarios and not set(gates) & set(GATES):
            self._refuse("no gate and no scenario; begin with [gates] and calibrated = true")
        return Policy(self.file, float(rate), scenarios, gates)

    def _planned(
        self, name: str, sections: Mapping[str, Any], common: Mapping[str, Any]
    ) -> Planned:
        at = ("scenarios", name)
        plain = name.isascii() and name.replace("-", "").replace("_", "").replace(".", "").isalnum()
        if not (plain and name[0].isalpha() and len(name) <= 60):
            self._refuse(f"scenarios.{name}: no name of a scenario; it takes {_NAME}", *at)
        section = self._mapping(sections, name, "scenarios")
        self._known(section, at, ("scenario", "axes", "gates", *OPTIONS))
        target = section.get("scenario", self._usual(name))
        if not _text(target):
            self._refuse(f"scenario: {target!r} is not allowed; give FILE.py, FILE.py:NAME or a "
                         "bundled scenario", *at, "scenario")  # fmt: skip
        for key, (allowed, fits) in OPTIONS.items():
            if key in section and not fits(section[key]):
                self._refuse(f"{key}: {section[key]!r} is not allowed; give {allowed}", *at, key)
        own = self._gates(self._mapping(section, "gates", *at), *at, "gates")
        gates = {**common, **own}
        if problem := clash_of(gates):
            self._refuse(problem, *at, "gates", "coverage_within")
        if not set(gates) & set(GATES):
            self._refuse(f"scenarios.{name}: no gate judges it; give some in [gates]", *at)
        options = {key: section[key] for key in OPTIONS if key in section}
        return Planned(name, target, self._axes(section, at), options, gates)

    def _usual(self, name: str) -> str:
        """Return the file of a section's name where there is one, else the name: a bundled one."""
        return f"{name}.py" if (self.file.parent / f"{name}.py").is_file() else name

    def _axes(self, section: Mapping[str, Any], at: tuple[str, ...]) -> dict[str, list[Any]]:
        axes = {}
        for name, levels in self._mapping(section, "axes", *at).items():
            given = levels if isinstance(levels, list) else [levels]
            if not given or not all(isinstance(v, str | int | float | bool) for v in given):
                self._refuse(f"axes.{name}: {levels!r} is not allowed; give levels, as [50, 100]",
                             *at, "axes", name)  # fmt: skip
            axes[name] = given
        return axes

    def _gates(self, gates: Mapping[str, Any], *at: str) -> dict[str, Any]:
        for key, value in gates.items():
            if problem := problem_of(key, value):
                self._refuse(problem, *at, key)
        return dict(gates)

    def _mapping(self, table: Mapping[str, Any], key: str, *at: str) -> Mapping[str, Any]:
        found = table.get(key, {})
        if not isinstance(found, dict):
            self._refuse(f"{key}: {found!r} is not allowed; give a table", *at, key)
        return found

    def _known(self, table: Mapping[str, Any], at: tuple[str, ...], known: Sequence[str]) -> None:
        for key in table:
            if key not in known:
                self._refuse(f"{key}: no key is called so; {choices(key, list(known))}", *at, key)

    def _refuse(self, problem: str, *at: str) -> NoReturn:
        line = self.lines.line(*self.root, *at)
        raise PolicyError(f"{self.file}, line {line}: {problem}")
