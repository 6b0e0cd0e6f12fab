"""What a run knows less than its baseline is seen, though it is calibrated and covers well."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pymc as pm
import pytest
from gates.conftest import load

from recovery import Problem, scenario
from recovery.comparison import compare
from recovery.gates import Outcome, Verdict, check
from recovery.results import Results
from recovery.testing import ExactSampler

Run = Callable[..., Results]
BOTH = ("model_se_ratio_below", "rmse_ratio_below")
GATES = {"model_se_ratio_below": 1.1, "rmse_ratio_below": 1.2}


@scenario
def bare(trials: int = 20, noise: float = 1.0, slope: float = 1.0) -> Problem:
    """The model of `line` without the sum of its slopes."""
    with pm.Model(coords={"side": ["left", "right"]}) as model:
        x = pm.Data("x", np.zeros((trials, 2)), dims=["trial", "side"])
        pm.Normal("y", x @ pm.Normal("betas", dims="side"), pm.Data("noise_sd", 1.0), dims="trial")
    return Problem(
        model,
        observed="y",
        truth={"betas": [slope, -slope]},
        covariates={"x": pm.Normal.dist(shape=(trials, 2))},
    )


bare.name = "line"  # seeds are made of the name
RATES = load("gate_rates")
HALF: dict[str, Any] = {"study": RATES.half, "sampler": RATES.Costly(used=0.5)}


class Changed(ExactSampler):
    """Exact posteriors, whose left slope is changed by a function of the data and the draws."""

    def __init__(self, change: Callable[[float, Any], Any]) -> None:
        super().__init__()
        self.change = change

    def compile(self, target: Any, simulated: Any) -> Any:
        density = super().compile(target, simulated)
        fit, change = density.fit, self.change

        def changed(simulated: Any, settings: Any, seed: int) -> Any:
            found = fit(simulated, settings, seed)
            betas = found.draws["betas"]
            betas[..., 0] = change(float(simulated.observed["y"][0]), betas[..., 0])
            return found

        density.fit = changed
        return density


def found(head: Results, base: Results, **gates: Any) -> dict[str, Verdict]:
    return {v.gate: v for v in check(head, gates or GATES, baseline=base)}


def test_half_of_the_data_left_out_passes_what_looks_at_one_run_and_fails_in_pairs(
    run_of: Run,
) -> None:
    head, base = run_of(**HALF), run_of()
    beside = {"calibrated": True, "coverage_within": 0.07, "bias_within": 0.25}
    for verdict in found(head, base, **beside, coverage_drop_below=0.07).values():
        assert verdict.outcome is Outcome.PASS, verdict.reason
    for verdict in found(head, base).values():
        assert verdict.outcome is Outcome.FAIL
        # 1 / (1 + 10) against 1 / (1 + 20) of the prior's variance, and more for uneven rows.
        assert 1.35 < verdict.estimate < 1.75
        assert verdict.lower < verdict.estimate < verdict.upper
        assert verdict.figure == "rmse-prior"
    assert {v.outcome for v in found(base, head).values()} == {Outcome.PASS}


@pytest.mark.parametrize("truth", ["prior", "fixed"])
def test_the_ratio_is_that_of_the_two_numbers_that_a_comparison_prints(
    run_of: Run, truth: str
) -> None:
    head, base = run_of(**HALF, replicates=60, truth=truth), run_of(
        replicates=60, truth=truth
    )  # fmt: skip
    rows = compare(base, head, measures=["model_se", "rmse"]).measures
    ratios = (rows["head"] / rows["base"]).groupby(rows["measure"]).agg(list)
    for gate, measure in zip(BOTH, ("model_se", "rmse"), strict=True):
        verdict = found(head, base)[gate]
        if (measure, truth) == ("rmse", "fixed"):
            # At a truth near the prior mean a model that ignores its data is the nearest.
            assert verdict.outcome is Outcome.ERROR
            assert "run over the prior, or leave the gate out" in verdict.reason
            continue
        assert verdict.judged == 3
        assert any(verdict.estimate == pytest.approx(r, rel=1e-9) for r in ratios[measure])
        assert (verdict.n, verdict.figure) == (60, f"rmse-{truth}")


def test_verdicts_say_what_was_compared_and_how_many_pairs_would_decide(run_of: Run) -> None:
    head, base = run_of(shift=0.6, replicates=40), run_of(replicates=40)
    verdict = found(head, base)["rmse_ratio_below"]
    assert verdict.reason.startswith("the RMSE of ")
    assert f"over the baseline's: {verdict.estimate:.3f} [" in verdict.reason
    assert "(n = 40 pairs): not known yet whether it is a ratio below 1.2" in verdict.reason
    assert verdict.needed is not None
    assert 40 < verdict.needed < 10_000
    assert f"about {verdict.needed:,} replicates a cell would decide" in verdict.reason


def test_pairs_that_a_tolerated_share_could_be_missing_from_are_never_enough(run_of: Run) -> None:
    few = run_of(replicates=58)
    for verdict in found(run_of(**HALF, replicates=58), few).values():
        assert (verdict.outcome, verdict.needed) == (Outcome.INCONCLUSIVE, 59)


def test_equal_runs_have_a_ratio_of_one_which_a_few_pairs_do_not_prove(run_of: Run) -> None:
    for verdict in found(run_of(replicates=30), run_of(replicates=30)).values():
        assert (verdict.outcome, verdict.estimate, verdict.needed) == (Outcome.INCONCLUSIVE, 1, 59)
    for verdict in found(run_of(), run_of()).values():
        assert (verdict.outcome, verdict.estimate) == (Outcome.PASS, 1)


def test_the_option_truth_changes_nothing_and_errors_are_judged_over_the_prior(run_of: Run) -> None:
    both = run_of(truth="both", replicates=60, levels={"trials": [5, 10]})
    for gates in (GATES, GATES | {"truth": "fixed"}):
        for verdict in found(both, both, **gates).values():
            assert verdict.judged == 2 * 3 * (1 if verdict.gate.startswith("rmse") else 2)
            assert verdict.outcome is Outcome.PASS


@pytest.mark.parametrize(("above", "outcome"), [(4.0, Outcome.PASS), (0.0, Outcome.INCONCLUSIVE)])
def test_fits_that_are_not_finite_are_left_out_but_no_more_of_them_than_are_tolerated(
    run_of: Run, run_line: Run, above: float, outcome: Outcome
) -> None:
    def change(y: float, draws: Any) -> Any:
        return draws * (np.nan if y > above else 1.0)

    options = {"truth": "prior", "replicates": 200, "draws": 250, "workers": 1}
    head, base = run_line(sampler=Changed(change), **options), run_of(replicates=200)
    lost = int(head.estimates.query("parameter == 'betas[left]'")["sd"].isna().sum())
    assert lost
    for verdict in found(head, base).values():
        assert verdict.outcome is outcome, verdict.reason
        told = f"{lost} fits of 200 failed, or have draws that are not finite" in verdict.reason
        assert told == (outcome is Outcome.INCONCLUSIVE)
    # The other way round nothing is known of those pairs, and the others are judged.
    for verdict in found(base, head).values():
        assert verdict.outcome is Outcome.PASS


def test_a_parameter_that_the_run_has_lost_is_an_error(run_of: Run) -> None:
    head = run_of(study=bare, replicates=70, sampler=ExactSampler())
    gates = {**GATES, "coverage_drop_below": 0.2}
    for verdict in found(head, run_of(replicates=70), **gates).values():
        assert verdict.outcome is Outcome.ERROR
        assert "the baseline has total in the run, this run has not" in verdict.reason
    for verdict in found(run_of(replicates=70), head, **gates).values():
        assert verdict.outcome is not Outcome.ERROR


@pytest.mark.parametrize("both", [True, False])
def test_a_parameter_of_which_nothing_is_known_in_the_base_is_an_error(
    run_of: Run, run_line: Run, both: bool
) -> None:
    options = {"truth": "prior", "replicates": 70, "draws": 250, "workers": 1}
    lost = run_line(sampler=Changed(lambda y, draws: draws * np.nan), **options)
    for verdict in found(lost if both else run_of(replicates=70), lost).values():
        assert verdict.outcome is Outcome.ERROR
        assert "of betas[left] in both runs" in verdict.reason


def test_a_pair_that_outweighs_all_others_tells_little_and_says_so(run_line: Run) -> None:
    def change(y: float, draws: Any) -> Any:
        return draws if y == first else 0 * draws

    options = {"truth": "prior", "replicates": 70, "draws": 250, "workers": 1}
    seen: list[float] = []
    run_line(sampler=Changed(lambda y, draws: (seen.append(y), draws)[1]), **options)
    first = seen[0]
    lone = run_line(sampler=Changed(change), fresh=True, **options)
    verdict = found(lone, lone)["model_se_ratio_below"]
    assert (verdict.outcome, verdict.where) == (Outcome.INCONCLUSIVE, "betas[left]")
    assert "over the baseline's: 1.000 [0, inf] (n = 70 pairs)" in verdict.reason
    assert "a few pairs outweigh the others" in verdict.reason


def test_posteriors_without_a_spread_have_no_ratio_in_both_and_an_infinite_one_in_the_base(
    run_of: Run, run_line: Run
) -> None:
    options = {"truth": "prior", "replicates": 70, "draws": 250, "workers": 1}
    still = run_line(sampler=Changed(lambda y, draws: 0 * draws + 3.0), **options)
    whole = run_of(replicates=70)
    assert found(still, still)["model_se_ratio_below"].judged == 2
    assert found(still, still)["rmse_ratio_below"].judged == 3
    verdict = found(whole, still)["model_se_ratio_below"]
    assert (verdict.outcome, verdict.where) == (Outcome.FAIL, "betas[left]")
    assert math.isinf(verdict.estimate)
    assert found(still, whole)["model_se_ratio_below"].outcome is not Outcome.FAIL
    assert found(still, whole)["rmse_ratio_below"].outcome is Outcome.FAIL


def test_fits_that_failed_are_told_beside_the_pairs(run_of: Run, run_line: Run) -> None:
    def change(y: float, draws: Any) -> Any:
        if y > 0:
            raise ValueError("planted")
        return draws

    options = {"truth": "prior", "replicates": 200, "draws": 250, "workers": 1}
    head = run_line(sampler=Changed(change), **options)
    failed = int((~head.columns.ok).sum())
    for verdict in found(head, run_of(replicates=200)).values():
        assert f"{failed:,} failed fits are not among them" in verdict.reason
        assert verdict.n == 200 - failed


def test_a_cell_that_the_baseline_has_not_got_is_an_error_of_these_gates_too(run_of: Run) -> None:
    head = run_of(replicates=60, levels={"trials": [5, 10]})
    base = run_of(replicates=60, levels={"trials": [10, 20]})
    for verdict in found(head, base).values():
        assert verdict.outcome is Outcome.ERROR
        assert "the baseline has no cell trials=5" in verdict.reason
