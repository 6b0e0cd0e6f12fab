"""A cell grows until a claim can be made; the claim, and where it falls, depend on the seeds alone.

Random tests fix their seeds. Rates over runs are held against exact binomial bounds, which a
correct rate crosses with probability 1e-6.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from scipy.stats import binom, norm

from recovery import Sweep
from recovery.columns import Columns
from recovery.confidence import confidence_sequence
from recovery.decided import ALPHA, Claim, Decided, Decision, judge
from recovery.errors import SettingsError
from recovery.evidence import Evidence, averaged
from recovery.report.content import report_content
from recovery.report.view import View
from recovery.results import Results
from recovery.seen import Seen, see_all
from recovery.store import Store
from recovery.testing import ExactSampler, line

Mode = Literal["fixed", "prior"]


def replicates(
    n: int, seed: int, *, sd_factor: float = 1.0, parameters: int = 2, kind: str = "parameter"
) -> list[Seen | None]:
    """Give replicates of independent parameters whose posterior sd is off by a factor."""
    z = np.random.default_rng(seed).normal(size=(n, parameters)) / sd_factor
    pit = norm.cdf(z)
    inside = (abs(pit - 0.5) <= 0.45).astype(float)
    whole = np.zeros(parameters, dtype=bool)
    return [Seen([kind] * parameters, inside[i], pit[i], whole) for i in range(n)]


def covered(share: float, n: int, seed: int, parameters: int = 2) -> list[Seen | None]:
    """Give replicates of a fixed truth with such coverage."""
    inside = (np.random.default_rng(seed).random((n, parameters)) < share).astype(float)
    whole = np.zeros(parameters, dtype=bool)
    return [Seen(["parameter"] * parameters, row, np.full(parameters, 0.5), whole)
            for row in inside]  # fmt: skip


def first(seen: list[Seen | None], mode: Mode, n_cells: int = 1, margin: float = 0.05) -> Decision:
    """Judge every prefix anew, and give the first decision."""
    for n in range(1, len(seen) + 1):
        found = judge(seen[:n], mode, n_cells, margin)
        if found.claim.decided:
            return found
    return judge(seen, mode, n_cells, margin)


@pytest.mark.parametrize("sd_factor", [0.5, 0.8, 1.0])
def test_the_decision_falls_at_the_first_prefix_that_allows_it(sd_factor: float) -> None:
    seen = replicates(700, 1, sd_factor=sd_factor)
    seen[3] = seen[10] = None
    whole, early = judge(seen, "prior", 1, 0.05), first(seen, "prior")
    assert whole.claim.decided
    assert (whole.claim, whole.looked) == (early.claim, early.looked)
    assert whole.log_e_value == pytest.approx(early.log_e_value)
    assert np.array_equal(whole.lower, early.lower)
    assert judge(seen[: whole.looked - 1], "prior", 1, 0.05).claim is Claim.UNDECIDED


@pytest.mark.parametrize("share", [0.9, 0.8, 0.97])
def test_with_a_fixed_truth_the_decision_falls_at_the_first_prefix_too(share: float) -> None:
    seen = covered(share, 900, 2)
    whole, early = judge(seen, "fixed", 1, 0.05), first(seen, "fixed")
    assert whole.claim is (Claim.WITHIN if share == 0.9 else Claim.DIFFERS)
    assert (whole.claim, whole.looked) == (early.claim, early.looked)


def test_a_wrong_posterior_is_miscalibrated_once_the_mean_e_value_reaches_its_limit() -> None:
    seen = replicates(300, 3, sd_factor=0.8, parameters=3)
    log_e = averaged(Evidence(3).add([one.pit for one in seen if one]))
    for n_cells in (1, 9):
        found = judge(seen, "prior", n_cells, 0.05)
        assert found.claim is Claim.MISCALIBRATED
        assert found.looked == 1 + int((log_e >= np.log(n_cells / ALPHA)).argmax())
        assert found.log_e_value == pytest.approx(log_e[found.looked - 1])
        assert averaged(found.log_e_values) == pytest.approx(found.log_e_value)


def test_a_right_one_is_within_the_margin_once_every_sequence_is() -> None:
    seen = replicates(1500, 4)
    for n_cells in (1, 9):
        found = judge(seen, "prior", n_cells, 0.05)
        assert found.claim is Claim.WITHIN
        hits = sum(one.inside for one in seen[: found.looked] if one)
        lower, upper = confidence_sequence(hits, found.looked, ALPHA / n_cells)
        assert np.array_equal(found.lower, lower)
        assert np.array_equal(found.upper, upper)
        assert 0.85 < lower.min() < upper.max() < 0.95


def test_with_a_fixed_truth_the_level_is_shared_by_parameters_and_cells() -> None:
    seen = covered(0.9, 1500, 5, parameters=4)
    found = judge(seen, "fixed", 3, 0.05)
    hits = sum(one.inside for one in seen[: found.looked] if one)
    expected = confidence_sequence(hits, found.looked, ALPHA / 12)
    assert np.array_equal(found.lower, expected[0])
    assert np.array_equal(found.upper, expected[1])
    assert np.isnan(found.log_e_value)


def test_more_cells_and_a_smaller_margin_take_more_replicates() -> None:
    seen = replicates(3000, 6)
    looked = [judge(seen, "prior", n, 0.05).looked for n in (1, 5, 50)]
    assert looked == sorted(set(looked))
    assert judge(seen, "prior", 1, 0.03).looked > looked[0]


def test_the_parameter_that_is_known_worst_decides() -> None:
    good = replicates(700, 7, parameters=1)
    bad = covered(0.9, 700, 7, parameters=1)
    both = [Seen(["parameter"] * 2, np.r_[a.inside, b.inside * np.nan], np.r_[a.pit, np.nan],
                 np.zeros(2, bool)) for a, b in zip(good, bad, strict=True) if a and b]  # fmt: skip
    assert judge(good, "prior", 1, 0.05).claim is Claim.WITHIN
    found = judge(both, "prior", 1, 0.05)
    assert found.claim is Claim.WITHIN
    assert np.isnan(found.lower[1])  # what has no interval is not judged, and holds nothing up


def test_constant_and_discrete_posteriors_are_not_judged_by_coverage() -> None:
    plain = [one for one in replicates(600, 8) if one]
    discrete = [one._replace(whole=np.array([False, True])) for one in plain]
    constant = [one._replace(pit=np.array([one.pit[0], np.nan])) for one in plain]
    for seen in (discrete, constant):
        wrong = [one._replace(inside=np.array([one.inside[0], 1.0])) for one in seen]
        for mode in ("prior", "fixed"):
            found = judge(wrong, mode, 1, 0.05)  # type: ignore[arg-type]  # one of two words
            assert found.claim is Claim.WITHIN
            assert np.isnan(found.upper[1])


def test_ranks_of_discrete_posteriors_are_tested_all_the_same() -> None:
    seen = [
        one._replace(whole=np.ones(2, bool)) for one in replicates(100, 9, sd_factor=0.5) if one
    ]
    assert judge(seen, "prior", 1, 0.05).claim is Claim.MISCALIBRATED
    assert judge(seen, "fixed", 1, 0.05).claim is Claim.NOTHING


def test_a_test_quantity_is_tested_and_a_prediction_is_not() -> None:
    wrong = {"seed": 10, "sd_factor": 0.5, "n": 100}
    found = judge(replicates(**wrong, kind="quantity"), "prior", 1, 0.05)  # type: ignore[arg-type]  # numbers of two types
    assert found.claim is Claim.MISCALIBRATED
    assert np.isnan(found.lower).all()
    for kind in ("predicted", "predicted mean"):
        found = judge(replicates(**wrong, kind=kind), "prior", 1, 0.05)  # type: ignore[arg-type]  # as above
        assert found.claim is Claim.NOTHING


def test_where_nothing_can_be_judged_a_cell_does_not_grow() -> None:
    rule = Decided(50)
    assert rule.needed([None] * 50, "prior", 1) == 50
    unknown = Seen(["parameter"], np.array([np.nan]), np.array([np.nan]), np.array([False]))
    assert rule.needed([unknown] * 50, "prior", 1) == 50
    assert judge([None] * 50, "prior", 1, 0.05).claim is Claim.NOTHING


def test_an_undecided_cell_grows_by_a_tenth_to_the_most() -> None:
    seen = replicates(400, 11)
    rule = Decided(20, most=330)
    assert rule.needed(seen[:20], "prior", 1) == 30
    assert rule.needed(seen[:200], "prior", 1) == 220
    assert rule.needed(seen[:320], "prior", 1) == 330
    assert rule.needed(seen[:330], "prior", 1) == 330


def test_failed_replicates_are_counted_and_carry_nothing() -> None:
    seen = replicates(100, 12, sd_factor=0.5)
    gaps = [one for pair in zip([None] * 100, seen, strict=True) for one in pair]
    plain, found = judge(seen, "prior", 1, 0.05), judge(gaps, "prior", 1, 0.05)
    assert found.looked == 2 * plain.looked
    assert found.log_e_value == pytest.approx(plain.log_e_value)


def test_a_sound_posterior_is_seldom_called_miscalibrated_and_mostly_decided() -> None:
    # 200 runs of up to 1,000 replicates.
    claims = [judge(replicates(1000, 1000 + i), "prior", 1, 0.05).claim for i in range(200)]
    assert claims.count(Claim.MISCALIBRATED) <= binom.isf(1e-6, 200, ALPHA)
    assert claims.count(Claim.WITHIN) >= 180


def test_coverage_at_the_edge_of_the_margin_is_seldom_called_within_it() -> None:
    claims = [judge(covered(0.85, 1000, 2000 + i, 1), "prior", 1, 0.05).claim for i in range(200)]
    assert claims.count(Claim.WITHIN) <= binom.isf(1e-6, 200, ALPHA)


@pytest.mark.parametrize(
    ("margin", "start", "most", "what"),
    [(0.0, 10, 20, "margin: 0.0"), (0.1, 10, 20, "margin: 0.1"), (0.05, 30, 20, "max_rep")],
)
def test_impossible_wishes_are_refused(margin: float, start: int, most: int, what: str) -> None:
    with pytest.raises(SettingsError, match=what):
        Decided(start, margin, most)


@pytest.mark.parametrize(
    ("wishes", "what"),
    [
        ({"stop_when": "bored"}, "stop_when: 'bored' is not allowed; give 'decided'"),
        ({"stop_when": "decided", "precision": 0.1}, "stop_when: stands instead of precision"),
        ({"stop_when": "decided", "seeds": [1, 2]}, "stop_when: .*give seed instead of seeds"),
    ],
)
def test_wishes_that_do_not_go_together_are_refused(wishes: dict[str, Any], what: str) -> None:
    with pytest.raises(SettingsError, match=what):
        Sweep(line, **wishes)


def sweep(out: Path, workers: int = 2, sampler: ExactSampler | None = None, **more: Any) -> Results:
    settings = {"replicates": 20, "stop_when": "decided", "truth": "prior"} | more
    made = Sweep(line, {"trials": [5, 20]}, sampler=sampler or ExactSampler(), draws=50, **settings)
    return made.run(out, workers=workers, progress=False, report=False)


def decisions(results: Results) -> list[Decision]:
    with Store.read(results.folder) as store:
        columns = Columns(store)
    seen = see_all(columns, 42)
    sizes = results.diagnostics()["n"]
    return [
        judge([seen[cell, i] for i in range(n)], "prior", len(sizes), 0.05)
        for cell, n in enumerate(sizes)
    ]


WRONG = ExactSampler(sd_factor=0.5)


def test_every_cell_is_decided_and_the_same_with_any_workers_and_after_an_interruption(
    tmp_path: Path,
) -> None:
    results = sweep(tmp_path / "two")
    sizes = results.diagnostics()["n"].tolist()
    for found, n in zip(decisions(results), sizes, strict=True):
        assert found.claim.decided
        assert found.looked <= n <= 1.1 * found.looked + 10
    assert sizes == results.diagnostics()["n_planned"].tolist()
    # Interrupted, or not: what a record shows as it ends is what is read of it later.
    sweep(tmp_path / "one", workers=1, max_replicates=60)
    one = sweep(tmp_path / "one", workers=1)
    assert one.estimates.equals(results.estimates)
    assert results.sessions[-1]["execution"]["stop_when"] == "decided"


def test_a_run_is_gone_on_with_and_a_finished_one_fits_nothing(tmp_path: Path) -> None:
    whole = sweep(tmp_path / "whole", sampler=WRONG)
    assert [found.claim for found in decisions(whole)] == [Claim.MISCALIBRATED] * 2
    sweep(tmp_path / "parts", sampler=WRONG, replicates=7, max_replicates=8)
    parts = sweep(tmp_path / "parts", sampler=WRONG)
    assert parts.estimates.equals(whole.estimates)
    again = sweep(tmp_path / "parts", sampler=WRONG)
    # What was asked for, and not a fit.
    asked = {"stop_when", "margin", "min_replicates", "max_replicates"}
    assert set(again.sessions[-1]["execution"]) == asked
    assert len(again.replicates) == len(whole.replicates)


def test_more_replicates_than_needed_are_kept_and_none_is_added(tmp_path: Path) -> None:
    fixed = Sweep(line, {"trials": [5, 20]}, sampler=WRONG, draws=50, replicates=60, truth="prior")
    fixed.run(tmp_path, progress=False, report=False)
    assert len(sweep(tmp_path, sampler=WRONG).replicates) == 120


def test_what_was_asked_for_is_kept_where_nothing_was_left_to_fit(
    run_line: Callable[..., Results],
) -> None:
    run_line(truth="prior", replicates=10)
    results = run_line(truth="prior", replicates=10, stop_when="decided", margin=0.08,
                       max_replicates=10)  # fmt: skip
    assert results.sessions[-1]["execution"]["margin"] == 0.08
    assert "What was decided" in {s.title for s in report_content(View(results), []).sections}
