"""A flagged fit is fitted a second time on the same data; both outcomes are kept."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from divergent import Divergent

from recovery import Results, Sweep
from recovery.cli import main
from recovery.errors import SettingsError
from recovery.store import Store
from recovery.testing import line
from recovery.verify import verify

Run = Callable[..., Results]


def run(out: Path, sampler: Divergent, *, replicates: int = 20, **options: Any) -> Results:
    sweep = Sweep(line, {"trials": [5, 9]}, sampler=sampler, draws=400, replicates=replicates)
    return sweep.run(out, **{"workers": 2, "progress": False, "report": False, **options})


def test_flagged_fits_are_fitted_again_and_the_first_outcome_stays(tmp_path: Path) -> None:
    plain = run(tmp_path / "plain", Divergent())
    results = run(tmp_path / "run", Divergent(), refit_flagged=True)
    flagged = plain.replicates.query("flagged")
    assert 5 < len(flagged) < 35
    # What was there is there: measures are of the first fits.
    assert results.estimates.equals(plain.estimates)
    assert results.replicates["flags"].equals(plain.replicates["flags"])
    refits = results.refits
    keys = ["trials", "seed", "replicate", "key"]
    assert refits[keys].to_numpy().tolist() == flagged[keys].to_numpy().tolist()
    assert refits["cured"].all()
    assert set(refits["tune"]) == {2000}
    assert (refits["divergences_first"] == 7).all()
    assert (refits["divergences"] == 0).all()
    assert set(refits["flags_first"]) == {"divergent transitions"}


def test_a_second_fit_has_the_same_data_and_truth_and_other_draws(tmp_path: Path) -> None:
    results = run(tmp_path, Divergent(), refit_flagged=True)
    assert set(results.refit_estimates["key"]) == set(results.refits["key"])
    second = results.refit_estimates.set_index(["trials", "replicate", "parameter"])
    first = results.estimates.set_index(["trials", "replicate", "parameter"]).loc[second.index]
    assert (first["truth"] == second["truth"]).all()
    fitted = second["kind"] == "parameter"
    assert (first["mean"] != second["mean"])[fitted].all()
    off = (first["mean"] - second["mean"])[fitted] / first["sd"][fitted]
    assert np.abs(off).max() < 0.25  # 5 standard errors of the difference of two means


def test_asked_for_later_only_the_second_fits_are_made(tmp_path: Path) -> None:
    run(tmp_path, Divergent())
    sampler = Divergent()
    results = run(tmp_path, sampler, refit_flagged=True)
    assert sampler.fits == len(results.refits) == int(results.replicates["flagged"].sum())
    again = Divergent()
    run(tmp_path, again, refit_flagged=True)
    assert again.fits == 0
    assert verify(tmp_path).findings == []
    assert verify(tmp_path).refits == sampler.fits


def test_a_second_fit_that_is_flagged_too_is_not_called_cured(tmp_path: Path) -> None:
    refits = run(tmp_path, Divergent(patient=False), refit_flagged=True).refits
    assert 0 < refits["cured"].sum() < len(refits)
    assert (refits["cured"] == (refits["flags"] == "")).all()


def test_second_fits_do_not_depend_on_workers_or_processes(tmp_path: Path) -> None:
    one = run(tmp_path / "one", Divergent(), workers=1, refit_flagged=True)
    two = run(tmp_path / "two", Divergent(threads=False), workers=2, refit_flagged=True)
    assert one.refit_estimates.equals(two.refit_estimates)


def test_the_report_tells_of_second_fits(tmp_path: Path) -> None:
    results = run(tmp_path, Divergent(), refit_flagged=True, report=True)
    n = len(results.refits)
    text = (tmp_path / "report.html").read_text()
    assert f"{n} of {n} second fits are not flagged" in text
    assert (tmp_path / "tables" / "refits.csv").read_text().count("\n") == n + 1


def test_a_second_fit_without_its_first_is_refused(tmp_path: Path) -> None:
    results = run(tmp_path, Divergent(), refit_flagged=True)
    assert len(results.refits)
    with Store.create_or_open(tmp_path) as store:
        orphans = "SELECT count(*) FROM refits WHERE replicate NOT IN (SELECT id FROM replicates)"
        assert store.rows(orphans) == [(0,)]


def test_an_approximation_has_no_warm_up_that_could_be_longer(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="refit_flagged: sampler advi"):
        Sweep(line, sampler="advi").run(tmp_path / "x", refit_flagged=True, progress=False)
    assert main(["run", "plants", "--sampler", "laplace", "--refit-flagged"]) == 2
