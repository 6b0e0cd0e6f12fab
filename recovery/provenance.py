"""Where and with what a session ran."""

import datetime
import hashlib
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from recovery.inert import encodable
from recovery.scenario import Scenario

_PACKAGES = ("recovery", "pymc", "pytensor", "nutpie", "arviz", "numpy", "scipy", "numba", "joblib")
_ABOUT_LENGTH = 1000


def provenance(
    command: str,
    workers: int,
    scenario: Scenario,
    model: Mapping[str, Any],
    interleaved: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return versions, machine, command and git commit of this session, as plain values.

    Parameters
    ----------
    command : str
        What the user typed, or the call they made.
    workers : int
    scenario : Scenario
        The commit is that of the repository its file lies in.
    model : mapping
        What a reader is shown of the model of the first cell, see `engine.portrait`.
    interleaved : mapping, optional
        Job, side and round, where this session is one of a job of two sides that take turns.
    """
    return {
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds"),
        "command": command,
        "workers": workers,
        "python": platform.python_version(),
        "packages": packages(),
        "machine": machine(),
        "git_commit": _git_commit(scenario.file),
        "scenario": {
            "target": scenario.target,
            "source_digest": source_digest(scenario.file),
            "about": about(scenario),
        },
        "model": dict(model),
        **({} if interleaved is None else {"interleaved": dict(interleaved)}),
    }


def packages() -> dict[str, str]:
    """Return the versions of the packages that numbers may depend on, by name."""
    return {name: found for name in _PACKAGES if (found := _version(name))}


def machine() -> dict[str, Any]:
    """Return what this machine is."""
    return {
        "system": f"{platform.system()} {platform.release()}",
        "processor": processor(),
        "cores": os.cpu_count(),
    }


def source_digest(scenario_file: str | None) -> str:
    """Identify the text of the file that a scenario stands in; empty if it stands in none."""
    try:
        return hashlib.blake2b(Path(scenario_file or "").read_bytes(), digest_size=16).hexdigest()
    except OSError:
        return ""


def about(scenario: Scenario) -> str:
    """Return the first paragraph of a scenario's docstring, on one line."""
    paragraph = (scenario.function.__doc__ or "").strip().partition("\n\n")[0]
    return encodable(" ".join(paragraph.split()))[:_ABOUT_LENGTH]


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def processor() -> str:
    """Return the name of this machine's processor."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _git_commit(scenario_file: str | None) -> str | None:
    folder = Path(scenario_file).parent if scenario_file else Path.cwd()
    try:
        # A fixed command whose only variable part is a folder, passed without a shell.
        state = subprocess.run(  # noqa: S603  (see above)
            ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40"],  # noqa: S607  (git is found on the PATH)
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return state.stdout.strip() or None


def command_line() -> str:
    """Return the command as it would be typed again."""
    import shlex

    return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
