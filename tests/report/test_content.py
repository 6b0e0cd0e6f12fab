import numpy as np
import pytest

from recovery.report.content import report_content
from recovery.report.document import Report, Section, Table, Text
from recovery.report.measured import cells_in_conflict, conflicts
from recovery.report.soundness import holm, rank_tests
from recovery.report.view import View


def content(results) -> Report:
    return report_content(View(results), [])


def section(report: Report, slug: str) -> Section:
    return next(s for s in report.sections if s.slug == slug)


def tables(part: Section) -> list[Table]:
    return [block for block in part.blocks if isinstance(block, Table)]


def said(report: Report) -> str:
    return " ".join(sentence.text for sentence in report.sentences)


def test_the_headline_counts_what_was_done_and_what_is_left(make):
    report = content(make(replicates=5, planned=8, failed=lambda i: "E: x" if i == 0 else None))
    assert "20 of 32 planned replicates were run: 16 complete fits, 4 failed." in said(report)
    assert "12 are still to be run, so every number here is preliminary." in said(report)
    assert report.tiles[0].value == "16 of 32"
    assert report.tiles[0].tone == "bad"


def test_the_lowest_coverage_in_the_headline_is_the_least_in_the_table(make):
    results = make(replicates=40)
    frame = results.measures((0.9,))
    prior = frame[(frame["measure"] == "coverage_90") & (frame["truth"] == "prior")]
    tile = next(t for t in content(results).tiles if t.label.startswith("Lowest coverage, truth"))
    assert float(tile.value) == pytest.approx(prior["estimate"].min(), abs=0.0051)


def test_a_truth_far_out_in_its_prior_is_called_a_conflict_and_no_fault(make):
    results = make(replicates=30)
    view = View(results)
    assert conflicts(view) == [(0, "far"), (1, "far")]
    report = content(results)
    text = next(b.text for b in section(report, "recovery-fixed").blocks if "Conflict" in b.text)
    assert "Conflict of truth and prior in 2 of 4 rows (far)" in text
    assert "no fault of the sampler follows" in text
    (table,) = tables(section(report, "recovery-fixed"))
    place = [column.title for column in table.columns].index("truth and prior")
    assert [row[place].text for row in table.rows] == ["in cell", "in cell", "conflict", "conflict"]


def test_a_truth_within_its_prior_is_not_called_a_conflict(make):
    results = make(parameters={"mu": 2.5})
    assert cells_in_conflict(View(results)) == set()
    assert "onflict" not in said(content(results))


def test_a_truth_drawn_from_the_prior_is_in_no_conflict(make):
    results = make(modes=["prior"])
    assert conflicts(View(results)) == []
    assert "recovery-fixed" not in [s.slug for s in content(results).sections]


def test_without_prior_mode_nothing_is_said_on_the_sampler(make):
    report = content(make(modes=["fixed"]))
    assert "this report cannot say whether the posteriors are right" in said(report)
    assert not [tile for tile in report.tiles if "Ranks" in tile.label]


def test_exact_posteriors_are_not_rejected(make):
    # A correct test rejects 5 % of seeds; this one is fixed.
    results = make(replicates=100)
    tests = rank_tests(View(results))
    assert [(t.position, t.parameter, t.result.n) for t in tests] == [
        (None, "mu", 200), (None, "far", 200),
        (2, "mu", 100), (3, "mu", 100), (2, "far", 100), (3, "far", 100),
    ]  # fmt: skip
    assert not [test for test in tests if test.rejected]
    report = content(results)
    assert "no departure from uniform ranks was found in 6 tests" in said(report)
    assert "no proof of soundness" in said(report)


def test_posteriors_half_as_wide_as_they_should_be_are_rejected(make):
    report = content(make(replicates=100, sd_factor=0.5))
    tile = next(t for t in report.tiles if t.label == "Ranks not uniform")
    assert (tile.value, tile.tone) == ("6 of 6 tests", "bad")
    assert "below 90 % by more than Monte Carlo error explains" in said(report)


def test_ranks_are_judged_among_as_many_draws_as_there_were(make):
    results = make(replicates=50, chains_and_draws=(1, 19))
    assert {t.result.n_cells for t in rank_tests(View(results))} == {20}


def test_cells_that_share_their_data_are_not_tested_together(make):
    results = make(axes={"target_accept": [0.8, 0.9]}, settings={"target_accept": "swept"})
    assert all(test.position is not None for test in rank_tests(View(results)))


def test_an_axis_named_as_a_column_of_the_replicates_is_told_apart(make):
    results = make(axes={"draws": [10, 40]}, settings={"draws": "swept"})
    report = content(results)
    assert section(report, "recovery-fixed")
    assert [t.result.n_cells for t in rank_tests(View(results))] == [41, 100, 41, 100]


def test_holm_adjusts_as_in_the_textbook():
    np.testing.assert_allclose(
        holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02], rtol=1e-12
    )
    assert holm([]) == []


def test_flagged_fits_are_shown_with_and_without(make):
    report = content(make(replicates=20, flagged=lambda i: i < 4))
    (table,) = tables(section(report, "flagged"))
    assert len(table.rows) == 8
    assert {(row[-2].text, row[-1].text) for row in table.rows} == {("20", "16")}
    assert "16 of 80 complete fits crossed a threshold" in said(report)
    assert "chains disagree in 16 and divergent transitions in 16" in said(report)


def test_without_flagged_fits_there_is_no_table_of_them(make):
    report = content(make())
    assert "flagged" not in [s.slug for s in report.sections]
    assert "None of 80 complete fits crossed a threshold" in said(report)


def test_cells_with_flagged_fits_only_have_nothing_left(make):
    report = content(make(replicates=3, flagged=lambda i: True))
    (table,) = tables(section(report, "flagged"))
    assert {row[-1].text for row in table.rows} == {"0"}


def test_predictions_have_their_own_table_and_no_rank_test(make):
    results = make(predicted=["predicted y[0]", "predicted mean of y[0]"])
    report = content(results)
    (table,) = tables(section(report, "predictions"))
    assert len(table.rows) == 8
    assert {row[0].text for row in table.rows} == {"predicted y[0]", "predicted mean of y[0]"}
    for slug in ("recovery-fixed", "recovery-prior"):
        (fitted,) = tables(section(report, slug))
        assert {row[0].text for row in fitted.rows} == {"mu", "far"}
    assert {test.parameter for test in rank_tests(View(results))} == {"mu", "far"}


def test_an_axis_with_one_level_is_told_in_the_design_and_not_in_every_row(make):
    report = content(make(axes={"trials": [10, 40], "label": ["plain"]}))
    (table,) = tables(section(report, "recovery-prior"))
    assert [c.title for c in table.columns][:2] == ["parameter", "trials"]
    axes = tables(section(report, "design"))[0]
    assert [cell.text for cell in axes.rows[1]] == ["label", "plain", "fixed"]


def test_levels_that_are_absent_stay_apart_from_those_that_are_not(make):
    report = content(make(axes={"cap": [None, 5]}, replicates=4))
    (table,) = tables(section(report, "recovery-prior"))
    assert [row[1].text for row in table.rows] == ["None", "5", "None", "5"]


def test_cost_and_compilations_are_reported(make):
    report = content(make(replicates=3))
    tile = next(t for t in report.tiles if t.label == "Mean cost per fit")
    assert tile.value == "513 ms"
    assert "1 compilation, 1.50 s" in tile.detail
    texts = [b.text for b in section(report, "cost").blocks if isinstance(b, Text)]
    assert texts == ["1 compilation cost 1.50 s in all."]


def test_every_table_has_as_many_cells_in_a_row_as_columns(make):
    report = content(
        make(predicted=["p"], flagged=lambda i: i == 1, failed=lambda i: "E" if i == 2 else None)
    )
    for part in report.sections:
        for table in tables(part):
            assert {len(row) for row in table.rows} <= {len(table.columns)}
