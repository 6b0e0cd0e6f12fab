"""Two runs side by side: the same where they are, different where planted, and no surer than so."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

import recovery
from recovery.cli import main
from recovery.comparison import compare
from recovery.errors import NothingInCommon, NothingMeasured, UsageError
from recovery.report.compared import shown, to_json, to_markdown, to_tidy
from recovery.results import Results
from recovery.testing import ExactSampler, pair

Run = Callable[..., Results]
AXES = ["trials", "noise", "slope", "truth"]


class Failing(ExactSampler):
    """A sampler that fails in every fit."""

    def compile(self, target: Any, simulated: Any) -> Any:
        raise ValueError("no density today")


@pytest.fixture
def flawed(run: Run) -> tuple[Results, Results]:
    """The same data, once with posteriors whose sd is a fifth too small."""
    options: dict[str, Any] = {"levels": {"trials": [5, 10]}, "truth": "both", "replicates": 100}
    return run("base", **options), run("head", **options, sampler=ExactSampler(0.8))


def test_a_run_beside_itself_differs_by_exactly_nothing(run: Run) -> None:
    one = run("one", {"trials": [5, 10]}, truth="both")
    found = compare(one, one, measures=["bias", "coverage_80", "joint_coverage_90", "z_sd"])
    assert (found.measures["difference"] == 0).all()
    assert (found.measures["p_holm"] == 1).all()
    shares = found.measures["measure"].str.contains("coverage")
    assert (found.measures["mcse"] > 0).equals(shares)  # no two shares are equal for certain
    assert found.differences == ()
    assert len(found.beyond_chance()) == 0
    ratios = found.cost["ratio"].dropna()
    assert len(ratios) == 3 * 4
    assert (ratios == 1).all()


def test_posteriors_a_fifth_too_narrow_are_found_in_what_they_change_only(
    flawed: tuple[Results, Results],
) -> None:
    found = compare(*flawed)
    beyond = found.beyond_chance()
    counts = beyond["measure"].value_counts()
    assert counts[["model_se", "z_sd"]].tolist() == [12, 12]
    assert not set(beyond["measure"]) & {"bias", "empirical_se", "rmse"}
    rows = found.measures.set_index("measure")
    np.testing.assert_allclose(
        rows.loc["model_se", "head"] / rows.loc["model_se", "base"], 0.8, rtol=1e-9
    )
    (own,) = found.differences
    assert own.what == "parameters of exact"
    assert '"sd_factor": 0.8' in own.head


def test_both_sides_are_the_measures_of_each_run(flawed: tuple[Results, Results]) -> None:
    found = compare(*flawed, measures=["coverage_95", "rmse", "joint_coverage_80"])
    key = [*AXES, "parameter", "measure"]
    for side, results in zip(("base", "head"), flawed, strict=True):
        table = results.measures((0.8, 0.95)).set_index(key)
        mine = found.measures.set_index(key)
        expected = table.loc[mine.index]
        np.testing.assert_allclose(mine[side], expected["estimate"])
        np.testing.assert_allclose(mine[f"{side}_mcse"], expected["mcse"])
        assert (mine[f"{side}_n"] == expected["n"]).all()


def test_the_error_of_a_difference_counts_what_pairs_share(flawed: tuple[Results, Results]) -> None:
    rows = compare(*flawed, measures=["bias"]).measures
    apart = np.hypot(rows["base_mcse"], rows["head_mcse"])
    assert (rows["mcse"] < 0.1 * apart).all()
    assert set(rows["data"]) == {"same data"}


def test_other_seeds_are_independent_samples(run: Run) -> None:
    found = compare(run("base", seed=1), run("head", seed=2, replicates=30), measures=["bias"])
    rows = found.measures
    np.testing.assert_allclose(rows["mcse"], np.hypot(rows["base_mcse"], rows["head_mcse"]))
    assert rows[["base_n", "head_n", "n", "data"]].drop_duplicates().to_numpy().tolist() == [
        [20, 30, 20, "not paired"]
    ]
    assert [d.sentence for d in found.differences] == ["seed: 1 → 2"]
    draws = found.cost[found.cost["cost"] == "draws"].iloc[0]
    assert (draws["ratio"], draws["unit"], draws["n"]) == (1, "fits", 20)


def test_the_p_values_of_a_table_are_adjusted_over_all_of_its_rows(
    flawed: tuple[Results, Results],
) -> None:
    rows = compare(*flawed).measures
    assert len(rows) == 4 * 3 * 7  # cells, parameters, measures
    smallest = rows["p_value"].idxmin()
    assert rows["p_holm"][smallest] == pytest.approx(min(1, len(rows) * rows["p_value"].min()))


def test_another_sampler_on_the_same_data_is_told_and_paired(run: Run) -> None:
    head = run("head", sampler=ExactSampler(1.0, 0.5, name="shifted"), draws=200)
    found = compare(run("base"), head)
    told = {d.what: (d.base, d.head) for d in found.differences}
    assert told["sampler"] == ("exact", "shifted")
    assert told["draws"] == ("100", "200")
    bias = found.measures[found.measures["measure"] == "bias"]
    assert (bias["p_holm"] < 0.001).all()
    assert (bias["difference"] > 0).all()
    ratio = found.cost.set_index("cost").loc["gradient_evaluations"]
    assert (ratio["ratio"], ratio["lower"], ratio["upper"]) == pytest.approx((2, 2, 2))


def test_a_ratio_of_costs_is_the_geometric_mean_over_pairs_with_its_t_interval(run: Run) -> None:
    base, head = run("base"), run("head", draws=200)
    row = compare(base, head).cost.set_index("cost").loc["ess_bulk_per_gradient"]
    logs = np.log(head.fits["ess_bulk_per_gradient"] / base.fits["ess_bulk_per_gradient"])
    ends = stats.t.interval(0.95, len(logs) - 1, logs.mean(), stats.sem(logs))
    np.testing.assert_allclose(
        row[["ratio", "lower", "upper"]].astype(float), np.exp([logs.mean(), *ends])
    )


def test_constants_and_test_quantities_have_no_rows(run: Run) -> None:
    from recovery.testing import PairSampler

    one = run("one", scenario=pair, sampler=PairSampler(), truth="prior", replicates=10)
    found = compare(one, one, measures=["bias", "joint_coverage_90"])
    names = set(found.measures["parameter"])
    assert names == {"mu[left]", "mu[right]", "log_posterior"}


def test_what_differs_is_named_whatever_it_is(run: Run, say: Run) -> None:
    base = run("base", {"trials": [5, 10]})
    head = run("head", {"trials": [10, 20]}, target_accept=0.9)
    machine = {"processor": "Another\x1b[31m", "system": "Linux", "cores": 64}
    head = say(
        head, {0: {"packages": {"pymc": "99.0"}, "git_commit": "f" * 40, "machine": machine}}
    )
    lines = [d.sentence for d in compare(base, head).differences]
    text = "\n".join(lines)
    for part in (
        "target_accept: 0.8 → 0.9", "→ 99.0", f"→ {'f' * 40}", "→ Another[31m", "→ 64",
        "cells only in base (1): trials=5 ", "cells only in head (1): trials=20 ",
    ):  # fmt: skip
        assert part in text, part
    assert "\x1b" not in text


def test_the_model_and_the_truth_are_compared(run: Run) -> None:
    from recovery import Problem, scenario
    from recovery.testing import line

    @scenario
    def other(trials: int = 20, noise: float = 1.0, slope: float = 1.0) -> Problem:
        return line.function(trials, noise, 2 * slope)

    found = compare(run("base"), run("head", scenario=other))
    told = {d.what: (d.base, d.head) for d in found.differences}
    assert told["scenario"] == ("line", "other")
    assert told["truth of betas"] == ("[1.0, -1.0]", "[2.0, -2.0]")
    assert set(found.measures["data"]) == {"other data"}


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("coverage", "needs the level"),
        ("bias_90", "leave the level out"),
        ("coverage_100", "strictly between"),
        ("coverage_99.9", "up to 99.8"),
        ("nonsense", "no measure is called"),
        ("correlation_error", "choose another"),
    ],
)
def test_a_measure_that_cannot_be_compared_is_refused(run: Run, name: str, says: str) -> None:
    one = run("one", replicates=2)
    with pytest.raises(UsageError, match=says):
        compare(one, one, measures=[name])


def test_runs_without_a_complete_replicate_have_nothing_to_compare(run: Run) -> None:
    base = run("base", {"trials": [5]}, replicates=4)
    head = run("head", {"trials": [5]}, replicates=4, sampler=Failing())
    assert not head.fits["ok"].any()
    with pytest.raises(NothingMeasured, match="nothing to compare"):
        compare(base, head)
    assert main(["compare", str(base.folder), str(head.folder)]) == 3


def test_every_number_that_is_shown_has_its_error_and_its_n(
    flawed: tuple[Results, Results],
) -> None:
    for table in shown(compare(*flawed)).tables:
        for row in table.rows:
            numbers = row[table.names :]
            if "n" in table.columns:
                assert all("±" in cell for cell in numbers[-5:-2]), row
                assert numbers[-2] == "100"
            else:
                assert all("±" in cell and "(n 100)" in cell for cell in numbers[:2]), row
                assert "pairs" in numbers[2]


def test_the_command_prints_and_writes_every_form(
    flawed: tuple[Results, Results], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [str(results.folder) for results in flawed]
    files = {form: tmp_path / "forms" / f"c.{form}" for form in ("markdown", "json", "csv")}
    options = [word for form, path in files.items() for word in (f"--{form}", str(path))]
    assert main(["compare", *folders, "--measures", "bias,z_sd", "--rows", "3", *options]) == 0
    printed = capsys.readouterr().out
    for part in ("differs in the set-ups:", "parameters of exact", "12 of 24 rows differ beyond",
                 "9 more rows not shown", "Times are not compared: not run by turns"):  # fmt: skip
        assert part in printed, part
    assert "| z_sd |" in files["markdown"].read_text(encoding="utf-8")
    found = json.loads(files["json"].read_text(encoding="utf-8"))
    assert len(found["measures"]) == 24
    assert {"what", "base", "head"} == found["differences"][0].keys()
    rows = list(csv.DictReader(io.StringIO(files["csv"].read_text(encoding="utf-8"))))
    assert sum(row["kind"] == "measure" for row in rows) == 24
    assert sum(row["kind"] == "cost" for row in rows) == 4 * 6


def test_a_summary_of_a_job_is_added_to(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, summary = str(run("one", replicates=2).folder), tmp_path / "summary.md"
    summary.write_text("before\n", encoding="utf-8")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    assert main(["compare", folder, folder, "--markdown", str(summary)]) == 0
    text = summary.read_text(encoding="utf-8")
    assert text.startswith("before\n# ")
    assert "differs at all" in text


@pytest.mark.parametrize(
    "words",
    [
        ["--measures", "nonsense"],
        ["--measures", ","],
        ["--rows", "0"],
        ["--csv", "/dev/null/impossible.csv"],
    ],
)
def test_wrong_input_is_one_line(
    run: Run, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(run("one", replicates=2).folder)
    assert main(["compare", folder, folder, *words]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_no_common_cell_and_no_store_are_wrong_input(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base, head = run("base", {"trials": [5]}), run("head", {"trials": [6]})
    assert main(["compare", str(base.folder), str(head.folder)]) == 2
    assert "no cell is in both runs" in capsys.readouterr().err
    assert main(["compare", str(base.folder), str(tmp_path / "none")]) == 2
    with pytest.raises(NothingInCommon):
        recovery.compare(base, head)


def test_hostile_names_are_shown_and_do_nothing(run: Run, say: Run) -> None:
    bad = "\x1b[2J<script>alert(1)</script>|`x`\u202e=1"
    one = run("one", replicates=5)
    told = {0: {"git_commit": bad, "packages": {bad: bad}, "python": bad}}
    found = compare(one, say(run("two", replicates=5), told))
    markdown, table = to_markdown(found), to_tidy(found)
    assert "<script" not in markdown
    assert not any(c in markdown + table for c in "\x1b\u202e")
    assert json.loads(to_json(found))["differences"]
    for row in csv.reader(io.StringIO(table)):
        assert not any(cell.startswith(("=", "+", "@")) for cell in row)
    assert not any("\x1b" in line or "\u202e" in line for line in shown(found).setups)


def test_times_are_compared_in_rounds_of_one_job(
    run: Run, say: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    sides = {}
    for side in ("base", "head"):
        for replicates in (4, 8, 12):
            results = run(side, replicates=replicates)
        jobs = {
            k: {"interleaved": {"job": "a" * 32, "side": side, "round": k, "rounds": 3}}
            for k in range(3)
        }
        sides[side] = say(results, jobs)
    cost = compare(sides["base"], sides["head"]).cost.set_index("cost")
    walls = [sides[side].fits["wall_s"].to_numpy() for side in ("base", "head")]
    logs = np.log(walls[1] / walls[0]).reshape(3, 4).mean(axis=1)
    ends = stats.t.interval(0.95, 2, logs.mean(), stats.sem(logs))
    row = cost.loc["wall_s"]
    assert (row["n"], row["unit"]) == (3, "rounds")
    np.testing.assert_allclose(
        row[["ratio", "lower", "upper"]].astype(float), np.exp([logs.mean(), *ends])
    )
    assert main(["compare", *(str(sides[s].folder) for s in ("base", "head"))]) == 0
    printed = capsys.readouterr().out
    assert "Wall time per fit: head over base" in printed
    assert "Times are not compared" not in printed
