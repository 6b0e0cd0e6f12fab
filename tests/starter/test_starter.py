"""What `recovery new` writes: files that run, parse and name the product's own commands."""

import ast
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from recovery import Sweep
from recovery.cli import _parser, main
from recovery.errors import OutputError, ScenarioError
from recovery.loading import load_scenario
from recovery.policy import read_policy
from recovery.starter import start

FILES = [
    ".github/workflows/recovery.yml",
    ".gitignore",
    ".gitlab-ci.yml",
    "dose.py",
    "recovery.toml",
    "requirements.txt",
    "test_dose.py",
]
WORKFLOW, GITLAB = ".github/workflows/recovery.yml", ".gitlab-ci.yml"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # A scenario that is loaded leaves its folder on the path, where the next one would find it.
    monkeypatch.setattr(sys, "path", list(sys.path))
    start("dose", tmp_path)
    return tmp_path


def files(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def read_yaml(file: Path) -> dict[str, Any]:
    # GitHub's "on" is a word of its own, which YAML 1.1 reads as true.
    found = yaml.safe_load(re.sub(r"^on:", '"on":', file.read_text(), flags=re.MULTILINE))
    assert isinstance(found, dict)
    return found


def recovery_commands(script: str) -> list[list[str]]:
    """Return the words of every recovery command in a shell script, variables filled in."""
    whole = script.replace('"$@"', '--base "$BASE"').replace("\\\n", " ")
    return [
        shlex.split(re.sub(r"\$\w+", "value", line))[1:]
        for line in whole.splitlines()
        if line.strip().startswith("recovery ")
    ]


def run_steps(project: Path) -> list[str]:
    steps = read_yaml(project / WORKFLOW)["jobs"]["recovery"]["steps"]
    return [step["run"] for step in steps if "run" in step]


def test_it_writes_the_files_lists_them_and_says_what_to_do_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["new", "dose"]) == 0
    out, err = capsys.readouterr()
    assert files(tmp_path) == FILES
    assert sorted(re.findall(r"^written: (.*)$", out, re.MULTILINE)) == FILES
    assert "recovery run dose.py" in out
    assert err == ""


def test_a_folder_that_is_missing_is_made_and_quoted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "my $(models)"
    assert main(["new", "dose", "--into", str(folder)]) == 0
    assert files(folder) == FILES
    assert f"cd {shlex.quote(str(folder))}" in capsys.readouterr().out


def test_a_scenario_that_is_there_is_not_touched_and_nothing_else_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "dose.py").write_text("mine")
    assert main(["new", "dose", "--into", str(tmp_path)]) == 2
    assert "dose.py: is there already" in capsys.readouterr().err
    assert files(tmp_path) == ["dose.py"]
    assert (tmp_path / "dose.py").read_text() == "mine"


def test_a_link_to_nowhere_is_not_written_through(tmp_path: Path) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "dose.py").symlink_to(tmp_path / "elsewhere.py")
    with pytest.raises(OutputError, match="is there already"):
        start("dose", folder)
    (folder / "recovery.toml").symlink_to(tmp_path / "elsewhere.toml")
    start("other", folder)
    assert "other.py" in files(tmp_path / "here")
    assert not list(tmp_path.glob("elsewhere*"))


def test_a_second_scenario_leaves_all_files_and_prints_the_section_to_add(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {name: (project / name).read_text() for name in FILES}
    assert main(["new", "second", "--into", str(project)]) == 0
    out = capsys.readouterr().out
    assert {name: (project / name).read_text() for name in FILES} == before
    assert set(files(project)) - set(FILES) == {"second.py", "test_second.py"}
    assert f"left as it is: {project / 'recovery.toml'}" in out
    section = out.partition("recovery.toml:\n\n")[2].partition("\n\nnow")[0]
    assert section.startswith("[scenarios.second]")
    (project / "recovery.toml").write_text(before["recovery.toml"] + "\n" + section)
    planned = read_policy(project / "recovery.toml").scenarios
    assert [p.name for p in planned] == ["dose", "second"]


def test_lines_to_ignore_are_told_where_there_is_a_file_of_them(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("__pycache__/\n")
    started = start("dose", tmp_path)
    assert "/reports/" in started.additions[tmp_path / ".gitignore"]
    assert "__pycache__" not in started.additions[tmp_path / ".gitignore"]


def test_a_folder_within_a_repository_is_told_where_ci_reads_its_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / ".git").mkdir()
    assert start("dose", tmp_path).misplaced is None
    assert main(["new", "dose", "--into", str(tmp_path / "models")]) == 0
    assert f"move them to {tmp_path}" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Dose", "cannot be the name of a scenario"),
        ("dose response", "cannot be the name of a scenario"),
        ("2dose", "cannot be the name"),
        ("a" * 61, "cannot be the name"),
        ("../dose", "cannot be the name"),
        ("dose\n", "cannot be the name"),
        ("${{github.token}}", "cannot be the name"),
        ("døse", "cannot be the name"),
        ("lambda", "a word of Python"),
        ("test_dose", "pytest would take"),
        ("dose_test", "pytest would take"),
        ("conftest", "in the way of the module conftest"),
        ("random", "in the way of the module random"),
        ("numpy", "in the way of the module numpy"),
        ("pymc", "in the way of the module pymc"),
        ("recovery", "in the way of the module recovery"),
    ],
)
def test_a_name_that_nothing_can_have_gets_one_line_and_leaves_nothing_behind(
    name: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["new", name, "--into", str(tmp_path)]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1
    assert files(tmp_path) == []


def test_a_module_beside_the_place_itself_shadows_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "dose").mkdir()
    start("dose", tmp_path)


def test_a_place_that_cannot_be_written_gets_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert main(["new", "dose", "--into", str(tmp_path / "file")]) == 2
    assert "file" in capsys.readouterr().err


def test_no_template_mark_is_left(project: Path) -> None:
    assert not [name for name in FILES if "@NAME@" in (project / name).read_text()]


def test_the_scenario_runs_as_it_is_in_both_truth_modes(project: Path) -> None:
    dose = load_scenario(str(project / "dose.py"))
    assert list(dose.axes) == ["trials", "noise"]
    sweep = Sweep(dose, {"trials": [10, 20]}, replicates=2, truth="both", sampler="laplace")
    results = sweep.run(project / "run", workers=1, progress=False, report=False)
    assert results.replicates["status"].tolist() == ["ok"] * 8
    # No level compiles anew.
    assert results.compilations["kind"].tolist().count("simulator") == 1


def test_the_policy_is_read_and_names_the_scenario(project: Path) -> None:
    policy = read_policy(project / "recovery.toml")
    (planned,) = policy.scenarios
    assert (planned.name, planned.scenario) == ("dose", "dose.py")
    assert planned.gates["calibrated"] is True
    assert tomllib.loads((project / "recovery.toml").read_text())["error_rate"] == 0.05


def test_the_test_asks_for_gates_that_there_are(project: Path) -> None:
    from recovery.gates.limits import checked

    tree = ast.parse((project / "test_dose.py").read_text())
    calls = {
        node.func.attr: {k.arg: ast.literal_eval(k.value) for k in node.keywords if k.arg}
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    assert checked(calls["check"])
    Sweep(load_scenario(str(project / "dose.py")), {"trials": [50]}, **calls["sweep"])


def test_the_commands_of_the_ci_jobs_are_those_of_the_product(project: Path) -> None:
    gitlab = "\n".join(read_yaml(project / GITLAB)["recovery"]["script"])
    commands = [c for s in (*run_steps(project), gitlab) for c in recovery_commands(s)]
    assert len(commands) == 3
    for command in commands:
        options = _parser().parse_args(command)
        assert options.policy == "recovery.toml"
        assert options.allow_inconclusive


def test_the_workflow_can_read_the_code_and_nothing_else(project: Path) -> None:
    workflow = read_yaml(project / WORKFLOW)
    assert workflow["permissions"] == {"contents": "read"}
    assert set(workflow["on"]) == {"pull_request", "push", "schedule", "workflow_dispatch"}
    job = workflow["jobs"]["recovery"]
    assert set(job) == {"runs-on", "timeout-minutes", "steps"}
    known = {"name", "id", "if", "uses", "with", "run", "env"}
    assert all(set(step) <= known and ("uses" in step) != ("run" in step) for step in job["steps"])
    by_action = {s["uses"].split("@")[0]: s for s in job["steps"] if "uses" in s}
    assert by_action["actions/checkout"]["with"]["fetch-depth"] == 0
    assert by_action["actions/checkout"]["with"]["persist-credentials"] is False
    assert by_action["actions/setup-python"]["with"]["python-version"] == "3.12"
    kept = by_action["actions/cache"]["with"]
    assert "hashFiles('requirements.txt')" in kept["key"]
    assert all(kept["key"].startswith(key) for key in kept["restore-keys"].splitlines())
    for variable in ("NUMBA_CACHE_DIR", "PYTENSOR_FLAGS"):
        assert f"/{kept['path']}/" in workflow["env"][variable]
    upload = by_action["actions/upload-artifact"]
    assert upload["if"] == "${{ !cancelled() }}"
    assert "report.html" in upload["with"]["path"]


def test_no_expression_of_the_workflow_enters_a_shell(project: Path) -> None:
    # A branch may be called anything; in a variable it stays a word.
    assert not [script for script in run_steps(project) if "${{" in script]


def test_exactly_one_command_of_the_workflow_runs_for_each_event(project: Path) -> None:
    steps = read_yaml(project / WORKFLOW)["jobs"]["recovery"]["steps"]
    checks = {s["if"]: s["run"] for s in steps if "recovery ci" in s.get("run", "")}
    assert set(checks) == {
        "github.event_name == 'pull_request'",
        "github.event_name != 'pull_request'",
    }
    assert '--base "origin/$GITHUB_BASE_REF"' in checks["github.event_name == 'pull_request'"]
    assert "--base" not in checks["github.event_name != 'pull_request'"]


def test_the_gitlab_job_has_its_rules_cache_and_report(project: Path) -> None:
    job = read_yaml(project / GITLAB)["recovery"]
    rules = " ".join(rule["if"] for rule in job["rules"])
    for word in ("merge_request_event", "schedule", "$CI_DEFAULT_BRANCH"):
        assert word in rules
    assert job["image"] == "python:3.12"
    assert job["variables"]["GIT_DEPTH"] == "0"
    assert job["cache"]["paths"] == [".cache"]
    assert job["cache"]["key"]["files"] == ["requirements.txt"]
    assert job["artifacts"]["when"] == "always"
    assert job["artifacts"]["reports"]["junit"] == "reports/recovery.xml"


@pytest.mark.parametrize(
    ("outcome", "code", "warns"), [("inconclusive", 77, True), ("pass", 0, False)]
)
def test_what_is_not_decided_is_a_warning_and_no_failure(
    outcome: str, code: int, warns: bool, project: Path
) -> None:
    (project / "reports").mkdir()
    (project / "reports/recovery.json").write_text(f'[{{"outcome": "{outcome}"}}]')
    (script,) = [s for s in run_steps(project) if "::warning" in s]
    done = subprocess.run(
        ["bash", "-e", "-c", script], cwd=project, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("::warning title=recovery::") == warns
    job = read_yaml(project / GITLAB)["recovery"]
    gitlab = subprocess.run(["bash", "-e", "-c", job["script"][-1]], cwd=project, check=False)
    assert gitlab.returncode == code
    assert job["allow_failure"] == {"exit_codes": 77}


def test_the_written_python_is_formatted(project: Path) -> None:
    ruff = Path(sys.executable).with_name("ruff")
    if not ruff.is_file():
        pytest.skip("ruff is not installed here")
    words = [str(ruff), "format", "--isolated", "--line-length", "100", "--check", "."]
    done = subprocess.run(words, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_all_templates_are_in_use() -> None:
    from recovery.starter.files import _TEMPLATES

    used = {template for parts in _TEMPLATES.values() for template in parts}
    folder = Path(start.__code__.co_filename).parent / "templates"
    assert used == {path.name for path in folder.iterdir()}


def test_errors_name_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="give another, as random_model"):
        start("random", tmp_path)


def test_what_the_readme_shows_is_what_is_written(project: Path) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```yaml\n(.*?)```", readme, re.DOTALL)
    written = (project / WORKFLOW).read_text(encoding="utf-8").splitlines()
    missing = [line for line in shown.splitlines() if line not in written]
    assert not missing
    (policy,) = re.findall(r"```toml\n(.*?)```", readme, re.DOTALL)
    (project / "shown.toml").write_text(policy, encoding="utf-8")
    assert [planned.name for planned in read_policy(project / "shown.toml").scenarios] == ["slope"]
