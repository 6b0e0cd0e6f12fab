"""A gate says what the numbers say: pass, fail, inconclusive, or that it measured nothing."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest, ttest_1samp

from recovery.errors import GateError
from recovery.gates import Outcome, Verdict, chances, check, exit_code, without_baseline
from recovery.gates.limits import GATES
from recovery.results import Results
from recovery.testing import ExactSampler

Run = Callable[..., Results]
SINGLE: dict[str, Any] = {
    name: info.example for name, info in GATES.items() if not info.baseline
} | {"ess_above": 200, "draws_at_least": 1000}


def one(results: Results, baseline: Results | None = None, **gates: Any) -> Verdict:
    (verdict,) = check(results, gates, baseline=baseline)
    return verdict


def test_a_sound_run_passes_every_gate_that_needs_no_baseline(run_of: Run) -> None:
    verdicts = check(run_of(replicates=500), SINGLE)
    assert [v.gate for v in verdicts] == list(SINGLE)
    assert {v.outcome for v in verdicts} == {Outcome.PASS}, [v.reason for v in verdicts]
    assert exit_code(verdicts) == 0


def test_every_verdict_is_made_of_numbers_that_can_be_made_again(run_of: Run) -> None:
    results = run_of(replicates=500)
    found = {v.gate: v for v in check(results, SINGLE)}
    estimates = results.estimates.query("kind != 'quantity'")
    inside = estimates["eti_90_lower"].le(estimates["truth"]) & estimates["eti_90_upper"].ge(
        estimates["truth"]
    )
    by_parameter = inside.groupby(estimates["parameter"]).agg(["sum", "size"])
    verdict = found["coverage_within"]
    k, n = by_parameter.loc[verdict.where]
    exact = binomtest(int(k), int(n)).proportion_ci(0.9, "exact")
    assert (verdict.estimate, verdict.n) == (k / n, n)
    assert (verdict.lower, verdict.upper) == pytest.approx((exact.low, exact.high))
    assert verdict.judged == 3

    verdict = found["bias_within"]
    z = ((estimates["mean"] - estimates["truth"]) / estimates["sd"])[
        estimates["parameter"] == verdict.where
    ]
    low, high = ttest_1samp(z, 0).confidence_interval(0.9)
    assert verdict.estimate == pytest.approx(z.mean())
    assert (verdict.lower, verdict.upper) == pytest.approx((low, high))

    crossed = int((results.fits["r_hat_max"] >= 1.01).sum())
    assert found["r_hat_below"].estimate == crossed / 500
    assert found["draws_at_least"].estimate == 1000
    p_values = results.calibration()["p_value"]
    assert found["calibrated"].estimate == pytest.approx(p_values.min())


@pytest.mark.parametrize(
    ("flaw", "gates", "failing"),
    [
        ({"sd_factor": 0.5}, {"calibrated": True}, "calibrated"),
        ({"sd_factor": 0.5}, {"coverage_within": 0.05}, "coverage_within"),
        ({"sd_factor": 2.0}, {"coverage_within": 0.05}, "coverage_within"),
        ({"shift": 0.6}, {"bias_within": 0.25}, "bias_within"),
    ],
)
def test_a_flaw_fails_the_gate_it_is_for(
    run_of: Run, flaw: dict[str, float], gates: dict[str, Any], failing: str
) -> None:
    verdict = one(run_of(**flaw), **gates)
    assert (verdict.gate, verdict.outcome) == (failing, Outcome.FAIL)
    assert exit_code([verdict]) == 1
    assert f"{verdict.estimate:.2g}"[:3] in verdict.reason or "p = " in verdict.reason


@pytest.mark.parametrize("gate", ["calibrated", "coverage_within", "bias_within", "failed_below"])
def test_too_few_replicates_are_inconclusive_and_say_how_many_would_decide(
    run_of: Run, gate: str
) -> None:
    verdict = one(run_of(replicates=30), **{gate: GATES[gate].example})
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.needed is not None
    assert 30 < verdict.needed < 1000
    assert f"about {verdict.needed:,} replicates a cell would decide" in verdict.reason
    assert exit_code([verdict]) == 3
    assert exit_code([verdict], allow_inconclusive=True) == 0
    enough = one(run_of(replicates=verdict.needed), **{gate: GATES[gate].example})
    assert enough.outcome is Outcome.PASS


def test_the_same_run_as_baseline_has_no_drop_and_no_ratio(run_of: Run) -> None:
    results = run_of()
    verdicts = check(
        results, {"coverage_drop_below": 0.03, "gradients_ratio_below": 1.2}, baseline=results
    )
    assert [v.outcome for v in verdicts] == [Outcome.PASS, Outcome.PASS]
    drop, ratio = verdicts
    assert (drop.estimate, ratio.estimate) == (0, 1)
    assert drop.upper > 0  # no pair differs, which is no proof that none would


def test_a_lower_coverage_than_the_baseline_fails(run_of: Run) -> None:
    verdict = one(run_of(0.8), run_of(), coverage_drop_below=0.03)
    assert verdict.outcome is Outcome.FAIL
    assert verdict.estimate == pytest.approx(0.9 - 0.812, abs=0.04)
    assert one(run_of(), run_of(0.8), coverage_drop_below=0.03).outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("gates", "options", "reason"),
    [
        ({"calibrated": True}, {"truth": "fixed"}, "truth mode prior was not run"),
        ({"coverage_drop_below": 0.03}, {}, "compares with a baseline; give one"),
        ({"r_hat_below": 1.01}, {"chains": 1}, "no fit has an r_hat"),
        ({"coverage_within": 0.05, "truth": "fixed"}, {}, "no cell of the truth mode"),
    ],
)
def test_a_gate_that_measures_nothing_is_an_error_and_never_a_pass(
    run_of: Run, gates: dict[str, Any], options: dict[str, Any], reason: str
) -> None:
    verdict = one(run_of(replicates=20, **options), **gates)
    assert verdict.outcome is Outcome.ERROR
    assert reason in verdict.reason
    assert exit_code([verdict]) == 3
    assert exit_code([verdict], allow_inconclusive=True) == 3
    assert exit_code([]) == 3


def test_times_of_runs_that_were_not_interleaved_are_refused(run_of: Run) -> None:
    for gate in ("time_ratio_below", "ess_per_s_ratio_above"):
        verdict = one(run_of(), run_of(0.8), **{gate: GATES[gate].example})
        assert verdict.outcome is Outcome.ERROR
        assert "refused to compare times: not run by turns in one job" in verdict.reason


def test_a_run_that_is_not_complete_passes_nothing(run_of: Run) -> None:
    verdict = check(run_of(), {"coverage_within": 0.05}, lacking="truth mode fixed was not run")[0]
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "the run is not complete: truth mode fixed was not run" in verdict.reason


def test_a_number_of_replicates_that_results_have_chosen_is_not_tested_as_if_fixed(
    run_line: Run,
) -> None:
    results = run_line(truth="prior", replicates=20, stop_when="decided", max_replicates=40)
    verdict = one(results, calibrated=True)
    assert verdict.outcome is Outcome.ERROR
    assert "run without --stop-when" in verdict.reason


def test_cells_of_the_prior_are_judged_where_there_are_any(run_of: Run) -> None:
    both = run_of(truth="both", replicates=60, levels={"trials": [5, 10]})
    assert one(both, coverage_within=0.3).judged == 2 * 3
    assert one(both, coverage_within=0.3, truth="both").judged == 4 * 3
    assert "at trials = " in one(both, coverage_within=0.3).where
    assert one(both, failed_below=0.3).judged == 4


def test_failures_are_counted(run_of: Run, run_line: Run) -> None:
    class Failing(ExactSampler):
        def compile(self, target: Any, simulated: Any) -> Any:
            density = super().compile(target, simulated)
            fit = density.fit

            def sometimes(simulated: Any, settings: Any, seed: int) -> Any:
                if simulated.observed["y"][0] > 0:
                    raise ValueError("planted")
                return fit(simulated, settings, seed)

            density.fit = sometimes
            return density

    results = run_line(truth="prior", replicates=60, sampler=Failing(), workers=1)
    verdict = one(results, failed_below=0.02)
    assert verdict.outcome is Outcome.FAIL
    failed = int((~results.columns.ok).sum())
    assert verdict.estimate == failed / 60
    assert f"{failed} of 60 fits failed" in verdict.reason


def test_compilations_are_counted_per_process_and_session(run_of: Run) -> None:
    verdict = one(run_of(), compilations_at_most=1)
    assert verdict.outcome is Outcome.PASS
    assert verdict.judged == run_of().compilations["kind"].nunique()
    assert math.isfinite(verdict.estimate)


@pytest.mark.parametrize(
    ("gates", "message"),
    [
        ({"coverage": 0.05}, "coverage: no gate is called so; did you mean coverage_within?"),
        ({"coverage_within": 0}, "coverage_within: 0 is not allowed; give a margin"),
        ({"calibrated": False}, "calibrated: False is not allowed; give true"),
        ({}, "no gate is given; there are: calibrated, "),
        ({"ci_prob": 0.9}, "no gate is given"),
        ({"coverage_within": 0.05, "ci_prob": 2}, "ci_prob: 2 is not allowed"),
    ],
)
def test_unknown_gates_and_impossible_limits_are_refused(
    run_of: Run, gates: dict[str, Any], message: str
) -> None:
    with pytest.raises(GateError, match=message):
        check(run_of(), gates)
    with pytest.raises(GateError, match="error_rate: 0.7 is not allowed"):
        check(run_of(), SINGLE, error_rate=0.7)


def test_the_error_rate_is_shared_by_the_gates_that_chance_can_fail() -> None:
    gates = {"calibrated": True, "compilations_at_most": 1, "time_ratio_below": 1.2, "ci_prob": 0.9}
    assert chances(gates) == 2
    assert chances(gates, baseline=False) == 1
    assert without_baseline(gates) == {
        "calibrated": True, "compilations_at_most": 1, "ci_prob": 0.9
    }  # fmt: skip


def test_more_gates_and_rows_make_each_harder_to_fail(run_of: Run) -> None:
    """A run whose smallest p value lies between the two levels."""
    results = run_of(0.8, replicates=60)
    p_value = results.calibration()["p_value"].min()
    rows = len(results.calibration())
    rate = float(np.clip(p_value * rows * 1.01, 0, 0.49))
    (alone,) = check(results, {"calibrated": True}, error_rate=rate)
    (among,) = check(results, {"calibrated": True}, error_rate=rate, among=2)
    assert alone.outcome is Outcome.FAIL
    assert among.outcome is not Outcome.FAIL
