"""The tables beside the report: which there are, and what is in those of flagged fits."""

import csv
import io

import numpy as np
import pandas as pd

from recovery.report import write_report
from recovery.report.tables import csv_tables, flagged_fits
from recovery.report.view import View


def test_flagged_fits_are_named_by_their_keys_with_what_they_were_flagged_for(make):
    results = make(flagged=lambda i: i in (3, 7))
    rows = list(csv.DictReader(io.StringIO(csv_tables(View(results))["flagged.csv"])))
    assert list(rows[0]) == [
        "trials", "truth", "key", "flags", "r_hat_max", "ess_bulk_min", "divergences",
    ]  # fmt: skip
    replicates = results.replicates.set_index("key")
    assert {row["key"] for row in rows} == set(replicates.index[replicates["flagged"]])
    assert len(rows) == 8
    for row in rows:
        fit = replicates.loc[row["key"]]
        assert (int(row["trials"]), row["truth"]) == (fit["trials"], fit["truth_mode"])
        assert row["flags"] == fit["flags"] == "r_hat above 1.01, divergent transitions"
        assert float(row["r_hat_max"]) == fit["r_hat_max"]


def test_the_worst_flagged_fits_come_first_and_no_more_than_asked_for(make, monkeypatch):
    results = make(axes={}, modes=["fixed"], replicates=6)
    judged = {
        "flags": ["a", "", "a, b", "a", "a", "a"],
        "r_hat_max": [1.2, 9.0, 1.02, 1.2, np.nan, 1.3],
        "ess_bulk_min": [50.0, 1.0, 300.0, 40.0, np.nan, 90.0],
        "divergences": [0.0, 99.0, 1.0, 0.0, 0.0, np.nan],
    }
    fits = results.fits.assign(**judged)
    fits["flagged"] = fits["flags"] != ""
    monkeypatch.setitem(results.__dict__, "fits", fits)
    view = View(results)
    assert [key[-1] for key in flagged_fits(view)["key"]] == list("24530")
    assert [key[-1] for key in flagged_fits(view, most=2)["key"]] == list("24")


def test_tables_that_have_no_row_any_more_are_removed(make, two_figures):
    clean = make()
    (clean.folder / "tables").mkdir()
    for name in ("flagged.csv", "refits.csv", "mine.csv"):
        (clean.folder / "tables" / name).touch()
    write_report(clean, two_figures())
    left = {path.name for path in (clean.folder / "tables").iterdir()}
    assert "mine.csv" in left
    assert not left & {"flagged.csv", "refits.csv"}


def test_every_frame_of_fits_has_the_key_that_replay_takes(make):
    results = make(failed=lambda i: "E" if i == 2 else None)
    frame = results.estimates.merge(
        results.replicates[["key", "trials", "truth_mode", "replicate"]], on="key"
    )
    assert len(frame) == len(results.estimates) > 0
    for name in ("trials", "truth_mode", "replicate"):
        assert frame[f"{name}_x"].equals(frame[f"{name}_y"].astype(frame[f"{name}_x"].dtype))
    assert isinstance(results.refits, pd.DataFrame)
    for empty in (results.refits, results.retried):
        assert "key" in empty
