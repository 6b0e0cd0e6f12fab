"""Replicates by need: how far a cell grows depends on the seeds alone."""

from pathlib import Path

import numpy as np
import pytest

from recovery import Sweep
from recovery.errors import SettingsError
from recovery.precision import Precision
from recovery.results import Results
from recovery.seen import Seen
from recovery.testing import ExactSampler, line


def seen(*inside: float) -> Seen:
    """Give a replicate of parameters that are covered or not; nothing else is looked at."""
    values = np.array(inside)
    return Seen(["parameter"] * len(values), values, values, np.isnan(values))


def hits(share: float, n: int) -> list[Seen]:
    """Give n replicates of one parameter, of which that share is covered, evenly spread."""
    k = np.floor(np.arange(1, n + 1) * share) - np.floor(np.arange(n) * share)
    return [seen(hit) for hit in k]


def grown(share: float, precision: Precision) -> int:
    planned = precision.start
    while True:
        needed = precision.needed(hits(share, planned))
        if needed == planned:
            return planned
        assert planned < needed <= min(2 * planned, precision.most)
        planned = needed


@pytest.mark.parametrize("share", [0.5, 0.75, 0.9, 0.95])
def test_a_cell_ends_with_the_replicates_that_its_coverage_needs(share: float) -> None:
    needed = share * (1 - share) / 0.01**2
    assert needed <= grown(share, Precision(0.01, 50, 10_000)) <= 1.1 * needed


def test_the_parameter_that_needs_most_decides() -> None:
    precision = Precision(0.02, 100, 10_000)
    assert precision.needed([seen(1.0, *one.inside) for one in hits(0.9, 200)]) > 200
    assert precision.needed([seen(1.0)] * 200) == 200


def test_a_cell_never_exceeds_the_most_and_a_finished_one_stays() -> None:
    assert grown(0.5, Precision(0.01, 50, 700)) == 700
    assert Precision(0.05, 50, 700).needed(hits(0.9, 60)) == 60


def test_where_nothing_completes_a_cell_does_not_grow() -> None:
    assert Precision(0.01, 50, 10_000).needed([None] * 50) == 50
    assert Precision(0.01, 50, 10_000).needed([seen(np.nan)] * 50) == 50


def test_failed_replicates_are_made_up_for() -> None:
    half_failed = [*hits(0.9, 600), *[None] * 600]
    assert Precision(0.01, 50, 10_000).needed(half_failed) == pytest.approx(1800, rel=0.02)


@pytest.mark.parametrize(
    ("target", "start", "most", "what"),
    [(0.0, 10, 20, "precision: 0.0"), (0.6, 10, 20, "precision: 0.6"), (0.1, 30, 20, "max_rep")],
)
def test_impossible_wishes_are_refused(target: float, start: int, most: int, what: str) -> None:
    with pytest.raises(SettingsError, match=what):
        Precision(target, start, most)


def test_single_seeds_cannot_be_added_to() -> None:
    with pytest.raises(SettingsError, match="give seed instead of seeds"):
        Sweep(line, seeds=[1, 2], precision=0.01)


def precise(out: Path, workers: int = 2, **more: object) -> Results:
    settings = {"replicates": 20, "precision": 0.03, "max_replicates": 150} | more
    sweep = Sweep(line, {"trials": [5, 20]}, sampler=ExactSampler(), draws=100, **settings)  # type: ignore[arg-type]  # settings are of several types
    return sweep.run(out, workers=workers, progress=False, report=False)


def test_every_cell_reaches_the_precision_and_the_same_with_any_number_of_workers(
    tmp_path: Path,
) -> None:
    results = precise(tmp_path / "two")
    coverage = results.measures().query("measure == 'coverage_90'")
    assert (coverage["mcse"] <= 0.03).all()
    sizes = results.diagnostics()["n"]
    assert (sizes > 20).all()
    assert sizes.equals(results.diagnostics()["n_planned"])
    one = precise(tmp_path / "one", workers=1)
    assert one.estimates.equals(results.estimates)
    assert results.sessions[-1]["execution"]["precision"] == 0.03


def test_a_run_by_need_is_gone_on_with_and_a_finished_one_fits_nothing(tmp_path: Path) -> None:
    whole = precise(tmp_path / "whole")
    precise(tmp_path / "parts", max_replicates=40)
    parts = precise(tmp_path / "parts")
    assert parts.estimates.equals(whole.estimates)
    again = precise(tmp_path / "parts")
    # What was asked for, and not a fit.
    wanted = {"precision": 0.03, "min_replicates": 20, "max_replicates": 150}
    assert again.sessions[-1]["execution"] == wanted
    assert len(again.replicates) == len(whole.replicates)


def test_more_replicates_than_needed_are_kept_and_none_is_added(tmp_path: Path) -> None:
    fixed = Sweep(line, {"trials": [5, 20]}, sampler=ExactSampler(), draws=100, replicates=200)
    fixed.run(tmp_path, progress=False, report=False)
    assert len(precise(tmp_path).replicates) == 400
