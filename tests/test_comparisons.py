"""Clean fits, failed fits, other sampler settings and pairs of parameters, from stores."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any

import numpy as np
import pymc as pm
import pytest

from recovery import Problem, Results, scenario
from recovery.engine.samplers import Fit, Target
from recovery.engine.structure import Simulated
from recovery.errors import SettingsError, StoreDamaged
from recovery.measures import coverage_bounds, pair_recovery, relative_precision
from recovery.testing import ExactDensity, ExactSampler

Run = Callable[..., Results]
CELL = ["trials", "noise", "slope"]


@scenario
def alike(trials: int = 10) -> Problem:
    """Two covariates that go together, so that their slopes trade off; both are kept."""
    x = (
        np.linspace(-1, 1, trials)[:, None]
        + np.array([0.0, 0.3]) * np.cos(np.arange(trials))[:, None]
    )
    with pm.Model(coords={"side": ["left", "right"]}) as model:
        data = pm.Data("x", x, dims=["trial", "side"])
        noise_sd = pm.Data("noise_sd", 1.0)
        betas = pm.Normal("betas", dims="side")
        pm.Deterministic("total", betas.sum())
        pm.Normal("y", data @ betas, noise_sd, dims="trial")
    return Problem(model, observed="y", truth={"betas": [1.0, -1.0]})


class Separate(ExactSampler):
    """Right means and sds, and no correlation: a mean-field approximation at its best."""

    def compile(self, target: Target, simulated: Simulated) -> ExactDensity:
        class Diagonal(ExactDensity):
            def posterior(self, simulated: Simulated) -> tuple[Any, Any]:
                mean, covariance = super().posterior(simulated)
                return mean, np.diag(np.diag(covariance))

        return Diagonal(self, target)


class Fussy(ExactSampler):
    """Fails where the first observation is positive."""

    def compile(self, target: Target, simulated: Simulated) -> ExactDensity:
        class Failing(ExactDensity):
            def fit(self, simulated: Simulated, *rest: Any) -> Fit:
                if simulated.observed["y"][0] > 0:
                    raise ArithmeticError("positive")
                return super().fit(simulated, *rest)

        return Failing(self, target)


class TestSensitivity:
    """All fits against the clean ones."""

    def test_it_sets_the_measures_of_both_beside_each_other(self, run_line: Run) -> None:
        results = run_line(truth="both", replicates=40, draws=100)
        found = results.sensitivity()
        names = [*CELL, "truth", "parameter", "measure"]
        assert found.columns.tolist() == [
            *names, "all", "clean", "difference", "mcse", "n", "n_clean",
        ]  # fmt: skip
        of = {fits: results.measures(fits=fits).set_index(names) for fits in ("all", "clean")}
        both = found.set_index(names)
        # Joint coverage is a measure of cells, not of parameters.
        joint = of["all"].index.get_level_values("measure").str.startswith("joint_coverage")
        assert len(both) == (~joint).sum()
        for fits, n in (("all", "n"), ("clean", "n_clean")):
            expected = of[fits].loc[both.index]
            assert np.allclose(both[fits], expected["estimate"], equal_nan=True)
            assert (both[n] == expected["n"]).all()
        assert np.allclose(both["difference"], both["all"] - both["clean"], equal_nan=True)
        bias = both.xs("bias", level="measure")
        assert (bias["mcse"] > 0).all()
        assert (bias["difference"].abs() < 5 * bias["mcse"]).all()

    def test_a_cell_without_flagged_fits_has_no_rows(self, run_line: Run) -> None:
        results = run_line({"draws": [100, 1000]}, replicates=20)
        flagged = results.replicates.query("flagged")["draws"].unique().tolist()
        assert flagged == [100]
        assert results.sensitivity()["draws"].unique().tolist() == [100]


class TestBounds:
    """Coverage where fits failed."""

    def test_it_lies_between_all_failed_fits_missing_and_all_covering(self, run_line: Run) -> None:
        results = run_line({"trials": [5, 20]}, sampler=Fussy(), replicates=30)
        found = results.coverage_bounds((0.8,))
        names = [*CELL, "truth", "parameter", "measure"]
        assert found.columns.tolist() == [*names, "lowest", "highest", "n", "n_failed"]
        assert len(found) == 2 * 3
        measures = results.measures((0.8,)).set_index(names)
        for row in found.itertuples(index=False):
            share, n_ok = measures.loc[tuple(row[: len(names)]), ["estimate", "n"]]
            expected = coverage_bounds(round(share * n_ok), int(n_ok), 30 - int(n_ok))
            assert (row.lowest, row.highest, row.n) == expected
            assert row.n_failed == 30 - n_ok
            assert row.lowest < share <= row.highest

    def test_where_no_fit_failed_there_is_no_row(self, run_line: Run) -> None:
        assert run_line().coverage_bounds().empty


class TestRelativePrecision:
    """Cells that differ in a sampler setting."""

    def test_replicates_are_paired_by_their_data(self, run_line: Run) -> None:
        results = run_line(
            {"trials": [5, 10], "draws": [10, 100, 400]}, replicates=25, seeds=[1, 2]
        )
        found = results.relative_precision()
        assert found.columns.tolist() == [
            *CELL, "draws", "truth", "parameter", "setting", "against", "estimate", "mcse", "n",
        ]  # fmt: skip
        assert len(found) == 2 * 3 * 3  # sizes, pairs of settings, parameters
        assert set(zip(found["draws"], found["against"], strict=True)) == {
            (10, 100), (10, 400), (100, 400),
        }  # fmt: skip
        estimates = results.estimates
        for row in found.itertuples():
            mine = estimates.query("trials == @row.trials and parameter == @row.parameter")
            one, other = (
                mine[mine["draws"] == draws].sort_values(["seed", "replicate"])
                for draws in (row.draws, row.against)
            )
            expected = relative_precision(
                one["mean"].to_numpy(), other["mean"].to_numpy(), one["truth"].to_numpy()
            )
            assert (row.estimate, row.mcse, row.n) == pytest.approx(expected[:3])
            # A few per cent known to a few per cent: pairs have nearly the same errors.
            assert row.mcse < 10

    def test_only_what_both_completed_is_paired(self, run_line: Run) -> None:
        results = run_line({"draws": [50, 100]}, sampler=Fussy(), replicates=30)
        failed = results.replicates.query("status == 'failed' and draws == 50")
        assert set(results.relative_precision()["n"]) == {30 - len(failed)}

    def test_without_such_an_axis_there_is_no_row(self, run_line: Run) -> None:
        found = run_line({"trials": [5, 10]}).relative_precision()
        assert found.empty
        assert "setting" in found


class TestPairs:
    """Posterior correlations."""

    def test_exact_posteriors_have_the_correlation_of_their_errors(self, run_sweep: Run) -> None:
        """400 fits, four mcse: false alarm 2e-4 in all; the correlation itself is known."""
        results = run_sweep(alike, truth="prior", replicates=400)
        found = results.pairs()
        assert found.columns.tolist() == [
            "trials", "truth", "parameter", "other_parameter", "measure", "estimate", "mcse", "n",
        ]  # fmt: skip
        assert set(found["parameter"]) == {"betas[left]"}
        assert set(found["other_parameter"]) == {"betas[right]"}
        assert set(found["n"]) == {400}
        rows = found.set_index("measure")
        x = np.linspace(-1, 1, 10)[:, None] + np.array([0.0, 0.3]) * np.cos(np.arange(10))[:, None]
        covariance = np.linalg.inv(np.eye(2) + x.T @ x)
        exact = covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])
        assert exact < -0.5
        for name, value in (("claimed_correlation", exact), ("error_correlation", exact),
                            ("correlation_error", 0.0)):  # fmt: skip
            row = rows.loc[name]
            assert abs(row["estimate"] - value) < 4 * row["mcse"], name

    def test_a_lost_correlation_shows_here_and_in_no_parameter(self, run_sweep: Run) -> None:
        results = run_sweep(alike, truth="prior", replicates=400, sampler=Separate())
        rows = results.pairs().set_index("measure")
        assert abs(rows.loc["claimed_correlation", "estimate"]) < 0.02
        assert (
            rows.loc["correlation_error", "estimate"] < -10 * rows.loc["correlation_error", "mcse"]
        )
        single = results.measures((0.9,)).query("parameter in ['betas[left]', 'betas[right]']")
        coverage = single.query("measure == 'coverage_90'")
        assert ((coverage["estimate"] - 0.9).abs() < 4 * coverage["mcse"]).all()

    def test_they_are_made_of_the_kept_draws(self, run_sweep: Run) -> None:
        results = run_sweep(alike, {"trials": [10, 20]}, truth="both", replicates=12, draws=20)
        found = results.pairs()
        assert set(found["truth"]) == {"prior"}
        with results._opened() as store:
            blobs = dict(store.rows("SELECT replicate, kept_draws FROM posteriors"))
        for trials in (10, 20):
            rows = found[found["trials"] == trials]
            mine = results.replicates.query("trials == @trials and truth_mode == 'prior'").index
            kept = [np.frombuffer(blobs[results.columns.id[i]]).reshape(-1, 3) for i in mine]
            covariances = np.array([np.cov(draws[:, :2].T) for draws in kept])
            estimates = results.estimates.query("trials == @trials and truth_mode == 'prior'")
            errors = {
                name: (of["truth"] - of["mean"]).to_numpy()
                for name, of in estimates.groupby("parameter")
            }
            expected = pair_recovery(
                covariances[:, 0, 1],
                np.sqrt(covariances[:, 0, 0]),
                np.sqrt(covariances[:, 1, 1]),
                errors["betas[left]"],
                errors["betas[right]"],
            )
            for row in rows.itertuples():
                assert (row.estimate, row.mcse, row.n) == pytest.approx(expected[row.measure][:3])

    def test_only_named_parameters_are_paired_and_unknown_ones_refused(
        self, run_sweep: Run
    ) -> None:
        results = run_sweep(alike, truth="prior")
        assert results.pairs(["betas[left]"]).empty
        with pytest.raises(SettingsError, match=r"'total' is no free scalar.*betas\[left\]"):
            results.pairs(["total"])

    def test_too_many_pairs_are_refused_with_the_way_out(
        self, run_sweep: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("recovery.correlations.MOST_PARAMETERS", 1)
        results = run_sweep(alike, truth="prior")
        with pytest.raises(SettingsError, match="2 free scalars make 1 pairs; name at most 1"):
            results.pairs()

    def test_with_fixed_truths_there_is_no_row(self, run_sweep: Run) -> None:
        assert run_sweep(alike).pairs().empty

    def test_kept_draws_of_a_wrong_length_are_damage(self, run_sweep: Run) -> None:
        results = run_sweep(alike, truth="prior")
        with closing(sqlite3.connect(results.folder / "results.sqlite")) as connection:
            connection.execute("UPDATE posteriors SET kept_draws = zeroblob(20)")
            connection.commit()
        with pytest.raises(StoreDamaged, match="kept draws of 20 bytes"):
            results.pairs()
