"""Running, resuming, extending and refusing."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pymc as pm
import pytest

from recovery import Problem, Results, Sweep, scenario
from recovery.engine.samplers import Fit, Target
from recovery.engine.structure import Simulated
from recovery.errors import RecoveryError, SettingsError, StoreConflict
from recovery.testing import ExactDensity, ExactSampler, line

Run = Callable[..., Results]
VOLATILE = ["simulate_s", "sample_s", "rest_s", "wall_s", "ess_bulk_per_s"]


def frames(results: Results) -> list[pd.DataFrame]:
    return [
        results.estimates,
        results.replicates.drop(columns=VOLATILE),
        results.measures(),
        results.priors,
    ]


def same(one: Results, two: Results) -> None:
    for a, b in zip(frames(one), frames(two), strict=True):
        pd.testing.assert_frame_equal(a, b, check_exact=True)


class CountingSampler(ExactSampler):
    """Counts its fits, in the process that makes them."""

    def __init__(self) -> None:
        super().__init__()
        self.fits = 0

    def compile(self, target: Target, simulated: Simulated) -> ExactDensity:
        sampler = self

        class Counting(ExactDensity):
            def fit(self, *args: Any, **kwargs: Any) -> Fit:
                sampler.fits += 1
                return super().fit(*args, **kwargs)

        return Counting(self, target)


def test_a_sweep_returns_every_replicate_of_every_cell(run_line: Run) -> None:
    results = run_line({"trials": [5, 10], "noise": [1.0, 2.0]}, truth="both", replicates=4)
    assert len(results.replicates) == 2 * 2 * 2 * 4
    assert (results.replicates["status"] == "ok").all()
    assert results.axes == ["trials", "noise", "slope"]
    kinds = results.estimates.groupby("kind", sort=False)["parameter"].unique().map(set).to_dict()
    assert kinds == {
        "parameter": {"betas[left]", "betas[right]"},
        "deterministic": {"total"},
        "quantity": {"log_likelihood", "log_prior", "log_posterior"},
    }
    assert results.diagnostics()["n_ok"].tolist() == [4] * 8


def test_all_cells_share_one_simulator_and_one_density(run_line: Run) -> None:
    results = run_line({"trials": [5, 10, 20], "noise": [1.0, 2.0]}, truth="both")
    kinds = results.compilations["kind"].value_counts().to_dict()
    assert kinds == {"simulator": 1, "covariates": 1, "density": 1, "quantities": 1}


def test_the_same_command_again_fits_nothing(run_line: Run) -> None:
    sampler = CountingSampler()
    first = run_line(sampler=sampler)
    assert sampler.fits == 3
    again = run_line(sampler=sampler)
    assert sampler.fits == 3
    same(first, again)


def test_an_interrupted_run_is_finished_and_equals_one_that_never_was(
    run_line: Run, out: Path, tmp_path: Path
) -> None:
    whole = run_line({"trials": [5, 10]}, replicates=6, truth="both")
    expected = [frame.copy() for frame in frames(whole)]
    connection = sqlite3.connect(out / "results.sqlite")
    lost = "SELECT id FROM replicates WHERE id % 3 = 1"
    connection.execute(f"DELETE FROM posteriors WHERE replicate IN ({lost})")
    connection.execute(f"DELETE FROM replicates WHERE id IN ({lost})")
    connection.commit()
    connection.close()
    sampler = CountingSampler()
    resumed = run_line({"trials": [5, 10]}, replicates=6, truth="both", sampler=sampler)
    assert sampler.fits == 8
    for a, b in zip(expected, frames(resumed), strict=True):
        pd.testing.assert_frame_equal(a, b, check_exact=True)


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_results_do_not_depend_on_the_number_of_workers(
    run_line: Run, out: Path, workers: int
) -> None:
    levels = {"trials": [5, 10]}
    results = run_line(levels, replicates=8, truth="both", workers=workers)
    pit = results.estimates["pit"].to_numpy()
    # Pinned by content: whatever the workers and their order, these are the numbers.
    digests = sorted(results.replicates["data_digest"])
    alone = Sweep(line, levels, replicates=8, truth="both", sampler=ExactSampler(), draws=100)
    same(results, alone.run(out.with_name("alone"), workers=1, progress=False, report=False))
    assert len(set(digests)) == 32
    assert ((pit > 0) & (pit < 1)).all()


def test_processes_give_what_threads_give(run_line: Run, out: Path) -> None:
    threads = run_line({"trials": [5, 10]}, replicates=3)
    options: dict[str, Any] = {"replicates": 3, "draws": 100}
    sweep = Sweep(line, {"trials": [5, 10]}, sampler=ExactSampler(threads=False), **options)
    processes = sweep.run(out.with_name("processes"), workers=2, progress=False, report=False)
    same(threads, processes)


def test_added_levels_modes_and_replicates_extend_a_run_and_change_nothing_there(
    run_line: Run,
) -> None:
    before = run_line({"trials": [5]}, replicates=2)
    sampler = CountingSampler()
    after = run_line({"trials": [5, 10]}, replicates=4, truth="both", sampler=sampler)
    assert sampler.fits == 2 * 2 * 4 - 2
    kept = after.estimates.query("trials == 5 and truth_mode == 'fixed' and replicate < 2")
    pd.testing.assert_frame_equal(before.estimates, kept.reset_index(drop=True), check_exact=True)


def test_another_seed_setting_or_axis_is_refused_field_by_field(run_line: Run) -> None:
    before = run_line()
    with pytest.raises(StoreConflict, match="seed: 42 there, 43 here; draws: 100 there, 200 here"):
        run_line(seed=43, draws=200)
    with pytest.raises(StoreConflict, match="axes: .*--fresh to begin again"):
        run_line({"draws": [100, 200]})
    with pytest.raises(StoreConflict, match='seed: 42 there, "one per replicate" here'):
        run_line(seeds=[1, 2])
    same(before, run_line())


def variant(*, slope: float = 1.0, prior: float = 1.0, extra: bool = False, shape: int = 4) -> Any:
    @scenario
    def changing() -> Problem:
        with pm.Model() as model:
            x = pm.Data("x", np.zeros((shape, 1)))
            noise_sd = pm.Data("noise_sd", 1.0)
            betas = pm.Normal("betas", 0, prior, shape=1)
            if extra:
                pm.Deterministic("double", 2 * betas)
            pm.Normal("y", x @ betas, noise_sd)
        return Problem(
            model,
            observed="y",
            truth={"betas": [slope]},
            covariates={"x": pm.Normal.dist(shape=(shape, 1))},
        )

    return changing


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"slope": 2.0}, r"truth\.betas: \[1.0\] there, \[2.0\] here"),
        ({"prior": 2.0}, "graph: "),
        ({"extra": True}, r"model\.double: null there, "),
        ({"shape": 5}, r"covariates\.x: "),
    ],
)
def test_another_model_truth_or_covariates_are_refused_with_the_field(
    run_sweep: Run, change: dict[str, Any], message: str
) -> None:
    run_sweep(variant())
    with pytest.raises(StoreConflict, match=message):
        run_sweep(variant(**change))


def test_the_same_model_written_elsewhere_goes_on(run_sweep: Run) -> None:
    first, second = run_sweep(variant()), run_sweep(variant())
    same(first, second)


def test_fresh_begins_again(run_line: Run) -> None:
    run_line(replicates=2)
    results = run_line(replicates=3, seed=7, fresh=True)
    assert results.identity["seed"] == 7
    assert len(results.replicates) == 3


def test_explicit_seeds_are_replicates(run_line: Run) -> None:
    results = run_line(seeds=[5, 1, 9])
    assert results.replicates["seed"].tolist() == [1, 5, 9]
    assert len(run_line(seeds=[5, 1, 9, 2]).replicates) == 4


def test_a_sampler_setting_may_be_an_axis_and_meets_the_same_data(run_line: Run) -> None:
    results = run_line({"draws": [50, 200]})
    few, many = (results.replicates.query("draws == @n") for n in (50, 200))
    assert few["data_digest"].tolist() == many["data_digest"].tolist()
    assert results.axes == ["trials", "noise", "slope", "draws"]


class FaultySampler(ExactSampler):
    """Fails for some data."""

    def compile(self, target: Target, simulated: Simulated) -> ExactDensity:
        class Failing(ExactDensity):
            def fit(self, simulated: Simulated, *rest: Any) -> Fit:
                if simulated.observed["y"][0] > 0:
                    raise ArithmeticError("the first\nobservation is positive")
                return super().fit(simulated, *rest)

        return Failing(self, target)


def test_a_failure_is_a_record_with_stage_error_and_traceback_and_spoils_nothing(
    run_line: Run,
) -> None:
    results = run_line(sampler=FaultySampler(), replicates=20)
    failed = results.replicates.query("status == 'failed'")
    assert 0 < len(failed) < 20
    assert set(failed["stage"]) == {"sample"}
    assert set(failed["error"]) == {"ArithmeticError: the first observation is positive"}
    assert failed["traceback"].str.contains("in fit").all()
    (cell,) = results.diagnostics().to_dict("records")
    assert (cell["n"], cell["n_failed"]) == (20, len(failed))
    measures = results.measures().query("measure == 'bias'")
    assert set(measures["n"]) == {20 - len(failed)}
    sampler = FaultySampler()
    assert len(run_line(sampler=sampler, replicates=20).replicates) == 20


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("not even this")


class Panic(BaseException):
    """What a panic in compiled code looks like."""


@pytest.mark.parametrize("error", [Unspeakable(), Panic("boom"), SystemExit(3)])
def test_no_exception_of_a_fit_gets_out_of_its_replicate(
    run_line: Run, error: BaseException
) -> None:
    class Raising(ExactSampler):
        def compile(self, target: Target, simulated: Simulated) -> ExactDensity:
            raise error

    results = run_line(sampler=Raising())
    assert set(results.replicates["status"]) == {"failed"}
    assert set(results.replicates["stage"]) == {"compile"}
    assert results.replicates["error"].str.startswith(type(error).__name__).all()


def test_wrong_input_leaves_no_folder_behind(out: Path, run_line: Run) -> None:
    with pytest.raises(RecoveryError):
        run_line(truth="prior", sampler="nothing")
    with pytest.raises(SettingsError, match="workers: 0"):
        run_line(workers=0)
    assert not out.exists()


def test_the_first_interrupt_ends_cleanly_with_all_that_was_done(out: Path) -> None:
    import os
    import signal

    class Interrupting(ExactSampler):
        def compile(self, target: Target, simulated: Simulated) -> ExactDensity:
            class Once(ExactDensity):
                def fit(self, *args: Any) -> Fit:
                    nonlocal_count.append(1)
                    if len(nonlocal_count) == 5:
                        os.kill(os.getpid(), signal.SIGINT)
                    return super().fit(*args)

            return Once(self, target)

    nonlocal_count: list[int] = []
    sweep = Sweep(line, sampler=Interrupting(), draws=100, replicates=200)
    with pytest.raises(KeyboardInterrupt):
        sweep.run(out, workers=2, progress=False, report=False)
    results = Results(out)
    assert 5 <= len(results.replicates) < 200
    assert len(nonlocal_count) == len(results.replicates)


def test_a_store_says_with_what_it_was_made(run_line: Run, out: Path) -> None:
    run_line()
    (session,) = Results(out).sessions
    assert session["packages"]["pymc"] == pm.__version__
    assert session["workers"] == 2
    assert session["machine"]["cores"]
    json.dumps(session)


def test_a_changed_model_is_refused_even_if_only_new_levels_are_asked_for(
    run_sweep: Run,
) -> None:
    def levelled(slope: float) -> Any:
        @scenario
        def levelled(size: int = 4) -> Problem:
            with pm.Model() as model:
                x = pm.Data("x", np.zeros((size, 1)))
                noise_sd = pm.Data("noise_sd", 1.0)
                betas = pm.Normal("betas", shape=1)
                pm.Normal("y", x @ betas, noise_sd)
            return Problem(model, observed="y", truth={"betas": [slope]})

        return levelled

    run_sweep(levelled(1.0), {"size": [4]})
    with pytest.raises(StoreConflict, match=r"truth\.betas: .* \(at size=4\)"):
        run_sweep(levelled(2.0), {"size": [5]})
    run_sweep(levelled(1.0), {"size": [5]})


def test_a_sampler_object_with_other_parameters_is_refused(run_line: Run) -> None:
    run_line()
    with pytest.raises(StoreConflict, match=r"exact\.sd_factor: 1.0 there, 3.0 here"):
        run_line(sampler=ExactSampler(sd_factor=3.0))


def test_a_density_that_does_not_compile_is_tried_once(run_line: Run) -> None:
    class Broken(ExactSampler):
        tries = 0

        def compile(self, target: Target, simulated: Simulated) -> ExactDensity:
            Broken.tries += 1
            raise NotImplementedError("no such density")

    results = run_line(sampler=Broken(), replicates=6)
    assert Broken.tries == 1
    assert len(results.replicates) == 6
    assert set(results.replicates["stage"]) == {"compile"}


def test_the_report_covers_the_store_after_every_run(out: Path) -> None:
    for replicates in (2, 3):
        sweep = Sweep(line, sampler=ExactSampler(), draws=100, replicates=replicates)
        sweep.run(out, progress=False)
        assert f"{replicates} of {replicates}" in (out / "report.md").read_text()
