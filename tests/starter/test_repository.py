"""A repository made by `recovery new`, whose CI jobs are run here as they are written."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from recovery.starter import start

pytestmark = pytest.mark.slow

# The model of the template takes half the noise for granted; data come from the model as it was.
WRONG = """
    with pm.Model(coords=coords) as wrong:
        x = pm.Data("x", np.zeros((trials, 2)), dims=["trial", "covariate"])
        intercept = pm.Normal("intercept")
        slopes = pm.Normal("slopes", dims="covariate")
        sigma = pm.HalfNormal("sigma")
        pm.Normal("y", intercept + x @ slopes, sigma / 2, dims="trial")
    return Problem(
        wrong,
        generator=model,
"""
CONDITIONS = {
    "github.event_name == 'pull_request'": lambda event: event == "pull_request",
    "github.event_name != 'pull_request'": lambda event: event != "pull_request",
    "${{ !cancelled() }}": lambda event: True,
}


class Repository:
    """A clone of a repository that holds what `recovery new` has written, with fewer replicates."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "project"
        self.bin = folder / "bin"
        self.bin.mkdir()
        command = self.bin / "recovery"
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m recovery "$@"\n')
        command.chmod(0o755)
        origin = folder / "origin.git"
        start("dose", self.folder)
        policy = self.folder / "recovery.toml"
        text = policy.read_text().replace("replicates = 800", "replicates = 60")
        # Times are another test's: what else this machine does is nobody's to say.
        policy.write_text(re.sub(r"^time_ratio_below.*\n", "", text, flags=re.MULTILINE))
        self.git("init", "-q", "-b", "main")
        self.commit("A first scenario")
        self.git("clone", "-q", "--bare", ".", str(origin))
        self.git("remote", "add", "origin", str(origin))
        self.git("fetch", "-q", "origin")

    def git(self, *words: str) -> str:
        return self.run(["git", *words], {}).stdout.strip()

    def commit(self, message: str) -> None:
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)

    def run(
        self, words: list[str], variables: Mapping[str, str], *, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        who = {f"GIT_{r}_{f}": "a@b.c" for r in ("AUTHOR", "COMMITTER") for f in ("NAME", "EMAIL")}
        path = f"{self.bin}{os.pathsep}{os.environ['PATH']}"
        return subprocess.run(
            words,
            cwd=self.folder,
            env={**os.environ, **who, "PATH": path, **variables},
            capture_output=True,
            text=True,
            check=check,
        )

    def github(self, event: str) -> tuple[int, str]:
        """Run the steps of the workflow; return the exit code of the job and what was printed."""
        workflow = read_yaml(self.folder / ".github/workflows/recovery.yml")
        variables = {"GITHUB_EVENT_NAME": event, "GITHUB_STEP_SUMMARY": str(self.summary)}
        for name, value in workflow["env"].items():
            variables[name] = value.replace("${{ github.workspace }}", str(self.folder))
        if event == "pull_request":
            variables["GITHUB_BASE_REF"] = "main"
        self.summary.write_text("")
        code, printed = 0, ""
        for step in workflow["jobs"]["recovery"]["steps"]:
            if "run" not in step or step.get("name") == "Install":
                continue
            if CONDITIONS[step["if"]](event) and (code == 0 or "cancelled" in step["if"]):
                done = self.run(["bash", "-e", "-c", step["run"]], variables, check=False)
                code, printed = code or done.returncode, printed + done.stdout + done.stderr
        return code, printed

    def gitlab(self, **variables: str) -> int:
        job = read_yaml(self.folder / ".gitlab-ci.yml")["recovery"]
        known = {"CI_PROJECT_DIR": str(self.folder), **variables}
        for name, value in job["variables"].items():
            known[name] = value.replace("$CI_PROJECT_DIR", str(self.folder))
        script = "\n".join(job["script"])
        return self.run(["bash", "-e", "-c", script], known, check=False).returncode

    @property
    def summary(self) -> Path:
        return self.folder.parent / "summary.md"

    def verdicts(self) -> dict[str, str]:
        found = json.loads((self.folder / "reports/recovery.json").read_text())["verdicts"]
        return {verdict["gate"]: verdict["outcome"] for verdict in found}


def read_yaml(file: Path) -> dict[str, Any]:
    found = yaml.safe_load(file.read_text())
    assert isinstance(found, dict)
    return found


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return Repository(tmp_path_factory.mktemp("repository"))


def test_the_main_branch_passes_and_leaves_its_files(repository: Repository) -> None:
    code, printed = repository.github("push")
    assert code == 0, printed
    assert "::warning title=recovery::" in printed  # with so few replicates
    assert "coverage_drop_below" not in repository.verdicts()
    assert repository.verdicts()["compilations_at_most"] == "pass"
    suites = ElementTree.parse(repository.folder / "reports/recovery.xml").getroot()
    assert len(list(suites.iter("testcase"))) == len(repository.verdicts())
    assert "calibrated" in repository.summary.read_text()
    assert list((repository.folder / "reports/ci").rglob("report.html"))
    # What is cached and what is ignored is where the job says.
    assert (repository.folder / ".cache").is_dir()
    assert repository.git("status", "--porcelain") == ""


def test_a_pull_request_that_breaks_the_model_fails(repository: Repository) -> None:
    repository.git("switch", "-q", "-c", "wrong", "main")
    scenario = repository.folder / "dose.py"
    text = scenario.read_text()
    before, _, after = text.partition("    return Problem(\n        model,\n")
    scenario.write_text(before + WRONG.lstrip("\n") + after)
    repository.commit("Half the noise")
    code, printed = repository.github("pull_request")
    assert code == 1, printed
    assert repository.verdicts()["calibrated"] == "fail"
    assert repository.verdicts()["coverage_within"] == "fail"
    assert "FAIL" in repository.summary.read_text()
    suites = ElementTree.parse(repository.folder / "reports/recovery.xml").getroot()
    assert list(suites.iter("failure"))
    assert repository.git("worktree", "list").count("\n") == 0


def test_a_merge_request_that_changes_no_number_passes_with_a_warning_of_what_is_open(
    repository: Repository,
) -> None:
    base = repository.git("rev-parse", "main")
    repository.git("switch", "-q", "-c", "harmless", "main")
    scenario = repository.folder / "dose.py"
    scenario.write_text(scenario.read_text().replace("Replace this line", "A comment"))
    repository.commit("Another comment")
    code = repository.gitlab(
        CI_PIPELINE_SOURCE="merge_request_event", CI_MERGE_REQUEST_DIFF_BASE_SHA=base
    )
    assert code == 77  # with so few replicates
    assert {"coverage_drop_below", "gradients_ratio_below"} <= set(repository.verdicts())
    assert "fail" not in repository.verdicts().values()
