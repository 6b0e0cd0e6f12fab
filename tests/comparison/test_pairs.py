"""What gates judge: pairs of replicates by their keys, and times by rounds of one job."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from recovery import Problem, scenario
from recovery.comparison import Matching, gradient_ratios, paired_coverage, time_rounds
from recovery.errors import NothingInCommon
from recovery.results import Results
from recovery.testing import ExactSampler, line

Run = Callable[..., Results]


def job(name: str, side: str, number: int) -> dict[str, Any]:
    return {"interleaved": {"job": name * 32, "side": side, "round": number, "rounds": 3}}


@pytest.fixture
def rounds(run: Run, say: Run) -> Callable[..., tuple[Results, Results]]:
    """Two runs of three rounds by turns, of 4 replicates of each cell."""

    def both(head: dict[int, dict[str, Any]] | None = None) -> tuple[Results, Results]:
        for replicates in (4, 8, 12):
            for side in ("base", "head"):
                results = run(side, {"trials": [5, 10]}, replicates=replicates)
        base = say(
            Results(results.folder.parent / "base"), {k: job("a", "base", k) for k in range(3)}
        )
        told = {k: job("a", "head", k) for k in range(3)}
        return base, say(results, head or told)

    return both


def test_a_run_beside_itself_has_the_same_everything(run: Run) -> None:
    one = run("one", {"trials": [5, 10]}, truth="both")
    hits = paired_coverage(one, one, 0.8)
    assert {(h.cell.label, h.parameter) for h in hits} == {
        (f"trials={n} noise=1 slope=1 truth={mode}", name)
        for n in (5, 10)
        for mode in ("fixed", "prior")
        for name in ("betas[left]", "betas[right]", "total")
    }
    assert all((h.base == h.head).all() and len(h.base) == 20 for h in hits)
    assert all((r.log_ratios == 0).all() for r in gradient_ratios(one, one))


def test_replicates_are_pairs_whatever_the_number_of_either_run_is(run: Run) -> None:
    base, head = run("base", replicates=20), run("head", replicates=30, sampler=ExactSampler(0.5))
    matching = Matching.of(base, head)
    pairs = matching.pairs(matching.cells[0])
    assert (len(pairs), pairs.data) == (20, "same data")
    assert [len(r.log_ratios) for r in gradient_ratios(base, head)] == [20]


def test_hits_are_those_of_the_intervals_themselves(run: Run) -> None:
    base, head = run("base", truth="prior"), run("head", truth="prior", sampler=ExactSampler(0.3))
    for hits in paired_coverage(base, head, 0.9):
        for results, found in ((base, hits.base), (head, hits.head)):
            rows = results.estimates.query("parameter == @hits.parameter")
            inside = rows["truth"].between(rows["eti_90_lower"], rows["eti_90_upper"])
            assert found.tolist() == inside.tolist()
        assert hits.head.mean() < hits.base.mean()


def test_gradients_count_per_effective_draw(run: Run) -> None:
    base, head = run("base", draws=100), run("head", draws=400)
    (found,) = gradient_ratios(base, head)
    fits = [r.fits["gradient_evaluations"] / r.fits["ess_bulk_min"] for r in (base, head)]
    np.testing.assert_allclose(found.log_ratios, np.log(fits[1] / fits[0]))


def test_cells_are_matched_by_levels_and_truth_mode_in_any_order(run: Run) -> None:
    base = run("base", {"trials": [5, 10, 20]}, truth="both")
    head = run("head", {"trials": [20, 5, 7]}, truth="prior")
    matching = Matching.of(base, head)
    assert [cell.label for cell in matching.cells] == [
        "trials=20 noise=1 slope=1 truth=prior",
        "trials=5 noise=1 slope=1 truth=prior",
    ]
    assert matching.alone(matching.head) == ["trials=7 noise=1 slope=1 truth=prior"]
    assert len(matching.alone(matching.base)) == 4


def test_a_swept_sampler_setting_is_a_level_also_where_one_run_alone_sweeps_it(run: Run) -> None:
    base, head = run("base", {"draws": [50, 100]}), run("head", draws=100)
    matching = Matching.of(base, head)
    assert [dict(cell.levels)["draws"] for cell in matching.cells] == [100]
    assert matching.pairs(matching.cells[0]).data == "same data"


def test_one_setting_on_each_side_is_compared_and_told(run: Run) -> None:
    matching = Matching.of(run("base", {"draws": [50]}), run("head", {"draws": [100]}))
    assert len(matching.cells) == 1
    assert matching.ignored == {"draws": "each run has one setting of it"}


def test_runs_without_a_common_cell_are_refused_with_what_each_has(run: Run) -> None:
    base, head = run("base", {"trials": [5]}), run("head", {"trials": [10]})
    with pytest.raises(NothingInCommon, match=r"trials=5 .* trials=10 .*share levels"):
        paired_coverage(base, head)


def test_an_axis_that_one_run_has_not_got_is_left_aside_if_it_has_one_level(run: Run) -> None:
    @scenario
    def other(trials: int = 20, noise: float = 1.0, slope: float = 1.0, extra: int = 3) -> Problem:
        return line.function(trials, noise, slope)

    matching = Matching.of(run("base"), run("head", scenario=other))
    assert matching.ignored == {"extra": "only head has it, with the one level 3"}
    (cell,) = matching.cells
    assert matching.pairs(cell).data == "other data"
    with pytest.raises(NothingInCommon, match="axis extra has 2 levels in head"):
        Matching.of(run("base"), run("several", {"extra": [1, 2]}, scenario=other))


def test_times_compare_by_the_rounds_of_one_job(rounds: Callable[..., Any]) -> None:
    base, head = rounds()
    for cell, found in enumerate(time_rounds(base, head)):
        assert (found.reason, found.n) == ("", 12)
        mine, theirs = (
            np.log(r.fits["wall_s"][r.fits["position"] == cell].to_numpy()) for r in (base, head)
        )
        expected = (theirs - mine).reshape(3, 4).mean(axis=1)  # rounds of four, in order
        np.testing.assert_allclose(found.wall_s, expected)
        assert found.ess_bulk_per_s.shape == (3,)


def test_times_that_do_not_compare_say_why(rounds: Callable[..., Any], run: Run, say: Run) -> None:
    base, head = rounds()

    def reason(told: dict[str, Any]) -> str:
        (why,) = {t.reason for t in time_rounds(base, say(head, dict.fromkeys(range(3), told)))}
        return why

    assert reason({"interleaved": {}}).startswith("not run by turns")
    assert reason(job("b", "head", 0)) == "run in two jobs, not by turns in one"
    assert reason(job("a", "head", 7)) == "no replicate was run by both sides in one round"
    assert reason({"interleaved": {"job": 3, "round": "x"}}).startswith("not run by turns")
    machine = {"processor": "Another\x1b[31m", "system": "Linux", "cores": 3}
    assert reason({"machine": machine}).startswith("made on another machine: Another[31m, Linux, 3")


def test_rounds_without_the_same_replicates_on_both_sides_do_not_count(
    rounds: Callable[..., Any],
) -> None:
    base, head = rounds({0: job("a", "head", 0), 1: job("a", "head", 2), 2: job("a", "head", 1)})
    assert [(t.n, len(t.wall_s)) for t in time_rounds(base, head)] == [(4, 1), (4, 1)]


def test_no_replicate_in_common_leaves_nothing_to_pair(run: Run) -> None:
    base, head = run("base", seed=1), run("head", seed=2)
    assert [r.log_ratios.size for r in gradient_ratios(base, head)] == [0]
    assert paired_coverage(base, head) == []
    assert [t.reason for t in time_rounds(base, head)] == ["no replicate is complete in both runs"]
