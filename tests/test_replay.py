"""One replicate again: the same to the bit, or told where not; and as ArviZ reads it."""

import os
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import arviz as az
import numpy as np
import pymc as pm
import pytest
from crash.hazards import Hazardous
from threadpoolctl import threadpool_info

from recovery import Problem, Results, Sweep, scenario
from recovery.cli import main
from recovery.design import Replicate
from recovery.engine.netcdf import writable_file
from recovery.errors import (
    LevelError,
    OutputError,
    ScenarioError,
    StoreConflict,
    StoreDamaged,
    UsageError,
)
from recovery.loading import load_scenario
from recovery.recorded import Recorded
from recovery.replay import Replay, replay
from recovery.testing import ExactDensity, ExactSampler, line

Run = Callable[..., Results]


def again(results: Results, place: int = 0, **options: Any) -> Replay:
    key = results.replicates["key"][place]
    return replay(results.folder, key, **{"scenario": line, "sampler": ExactSampler(), **options})


def tamper(out: Path, statement: str, *values: Any) -> None:
    raw = sqlite3.connect(out / "results.sqlite")
    raw.execute(statement, values)
    raw.commit()
    raw.close()


def test_every_replicate_comes_out_the_same_to_the_bit(run_line: Run) -> None:
    results = run_line({"trials": [5, 10]}, truth="both", replicates=3)
    for place in range(len(results.replicates)):
        found = again(results, place)
        assert found.differences == ()
        assert found.record.data_digest == results.replicates["data_digest"][place]
        assert found.surroundings == ()


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE replicates SET data_digest = x'00'", "data: not those"),
        ("UPDATE posteriors SET kept_draws = zeroblob(length(kept_draws))", "draws: not those"),
        ("UPDATE posteriors SET quantiles = zeroblob(length(quantiles))", r"total: quantiles"),
        ("UPDATE replicates SET estimates = zeroblob(length(estimates))", r"left\]: truth, m"),
    ],
)  # fmt: skip
def test_what_differs_from_the_store_is_named(
    run_line: Run, out: Path, statement: str, told: str
) -> None:
    results = run_line()
    keys = results.replicates["key"]
    tamper(out, statement)
    found = replay(out, keys[0], scenario=line, sampler=ExactSampler())
    assert any(re.search(told, difference) for difference in found.differences)


def test_another_sampler_gives_another_answer_and_is_told_apart(run_line: Run) -> None:
    found = again(run_line(), sampler=ExactSampler(sd_factor=1.1))
    assert "betas[left]: mean, sd" in " ".join(found.differences)


def test_a_zero_of_another_sign_is_not_the_same(run_line: Run, out: Path) -> None:
    results = run_line({"slope": [0.0]})
    raw = sqlite3.connect(out / "results.sqlite")
    (block,) = raw.execute('SELECT estimates FROM replicates WHERE "index" = 0').fetchone()
    raw.close()
    assert np.frombuffer(block[:8], dtype="<f8")[0] == 0.0  # the truth of the first parameter
    query = 'UPDATE replicates SET estimates = ? WHERE "index" = 0'
    tamper(out, query, np.float64(-0.0).tobytes() + block[8:])
    assert again(results).differences == ("betas[left]: truth",)


def test_test_quantities_added_later_are_compared_too(out: Path) -> None:
    def asking(quantities: dict[str, Any]) -> Any:
        @scenario
        def asked(trials: int = 8) -> Problem:
            p = line(trials)
            return Problem(p.model, p.observed, p.truth, p.covariates, quantities=quantities)

        return asked

    for quantities in ({}, {"gap": "differences(betas)"}):
        asked = asking(quantities)
        sweep = Sweep(asked, sampler=ExactSampler(), draws=50, replicates=1)
        results = sweep.run(out, progress=False, report=False)
    assert again(results, scenario=asked).differences == ()
    tamper(out, "UPDATE supplements SET estimates = zeroblob(length(estimates))")
    (told,) = again(results, scenario=asked).differences
    assert "differences(betas)" in told or "gap" in told


def test_data_that_nobody_knows_are_not_called_others(run_line: Run) -> None:
    now = again(run_line()).record
    died = Recorded("crashed", "", 1, "sample", "Crashed: so", (), np.empty(0), ())
    assert list(died.differences(now)) == [
        "outcome: crashed at sample (Crashed: so) then, ok now"
    ]  # fmt: skip


def test_linear_algebra_has_one_thread_as_in_a_run(run_line: Run) -> None:
    seen: list[int] = []

    class Asking(ExactSampler):
        def compile(self, target: Any, simulated: Any) -> Any:
            return AskingDensity(self, target)

    class AskingDensity(ExactDensity):
        def fit(self, *arguments: Any) -> Any:
            seen.extend(pool["num_threads"] for pool in threadpool_info())
            return super().fit(*arguments)

    assert again(run_line(), sampler=Asking()).differences == ()
    assert seen
    assert set(seen) == {1}


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM posteriors",
        "UPDATE posteriors SET quantiles = zeroblob(8)",
        "UPDATE posteriors SET kept_draws = zeroblob(7)",
        "UPDATE replicates SET estimates = zeroblob(16)",
        "UPDATE replicates SET estimates = NULL",
        "UPDATE replicates SET layout = NULL",
        "UPDATE replicates SET status = 'failed'",
        "UPDATE replicates SET status = 'splendid'",
        "UPDATE cells SET levels = replace(levels, '20', '21')",
        "UPDATE cells SET truth_mode = 'else'",
        "UPDATE cells SET settings = replace(settings, '\"draws\": 100', '\"draws\": -1')",
        'UPDATE cells SET settings = replace(settings, \'"draws"\', \'"drawn": 1, "draws"\')',
        "UPDATE design SET value = '[\"else\"]' WHERE field = 'axes'",
        "DELETE FROM design",
    ],
)
def test_rows_that_are_not_those_of_a_replicate_are_damage_and_never_the_same(
    run_line: Run, out: Path, statement: str
) -> None:
    results = run_line()
    key = results.replicates["key"][0]
    tamper(out, statement)
    with pytest.raises(StoreDamaged):
        replay(out, key, scenario=line, sampler=ExactSampler())
    assert main(["status", str(out), "--verify"]) == 1


@pytest.mark.parametrize("key", ["", "x", "../../etc", "0" * 16 + "-42-0", "0" * 16 + "-42-x"])
def test_a_key_that_is_none_of_the_store_is_refused_and_one_that_is_named(
    run_line: Run, key: str
) -> None:
    results = run_line()
    with pytest.raises(UsageError, match="no key of a replicate|no cell of this store") as error:
        replay(results.folder, key, scenario=line, sampler=ExactSampler())
    assert results.replicates["key"][0] in str(error.value)


def test_a_replicate_that_the_store_lacks_is_refused(run_line: Run) -> None:
    results = run_line()
    cell = results.replicates["key"][0].partition("-")[0]
    for place in ("42-99", "43-0", f"{10**19 - 1}-0", "42-0-refit"):
        with pytest.raises(UsageError, match="no such replicate"):
            replay(results.folder, f"{cell}-{place}", scenario=line, sampler=ExactSampler())
    with pytest.raises(UsageError, match="no key of a replicate"):
        replay(results.folder, f"{cell}-42-\u0660", scenario=line, sampler=ExactSampler())


def test_a_sampler_object_of_the_run_is_asked_for(run_line: Run) -> None:
    results = run_line()
    with pytest.raises(UsageError, match="'exact' was an object of its run"):
        again(results, sampler=None)
    with pytest.raises(UsageError, match="'other' is not the 'exact'"):
        again(results, sampler=ExactSampler(name="other"))


def test_a_command_to_copy_is_safe_to_copy_whatever_the_store_says(
    run_line: Run, tmp_path: Path
) -> None:
    results, place = run_line(), tmp_path / "a b; touch c"
    shutil.copytree(results.folder, place)
    hostile = "x.py; touch $(touch d) 'e\n#.py"
    query = "UPDATE sessions SET provenance = json_set(provenance, '$.scenario.target', ?)"
    tamper(place, query, hostile)
    key = results.replicates["key"][0]
    with pytest.raises(ScenarioError) as error:
        replay(place, key)
    command = str(error.value).partition("to run its code, say ")[2]
    assert "\n" not in command
    expected = ["recovery", "replay", str(place), key, "--scenario", hostile.replace("\n", " ")]
    assert shlex.split(command) == expected


def test_a_file_that_only_the_store_names_is_not_run(run_line: Run, out: Path) -> None:
    results = run_line()
    with pytest.raises(ScenarioError, match=r"to run its code, say recovery replay .* --scenario"):
        replay(out, results.replicates["key"][0])


def test_a_scenario_that_is_another_is_refused(run_line: Run, out: Path) -> None:
    results = run_line()

    @scenario
    def line(trials: int = 20, noise: float = 1.0, slope: float = 1.0) -> Problem:
        with pm.Model(coords={"side": ["left", "right"]}) as model:
            x = pm.Data("x", np.zeros((trials, 2)), dims=["trial", "side"])
            betas = pm.Normal("betas", sigma=3.0, dims="side")
            pm.Normal("y", x @ betas, pm.Data("noise_sd", noise), dims="trial")
        return Problem(model, observed="y", truth={"betas": [slope, -slope]})

    with pytest.raises(StoreConflict, match=r"holds another run.*give the scenario that"):
        replay(out, results.replicates["key"][0], scenario=line, sampler=ExactSampler())


def test_a_scenario_of_other_axes_or_levels_is_refused(run_line: Run) -> None:
    @scenario
    def other(size: int = 3) -> Problem:
        return line(size)

    results = run_line()
    with pytest.raises(ScenarioError, match="its axes are size, those in .* trials, noise, slope"):
        again(results, scenario=other)

    @scenario
    def changed(trials: Literal[5, 10] = 5, noise: float = 1.0, slope: float = 1.0) -> Problem:
        return line(trials, noise, slope)

    with pytest.raises(LevelError, match="axis trials: 20"):
        again(results, scenario=changed)


def test_a_changed_text_of_the_scenario_is_a_note_and_no_refusal(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "from recovery import Problem, scenario\nfrom recovery.testing import line\n"
        "@scenario\ndef mine(trials: int = 10) -> Problem:\n    return line(trials)\n"
    )
    sweep = Sweep(load_scenario(str(file)), sampler=ExactSampler(), draws=50, replicates=1)
    results = sweep.run(tmp_path / "run", progress=False, report=False)
    assert again(results, scenario=load_scenario(str(file))).surroundings == ()
    file.write_text(file.read_text() + "# a remark\n")
    found = again(results, scenario=load_scenario(str(file)))
    assert found.differences == ()
    assert found.surroundings == ("the text of the scenario's file has changed",)


def test_what_is_other_around_it_is_named(run_line: Run, out: Path) -> None:
    results = run_line()
    tamper(out, "UPDATE sessions SET provenance = json_set(provenance, '$.packages.numpy', '0.1', "
           "'$.machine.processor', 'abacus')")  # fmt: skip
    told = again(Results(results.folder)).surroundings
    assert any(re.fullmatch(r"numpy 0\.1 then, \S+ now", line) for line in told)
    assert any(line.startswith("processor abacus then, ") for line in told)
    assert len(told) == 2


def test_a_failure_is_the_same_if_stage_and_error_are(run_line: Run, out: Path) -> None:
    class Failing(ExactSampler):
        text = "first"

        def compile(self, *_: Any) -> Any:
            raise ValueError(self.text)

    results = run_line(sampler=Failing())
    assert again(results, sampler=Failing()).differences == ()
    Failing.text = "second"
    (told,) = again(results, sampler=Failing()).differences
    assert told == (
        "outcome: failed at compile (ValueError: first) then, "
        "failed at compile (ValueError: second) now"
    )
    with pytest.raises(UsageError, match="there is nothing to write"):
        again(results, sampler=Failing()).to_netcdf(out / "fit.nc")


def test_what_crashed_crashes_again_in_a_process_of_its_own(tmp_path: Path) -> None:
    (cell,) = Sweep(line, sampler=Hazardous()).design.cells
    seed = Replicate(cell, 42, 0).sampler_seed
    sampler = Hazardous(hazards={seed: "segfault"}, threads=False)
    results = Sweep(line, sampler=sampler, draws=50, replicates=1).run(
        tmp_path, workers=1, progress=False, report=False
    )
    assert results.replicates["status"].tolist() == ["crashed"]
    found = again(results, sampler=sampler)
    assert found.differences == ()
    assert "SIGSEGV" in str(found.record.failure)


def test_a_second_fit_is_replayed_by_its_own_key(tmp_path: Path) -> None:
    sweep = Sweep(line, sampler=ExactSampler(), draws=20, replicates=4)  # an ESS that is flagged
    results = sweep.run(tmp_path, progress=False, report=False, refit_flagged=True)
    assert len(results.refits) == 4
    key = results.replicates["key"][2]
    second = replay(tmp_path, f"{key}-refit", scenario=line, sampler=ExactSampler())
    assert second.differences == ()
    first = replay(tmp_path, key, scenario=line, sampler=ExactSampler())
    assert first.record.data_digest == second.record.data_digest
    assert first.record.estimates is not None
    assert second.record.estimates is not None
    assert (first.record.estimates.mean != second.record.estimates.mean)[:2].all()


def test_the_fit_is_written_as_arviz_reads_it(run_line: Run, tmp_path: Path) -> None:
    results = run_line({"trials": [7]}, truth="prior")
    found = again(results)
    found.to_netcdf(tmp_path / "fit.nc")
    found.to_netcdf(tmp_path / "fit.nc")  # again, over the first
    assert [path.name for path in tmp_path.glob("*fit*")] == ["fit.nc"]
    data = az.from_netcdf(tmp_path / "fit.nc")
    posterior = data["posterior"]
    assert dict(posterior.sizes)["chain"] == 4
    assert posterior["betas"].dims == ("chain", "draw", "side")
    assert posterior["side"].values.tolist() == ["left", "right"]
    assert data["observed_data"]["y"].dims == ("trial",)
    assert data["constant_data"]["x"].shape == (7, 2)
    estimates = results.estimates.query("replicate == 0").set_index("parameter")
    for side in ("left", "right"):
        mine = posterior["betas"].sel(side=side).values
        assert mine.mean() == pytest.approx(estimates["mean"][f"betas[{side}]"], rel=1e-12)
        truth = float(data["prior"]["betas"].sel(side=side).values.squeeze())
        assert truth == estimates["truth"][f"betas[{side}]"]
    assert posterior.attrs["key"] == results.replicates["key"][0]
    assert f"pymc {pm.__version__}" in posterior.attrs["versions"]
    tree = found.to_datatree()
    assert set(tree.children) == set(found.groups())
    np.testing.assert_array_equal(tree["posterior"]["betas"], posterior["betas"])


def test_what_is_there_and_no_netcdf_is_left_as_it_is(run_line: Run, tmp_path: Path) -> None:
    results = run_line()
    found = again(results)
    code, pipe = tmp_path / "mine.py", tmp_path / "pipe"
    code.write_text("precious")
    os.mkfifo(pipe)
    for place in (code, pipe, results.folder / "results.sqlite"):
        kind = place.stat().st_mode
        with pytest.raises(OutputError, match="no NetCDF file"):
            found.to_netcdf(place)
        assert main(["replay", "nowhere", "key", "--netcdf", str(place)]) == 2
        assert place.stat().st_mode == kind
    assert code.read_text() == "precious"
    assert again(results).differences == ()


def test_a_file_that_cannot_be_finished_leaves_the_one_before(
    run_line: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, file = again(run_line()), tmp_path / "fit.nc"
    found.to_netcdf(file)
    before = file.read_bytes()

    def full(*_: Any, **options: Any) -> None:
        if options["group"] != "posterior":
            raise RuntimeError("no space left")  # what HDF5 makes of it

    monkeypatch.setattr("xarray.Dataset.to_netcdf", full)
    with pytest.raises(OutputError, match="no space left"):
        found.to_netcdf(file)
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["fit.nc"]


@pytest.mark.parametrize("place", ["missing/fit.nc", ".", "n" * 300])
def test_a_file_that_cannot_be_written_is_told_before_the_fit(tmp_path: Path, place: str) -> None:
    words = ["replay", "nowhere", "key", "--netcdf", str(tmp_path / place)]
    assert main(words) == 2
    with pytest.raises(OutputError):
        writable_file(tmp_path / place)


def run(words: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "recovery", *words],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=500,
    )


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["nutpie", "pymc"])
def test_a_real_fit_is_replayed_by_the_command_and_opens_in_arviz(
    tmp_path: Path, sampler: str
) -> None:
    out, file = tmp_path / "run", tmp_path / "fit.nc"
    words = "run plants trials=30 --replicates 2 --truth prior --draws 200".split()
    options = ["--tune", "300", "--chains", "2", "--sampler", sampler, "--out", str(out)]
    assert run([*words, *options], PYTHONHASHSEED="1").returncode == 0
    results = Results(out)
    key = results.replicates["key"][1]
    told = run(["replay", str(out), key, "--netcdf", str(file)], PYTHONHASHSEED="2")
    assert told.returncode == 0, told.stdout + told.stderr
    assert "the same to the bit" in told.stdout
    assert "betas[water amount]" in told.stdout
    data = az.from_netcdf(file)
    stats = data["sample_stats"]
    assert {"diverging", "n_steps", "tree_depth", "energy", "lp", "step_size"} <= set(stats)
    assert stats["diverging"].shape == (2, 200)
    assert stats["diverging"].dtype == bool
    assert {stats[name].dtype.kind for name in ("n_steps", "tree_depth")} <= set("iu")
    assert int(stats["diverging"].sum()) == results.replicates["divergences"][1]
    water = data["posterior"]["betas"].sel(features="water amount").values
    stored = results.estimates.query("replicate == 1").set_index("parameter")
    expected = stored["mean"]["betas[water amount]"]
    assert water.mean() == pytest.approx(expected, rel=1e-12)
    r_hat = az.rhat(data)["betas"]
    assert float(np.ravel(r_hat)[1]) == pytest.approx(stored["r_hat"]["betas[water amount]"], 1e-9)
    assert run(["replay", str(out), "nonsense"]).returncode == 2


@pytest.mark.slow
def test_a_users_file_is_replayed_with_the_command_that_the_error_gives(tmp_path: Path) -> None:
    file, out = tmp_path / "mine.py", tmp_path / "run"
    file.write_text(
        "import numpy as np\nimport pymc as pm\nfrom recovery import Problem, scenario\n"
        "@scenario\ndef mine(size: int = 4) -> Problem:\n"
        "    with pm.Model() as model:\n"
        "        k = pm.Binomial('k', 10, 0.4)\n"
        "        pm.Normal('y', k, 1.0, shape=size)\n"
        "    return Problem(model, observed='y')\n"
    )
    words = ["run", str(file), "--replicates", "1", "--truth", "prior", "--draws", "100"]
    assert run([*words, "--tune", "100", "--out", str(out)]).returncode == 0
    key = Results(out).replicates["key"][0]
    refused = run(["replay", str(out), key])
    assert refused.returncode == 2
    (command,) = re.findall(r"recovery (replay .*)$", refused.stderr.strip())
    told = run([*command.split(), "--netcdf", str(tmp_path / "k.nc")])
    assert told.returncode == 0, told.stdout + told.stderr
    assert az.from_netcdf(tmp_path / "k.nc")["posterior"]["k"].dtype.kind == "i"
    assert "although" not in told.stdout
    file.write_text(file.read_text() + "# a remark\n")
    told = run(command.split())
    assert told.returncode == 0, told.stdout + told.stderr
    assert "although: the text of the scenario's file has changed" in told.stdout
