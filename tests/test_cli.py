"""The command line as a person meets it: exit codes, one line on stderr, nothing half-written."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from recovery.cli import main

SCENARIO = """
import numpy as np
import pymc as pm
from recovery import Problem, scenario

@scenario
def mine(trials: int = 10, noise: float = 1.0) -> Problem:
    '''Mine.'''
    with pm.Model() as model:
        x = pm.Data("x", np.zeros(trials))
        b = pm.Normal("b")
        s = pm.HalfNormal("s")
        pm.Normal("y", b * x, s)
    return Problem(model, observed="y", truth={TRUTH},
                   covariates={"x": pm.Normal.dist(shape=trials)})
"""
Written = Callable[..., str]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    def write(truth: str = "{'b': 1.0, 's': noise}") -> str:
        file = tmp_path / "mine.py"
        file.write_text(SCENARIO.replace("{TRUTH}", truth))
        return str(file)

    return write


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["launch"], "invalid choice: 'launch'"),
        (["run"], "required: SCENARIO"),
        (["selfcheck", "plants"], "unknown argument 'plants'"),
        (["selfcheck", "--seed", "one"], "'one' is no whole number"),
        (["selfcheck", "--seed=-1"], "seed: -1 is not allowed; give a whole number from 0"),
        (["run", "plnts"], "no such scenario; give a Python file .* plants"),
        (["run", "here.py"], "here.py: no such file"),
        (["run", "plants", "trails=5"], "no axis 'trails'; its axes: trials, noise"),
        (["run", "plants", "trials=many"], "axis trials: 'many' is no level; it takes int"),
        (["run", "plants", "trials="], "axis trials: no level given"),
        (["run", "plants", "trials=5,5"], "level 5 is given twice"),
        (["run", "plants", "trials=5", "trials=6"], "axis trials is given twice"),
        (["run", "plants", "trials"], "'trials' is no axis with levels"),
        (["run", "plants", "trials=0"], "trials=0 .*no data.*give a level that leaves some"),
        (["run", "plants", "trials=-5"], "axis trials: level -5 gives no model .*above 0"),
        (["run", "plants", "noise=-1"], "truth of 'sigma' is -1.0, not inside the support"),
        (["run", "plants", "noise=0"], "truth of 'sigma' is 0.0, not inside the support"),
        (["run", "plants", "draws=2"], "draws: 2 is not allowed; give 4 or more"),
        (["run", "plants", "--replicates", "0"], "replicates: 0 is not allowed"),
        (["run", "plants", "--replicates", "x"], "--replicates: 'x' is no whole number"),
        (["run", "plants", "--seeds", "3-1"], "'3-1' is no range of seeds"),
        (["run", "plants", "--seeds", "1-99999999"], "is no range of seeds"),
        (["run", "plants", "--seeds", "1,1"], "give each seed once"),
        (["run", "plants", "--seeds", "1", "--seed", "1"], "give one of them"),
        (["run", "plants", "--stop-when", "bored"], "invalid choice: 'bored'"),
        (
            ["run", "plants", "--stop-when", "decided", "--precision", "0.1"],
            "--stop-when stands instead of --precision",
        ),
        (
            ["run", "plants", "--stop-when", "decided", "--seeds", "1-9"],
            "--stop-when: needs replicates to add to; give --seed, not --seeds",
        ),
        (
            ["run", "plants", "--stop-when", "decided", "--margin", "0.2"],
            "margin: 0.2 is not allowed; .* between 0 and 0.1",
        ),
        (["run", "plants", "--margin", "0.02"], "--margin: goes with --stop-when decided"),
        (["run", "plants", "--max-replicates", "9"], "goes with --precision or --stop-when"),
        (["run", "plants", "--truth", "none"], "invalid choice: 'none'"),
        (["run", "plants", "--sampler", "stan"], "'stan' is not known; give one of nutpie, pymc"),
        (["run", "plants", "--target-accept", "2"], "target_accept: 2.0 is not allowed"),
        (["run", "plants", "--chains", "0"], "chains: 0 is not allowed"),
        (["run", "plants", "--workers", "0"], "workers: 0 is not allowed"),
        (["run", "plants", "--typo"], "unknown argument '--typo'"),
        (["report", "."], "no results.sqlite here"),
        (["status", "nowhere"], "nowhere: no results.sqlite here"),
    ],
)
def test_bad_input_gets_one_line_exit_2_and_leaves_nothing_behind(
    words: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    import re

    assert re.search(message, err), err
    assert list(tmp_path.iterdir()) == []


def test_an_output_folder_that_is_a_file_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("mine")
    assert main(["run", "plants", "--out", str(tmp_path / "file")]) == 2
    assert "is a file, not a folder; give another --out" in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == "mine"


def test_truth_left_out_with_fixed_truth_says_what_to_do(
    written: Written, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", written("None"), "--out", str(tmp_path / "out")]) == 2
    assert "use --truth prior" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_exception_in_the_users_file_is_shown_with_its_own_traceback(
    written: Written, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written("{'b': undefined}")
    assert main(["run", file, "--out", str(tmp_path / "out")]) == 2
    err = capsys.readouterr().err
    assert f'File "{file}"' in err
    assert "undefined" in err
    assert "workshop.py" not in err
    assert err.splitlines()[-1].startswith(
        "recovery: mine trials=10 noise=1.0: the scenario raised"
    )


def run(words: list[str], **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # type: ignore[call-overload, no-any-return]  # options are passed on
        [sys.executable, "-m", "recovery", *words], capture_output=True, text=True, **options
    )


def test_help_and_status_start_without_the_heavy_packages(tmp_path: Path) -> None:
    """A count of what is imported, not a time: neither PyMC nor pandas nor matplotlib."""
    code = textwrap.dedent("""
        import sys
        from recovery.cli import main
        try:
            main({words})
        except SystemExit:
            pass
        heavy = {{"pymc", "pytensor", "nutpie", "numba", "pandas", "matplotlib", "arviz", "scipy"}}
        print("HEAVY", sorted(heavy & set(sys.modules)))
    """)
    for words in (["--help"], ["status", str(tmp_path)], ["scenarios"], ["run", "nope"]):
        done = subprocess.run(
            [sys.executable, "-c", code.format(words=words)], capture_output=True, text=True
        )
        assert "HEAVY []" in done.stdout, done.stdout + done.stderr


def test_a_reader_that_closes_its_pipe_early_is_no_error() -> None:
    command = f"{sys.executable} -m recovery run --help | head -n 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert done.stdout.startswith("usage: recovery run")
    assert done.stderr == ""


@pytest.mark.slow
def test_a_users_file_goes_from_one_command_to_report_status_and_resume(
    written: Written, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    words = ["run", written(), "trials=10,20", "--truth", "both", "--replicates", "2"]
    words += ["--draws", "200", "--tune", "200", "--chains", "2", "--out", str(out)]
    first = run(words)
    assert first.returncode == 0, first.stderr
    assert "8/8 fits" in first.stderr
    assert str(out / "report.html") in first.stdout
    files = {p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file()}
    assert {
        "results.sqlite",
        "manifest.json",
        "report.html",
        "report.md",
        "tables/measures.csv",
        "tables/diagnostics.csv",
        "tables/cost.csv",
        "tables/sensitivity.csv",
    } <= files
    again = run([*words[:2], "--replicates", "2", "trials=10,20", *words[3:]])
    assert again.returncode == 0, again.stderr
    assert "fits" not in again.stderr
    status = run(["status", str(out)])
    assert "4 cells, 8 of 8 replicates done, 0 failed, 0 left" in status.stdout
    refused = run([*words, "--seed", "3"])
    assert refused.returncode == 2
    assert "seed: 42 there, 3 here" in refused.stderr
    assert run(["report", str(out)]).returncode == 0


@pytest.mark.slow
def test_ctrl_c_ends_with_130_and_the_command_that_goes_on(
    written: Written, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    words = ["run", written(), "--replicates", "5000", "--out", str(out), "--draws", "200"]
    process = subprocess.Popen(
        [sys.executable, "-m", "recovery", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    for _ in range(600):
        done = run(["status", str(out)]).stdout
        if "replicates done" in done and " 0 of" not in done:
            break
        time.sleep(0.2)
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "go on with: recovery run" in err
    status = run(["status", str(out)]).stdout
    assert " 0 of 5000" not in status
    assert "go on with: recovery run" in status
