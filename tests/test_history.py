"""A measure over runs: how it stood, its change with the error that pairs leave, and why."""

import csv
import io
import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recovery import Problem, Sweep, scenario
from recovery.cli import main
from recovery.errors import UsageError
from recovery.history import COSTS, history
from recovery.results import Results
from recovery.testing import ExactSampler, line

Run = Callable[..., Results]
COMMITS = ("a" * 40, "b" * 40 + "-dirty", "v1.2-3-gabc")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a sweep into a folder of its own, which then says that it began in a month."""

    def run_one(
        name: str, month: int, told: dict[str, Any] | None = None, **options: Any
    ) -> Results:
        chosen: dict[str, Any] = {"scenario": line, "levels": {"trials": [5, 10]}, "draws": 100,
                                  "replicates": 20, "sampler": ExactSampler()}  # fmt: skip
        sweep = Sweep(**(chosen | options))
        results = sweep.run(tmp_path / name, workers=2, progress=False, report=False)
        began = {"started": f"2026-{month:02}-01T10:00:00.000+00:00"}
        with closing(sqlite3.connect(results.folder / "results.sqlite")) as connection, connection:
            (text,) = connection.execute("SELECT provenance FROM sessions").fetchone()
            text = json.dumps(json.loads(text) | began | (told or {}))
            connection.execute("UPDATE sessions SET provenance = ?", (text,))
        return Results(results.folder)

    return run_one


@pytest.fixture
def three(run: Run) -> list[Results]:
    """Three runs of the same seeds; the last is a fifth too narrow, on another machine."""
    machine = {"processor": "Another", "system": "Linux", "cores": 64}
    packages = {"pymc": "99.0"}
    return [
        run("c", 3, {"git_commit": COMMITS[2], "machine": machine, "packages": packages},
            replicates=30, sampler=ExactSampler(0.8)),
        run("a", 1, {"git_commit": COMMITS[0]}),
        run("b", 2, {"git_commit": COMMITS[1]}),
    ]  # fmt: skip


def test_runs_stand_in_the_order_of_their_beginning_with_their_own_measures(
    three: list[Results],
) -> None:
    found = history(three, measure="model_se")
    assert found.runs["folder"].map(lambda folder: Path(folder).name).tolist() == ["a", "b", "c"]
    assert found.rows["run"].tolist() == [0, 1, 2] * 6
    ordered = [three[1], three[2], three[0]]
    for k, results in enumerate(ordered):
        table = results.measures()
        table = table[(table["measure"] == "model_se") & table["parameter"].isin(
            ["betas[left]", "betas[right]", "total"])]  # fmt: skip
        mine = found.rows[found.rows["run"] == k]
        keys = ["trials", "parameter"]
        both = mine.merge(table, on=keys, suffixes=("", "_expected"))
        assert len(both) == 6
        for column in ("estimate", "mcse", "n"):
            np.testing.assert_allclose(both[column], both[f"{column}_expected"])


def test_a_change_has_the_error_that_pairs_leave(three: list[Results]) -> None:
    rows = history(three, measure="bias").rows
    by_run = {k: rows[rows["run"] == k] for k in range(3)}
    assert by_run[0]["change"].isna().all()
    assert (by_run[1]["change"] == 0).all()  # the same seeds and versions
    assert (by_run[2]["change_mcse"] < 0.2 * by_run[2]["mcse"]).all()
    assert set(by_run[2]["data"]) == {"same data"}
    assert by_run[2][["n", "change_n"]].drop_duplicates().to_numpy().tolist() == [[30, 20]]


def test_what_changed_is_told(three: list[Results]) -> None:
    runs = history(three).runs
    assert runs["commit"].tolist() == ["a" * 10, "b" * 10, "v1.2-3-gabc"]
    assert runs["dirty"].tolist() == [False, True, False]
    assert runs["changed"][1] == ""
    assert "→ 99.0" in runs["changed"][2]
    rows = history(three).rows
    assert rows["note"][rows["run"] < 2].eq("").all()
    assert rows["note"][rows["run"] == 2].eq("machine changed: Another, Linux, 64 cores").all()


@pytest.mark.parametrize("cost", COSTS)
def test_costs_have_a_history_of_whole_fits(three: list[Results], cost: str) -> None:
    found = history(three, measure=cost)
    assert found.rows["parameter"].eq("").all()
    assert len(found.rows) == 2 * 3
    last = found.rows[found.rows["run"] == 2]
    timed = cost in ("wall_s", "ess_bulk_per_s")
    assert last["change"].isna().all() == timed
    assert last["data"].eq("" if timed else "same data").all()
    assert bool(found.notes) == timed
    mean = three[0].fits.groupby("position")[cost].mean()
    np.testing.assert_allclose(last["estimate"], mean.astype(float))


@pytest.mark.parametrize("cost", ["wall_s", "ess_bulk_per_s"])
def test_times_of_runs_that_were_not_by_turns_are_not_subtracted(
    three: list[Results], cost: str
) -> None:
    found = history(three, measure=cost)
    rows = found.rows
    assert rows[["change", "change_mcse"]].isna().all(axis=None)
    assert rows["change_n"].eq(0).all()
    notes = {run: set(rows["note"][rows["run"] == run]) for run in range(3)}
    assert notes[0] == {""}
    (second,), (third,) = notes[1], notes[2]
    assert second.startswith("no change is given: not run by turns in one job")
    assert third.startswith("machine changed: Another, Linux, 64 cores; no change is given: made "
                            "on another machine: Another")  # fmt: skip
    assert [note.partition(":")[0] for note in found.notes] == ["2 rows have no change"] * 2


def test_times_of_one_job_change_with_the_error_of_its_rounds(run: Run, tmp_path: Path) -> None:
    """The job is found though another run lies between its sides."""
    for replicates in (4, 8, 12):
        for side in ("base", "head"):
            levels: dict[str, Any] = {"trials": [5, 10]}
            Sweep(line, levels, draws=100, replicates=replicates, sampler=ExactSampler()).run(
                tmp_path / side, workers=1, progress=False, report=False
            )
    for month, side in ((1, "base"), (3, "head")):
        job: dict[str, Any] = {"job": "a" * 32, "side": side, "rounds": 2}
        with closing(sqlite3.connect(tmp_path / side / "results.sqlite")) as connection, connection:
            found = connection.execute("SELECT id, provenance FROM sessions ORDER BY id").fetchall()
            for place, (number, text) in enumerate(found):
                told = {
                    "started": f"2026-{month:02}-01",
                    "interleaved": {**job, "round": place - 1},
                }
                connection.execute("UPDATE sessions SET provenance = ? WHERE id = ?",
                                   (json.dumps(json.loads(text) | told), number))  # fmt: skip
    between = run("between", 2)
    sides = [Results(tmp_path / side) for side in ("base", "head")]
    found = history([*sides, between], measure="wall_s")
    rows = found.rows[found.rows["trials"] == 5].set_index("run")
    walls = [results.fits.query("position == 0")["wall_s"].to_numpy() for results in sides]
    means = (walls[1] - walls[0])[4:].reshape(2, 4).mean(axis=1)  # without the warm-up
    last = rows.loc[2]
    np.testing.assert_allclose(last["change"], means.mean())
    np.testing.assert_allclose(last["change_mcse"], means.std(ddof=1) / np.sqrt(2))
    assert (last["change_n"], last["data"], last["note"]) == (2, "same data", "")
    assert np.isnan(rows.loc[1]["change"])
    assert found.notes[0].startswith("changes in time are means over the rounds of one job")


def test_settings_and_seeds_that_changed_are_told(run: Run) -> None:
    runs = [
        run("a", 1, draws=50, seed=1), run("b", 2, draws=100, seed=1, tune=7),
        run("c", 3, levels={"draws": [20, 40]}, seeds=[1, 2, 3, 7], tune=7),
    ]  # fmt: skip
    changed = history(runs).runs["changed"].tolist()
    assert changed == [
        "", "draws 50 → 100; tune 1000 → 7", "draws 100 → 20 and 40; seed 1 → 1-3, 7"
    ]  # fmt: skip
    many = [run("d", 4, seeds=range(1, 99, 2)), run("e", 5, seeds=range(1, 101, 2))]
    (told,) = history(many).runs["changed"].tolist()[1:]
    assert told.startswith("seed 1, 3, 5, 7, 9, ")
    assert len(told) < 100


def test_a_share_of_flagged_fits_is_not_known_to_be_unchanged(three: list[Results]) -> None:
    rows = history(three, measure="flagged").rows
    same = rows[(rows["run"] == 1) & (rows["change"] == 0)]
    assert len(same) == 2
    assert (same["change_mcse"] > 0).all()


def test_a_run_without_a_cell_is_passed_over(run: Run) -> None:
    runs = [
        run("a", 1), run("b", 2, levels={"trials": [5]}), run("c", 3, sampler=ExactSampler(0.8)),
    ]  # fmt: skip
    rows = history(runs, measure="model_se", parameters=["total"]).rows
    ten = rows[rows["trials"] == 10]
    assert ten["run"].tolist() == [0, 2]
    assert ten["change"].notna().tolist() == [False, True]  # from the first, over the second


def test_runs_of_other_seeds_change_with_the_error_of_both(run: Run) -> None:
    rows = history([run("a", 1, seed=1), run("b", 2, seed=2)], measure="bias").rows
    first, last = (rows[rows["run"] == k].reset_index() for k in (0, 1))
    np.testing.assert_allclose(last["change"], last["estimate"] - first["estimate"])
    np.testing.assert_allclose(last["change_mcse"], np.hypot(first["mcse"], last["mcse"]))
    assert set(last["data"]) == {"not paired"}


def test_joint_coverage_has_a_history(run: Run) -> None:
    runs = [run("a", 1, truth="prior"), run("b", 2, truth="prior")]
    rows = history(runs, measure="joint_coverage_90").rows
    assert rows["parameter"].unique().tolist() == ["log_posterior"]
    assert len(rows) == 4


def test_one_run_has_a_history_without_changes(run: Run) -> None:
    found = history([run("a", 1)])
    assert found.rows["change"].isna().all()
    assert found.runs["changed"].tolist() == [""]


def test_wrong_input_is_refused(run: Run, tmp_path: Path) -> None:
    @scenario
    def other(trials: int = 20, noise: float = 1.0, slope: float = 1.0) -> Problem:
        return line.function(trials, noise, slope)

    one = run("a", 1, replicates=2)
    with pytest.raises(UsageError, match="given twice"):
        history([one.folder, tmp_path / "a" / ".." / "a"])
    with pytest.raises(UsageError, match="several: line in .*, other in "):
        history([one, run("b", 2, scenario=other, replicates=2)])
    with pytest.raises(UsageError, match="no run is named"):
        history([])
    with pytest.raises(UsageError, match="costs are wall_s"):
        history([one], measure="nonsense")
    with pytest.raises(UsageError, match=r"no run has the parameter 'nobody'; there are: betas"):
        history([one], parameters=["nobody"])
    with pytest.raises(UsageError, match="leave the parameters out"):
        history([one], measure="wall_s", parameters=["total"])


def test_the_command_prints_draws_and_writes(
    three: list[Results], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [str(results.folder) for results in three]
    for form, begins in (("png", b"\x89PNG"), ("svg", b"<?xml")):
        path = tmp_path / f"plot.{form}"
        assert main(["history", *folders, "--plot", str(path)]) == 0
        assert path.read_bytes().startswith(begins)
    table = tmp_path / "all.csv"
    words = ["--measure", "z_sd", "--parameter", "total", "--rows", "2", "--csv", str(table)]
    capsys.readouterr()
    assert main(["history", *folders, *words]) == 0
    printed = capsys.readouterr().out
    for part in ("z_sd of line over 3 runs", "b" * 10 + " (files changed)", "→ 99.0",
                 "machine: Another", "4 more rows not shown"):  # fmt: skip
        assert part in printed, part
    rows = list(csv.DictReader(io.StringIO(table.read_text(encoding="utf-8"))))
    assert [row["run"] for row in rows] == ["0", "1", "2"] * 2


@pytest.mark.parametrize(
    "words",
    [["--plot", "x.gif"], ["--rows", "0"], ["--measure", "coverage"], ["--parameter", "nobody"],
     ["missing"]],
)  # fmt: skip
def test_wrong_words_are_one_line(
    run: Run, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(run("a", 1, replicates=2).folder)
    assert main(["history", folder, *words]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_hostile_texts_are_shown_and_do_nothing(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = "\x1b[2J=HYPERLINK('x')$\\alpha$\u202e"
    told = {"git_commit": bad, "python": bad, "packages": {bad: bad},
            "machine": {"processor": bad, "cores": bad}}  # fmt: skip
    one, other = run("a", 1, replicates=3), run("b", 2, told, replicates=3)
    hostile = tmp_path / "\x1b[31mred"
    shutil.copytree(other.folder, hostile)
    files = [str(tmp_path / "h.svg"), str(tmp_path / "h.csv")]
    words = [str(one.folder), str(hostile), "--plot", files[0], "--csv", files[1]]
    assert main(["history", *words]) == 0
    printed = capsys.readouterr().out + Path(files[1]).read_text(encoding="utf-8")
    assert not any(c in printed for c in "\x1b\u202e")
    assert "\u202e" not in Path(files[0]).read_text(encoding="utf-8")
