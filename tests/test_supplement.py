"""Test quantities added later: the numbers of the fits themselves, and not one fit more."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from asking import asking

from recovery import Results, Sweep, supplement
from recovery.errors import StoreConflict, StoreWriteError
from recovery.report import write_report
from recovery.store import Store
from recovery.testing import ExactDensity, ExactSampler

KEYS = ["trials", "truth_mode", "replicate", "parameter"]


def ratio(parameters: Any, data: Any) -> Any:
    return parameters["betas"][..., 0] / parameters["betas"][..., 1]


def raising(parameters: Any, data: Any) -> Any:
    raise KeyError("nothing here")


ASKED = {"ratio": ratio, "gap": "differences(betas)", "raises": raising}


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Results]:
    def run(name: str, quantities: dict[str, Any], replicates: int, **options: Any) -> Results:
        chosen: dict[str, Any] = {"sampler": ExactSampler(), "truth": "both", "draws": 60} | options
        levels = {"trials": [10, 20]}
        sweep = Sweep(asking(quantities), levels, replicates=replicates, **chosen)
        return sweep.run(tmp_path / name, progress=False, report=False, workers=2)

    return run


def ordered(results: Results) -> pd.DataFrame:
    return results.estimates.sort_values(KEYS).reset_index(drop=True)


def same(one: Results, other: Results) -> None:
    pd.testing.assert_frame_equal(ordered(one), ordered(other))
    # Those that came later stand last, whatever their place would have been.
    places = ["parameter", "trials"]
    tests = [r.calibration().sort_values(places, ignore_index=True) for r in (one, other)]
    pd.testing.assert_frame_equal(*tests)
    for prob in (0.5, 0.87):
        ends = [
            results.estimates[KEYS].assign(end=results.intervals(prob)[1]).sort_values(KEYS)["end"]
            for results in (one, other)
        ]
        np.testing.assert_array_equal(ends[0].to_numpy(), ends[1].to_numpy())
    keys = ["parameter", "trials", "truth", "measure"]
    measures = [r.measures().sort_values(keys).reset_index(drop=True) for r in (one, other)]
    pd.testing.assert_frame_equal(*measures)
    pd.testing.assert_frame_equal(one.quantity_failures, other.quantity_failures)


def test_added_later_they_are_what_they_would_have_been(run: Callable[..., Results]) -> None:
    whole = run("whole", ASKED, 12)
    run("later", {}, 7)
    same(run("later", ASKED, 12), whole)  # seven replicates are added to, five are new


def test_added_one_after_the_other_they_are_the_same(run: Callable[..., Results]) -> None:
    whole = run("whole", ASKED, 5)
    run("later", {}, 5)
    run("later", {"gap": ASKED["gap"]}, 5)
    run("later", {"gap": ASKED["gap"], "raises": raising}, 5)
    same(run("later", ASKED, 5), whole)


def test_left_out_for_a_while_they_are_filled_in(run: Callable[..., Results]) -> None:
    whole = run("whole", ASKED, 9)
    run("later", ASKED, 3)
    run("later", {}, 6)
    same(run("later", ASKED, 9), whole)


def test_a_name_that_begins_like_another_is_another(run: Callable[..., Results]) -> None:
    both = {"gap[0]": ratio, "gap": ASKED["gap"]}
    whole = run("whole", both, 3)
    run("later", {"gap[0]": ratio}, 3)
    same(run("later", both, 3), whole)


def test_nothing_is_fitted_for_them(
    run: Callable[..., Results], monkeypatch: pytest.MonkeyPatch
) -> None:
    run("later", {}, 5)

    def refuse(*_: Any) -> None:
        raise AssertionError("a fit")

    monkeypatch.setattr(ExactDensity, "fit", refuse)
    results = run("later", ASKED, 5)
    assert set(results.estimates["parameter"]) > {"ratio", "gap[left - right]", "raises"}
    assert (results.replicates["status"] == "ok").all()


def test_an_interrupted_addition_is_finished_by_the_next_run(
    run: Callable[..., Results], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run("whole", ASKED, 9)
    run("later", {}, 9)
    monkeypatch.setattr(supplement, "_TOGETHER", 4)
    written = []
    commit = Store.supplement

    def failing(store: Store, added: Any) -> None:
        if len(written) == 2:
            raise StoreWriteError("no room")
        written.append(len(added))
        commit(store, added)

    monkeypatch.setattr(Store, "supplement", failing)
    with pytest.raises(StoreWriteError):
        run("later", ASKED, 9)
    assert written == [4, 4]
    monkeypatch.setattr(Store, "supplement", commit)
    same(run("later", ASKED, 9), whole)


def test_a_quantity_that_computes_something_else_under_the_same_name_is_refused(
    run: Callable[..., Results],
) -> None:
    run("run", ASKED, 2)
    for other in (lambda p, d: p["betas"][..., 0], "sums(betas)"):
        with pytest.raises(StoreConflict, match="'ratio' computes something else"):
            run("run", {"ratio": other}, 2)


def test_data_that_come_out_otherwise_are_refused(
    run: Callable[..., Results], monkeypatch: pytest.MonkeyPatch
) -> None:
    run("run", {}, 2)
    simulate = supplement.simulate

    def other(*arguments: Any) -> Any:
        simulated = simulate(*arguments)
        simulated.observed["y"][0] += 1e-9
        return simulated

    monkeypatch.setattr(supplement, "simulate", other)
    with pytest.raises(StoreConflict, match="come out otherwise here"):
        run("run", ASKED, 2)


def test_the_report_shows_them_and_says_which_failed(run: Callable[..., Results]) -> None:
    run("later", {}, 5)
    results = run("later", ASKED, 5)
    write_report(results, figures=[])
    text = (results.folder / "report.md").read_text(encoding="utf-8")
    assert "raises failed in 20 of 20 complete fits" in text
    assert "KeyError" in text
