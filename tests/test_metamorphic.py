"""A change whose effect on every number is known changes that, and nothing else.

All runs are of exact draws. Nothing here depends on chance: the relations hold for any seed.
"""

import dataclasses
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pymc as pm
import pytest

from recovery import Problem, Results, Scenario, Sweep, scenario
from recovery.design import Settings
from recovery.engine.samplers import Fit, Target
from recovery.engine.structure import Simulated
from recovery.measures import measure_info
from recovery.testing import ExactDensity, ExactSampler, line

Run = Callable[..., Results]
CELL = ["trials", "noise", "slope", "truth"]
# Enough draws that every truth is ranked among all 99 that are kept.
DRAWS = 250
SHIFT, SCALE = 7.0, 3.0


@scenario
def transformed(trials: int = 8, noise: float = 1.0, slope: float = 1.0) -> Problem:
    """The line, with its left slope also turned round, and on another scale."""
    problem = line(trials, noise, slope)
    model = problem.model
    with model:
        pm.Deterministic("left", model["betas"][0])
        pm.Deterministic("turned", -model["betas"][0])
        pm.Deterministic("scaled", SHIFT + SCALE * model["betas"][0])
    return problem


class TransformedSampler(ExactSampler):
    """Gives the deterministics of `transformed` too."""

    def compile(self, target: Target, simulated: Simulated) -> ExactDensity:
        problem = dataclasses.replace(target.problem, deterministics=("total",))
        return TransformedDensity(self, dataclasses.replace(target, problem=problem))


class TransformedDensity(ExactDensity):
    def fit(self, simulated: Simulated, settings: Settings, seed: int) -> Fit:
        fit = super().fit(simulated, settings, seed)
        left = fit.draws["betas"][..., 0]
        more = {"left": left, "turned": -left, "scaled": SHIFT + SCALE * left}
        return dataclasses.replace(fit, draws={**fit.draws, **more})


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    sweep = Sweep(
        transformed, replicates=60, truth="both", sampler=TransformedSampler(), draws=DRAWS
    )
    return sweep.run(tmp_path_factory.mktemp("run"), progress=False, report=False)


def of(results: Results, parameter: str) -> pd.DataFrame:
    found = results.estimates.query("parameter == @parameter").reset_index(drop=True)
    return found.drop(columns=["parameter", "kind"])


def measures_of(results: Results, parameter: str) -> pd.DataFrame:
    found = results.measures().query("parameter == @parameter")
    return found.set_index([*CELL, "measure"])[["estimate", "mcse", "n"]]


def gamma_of(results: Results, parameter: str) -> tuple[float, float]:
    row = results.calibration().query("parameter == @parameter")
    return row["gamma"].item(), row["p_value"].item()


def other_side(measure: str) -> str:
    kind, _, level = measure.rpartition("_")
    sides = {"miss_left": "miss_right", "miss_right": "miss_left"}
    return f"{sides[kind]}_{level}" if kind in sides else measure


class TestAParameterOnAnotherScale:
    """Turned round, scaled and shifted, as a deterministic of the same model."""

    def test_a_copy_has_the_same_numbers(self, results: Results) -> None:
        ranked_apart = ["pit"]  # the cell is the same, the place in it is random
        first, copy = of(results, "betas[left]"), of(results, "left")
        pd.testing.assert_frame_equal(
            first.drop(columns=ranked_apart), copy.drop(columns=ranked_apart), check_exact=True
        )
        before, after = measures_of(results, "betas[left]"), measures_of(results, "left")
        # The prior of a deterministic is not drawn from, so there is nothing to contract from.
        only = before.index.difference(after.index)
        assert set(only.get_level_values("measure")) == {"contraction"}
        pd.testing.assert_frame_equal(before.drop(only), after, check_exact=True)
        assert gamma_of(results, "betas[left]") == gamma_of(results, "left")

    def test_the_sign_turns_positions_and_ranks_round_and_leaves_spreads(
        self, results: Results
    ) -> None:
        left, turned = of(results, "left"), of(results, "turned")
        assert (turned["ranked_among"] == 99).all()
        for name in ("truth", "mean", "median"):
            assert np.allclose(turned[name], -left[name], rtol=1e-12)
        assert np.allclose(turned["eti_90_lower"], -left["eti_90_upper"], rtol=1e-12)
        assert np.allclose(turned["eti_90_upper"], -left["eti_90_lower"], rtol=1e-12)
        for name in ("sd", "r_hat", "ess_bulk", "ess_tail", "mcse_mean", "crps"):
            assert np.allclose(turned[name], left[name], rtol=1e-9), name
        assert (turned["rank"] == 99 - left["rank"]).all()
        assert gamma_of(results, "turned") == gamma_of(results, "left")

    def test_the_sign_turns_biases_round_swaps_the_misses_and_leaves_the_other_measures(
        self, results: Results
    ) -> None:
        left, turned = measures_of(results, "left"), measures_of(results, "turned")
        names = left.index.get_level_values("measure")
        odd = names.isin(["bias", "standardised_bias", "z_mean"])
        swapped = names.str.startswith("miss_")
        assert odd.sum() == 2 * 3
        assert swapped.sum() == 2 * 8
        expected = left.copy()
        expected.loc[odd, "estimate"] *= -1
        expected.index = expected.index.map(lambda key: (*key[:-1], other_side(key[-1])))
        pd.testing.assert_frame_equal(turned, expected.loc[turned.index], rtol=1e-9)

    def test_scale_and_shift_move_positions_scale_spreads_and_leave_ranks(
        self, results: Results
    ) -> None:
        left, scaled = of(results, "left"), of(results, "scaled")
        for name in ("truth", "mean", "median", "eti_90_lower", "eti_90_upper"):
            assert np.allclose(scaled[name], SHIFT + SCALE * left[name], rtol=1e-12), name
        for name in ("sd", "mcse_mean", "crps"):
            assert np.allclose(scaled[name], SCALE * left[name], rtol=1e-9), name
        for name in ("ess_bulk", "ess_tail"):
            assert np.allclose(scaled[name], left[name], rtol=1e-9), name
        # The two middle draws are as far from the median as each other, until they are rounded.
        # That is one tie of 1,000 ranks, broken or not.
        assert np.allclose(scaled["r_hat"], left["r_hat"], rtol=2e-4)
        assert (scaled["rank"] == left["rank"]).all()
        assert gamma_of(results, "scaled") == gamma_of(results, "left")

    def test_scale_and_shift_scale_the_measures_by_their_unit(self, results: Results) -> None:
        left, scaled = measures_of(results, "left"), measures_of(results, "scaled")
        # What depends on where 0 is has no rule: a share of the truth, and decisions against 0.
        names = left.index.get_level_values("measure")
        decisions = names.str.startswith(("power", "sign_error", "exaggeration"))
        kept = ~(names.isin(["relative_bias"]) | decisions)
        left, scaled = left[kept], scaled[kept]
        for (*_, measure), before in left.iterrows():
            after = scaled.loc[(*_, measure)]
            unit = measure_info(measure).unit
            power = {"parameter units": 1, "squared parameter units": 2}.get(unit, 0)
            for column in ("estimate", "mcse"):
                expected = SCALE**power * before[column]
                assert after[column] == pytest.approx(expected, rel=1e-8, nan_ok=True), measure
            assert after["n"] == before["n"]


class TestTheSameReplicatesAnotherWay:
    """Order, numbers, halves and company of replicates."""

    def frames(self, results: Results) -> list[pd.DataFrame]:
        return [results.estimates, results.measures(), results.calibration(), results.priors]

    def same(self, one: Results, two: Results) -> None:
        for a, b in zip(self.frames(one), self.frames(two), strict=True):
            pd.testing.assert_frame_equal(a, b, check_exact=True)

    def test_seeds_in_another_order_change_nothing(self, run_line: Run, out: Path) -> None:
        forward = run_line(seeds=tuple(range(30)), truth="both")
        frames = self.frames(forward)
        backward = run_line(seeds=tuple(reversed(range(30))), truth="both", fresh=True)
        for a, b in zip(frames, self.frames(backward), strict=True):
            pd.testing.assert_frame_equal(a, b, check_exact=True)

    def test_replicates_with_other_numbers_have_the_same_measures(
        self, run_line: Run, out: Path
    ) -> None:
        """Only the order of sums differs, so the last bits of the measures may."""
        before = run_line(replicates=40, truth="both")
        measures, calibration = before.measures(), before.calibration()
        estimates = before.estimates
        with sqlite3.connect(out / "results.sqlite") as connection:
            connection.execute('UPDATE replicates SET "index" = 1000 + (7 * "index") % 40')
            connection.execute('UPDATE replicates SET "index" = "index" - 1000')
        connection.close()
        after = Results(out)
        pd.testing.assert_frame_equal(after.calibration(), calibration, check_exact=True)
        pd.testing.assert_frame_equal(after.measures(), measures, rtol=1e-9, check_exact=False)
        # The key is the name that was changed.
        renamed = estimates.assign(replicate=(7 * estimates["replicate"]) % 40, key="")
        keys = ["truth_mode", "replicate", "parameter"]
        pd.testing.assert_frame_equal(
            after.estimates.assign(key="").sort_values(keys).reset_index(drop=True),
            renamed.sort_values(keys).reset_index(drop=True),
            check_exact=True,
        )

    def test_two_halves_one_after_the_other_are_the_whole(
        self, run_line: Run, tmp_path: Path
    ) -> None:
        run_line({"trials": [5, 10]}, replicates=13, truth="both")
        merged = run_line({"trials": [5, 10]}, replicates=30, truth="both")
        self.same(merged, elsewhere(tmp_path, line, {"trials": [5, 10]}, 30, "both"))

    def test_truth_modes_apart_are_truth_modes_together(
        self, run_line: Run, tmp_path: Path
    ) -> None:
        run_line(replicates=30, truth="fixed")
        merged = run_line(replicates=30, truth="prior")
        self.same(merged, elsewhere(tmp_path, line, {}, 30, "both"))

    def test_a_truth_mode_alone_has_the_numbers_it_has_in_company(
        self, run_line: Run, tmp_path: Path
    ) -> None:
        both = run_line(replicates=30, truth="both")
        for mode in ("fixed", "prior"):
            alone = elsewhere(tmp_path, line, {}, 30, mode)
            pd.testing.assert_frame_equal(
                alone.estimates,
                both.estimates.query("truth_mode == @mode").reset_index(drop=True),
                check_exact=True,
            )
            pd.testing.assert_frame_equal(
                alone.measures(),
                both.measures().query("truth == @mode").reset_index(drop=True),
                check_exact=True,
            )
        pd.testing.assert_frame_equal(alone.calibration(), both.calibration(), check_exact=True)

    def test_the_measures_of_the_whole_are_those_of_its_halves_combined(
        self, tmp_path: Path
    ) -> None:
        first, second, whole = (
            seeds_elsewhere(tmp_path, seeds) for seeds in (range(25), range(25, 40), range(40))
        )
        weights = np.array([25, 15]) / 40
        index = ["parameter", "measure"]
        a, b, both = (r.measures().set_index(index)["estimate"] for r in (first, second, whole))
        averages = [m for m in both.index if m[1].startswith(("bias", "mse", "coverage", "miss"))]
        averages = [m for m in averages if not m[1].startswith("bias_")]
        assert len(averages) == 6 * (2 + 4 * 3)
        for key in averages:
            assert both[key] == pytest.approx(weights @ [a[key], b[key]], rel=1e-9, abs=1e-12)
        ranks = [r.columns.ranks(0, "total") for r in (first, second, whole)]
        assert np.array_equal(np.concatenate(ranks[:2]), ranks[2])


def elsewhere(
    tmp_path: Path, of: Scenario, levels: Mapping[str, Sequence[Any]], replicates: int, truth: Any
) -> Results:
    sweep = Sweep(of, levels, replicates=replicates, truth=truth, sampler=ExactSampler(), draws=100)
    return sweep.run(tmp_path / f"else-{truth}", progress=False, report=False)


def seeds_elsewhere(tmp_path: Path, seeds: range) -> Results:
    sweep = Sweep(line, seeds=tuple(seeds), truth="prior", sampler=ExactSampler(), draws=100)
    return sweep.run(tmp_path / f"seeds-{seeds.start}-{seeds.stop}", progress=False, report=False)
