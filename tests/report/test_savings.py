"""What a report says of draws and replicates that were not needed."""

import numpy as np
import pytest

from recovery.report import write_report
from recovery.report.content import report_content
from recovery.report.document import Facts, Table, Text
from recovery.report.savings import savings_section
from recovery.report.view import View

ENDING = {"cell_settings": {"ess": 400, "draws": 1000}, "axes": {"trials": [10, 40]}}
WANTED = {"precision": 0.05, "min_replicates": 10, "max_replicates": 60}


def savings(results):
    """Return text and table of the section."""
    section = savings_section(View(results))
    assert section is not None
    text, table = section.blocks
    assert isinstance(text, Text)
    assert isinstance(table, Table)
    return text, table


def cells(table, title):
    place = [column.title for column in table.columns].index(title)
    return [row[place].text for row in table.rows]


def test_a_run_of_fixed_draws_and_replicates_saved_nothing_and_says_nothing(make):
    results = make(replicates=3)
    assert savings_section(View(results)) is None
    assert "savings" not in [section.slug for section in report_content(View(results), []).sections]


def test_the_draws_saved_are_those_of_the_most_that_were_not_kept(make):
    results = make(**ENDING, replicates=4, draws_of=lambda cell, i: 100 * (i + 1) * (1 + cell % 2))
    text, table = savings(results)
    # Of each cell four fits of 1,000 at most: 1,000 and 2,000 kept, in each truth mode.
    assert "Over 16 complete fits, 62.5 % of the draws after warm-up were saved." in text.text
    assert cells(table, "saved") == ["75.0 %", "50.0 %"] * 2
    error = np.std([100, 200, 300, 400], ddof=1) / 2
    assert cells(table, "draws kept")[0] == f"250 ± {error:.0f}"
    assert cells(table, "draws at most") == ["1000"] * 4
    assert cells(table, "ESS asked for") == ["400"] * 4
    assert cells(table, "trials") == ["10", "40"] * 2


def test_failed_fits_have_no_draws_to_save(make):
    results = make(
        **ENDING, replicates=4, draws_of=lambda cell, i: 500,
        failed=lambda i: "E" if i == 0 else None,
    )  # fmt: skip
    text, table = savings(results)
    assert "Over 12 complete fits, 50.0 %" in text.text
    assert cells(table, "n ok") == ["3"] * 4


@pytest.mark.parametrize(
    ("fields", "lacking"),
    [({"ess": 500.0}, "0"), ({"ess": 399.0}, "2"), ({"flagged": lambda i: True}, "2")],
    ids=["enough", "too small an ESS", "too large an r_hat"],
)
def test_fits_that_kept_all_draws_and_still_have_too_little_are_counted(make, fields, lacking):
    results = make(
        **ENDING, **fields, replicates=6, draws_of=lambda cell, i: 1000 if i < 2 else 500
    )
    text, table = savings(results)
    assert cells(table, "kept all") == ["2"] * 4
    assert cells(table, "too little") == [lacking] * 4
    assert ("8 fits kept all the draws allowed and still had too little" in text.text) == (
        lacking == "2"
    )
    assert text.tone == ("warn" if lacking == "2" else "")


def test_fits_ranked_among_different_numbers_of_draws_are_tested_together(make):
    # With few chains and draws, fits that end early keep fewer draws than the 99 of others.
    results = make(
        modes=["prior"], axes={}, chains_and_draws=(1, 50), replicates=200,
        cell_settings={"ess": 40, "draws": 1000}, draws_of=lambda cell, i: 50 if i % 2 else 200,
    )  # fmt: skip
    tests = report_content(View(results), []).sections
    table = next(s for s in tests if s.slug == "calibration").blocks[-1]
    assert isinstance(table, Table)
    assert cells(table, "n") == ["200", "200"]
    rank = results.columns.ranks(0, "mu")
    raw = results.estimates.query("parameter == 'mu'")
    long = (np.arange(200) % 2 == 0).astype(bool)
    assert raw["ranked_among"].tolist() == [99, 50] * 100
    assert np.array_equal(rank[long], raw["rank"].to_numpy(float)[long])
    assert np.array_equal(rank, np.floor(100 * raw["pit"].to_numpy(float)))
    write_report(results)


def test_cells_that_grew_by_need_are_compared_with_as_many_everywhere(make):
    fields = {"replicates": [60, 90, 65, 80], "parameters": {"mu": 0.5}}
    execution = {**WANTED, "max_replicates": 1000}
    text, table = savings(make(execution=execution, **fields))
    assert "a Monte Carlo standard error of 0.05, to 1,000 replicates at most." in text.text
    assert "4 cells took 60 to 90 replicates, 295 in all." in text.text
    assert "would have been 360: 18.1 % were saved." in text.text
    assert text.tone == ""
    assert cells(table, "replicates") == ["60", "90", "65", "80"]
    assert cells(table, "target") == ["reached"] * 4
    measures = make("again", **fields).measures()
    mcse = measures[measures["measure"] == "coverage_90"]["mcse"].to_numpy()
    assert [float(cell) for cell in cells(table, "mcse")] == pytest.approx(mcse, rel=0.05)


def test_a_cell_that_ended_at_the_most_without_its_target_is_told_from_an_interrupted_one(make):
    execution = {**WANTED, "precision": 0.02}
    text, table = savings(make(replicates=[60, 59, 60, 20], execution=execution))
    at_most = "not reached at the most replicates"
    assert cells(table, "target") == [at_most, "not reached", at_most, "not reached"]
    assert "2 cells ended at the most replicates without reaching the target" in text.text
    assert "2 cells stopped before that; go on with the run" in text.text
    assert "were saved" not in text.text
    assert text.tone == "warn"


def test_a_cell_without_a_complete_fit_has_not_reached_its_target(make):
    results = make(replicates=60, execution=WANTED, failed=lambda i: "E", axes={}, modes=["prior"])
    _, table = savings(results)
    assert cells(table, "target") == ["not reached at the most replicates"]
    assert cells(table, "mcse") == ["–"]  # noqa: RUF001  (a dash in a table)


def facts(results):
    sections = report_content(View(results), []).sections
    (section,) = (section for section in sections if section.slug == "provenance")
    return {k: v for block in section.blocks if isinstance(block, Facts) for k, v in block.pairs}


def test_the_provenance_tells_how_fast_the_fits_of_a_session_were(make):
    execution = {"fits": 1000, "fitting_s": 45.0, "workers": 8, "processes": 2, "threads": 4,
                 "python_share": 0.041, "precision": 0.01}  # fmt: skip
    found = facts(make(execution=execution))
    assert found["fits"] == "1,000 in 45.0 s, 22.2 per second"
    assert found["fitted by"] == "8 workers, in 2 processes of 4 threads at most"
    assert found["interpreter"] == "needed for 4.1 % of the time of a fit"
    assert found["precision"] == "coverage to a Monte Carlo standard error of 0.01"


def test_a_session_that_fitted_nothing_has_no_speed(make):
    assert "fits" not in facts(make())
    assert "fits" not in facts(make("none", execution={"fits": 0, "fitting_s": 0.0}))
    share_unknown = {"fits": 2, "fitting_s": 1.0, "workers": 1, "processes": 1, "threads": 1,
                     "python_share": None}  # fmt: skip
    found = facts(make("one", execution=share_unknown))
    assert found["fitted by"] == "1 worker, in 1 process of 1 thread at most"
    assert "interpreter" not in found
