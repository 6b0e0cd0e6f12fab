"""The tests of ranks over all that was ranked: what is tested, together and apart."""

from collections.abc import Callable

import numpy as np
import pytest

from recovery import Problem, Results, scenario
from recovery.calibration import uniformity
from recovery.errors import SettingsError
from recovery.multiplicity import benjamini_hochberg, holm
from recovery.ranking import rank_cells
from recovery.testing import ExactSampler, line

Run = Callable[..., Results]
COLUMNS = ["parameter", "kind", "n", "gamma", "threshold", "p_value", "p_holm", "p_bh", "rejected"]


@pytest.fixture
def results(run_line: Run) -> Results:
    return run_line({"trials": [5, 10]}, truth="both", replicates=40, draws=300)


def test_every_parameter_and_quantity_is_tested_in_each_cell_and_over_all(results: Results) -> None:
    frame = results.calibration()
    assert frame.columns.tolist() == [*results.axes, *COLUMNS]
    assert len(frame) == 6 * (2 + 1)
    together = frame["trials"].isna()
    assert together.sum() == 6
    assert set(frame["n"][together]) == {80}
    assert set(frame["n"][~together]) == {40}
    assert set(frame["kind"]) == {"parameter", "deterministic", "quantity"}


def test_each_row_is_the_exact_test_of_its_own_ranks(results: Results) -> None:
    frame = results.calibration()
    estimates = results.estimates.query("truth_mode == 'prior'")
    for _, row in frame.iterrows():
        mine = estimates[estimates["parameter"] == row["parameter"]]
        if row["trials"] is not None:
            mine = mine[mine["trials"] == row["trials"]]
        found = uniformity(rank_cells(mine["pit"]).astype(int), 99)
        assert (row["gamma"], row["p_value"]) == (found.gamma, found.p_value)
    assert np.allclose(frame["p_holm"], holm(frame["p_value"].tolist()))
    assert np.allclose(frame["p_bh"], benjamini_hochberg(frame["p_value"].tolist()))
    assert (frame["rejected"] == (frame["p_holm"] <= 0.05)).all()


def test_cells_of_swept_sampler_settings_share_data_and_are_not_tested_together(
    run_line: Run,
) -> None:
    frame = run_line({"draws": [100, 200]}, truth="prior", replicates=10).calibration()
    assert frame["draws"].notna().all()


def test_a_scenario_may_be_called_swept(run_sweep: Run) -> None:
    @scenario
    def swept(trials: int = 10) -> Problem:
        return line(trials)

    frame = run_sweep(swept, {"trials": [5, 10]}, truth="prior", replicates=5).calibration()
    assert frame["trials"].isna().sum() == 6


def test_joint_coverage_is_a_measure_of_each_cell(run_line: Run) -> None:
    """Of 300 exact posteriors within 5 standard errors of its level: false alarm 6e-7 each."""
    results = run_line(truth="prior", replicates=300, draws=300)
    measures = results.measures()
    joint = measures[measures["measure"].str.startswith("joint_coverage")]
    assert set(joint["parameter"]) == {"log_posterior"}
    assert joint["measure"].tolist() == [f"joint_coverage_{c}" for c in (50, 80, 90, 95)]
    for level, found in zip((0.5, 0.8, 0.9, 0.95), joint["estimate"], strict=True):
        assert abs(found - level) < 5 * np.sqrt(level * (1 - level) / 300)


def test_without_truths_from_the_prior_there_is_nothing_to_test(run_line: Run) -> None:
    assert run_line().calibration().empty


def test_a_posterior_that_is_the_prior_is_seen_by_the_log_likelihood_alone(run_line: Run) -> None:
    """The parameters' own ranks are uniform then; false alarm of their three tests 0.05."""

    class Ignorant(ExactSampler):
        def compile(self, target, simulated):  # type: ignore[no-untyped-def]
            density = super().compile(target, simulated)
            density.posterior = lambda _: (np.zeros(2), np.eye(2))
            return density

    sampler = Ignorant(name="ignorant")
    frame = run_line({"trials": [10]}, truth="prior", replicates=60, draws=300, sampler=sampler)
    p = frame.calibration().set_index("parameter")["p_holm"]
    assert p["log_likelihood"] < 1e-6
    assert (p[["betas[left]", "betas[right]", "total"]] > 0.05).all()


def test_flagged_fits_can_be_left_out(run_line: Run) -> None:
    results = run_line(truth="prior", replicates=40, draws=100)
    clean = int((~results.fits["flagged"]).sum())
    assert 0 < clean < 40
    assert set(results.calibration("clean")["n"]) == {clean}


def test_one_chain_few_draws_and_a_constant_have_ranks_all_the_same(run_line: Run) -> None:
    """One chain of 12 draws: no r_hat, ranks among 12 at most, exactly uniform PITs (p > 1e-4)."""
    results = run_line(truth="prior", replicates=150, draws=12, chains=1)
    estimates = results.estimates
    assert estimates["r_hat"].isna().all()
    assert estimates["ranked_among"].le(12).all()
    assert set(results.calibration()["n"]) == {150}
    assert (results.calibration()["p_value"] > 1e-4).all()


def test_fits_that_are_not_there_to_choose_from_are_refused(run_line: Run) -> None:
    with pytest.raises(SettingsError, match="fits: 'good' is not allowed"):
        run_line().calibration("good")  # type: ignore[arg-type]  # that is the point
