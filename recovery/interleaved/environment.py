"""The interpreter of a side: one that is there, or that of a fresh environment."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from recovery.errors import EnvironmentRefused
from recovery.inert import plain
from recovery.interleaved.paths import follow
from recovery.progress import note

_LOOK: Final = """
import importlib.util, json, platform
from importlib import metadata
def version(name):
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
print(json.dumps({
    "there": importlib.util.find_spec("recovery") is not None,
    "able": importlib.util.find_spec("recovery") is not None
        and importlib.util.find_spec("recovery.interleaved") is not None
        and importlib.util.find_spec("recovery.interleaved.side") is not None,
    "versions": {name: version(name) for name in (
        "recovery", "pymc", "pytensor", "nutpie", "arviz", "numpy", "scipy", "numba")},
    "python": platform.python_version(),
}))
"""
_LOOK_S: Final = 120.0
_TAIL: Final = 3  # lines of what a command said last


@dataclass(frozen=True, slots=True)
class Environment:
    """An interpreter that can run a side.

    Attributes
    ----------
    python : str
        Path of the interpreter.
    variables : mapping of str to str
        The environment variables of its processes.
    versions : mapping of str to str
        What it has, Python itself included.
    """

    python: str
    variables: Mapping[str, str]
    versions: Mapping[str, str]


def existing(side: str, python: str | None, folder: Path, moved: tuple[Path, Path]) -> Environment:
    """Check an interpreter that is there.

    Parameters
    ----------
    side : str
        ``base`` or ``head``, for messages.
    python : str, optional
        Its path; by default the interpreter of this process.
    folder : pathlib.Path
        In which the side runs.
    moved : (pathlib.Path, pathlib.Path)
        What is checked out now, and what takes its place on this side: entries of ``PYTHONPATH``
        follow.

    Raises
    ------
    EnvironmentRefused
        If it is none, or has no `recovery` that can run a side.
    """
    chosen = sys.executable if python is None else _named(python)
    variables = dict(os.environ)
    if "PYTHONPATH" in variables:
        variables["PYTHONPATH"] = os.pathsep.join(
            follow(entry, *moved) for entry in variables["PYTHONPATH"].split(os.pathsep)
        )
    return _looked_at(side, chosen, variables, folder)


def installed(
    side: str,
    python: str | None,
    folder: Path,
    command: str,
    place: Path,
) -> Environment:
    """Make a fresh environment and install into it.

    Parameters
    ----------
    side, python, folder
        As for `existing`; the environment is made by this interpreter.
    command : str
        A command of the shell, run in `folder` with the environment's programs first on the PATH.
    place : pathlib.Path
        Where the environment is made.

    Raises
    ------
    EnvironmentRefused
        If it cannot be made, the command fails, or there is no `recovery` in it afterwards.
    """
    note(f"{side}: a fresh environment, by the command of --install; that may take minutes")
    maker = sys.executable if python is None else _named(python)
    _ended(side, "a fresh environment", [maker, "-m", "venv", str(place)], folder, dict(os.environ))
    programs = place / ("Scripts" if os.name == "nt" else "bin")
    variables = {k: v for k, v in os.environ.items() if k not in ("PYTHONHOME", "PYTHONPATH")}
    variables |= {
        "VIRTUAL_ENV": str(place),
        "PATH": os.pathsep.join([str(programs), os.environ.get("PATH", os.defpath)]),
    }
    _ended(side, "the command of --install", command, folder, variables)
    return _looked_at(side, str(programs / "python"), variables, folder)


def _named(python: str) -> str:
    """Return where an interpreter is, which may be named as on the PATH."""
    found = None if os.sep in python else shutil.which(python)
    # Not resolved: the name by which an interpreter is called says which environment it is of.
    return os.path.abspath(found or python)  # noqa: PTH100  (see above)


def _looked_at(side: str, python: str, variables: Mapping[str, str], folder: Path) -> Environment:
    try:
        # The interpreter that the user names runs a fixed program.
        ended = subprocess.run(  # noqa: S603  (see above)
            [python, "-c", _LOOK],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
            timeout=_LOOK_S, check=False, env=variables, cwd=folder,
        )  # fmt: skip
        found = json.loads(ended.stdout.splitlines()[-1])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError) as error:
        reason = getattr(error, "strerror", None) or "it does not run a Python program"
        raise EnvironmentRefused(
            f"{side}: {python} cannot be used ({reason}); give the interpreter of an environment "
            f"that has recovery, with --{side}-python"
        ) from error
    if not found["there"]:
        raise EnvironmentRefused(
            f"{side}: {python} has no recovery; install it into that environment"
        )
    if not found["able"]:
        raise EnvironmentRefused(
            f"{side}: {python} has recovery {found['versions']['recovery']}, which is older than "
            "the command recovery ci; give an environment with a newer one, with "
            f"--{side}-python or --install"
        )
    versions = {name: version for name, version in found["versions"].items() if version}
    return Environment(python, variables, {"python": found["python"], **versions})


def _ended(
    side: str, what: str, command: str | list[str], folder: Path, variables: Mapping[str, str]
) -> None:
    """Run a command, its output on standard error."""
    try:
        # The user's own command line, which they type for a shell.
        ended = subprocess.run(  # noqa: S603  (see above)
            command, shell=isinstance(command, str), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
            check=False, env=dict(variables), cwd=folder,
        )  # fmt: skip
        code, said = ended.returncode, ended.stdout
    except OSError as error:
        code, said = 1, str(error.strerror)
    if code:
        tail = " | ".join(plain(said, lines=True).strip().splitlines()[-_TAIL:])
        heard = f"it said: {tail}" if tail else "it said nothing"
        raise EnvironmentRefused(
            f"{side}: {what} ended with {code} in {folder}; {heard}; see whether it works there "
            "by hand"
        )


def describe(environment: Environment) -> str:
    """Say in a few words what an environment has."""
    shown = ("python", "pymc", "nutpie", "recovery")
    return ", ".join(f"{k} {v}" for k in shown if (v := environment.versions.get(k)))
