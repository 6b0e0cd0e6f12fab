"""Verdicts in files say what they say on the terminal, and names in them are inert."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from recovery.cli import main
from recovery.gates import Outcome, Verdict
from recovery.gates.forms import headline, to_json, to_junit, to_markdown
from recovery.results import Results

Run = Callable[..., Results]
EVIL = 'a|b](http://x) <script>\x1b[31m"&`\x00'
VERDICTS = [
    Verdict(EVIL, "calibrated", "statistical", True, Outcome.FAIL, f"ranks of {EVIL} are off"),
    Verdict("b", "r_hat_below", "statistical", 1.01, Outcome.INCONCLUSIVE, "who knows", needed=90),
    Verdict("b", "time_ratio_below", "time", 1.2, Outcome.ERROR, "nothing was measured"),
    Verdict("b", "ess_above", "statistical", 400, Outcome.PASS, "fine", "x", 1.0, 0.5, math.inf, 7),
]


def test_junit_has_a_case_per_gate_and_counts_them_as_a_build_server_does() -> None:
    root = ElementTree.fromstring(to_junit(VERDICTS))
    first, second = root.findall("testsuite")
    assert (first.get("tests"), first.get("failures")) == ("1", "1")
    assert [second.get(n) for n in ("tests", "failures", "errors", "skipped")] == list("3011")
    (failure,) = first.iter("failure")
    assert "<script>" in (failure.text or "")
    assert "\x1b" not in (failure.text or "")


def test_markdown_lists_what_needs_looking_at_first_and_acts_on_nothing() -> None:
    text = to_markdown(VERDICTS, 0.05, ["a note"])
    rows = [line for line in text.splitlines() if line.startswith("| ")][2:]
    assert [row.split(" | ")[0].strip("| *") for row in rows] == [
        "FAIL", "ERROR", "inconclusive", "pass"
    ]  # fmt: skip
    assert "<script>" not in text
    assert "](http" not in text.replace("\\](http", "")
    assert all(row.replace("\\|", "").count("|") == 5 for row in rows)
    assert "a probability of 0.05 at most" in text


def test_json_is_strict_and_has_every_number() -> None:
    whole = json.loads(to_json(VERDICTS, 0.05, 1), parse_constant=lambda name: pytest.fail(name))
    assert (whole["format"], whole["exit_code"], whole["error_rate"]) == (1, 1, 0.05)
    assert [v["outcome"] for v in whole["verdicts"]] == ["fail", "inconclusive", "error", "pass"]
    assert whole["verdicts"][3]["upper"] is None
    assert whole["verdicts"][1]["needed"] == 90


@pytest.mark.parametrize(
    ("chosen", "line"),
    [
        ([0, 1, 2, 3], "A gate failed: 1 failed, 1 measured nothing, 1 inconclusive, 1 passed"),
        ([1, 2, 3], "A gate measured nothing: 1 measured nothing, 1 inconclusive, 1 passed"),
        ([1, 3], "Inconclusive: 1 inconclusive, 1 passed"),
        ([3], "All gates passed"),
        ([0], "A gate failed: 1 failed"),
    ],
)
def test_the_headline_is_the_worst_of_them(chosen: list[int], line: str) -> None:
    assert headline([VERDICTS[i] for i in chosen]) == line


POLICY = """
[gates]
coverage_within = 0.05
failed_below = 0.02
[scenarios.line]
replicates = 400
truth = "prior"
[scenarios.line.gates]
coverage_drop_below = 0.03
"""


def judge(run: Results, folder: Path, *words: str, policy: str = POLICY) -> int:
    (folder / "recovery.toml").write_text(policy)
    return main(["check", str(run.folder), "--policy", str(folder / "recovery.toml"), *words])


def test_check_prints_a_table_writes_the_files_and_exits_as_promised(
    run_of: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sound, narrow = run_of(replicates=400), run_of(0.5, replicates=400)
    assert judge(sound, tmp_path, "--baseline", str(sound.folder)) == 0
    printed = capsys.readouterr().out
    assert "All gates passed" in printed
    assert "coverage_drop_below = 0.03" in printed
    assert judge(sound, tmp_path) == 3
    assert "give one, or leave it out" in " ".join(capsys.readouterr().out.split())
    assert judge(sound, tmp_path, "--no-baseline") == 0
    assert "coverage_drop_below" not in capsys.readouterr().out

    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    files = ["--junit", str(tmp_path / "new/j.xml"), "--json", str(tmp_path / "j.json")]
    words = ["--baseline", str(sound.folder), "--markdown", str(summary), *files]
    assert judge(narrow, tmp_path, *words) == 1
    assert summary.read_text().startswith("before\n## Gates failed")
    assert json.loads((tmp_path / "j.json").read_text())["exit_code"] == 1
    assert (tmp_path / "new/j.xml").is_file()


def test_a_run_smaller_than_its_policy_is_inconclusive(
    run_of: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policy = POLICY.replace("replicates = 400", "replicates = 500")
    assert judge(run_of(replicates=400), tmp_path, "--no-baseline", policy=policy) == 3
    printed = " ".join(capsys.readouterr().out.split())
    assert "the run is not complete: 400 replicates a cell were run, not 500" in printed
    allowed = judge(
        run_of(replicates=400), tmp_path, "--no-baseline", "--allow-inconclusive", policy=policy
    )
    assert allowed == 0


@pytest.mark.parametrize(
    ("words", "policy", "message"),
    [
        ([], POLICY.replace("failed_below", "faild_below"), "line 4: faild_below: no gate"),
        (["--scenario", "plants"], POLICY, "no section [scenarios.plants]; it has line"),
        ([], POLICY.replace("scenarios.line", "scenarios.mine"), "no section runs the scenario"),
        (["--baseline", "nowhere"], POLICY, "nowhere"),
        (["--baseline", "x", "--no-baseline"], POLICY, "not allowed with argument"),
    ],
)  # fmt: skip
def test_wrong_input_is_one_line_and_exit_code_2(
    run_of: Run,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    policy: str,
    message: str,
) -> None:
    assert judge(run_of(replicates=400), tmp_path, *words, policy=policy) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
