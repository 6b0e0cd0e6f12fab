"""The check of the harness passes with a sound harness and fails with a broken one."""

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from scipy.stats import betabinom, norm

import recovery.calibration
import recovery.engine.estimate
import recovery.execution
import recovery.schema
import recovery.selfcheck
from recovery.cli import main
from recovery.engine.densities import LogDensity
from recovery.engine.structure import Simulated, Structure
from recovery.selfcheck import FULL, QUICK, Case, Finding, Outcome, print_outcome, selfcheck
from recovery.selfcheck.expected import (
    QUANTITIES,
    REJECTED,
    SIMULATED,
    SIZES,
    coverage,
    low_ranks,
    rejection,
)
from recovery.selfcheck.finding import Rate
from recovery.selfcheck.traps import traps

BY_NAME = {case.name: case for case in QUICK}


def tiny(*names: str, runs: int = 8, size: int = 20) -> tuple[Case, ...]:
    return tuple(dataclasses.replace(BY_NAME[name], runs=runs, sizes=(size,)) for name in names)


SOUND = tiny("sound")
PRIOR = tiny("posterior is the prior")
# Eight runs: where 0.81 of them are rejected, none of them is once in 600,000.
DROPPED = tiny("one of 3 points dropped", size=50)
SHIFTED = tiny("shift 1 sd")


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., int]:
    """Run the command on some cases, in this process, with its folder where it can be seen."""
    monkeypatch.setattr(recovery.execution, "default_workers", lambda: 1)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def run(cases: tuple[Case, ...]) -> int:
        monkeypatch.setattr(recovery.selfcheck, "QUICK", cases)
        code = main(["selfcheck"])
        assert not list(tmp_path.iterdir()), "the stores are left behind"
        return code

    return run


def test_a_sound_harness_passes_and_leaves_nothing_behind(
    check: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(SOUND + PRIOR + DROPPED + SHIFTED) == 0
    said = capsys.readouterr().out
    assert "all as they must be" in said
    assert "FAIL" not in said


class TestABrokenHarnessFails:
    """Each mutation is of code that every run goes through; without it the same cases pass."""

    def fails(self, check: Callable[..., int], cases: tuple[Case, ...]) -> None:
        assert check(cases) == 1

    def test_ranks_among_half_of_the_draws(
        self, check: Callable[..., int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        right = recovery.engine.estimate.rank_truths

        def wrong(draws: Any, truth: Any, among: Any, rng: Any) -> Any:
            rank, pit = right(draws, truth, among, rng)
            return rank // 2, pit / 2

        monkeypatch.setattr(recovery.engine.estimate, "rank_truths", wrong)
        self.fails(check, SOUND)

    def test_ranks_counted_from_above(
        self, check: Callable[..., int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # Their uniformity is the same; a posterior that is too high tells.
        right = recovery.engine.estimate.rank_truths

        def wrong(draws: Any, truth: Any, among: Any, rng: Any) -> Any:
            rank, pit = right(draws, truth, among, rng)
            return among - rank, 1 - pit

        monkeypatch.setattr(recovery.engine.estimate, "rank_truths", wrong)
        self.fails(check, SHIFTED)

    def test_ties_never_broken(
        self, check: Callable[..., int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def wrong(draws: Any, truth: Any, rng: Any) -> Any:
            return np.count_nonzero(draws < truth, axis=0)

        monkeypatch.setattr("recovery.ranking.ranks", wrong)
        self.fails(check, SOUND)

    @pytest.mark.parametrize(("threshold", "cases"), [(0.0, PRIOR), (0.5, SOUND)])
    def test_a_band_of_the_wrong_width(
        self,
        check: Callable[..., int],
        monkeypatch: pytest.MonkeyPatch,
        threshold: float,
        cases: tuple[Case, ...],
    ) -> None:
        monkeypatch.setattr(recovery.calibration, "band_gamma", lambda *_: threshold)
        self.fails(check, cases)

    def test_ranks_that_are_one_too_high(
        self, check: Callable[..., int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        right = recovery.engine.estimate.rank_truths

        def wrong(draws: Any, truth: Any, among: Any, rng: Any) -> Any:
            rank, pit = right(draws, truth, among, rng)
            return np.minimum(rank + 1, among), np.minimum(pit + 0.01, 1 - 1e-9)

        monkeypatch.setattr(recovery.engine.estimate, "rank_truths", wrong)
        self.fails(check, (BY_NAME["sound"],))

    def test_intervals_that_are_a_twelfth_too_narrow(
        self, check: Callable[..., int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        insert = recovery.schema.estimates_block

        def narrow(estimates: Any) -> Any:
            block = insert(estimates)
            block[-9:] += 0.08 * (block[1] - block[-9:])
            return block

        monkeypatch.setattr(recovery.schema, "estimates_block", narrow)
        self.fails(check, (BY_NAME["sound"],))

    def test_quantiles_of_the_wrong_probabilities(
        self, check: Callable[..., int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        grid = recovery.engine.estimate.QUANTILE_GRID
        monkeypatch.setattr(recovery.engine.estimate, "QUANTILE_GRID", 0.5 + 0.8 * (grid - 0.5))
        self.fails(check, SOUND)

    def test_a_log_likelihood_that_knows_no_data(
        self, check: Callable[..., int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(LogDensity, "log_likelihood", lambda self, _=None: self.log_prior)
        self.fails(check, PRIOR)

    def test_a_log_likelihood_that_leaves_a_point_out(
        self, check: Callable[..., int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(
            LogDensity,
            "log_likelihood",
            lambda self, _=None: self.pointwise["y"][:, 1:].sum(axis=1),
        )
        self.fails(check, DROPPED)

    def test_data_that_are_simulated_at_another_truth(
        self, check: Callable[..., int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        right = Structure.simulate

        def wrong(self: Structure, problem: Any, free: Any, data: Any, seed: int) -> Simulated:
            other = {name: 0.5 * np.asarray(value) for name, value in free.items()}
            simulated = right(self, problem, other, data, seed)
            return dataclasses.replace(simulated, truth={**simulated.truth, **free})

        monkeypatch.setattr(Structure, "simulate", wrong)
        self.fails(check, SOUND)

    def test_fits_that_fail(
        self, check: Callable[..., int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def wrong(*_: object) -> None:
            raise RuntimeError("planted")

        monkeypatch.setattr(recovery.engine.estimate.Joint, "of", wrong)
        self.fails(check, SOUND)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_outcome_in_one_process_or_several() -> None:
    cases = tiny("sound", "shift 1 sd", runs=2)
    one, two = selfcheck(cases, seed=3), selfcheck(cases, seed=3, workers=2)
    assert one == two
    assert selfcheck(cases, seed=4) != one


class TestFindings:
    """What agrees with a known rate, and how often chance alone does not."""

    def test_an_exact_rate_is_tested_by_the_binomial(self) -> None:
        assert Rate(0.5).agreement(0, 10) == pytest.approx(2 * 0.5**10)
        assert Rate(0.5).agreement(5, 10) == 1
        assert Rate(0.0).agreement(1, 10) == 0

    def test_a_counted_rate_allows_for_its_own_error(self) -> None:
        # One run of 20 that is not rejected, where all of 16,000 were: no cause for alarm.
        assert Rate(1.0, 16_000).agreement(19, 20) == pytest.approx(
            2 * betabinom(20, 16_000.5, 0.5).cdf(19)
        )
        assert Rate(1.0, 16_000).agreement(19, 20) > 1e-4
        assert Rate(1.0).agreement(19, 20) == 0
        exactly = Rate(0.3).agreement(9, 20)
        assert Rate(0.3, 10**6).agreement(9, 20) == pytest.approx(exactly, rel=1e-3)

    def test_what_was_not_measured_agrees_with_nothing(self) -> None:
        assert Rate(0.5).agreement(0, 0) == 0
        assert Rate(math.nan).agreement(3, 20) == 0

    def test_the_error_rate_is_held_over_all_findings(self) -> None:
        fine = Finding("case", "fine", "", "", 0.001 / 3)
        close = Finding("case", "close", "", "", 0.00034)
        bad = Finding("case", "bad", "", "", 0.0003)
        outcome = Outcome((fine, close, bad))
        assert outcome.failed == (bad,)

    def test_the_table_names_what_failed(self) -> None:
        outcome = Outcome((Finding("sound", "mu[left]", "0.050", "1.000 (20 of 20)", 0.0),))
        console = Console(width=80, record=True)
        print_outcome(outcome, console)
        said = console.export_text()
        assert "mu[left]" in said
        assert "FAIL" in said
        assert "1 of 1 failed" in said


class TestWhatIsKnown:
    """Closed forms, and that every rate is there."""

    @pytest.mark.parametrize(
        ("factor", "shift", "expected"),
        [(0.5, 0, 0.589), (0.8, 0, 0.812), (0.9, 0, 0.861), (1.1, 0, 0.930), (1.25, 0, 0.960),
         (2, 0, 0.999), (1, 0.25, 0.889), (1, 0.5, 0.858), (1, 1, 0.736)],
    )  # fmt: skip
    def test_coverage_of_a_wrong_normal_posterior(
        self, factor: float, shift: float, expected: float
    ) -> None:
        # The last published digit may be rounded either way.
        assert coverage(factor, shift, 10**9, 0.9) == pytest.approx(expected, abs=1.1e-3)

    @pytest.mark.parametrize(("factor", "shift"), [(1, 0), (0.5, 0), (1, 1)])
    def test_coverage_of_intervals_from_a_thousand_draws(self, factor: float, shift: float) -> None:
        """Within 5 standard errors of 20,000 intervals: false alarm 6e-7 each."""
        rng = np.random.default_rng(1)
        draws = shift + factor * rng.normal(size=(20_000, 1000))
        lower, upper = np.quantile(draws, [0.05, 0.95], axis=1)
        truth = rng.normal(size=20_000)
        inside = np.mean((lower <= truth) & (truth <= upper))
        expected = coverage(factor, shift, 1000, 0.9)
        error = math.sqrt(expected * (1 - expected) / 20_000)
        assert inside == pytest.approx(expected, abs=5 * error)

    def test_low_ranks_of_a_shifted_posterior(self) -> None:
        """Within 5 standard errors of 40,000 ranks: false alarm 6e-7."""
        assert low_ranks(1, 0, 50) == pytest.approx(0.5)
        assert low_ranks(0.7, 0, 100) == pytest.approx(1)
        rng = np.random.default_rng(2)
        draws = 1 + rng.normal(size=(40_000, 99))
        low = np.mean(np.count_nonzero(draws < rng.normal(size=(40_000, 1)), axis=1) < 50)
        expected = low_ranks(1, 1, 50)
        assert expected == pytest.approx(norm.cdf(1 / math.sqrt(1 + math.pi / 198)), abs=2e-3)
        assert low == pytest.approx(expected, abs=5 * math.sqrt(expected * (1 - expected) / 40_000))

    def test_uniform_ranks_are_rejected_at_the_exact_size(self) -> None:
        for size in SIZES:
            assert 0.049 < rejection("sound", "sum", size).value <= 0.05
            assert rejection("sound", "sum", size).runs is None

    def test_every_flaw_has_its_rates(self) -> None:
        assert {case.name for case in FULL} == {"sound", *REJECTED}
        assert {case.name for case in QUICK} < {case.name for case in FULL}
        for rates in REJECTED.values():
            assert set(rates) <= set(QUANTITIES)
            for rate in (rate for row in rates.values() for rate in row):
                assert 0 <= rate <= 1
        assert rejection("random bias", "sum", 100).runs == SIMULATED // 100


def test_no_trap_is_fallen_into() -> None:
    found = list(traps())
    assert len(found) == 4
    assert {finding.p_value for finding in found} == {1.0}
