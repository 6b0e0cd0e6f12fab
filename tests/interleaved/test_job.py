"""Base and head run the same replicates in turns, whatever happens to either."""

import json
import os
import re
import shlex
import signal
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from crash.waiting import until
from interleaved.conftest import POLICY, SOURCES, Project

from recovery import Results
from recovery.cli import INTERRUPTED

CELLS = 4


def rounds(store: Path) -> list[dict[str, Any]]:
    """Return what is recorded of each session, with its start and the replicates of its fits."""
    sessions = Results(store).sessions
    with closing(sqlite3.connect(store / "results.sqlite")) as connection:
        rows = connection.execute('SELECT session, cell, "index" FROM replicates').fetchall()
    return [
        {
            **session["interleaved"],
            "started": session["started"],
            "fits": sorted(tuple(rest) for number, *rest in rows if number == position),
        }
        for position, session in enumerate(sessions, start=1)
    ]


def test_both_sides_run_the_same_replicates_in_rounds_whose_order_turns(project: Project) -> None:
    code, err = project.ci("--base", "main", "--rounds", "4")
    assert code == 0, err
    base, head = rounds(project.store("base")), rounds(project.store("head"))
    assert [r["round"] for r in base] == [r["round"] for r in head] == [-1, 0, 1, 2, 3]
    assert [r["fits"] for r in base] == [r["fits"] for r in head]
    assert [len(r["fits"]) for r in base] == [CELLS * n for n in (1, 2, 2, 2, 2)]
    assert {r["job"] for r in base} == {r["job"] for r in head} == {project.remembered()["job"]}
    assert {r["rounds"] for r in base + head} == {4}
    order = sorted(base + head, key=lambda r: str(r["started"]))
    assert "".join(r["side"][0] for r in order) == "bh" + "bhhbbhhb"
    # Nothing of the model has changed: data and estimates are equal to the last bit.
    there, here = Results(project.store("base")), Results(project.store("head"))
    pd.testing.assert_frame_equal(there.estimates, here.estimates, check_exact=True)
    assert (there.replicates["data_digest"] == here.replicates["data_digest"]).all()
    assert "base: in the midst of a fit" in err
    assert "line: head, round 3/4, 8 fits" in err
    for side in ("base", "head"):
        assert (project.store(side) / "report.html").is_file()
    assert project.worktrees() == 1
    assert not list(project.root.parent.glob("recovery-ci-*"))


def test_head_is_the_working_folder_and_base_the_commit(project: Project) -> None:
    file = project.folder / "line.py"
    project.write("checks_of.py", "NOISE = 1.0")
    file.write_text("from checks_of import NOISE\n" + file.read_text())
    project.commit()
    project.write("checks_of.py", "NOISE = 2.0")
    file.write_text(file.read_text().replace("(trials, 1.0,", "(trials, NOISE,"))
    project.write("recovery.toml", POLICY + "seed = 7\n")  # of head, for both
    code, err = project.ci("--base", "HEAD")
    assert code == 0, err
    there, here = (Results(project.store(side)).replicates for side in ("base", "head"))
    assert set(there["seed"]) == set(here["seed"]) == {7}
    assert (there["data_digest"] != here["data_digest"]).all()


@pytest.mark.parametrize("without", ["the file", "the folder", "an axis", "the name"])
def test_a_scenario_that_base_has_not_got_is_run_for_head_alone(
    project: Project, without: str
) -> None:
    text = (project.folder / "line.py").read_text()
    if without == "the folder":
        project.git("mv", "checks", "before")
    elif without == "the file":
        (project.folder / "line.py").unlink()
    elif without == "an axis":
        project.write("line.py", text.replace("trials", "count"))
    else:
        project.write("line.py", text.replace("def line", "def curve"))
        project.write("recovery.toml", POLICY + 'scenario = "line.py:line"\n')
    project.commit()
    project.write("line.py", text)
    project.write("recovery.toml", (POLICY if without != "the name" else
                                    POLICY + 'scenario = "line.py:line"\n'))  # fmt: skip
    code, err = project.ci("--base", "HEAD")
    assert code == 0, err
    assert "line: head alone, without the gates that need a base: base" in err
    assert len(Results(project.store("head")).replicates) == CELLS * 9
    assert not (project.store("base") / "results.sqlite").exists()
    assert "interleaved" not in Results(project.store("head")).sessions[0]


def test_without_a_base_head_is_run_and_goes_on_with_what_is_there(project: Project) -> None:
    assert project.ci()[0] == 0
    code, err = project.ci()
    assert code == 0, err
    assert "goes on with what is in" in err
    first, again = Results(project.store("head")).sessions
    assert first["execution"]["fits"] == CELLS * 9
    assert not (again.get("execution") or {}).get("fits")
    project.write("line.py", (project.folder / "line.py").read_text() + "\n# changed\n")
    assert project.ci()[0] == 0
    assert len(Results(project.store("head")).sessions) == 1
    assert (project.store("head") / "results.sqlite.previous-1").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_both_sides_cleanly_and_the_same_command_goes_on(
    project: Project, tmp_path: Path, number: signal.Signals
) -> None:
    counted = tmp_path / "counted"
    project.variables |= {"TEST_COUNTED": str(counted), "TEST_SLEEP": "0.2"}
    words = ("--base", "main", "--rounds", "4", "--workers", "1")
    with project.started(*words) as process:
        # The warm-up has four fits of each side, and a round eight.
        assert until(lambda: counted.exists() and len(counted.read_text().splitlines()) > 10)
        os.killpg(process.pid, number)
        _, err = process.communicate(timeout=60)
    assert process.returncode == INTERRUPTED, err
    assert "go on with: recovery ci --base main" in err
    assert "Traceback" not in err
    pids = {int(line) for line in counted.read_text().splitlines()}
    assert len(pids) == 2
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    assert project.worktrees() == 1
    assert not list(project.root.parent.glob("recovery-ci-*"))
    kept = {side: len(Results(project.store(side)).replicates) for side in ("base", "head")}
    assert sum(kept.values()) == len(counted.read_text().splitlines())
    first = project.remembered()
    assert first["finished"] is False
    project.variables["TEST_SLEEP"] = "0"
    code, err = project.ci(*words)
    assert code == 0, err
    assert len(counted.read_text().splitlines()) == 2 * CELLS * 9  # none was fitted twice
    base, head = rounds(project.store("base")), rounds(project.store("head"))
    job = project.remembered()["job"]
    assert job != first["job"]
    again = [[r for r in side if r["job"] == job] for side in (base, head)]
    assert [r["fits"] for r in again[0][1:]] == [r["fits"] for r in again[1][1:]]
    assert all(r["fits"] for r in again[0][1:])
    begun = max(r["round"] for r in base + head if r["job"] == first["job"])
    assert [r["round"] for r in again[0]] == [-1, *range(begun + 1, len(again[0]) + begun)]
    # Both compile in the warm-up, however much of it was there.
    assert all(len(side[0]["fits"]) >= CELLS for side in again)


@pytest.mark.slow
def test_what_was_done_before_an_interrupt_is_not_run_again_whatever_scenario_it_is_of(
    project: Project, tmp_path: Path
) -> None:
    counted = tmp_path / "counted"
    again = POLICY.replace("[scenarios.line]", '[scenarios.again]\nscenario = "line.py"')
    project.write("recovery.toml", POLICY + again.partition("failed_below = 0.5")[2])
    project.variables |= {"TEST_COUNTED": str(counted), "TEST_SLEEP": "0.03"}
    with project.started("--base", "main", "--workers", "1") as process:
        assert until(lambda: counted.exists() and len(counted.read_text().splitlines()) > 78)
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == INTERRUPTED, err
    code, err = project.ci("--base", "main", "--workers", "1")
    assert code == 0, err
    assert len(counted.read_text().splitlines()) == 2 * 2 * CELLS * 9
    # A job that came to its end is measured again; the old stores are kept.
    project.variables["TEST_SLEEP"] = "0"
    assert project.ci("--base", "main")[0] == 0
    assert len(counted.read_text().splitlines()) == 2 * 2 * 2 * CELLS * 9
    assert (project.store("base", "again") / "results.sqlite.previous-1").exists()


def test_a_side_that_is_killed_is_told_of_in_one_line(project: Project, tmp_path: Path) -> None:
    counted = tmp_path / "counted"
    project.variables |= {"TEST_COUNTED": str(counted), "TEST_SLEEP": "0.2"}
    with project.started("--base", "main", "--workers", "1") as process:
        assert until(lambda: counted.exists() and len(counted.read_text().splitlines()) > 6)
        pids = [int(line) for line in counted.read_text().splitlines()]
        os.kill(pids[-1], signal.SIGKILL)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1, err
    (line,) = [line for line in err.splitlines() if line.startswith("recovery: ")]
    assert "its process ended (signal 9, SIGKILL, often for want of memory; it said: " in line
    assert "Traceback" not in err
    assert until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), 20)
    assert project.worktrees() == 1


def test_sides_end_with_the_command_that_started_them(project: Project, tmp_path: Path) -> None:
    counted = tmp_path / "counted"
    project.variables |= {"TEST_COUNTED": str(counted), "TEST_SLEEP": "0.2"}
    with project.started("--base", "main", "--workers", "1") as process:
        assert until(lambda: counted.exists() and len(counted.read_text().splitlines()) > 6)
        pids = {int(line) for line in counted.read_text().splitlines()}
        process.kill()
        process.communicate(timeout=60)
    assert until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), 20)


@pytest.mark.parametrize("follows", [True, False])
def test_modules_of_head_are_never_taken_for_those_of_base(project: Project, follows: bool) -> None:
    file, folder = project.folder / "line.py", project.root / "src"
    path = "" if follows else f"sys.path.append({str(folder)!r})\n"
    file.write_text(f"import sys\n{path}import helper\nprint('helper', helper.VALUE)\n"
                    + file.read_text())  # fmt: skip
    project.write("../src/helper.py", "VALUE = 1")
    project.commit()
    project.write("../src/helper.py", "VALUE = 2")
    if follows:
        project.variables["PYTHONPATH"] = f"{SOURCES}{os.pathsep}{folder}"
    code, err = project.ci("--base", "main")
    if follows:
        assert code == 0, err
        assert "base: helper 1\n" in err
        assert "head: helper 2\n" in err
    else:
        assert code == 2
        assert "base: would use helper of what is checked out now" in err.splitlines()[-1]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--base", "nowhere"), "--base nowhere: .* has no such commit; give a branch"),
        (("--base", "main", "--rounds", "0"), "rounds: 0 is not allowed; give 1 or more"),
        (("--workers", "0"), "workers: 0 is not allowed"),
        (("--base-python", "/nowhere/python"), "base: /nowhere/python cannot be used"),
        (("--head-python", "/bin/echo"), "head: /bin/echo cannot be used"),
        (("--policy", "nowhere.toml"), "nowhere.toml: no such file"),
        (("--install", "exit 7"), "head: the command of --install ended with 7 in .*said nothing"),
        (("--install", "echo no index; exit 7"), "ended with 7 in .*; it said: no index; see"),
        (("--install", "true"), "head: .*environment-head/bin/python has no recovery; install it"),
    ],
)
def test_what_cannot_be_run_is_refused_in_one_line(
    project: Project, words: tuple[str, ...], message: str
) -> None:
    code, err = project.ci(*words)
    assert code == 2, err
    last = err.splitlines()[-1]
    assert re.search(message, last), err
    assert "Traceback" not in err
    assert project.worktrees() == 1
    assert not list(project.root.parent.glob("recovery-ci-*"))


def test_a_scenario_that_raises_is_told_with_its_side_and_traceback(project: Project) -> None:
    project.write("line.py", "1 / 0\n")
    code, err = project.ci("--base", "main")
    assert code == 2
    assert err.splitlines()[-1].startswith("recovery: head: line.py: raised ZeroDivisionError")
    assert 'line.py", line 1' in err
    assert "recovery/" not in err.partition("Traceback")[2]


def test_a_repository_is_needed_for_a_base_alone(project: Project, tmp_path: Path) -> None:
    (project.root / ".git").rename(tmp_path / "elsewhere")
    project.variables["GIT_CEILING_DIRECTORIES"] = str(tmp_path)
    code, err = project.ci("--base", "main")
    assert code == 2
    assert "no git repository that can be used" in err
    code, err = project.ci("--base-python", sys.executable, "--rounds", "1")
    assert code == 0, err
    assert {r["side"] for r in rounds(project.store("base"))} == {"base"}


INSTALL = f"""
import os, pathlib, sys, sysconfig
own = pathlib.Path(sysconfig.get_path("purelib"))
assert own.is_relative_to(os.environ["VIRTUAL_ENV"]), own
assert pathlib.Path(sys.prefix) == pathlib.Path(os.environ["VIRTUAL_ENV"])
places = {[str(SOURCES), *(entry for entry in sys.path if entry.endswith("site-packages"))]!r}
(own / "theirs.pth").write_text("\\n".join(places))
print("installed in", os.getcwd())
"""


def test_each_side_runs_in_a_fresh_environment_of_what_is_installed_from_it(
    project: Project, tmp_path: Path
) -> None:
    # In place of a package index: what this interpreter has is found from the fresh ones.
    (tmp_path / "install.py").write_text(INSTALL)
    file = project.folder / "line.py"
    file.write_text(file.read_text() + "\nprint('runs in', sys.prefix)\n")
    project.commit()
    command = f"python {shlex.quote(str(tmp_path / 'install.py'))}"
    words = ("--base", "main", "--install", command, "--rounds", "2", "--json", "verdicts.json")
    code, err = project.ci(*words)
    assert code == 0, err
    ran = {side: re.findall(rf"^{side}: runs in (.*)$", err, re.M) for side in ("base", "head")}
    for side, (place,) in ran.items():
        assert re.fullmatch(rf".*/recovery-ci-\w+/environment-{side}", place)
        assert not Path(place).exists()
    (verdict,) = json.loads((project.folder / "verdicts.json").read_text())["verdicts"]
    assert (verdict["outcome"], verdict["n"]) == ("pass", 9)
    base, head = (Results(project.store(side)) for side in ("base", "head"))
    pd.testing.assert_frame_equal(base.estimates, head.estimates, check_exact=True)
    told = [results.sessions[0] for results in (base, head)]
    assert told[0]["packages"] == told[1]["packages"]
    # A command that installs may hold an access token.
    assert (
        told[0]["command"]
        == "recovery ci --base main --install ... --rounds 2 --json verdicts.json"
    )
    assert str(tmp_path / "install.py") not in (project.folder / "reports/ci/job.json").read_text()
    assert project.worktrees() == 1
