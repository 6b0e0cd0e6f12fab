"""The files that a new scenario begins with, made from templates in this package."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Final

from recovery.errors import OutputError
from recovery.starter.names import check_name

_NAME: Final = "@NAME@"
_POLICY: Final = "recovery.toml"
_IGNORED: Final = ".gitignore"
_WORKFLOW: Final = ".github/workflows/recovery.yml"
_GITLAB: Final = ".gitlab-ci.yml"

_TEMPLATES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        f"{_NAME}.py": ("scenario.py.txt",),
        f"test_{_NAME}.py": ("test.py.txt",),
        _POLICY: ("policy.toml", "planned.toml"),
        _WORKFLOW: ("github.yml",),
        _GITLAB: ("gitlab.yml",),
        "requirements.txt": ("requirements.txt",),
        _IGNORED: ("ignored.txt",),
    }
)
"""What is written, with the templates that make it up. A name is checked before it enters one."""


@dataclass(frozen=True, slots=True)
class Started:
    """What has been written, and what a user still has to do.

    Attributes
    ----------
    name : str
        Of the scenario.
    written : tuple of Path
    kept : tuple of Path
        Files that were there already, and are as they were.
    additions : mapping of Path to str
        What to add by hand to files that were there already.
    misplaced : Path or None
        The root of the repository, where the folder is not that itself: CI reads its files there
        only.
    """

    name: str
    written: tuple[Path, ...]
    kept: tuple[Path, ...]
    additions: Mapping[Path, str]
    misplaced: Path | None = None


def start(name: str, folder: Path) -> Started:
    """Write a scenario, its test, a policy and CI jobs into a folder.

    A file that is there already is never changed.

    Parameters
    ----------
    name : str
        Of the scenario: lower-case letters, digits and underscores.
    folder : Path
        Made if it is missing.

    Raises
    ------
    ScenarioError
        If nothing can have that name.
    OutputError
        If there is a file of that name already (nothing is written then), or one cannot be
        written.
    """
    check_name(name, folder)
    files = {folder / path.replace(_NAME, name): _text(parts, name) for path, parts in
             _TEMPLATES.items()}  # fmt: skip
    scenario = folder / f"{name}.py"
    if scenario.exists() or scenario.is_symlink():
        raise OutputError(f"{scenario}: is there already; give another name, or move it away")
    written: list[Path] = []
    kept: list[Path] = []
    for path, text in files.items():
        (written if _write(path, text) else kept).append(path)
    additions = {}
    if folder / _POLICY in kept and not _mentions(folder / _POLICY, f"[scenarios.{name}]"):
        additions[folder / _POLICY] = _text(("planned.toml",), name)
    if folder / _IGNORED in kept:
        there = _lines(folder / _IGNORED)
        missing = [line for line in _text(("ignored.txt",), name).splitlines() if line not in there]
        if missing:
            additions[folder / _IGNORED] = "\n".join(missing) + "\n"
    return Started(name, tuple(written), tuple(kept), additions, _root_above(folder))


def _text(templates: tuple[str, ...], name: str) -> str:
    where = resources.files("recovery.starter") / "templates"
    parts = [(where / template).read_text(encoding="utf-8") for template in templates]
    return "\n".join(parts).replace(_NAME, name)


def _write(path: Path, text: str) -> bool:
    """Write a file that is not there; return whether it was not."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Exclusively: what is there is not written over, nor what a link points to.
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except FileExistsError:
        if path.parent.is_dir():
            return False
        raise OutputError(f"{path.parent}: is a file; give another folder, with --into") from None
    except OSError as error:
        raise OutputError(
            f"{path}: could not be written ({error.strerror or error}); make room, give the folder "
            "write permission, or name another with --into"
        ) from error
    return True


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def _mentions(path: Path, section: str) -> bool:
    return any(line.split("#")[0].strip() == section for line in _lines(path))


def _root_above(folder: Path) -> Path | None:
    """Return the root of the repository that a folder lies in, if that is not the folder."""
    here = folder.resolve()
    roots = [place for place in (here, *here.parents) if (place / ".git").exists()]
    return roots[0] if roots and roots[0] != here else None
