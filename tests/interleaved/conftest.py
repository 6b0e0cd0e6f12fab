"""A small repository whose scenario is fitted exactly, so that nothing is compiled."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

SOURCES = Path(__file__).parents[2]

SCENARIO = """
import os, sys, time
import recovery.engine.workshop as workshop
from recovery import scenario
from recovery.testing import ExactDensity, ExactSampler, line as exact

print("the user's own words")
print("to both streams", file=sys.stderr)


class Density(ExactDensity):
    def fit(self, *given):
        print("in the midst of a fit")
        os.write(1, b"by its number\\n")
        if file := os.environ.get("TEST_COUNTED"):
            with open(file, "a") as stream:
                stream.write(f"{os.getpid()}\\n")
        time.sleep(float(os.environ.get("TEST_SLEEP", "0")))
        return super().fit(*given)


class Sampler(ExactSampler):
    def compile(self, target, simulated):
        return Density(self, target)


workshop.sampler_by_name = lambda name: Sampler()


@scenario
def line(trials: int = 20, slope: float = 1.0):
    return exact.function(trials, 1.0, slope)
"""
POLICY = """
[gates]
failed_below = 0.5

[scenarios.line]
axes = { trials = [5, 9] }
replicates = 9
truth = "both"
draws = 50
"""


@dataclass
class Project:
    """A git repository with a scenario and a policy.

    Attributes
    ----------
    root, folder : pathlib.Path
        Of the repository, and of the policy in it.
    variables : dict
        Environment variables of its commands.
    """

    root: Path
    folder: Path
    variables: dict[str, str] = field(default_factory=dict)

    def git(self, *words: str) -> str:
        own = ["-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "commit.gpgsign=false"]
        return subprocess.run(
            ["git", *own, *words], cwd=self.root, check=True, capture_output=True, text=True
        ).stdout.strip()

    def commit(self) -> str:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "a state")
        return self.git("rev-parse", "HEAD")

    def write(self, name: str, text: str) -> None:
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    @contextmanager
    def started(self, *words: str) -> "Iterator[subprocess.Popen[str]]":
        """Start ``recovery ci`` in a group of its own, which is killed at the end."""
        with subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "recovery", "ci", *words],
            cwd=self.folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(SOURCES), **self.variables},
            start_new_session=True,
        ) as process:  # fmt: skip
            try:
                yield process
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)

    def ci(self, *words: str) -> tuple[int, str]:
        """Run ``recovery ci``, and return its exit code and what it said on standard error."""
        with self.started(*words) as process:
            _, err = process.communicate(timeout=300)
        return process.returncode, err

    def store(self, side: str, name: str = "line") -> Path:
        return self.folder / "reports" / "ci" / name / side

    def remembered(self) -> dict[str, Any]:
        """Return what is kept of the last job."""
        found: dict[str, Any] = json.loads((self.folder / "reports/ci/job.json").read_text())
        return found

    def worktrees(self) -> int:
        return len(self.git("worktree", "list").splitlines())


@pytest.fixture
def project(tmp_path: Path) -> Project:
    root = tmp_path / "project"
    project = Project(root, root / "checks", {"TMPDIR": str(tmp_path)})
    project.folder.mkdir(parents=True)
    project.git("init", "--quiet", "--initial-branch", "main")
    project.write("line.py", SCENARIO)
    project.write("recovery.toml", POLICY)
    (root / ".gitignore").write_text("__pycache__/\nreports/\n")
    project.commit()
    return project
