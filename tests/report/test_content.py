import numpy as np
import pytest

from recovery.engine.priors import PRIOR_DRAWS
from recovery.measures import Measured
from recovery.report import headline
from recovery.report import view as view_module
from recovery.report.conflict import cells_in_conflict, conflicts
from recovery.report.content import report_content
from recovery.report.document import Report, Section, Table, Text
from recovery.report.lowest import ends
from recovery.report.view import Measures, View
from recovery.shares import binomial_interval


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
    tile = next(tile for tile in report.tiles if tile.label == "Complete fits")
    assert (tile.value, tile.tone) == ("16 of 32", "bad")
    assert report.conclusion.words.endswith(" (preliminary)")


def test_the_lowest_coverage_in_the_headline_is_the_least_in_the_table(make):
    results = make(replicates=40)
    frame = results.measures((0.9,))
    prior = frame[(frame["measure"] == "coverage_90") & (frame["truth"] == "prior")]
    tile = next(
        t for t in content(results).tiles if t.label.startswith("Lowest coverage for its n, truth")
    )
    assert float(tile.value) == pytest.approx(prior["estimate"].min(), abs=0.0051)


def test_a_truth_far_out_in_its_prior_is_a_conflict_that_neither_shows_nor_clears_a_fault(make):
    results = make(replicates=30)
    view = View(results)
    assert conflicts(view) == [(0, "far"), (1, "far")]
    report = content(results)
    text = next(b.text for b in section(report, "recovery-fixed").blocks if "Conflict" in b.text)
    assert "Conflict of truth and prior in 2 of 4 rows (far)" in text
    assert "by themselves they show no fault of the sampler; nor do they clear it" in text
    assert "the same may hold for the 2 other rows of these cells" in text
    _, table = tables(section(report, "recovery-fixed"))
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
    tests = results.rank_tests()
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
    low = "below 90 % by more than Monte Carlo error explains at a 5 % error rate over the 4 rows"
    assert f"{low}; see the ranks." in said(report)
    assert "can cause this" not in said(report)


def test_ranks_among_few_draws_are_judged_on_the_one_scale(make):
    results = make(replicates=50, chains_and_draws=(1, 19))
    assert {t.result.n_cells for t in results.rank_tests()} == {100}


def test_cells_that_share_their_data_are_not_tested_together(make):
    results = make(axes={"target_accept": [0.8, 0.9]}, settings={"target_accept": "swept"})
    assert all(test.position is not None for test in results.rank_tests())


def test_an_axis_named_as_a_column_of_the_replicates_is_told_apart(make):
    results = make(axes={"draws": [10, 40]}, settings={"draws": "swept"})
    report = content(results)
    assert section(report, "recovery-fixed")
    assert len(results.rank_tests()) == 4


def test_flagged_fits_are_shown_with_and_without(make):
    report = content(make(replicates=20, flagged=lambda i: i < 4))
    table, worst = tables(section(report, "flagged"))
    assert len(worst.rows) == 16
    keys = {row[0].text for row in worst.rows}
    cells = ("fixed0", "fixed1", "prior0", "prior1")
    assert keys == {f"{cell}-42-{j}" for cell in cells for j in range(4)}
    assert len(table.rows) == 8
    assert {(row[-2].text, row[-1].text) for row in table.rows} == {("20", "16")}
    assert "16 of 80 complete fits crossed a threshold" in said(report)
    assert "r_hat above 1.01 in 16 and divergent transitions in 16" in said(report)


def test_without_flagged_fits_there_is_no_table_of_them(make):
    report = content(make())
    assert "flagged" not in [s.slug for s in report.sections]
    assert "None of 80 complete fits crossed a threshold" in said(report)


def test_cells_with_flagged_fits_only_have_nothing_left(make):
    report = content(make(replicates=3, flagged=lambda i: True))
    table, _ = tables(section(report, "flagged"))
    assert {row[-1].text for row in table.rows} == {"0"}


def test_predictions_have_their_own_table_and_no_rank_test(make):
    results = make(predicted=["predicted y[0]", "predicted mean of y[0]"])
    report = content(results)
    (table,) = tables(section(report, "predictions"))
    assert len(table.rows) == 8
    assert {row[0].text for row in table.rows} == {"predicted y[0]", "predicted mean of y[0]"}
    for slug in ("recovery-fixed", "recovery-prior"):
        *_, fitted = tables(section(report, slug))
        assert {row[0].text for row in fitted.rows} == {"mu", "far"}
    assert {test.parameter for test in results.rank_tests()} == {"mu", "far"}


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
    tile = next(t for t in report.tiles if t.label == "Mean cost per complete fit")
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


# --- the lowest coverage -----------------------------------------------------------------------


def with_rows(make, monkeypatch, rows, mode="prior", **fields):
    """Return sentences and tiles where the rows of a truth mode are (position, hits, n)."""
    measures = [
        Measures(position, f"row {i}", "parameter", {"coverage_90": Measured(k / n, 0.0, n)})
        for i, (position, k, n) in enumerate(rows)
    ]
    view = View(make(modes=[mode], replicates=2, **fields))
    tests = view.results.rank_tests()
    monkeypatch.setattr(View, "fitted", lambda self, which: measures if which == mode else [])
    text = " ".join(sentence.text for sentence in headline.sentences(view, tests))
    return text, {tile.label: tile for tile in headline.tiles(view, tests)}


def test_the_interval_of_the_lowest_coverage_is_simultaneous_over_the_rows(make, monkeypatch):
    said, tiles = with_rows(make, monkeypatch, [(0, 82, 100), (0, 90, 100), (0, 91, 100)])
    lower, upper = binomial_interval(0.82, 100, 1 - 0.05 / 3)
    words = f"95 % interval, simultaneous over the 3 rows, {ends(lower, upper, 2)}"
    assert words in said
    assert words in tiles["Lowest coverage for its n, truth drawn from the prior"].detail


def test_a_row_of_few_fits_does_not_hide_one_that_is_surely_low(make, monkeypatch):
    said, tiles = with_rows(make, monkeypatch, [(0, 3, 5), (0, 750, 1000)])
    tile = tiles["Lowest coverage for its n, truth drawn from the prior"]
    assert (tile.value, tile.tone) == ("0.75", "warn")
    assert "by more than Monte Carlo error explains at a 5 % error rate over the 2 rows." in said


def test_a_lowest_coverage_that_chance_explains_is_said_to_be_so(make, monkeypatch):
    said, tiles = with_rows(make, monkeypatch, [(0, 85, 100), (0, 92, 100)])
    assert "Monte Carlo error alone can explain a lowest value such as this." in said
    assert tiles["Lowest coverage for its n, truth drawn from the prior"].tone == ""


def test_a_coverage_of_very_many_fits_has_the_decimals_that_they_tell(make, monkeypatch):
    said, tiles = with_rows(make, monkeypatch, [(0, 9_017, 10_000)])
    assert "is 0.902 (95 % interval, 0.896 to 0.907, n = 10,000)" in said
    assert tiles["Lowest coverage for its n, truth drawn from the prior"].value == "0.902"


CANNOT_TELL = "Coverage alone cannot tell the two apart"
NOR_RULE_OUT = (
    "that alone does not show a fault, nor rule one out; truth mode prior tests the sampler"
)


def test_a_low_cell_in_conflict_does_not_silence_one_outside(make, monkeypatch):
    monkeypatch.setattr(headline, "cells_in_conflict", lambda view: {0})
    rows = [(0, 10, 100), (1, 60, 100)]
    said, _ = with_rows(make, monkeypatch, rows, "fixed", parameters={"mu": 0.5})
    assert CANNOT_TELL in said
    assert "truth mode prior does not visit truths as far out" in said
    outside = said.partition("Outside the cells in conflict, ")[2]
    assert "0.60 (95 % interval, simultaneous over the 2 rows" in outside
    assert NOR_RULE_OUT in outside


def test_a_conflict_is_blamed_for_nothing_where_no_coverage_is_low(make, monkeypatch):
    monkeypatch.setattr(headline, "cells_in_conflict", lambda view: {0})
    rows = [(0, 88, 100), (1, 90, 100)]
    said, _ = with_rows(make, monkeypatch, rows, "fixed", parameters={"mu": 0.5})
    assert CANNOT_TELL not in said
    assert NOR_RULE_OUT not in said


def test_low_coverage_at_a_truth_within_its_prior_neither_shows_nor_rules_out_a_fault(
    make, monkeypatch
):
    rows = [(0, 60, 100), (1, 90, 100)]
    said, _ = with_rows(make, monkeypatch, rows, "fixed", parameters={"mu": 0.5})
    assert NOR_RULE_OUT in said
    assert "Outside the cells in conflict" not in said


# --- what is not tested or marked --------------------------------------------------------------


def spoiled(name, **values):
    """Overwrite what a fit says of one parameter."""

    def edit(estimates):
        place = estimates["names"].index(name)
        for field, value in values.items():
            estimates[field][place] = value

    return edit


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ({"sd": 0.0, "mean": 2.0, "truth": 2.0}, "not tested: constant"),
        ({"mean": np.nan}, "not tested: not finite"),
    ],
)
def test_ranks_of_constant_or_not_finite_estimates_are_not_tested(make, values, verdict):
    results = make(modes=["prior"], axes={}, edit=spoiled("far", **values))
    view = View(results)
    assert [test.parameter for test in results.rank_tests()] == ["mu"]
    assert view.untested == [(0, "far", verdict)]
    (table,) = tables(section(content(results), "calibration"))
    assert [cell.text for cell in table.rows[-1]] == ["far", "0", *"––––", verdict]  # noqa: RUF001


def test_only_the_replicates_that_are_not_finite_are_left_out_of_the_ranks(make):
    calls = iter(range(20))

    def edit(estimates):
        if next(calls) < 3:
            estimates["sd"][0] = estimates["ess_bulk"][0] = np.nan

    results = make(modes=["prior"], axes={}, edit=edit)
    assert [test.result.n for test in results.rank_tests()] == [17, 20]
    text = said(content(results))
    assert "in the measures, but for estimates that are not finite, in 3 fits; a table" in text


def test_a_run_in_which_nothing_can_be_ranked_says_so(make):
    results = make(
        modes=["prior"], parameters={"mu": 0.5}, edit=spoiled("mu", sd=0.0, mean=2.0, truth=2.0)
    )
    assert "There is no rank that could be tested in truth mode prior" in said(content(results))


def coverages(report, slug):
    (table,) = tables(section(report, slug))
    place = [column.title for column in table.columns].index("coverage 90 %")
    return {row[0].text: row[place].text for row in table.rows}, " ".join(table.notes)


def test_a_constant_gets_no_mark(make):
    never = {"sd": 0.0, "quantiles": 1e6}
    report = content(make(modes=["prior"], axes={}, edit=spoiled("far", **never)))
    marks, _ = coverages(report, "recovery-prior")
    assert marks["far"].startswith("0.000")
    assert "▼" not in marks["far"]


def test_coverage_is_marked_from_ten_fits_on(make):
    for n, mark in ((9, ""), (10, "▼")):
        results = make(
            f"run{n}", modes=["prior"], axes={}, replicates=n, edit=spoiled("mu", quantiles=1e6)
        )
        marks, notes = coverages(content(results), "recovery-prior")
        assert marks["mu"].partition("± ")[2][5:].strip() == mark
        assert "(1 to 11 % where n is below 60)" in notes


def test_a_discrete_quantity_gets_no_mark_and_a_note(make):
    rng = np.random.default_rng(1)

    def poisson(estimates):
        # Whole numbers from 0 to 6 and an interval that always holds them. Of ten intervals one
        # has ends between whole numbers, as interpolation gives.
        place = estimates["names"].index("predicted y")
        estimates["truth"][place] = min(rng.poisson(3.0), 6)
        estimates["quantiles"][place] = np.linspace(0, 6, 201).round()
        if rng.uniform() < 0.1:
            estimates["quantiles"][place] += 0.5
            estimates["truth"][place] = 3

    fields = {"modes": ["prior"], "axes": {}, "replicates": 100, "predicted": ["predicted y"]}
    results = make("counts", **fields, edit=poisson)
    marks, notes = coverages(content(results), "predictions")
    assert marks["predicted y"].startswith("1.0")
    assert "▲" not in marks["predicted y"]
    assert "For a discrete quantity the intervals of an exact posterior hold" in notes
    _, without = coverages(content(results), "recovery-prior")
    assert "For a discrete quantity" not in without
    assert "With a fixed truth a mark alone does not show a fault" in notes


# --- what a verdict does and does not say ------------------------------------------------------


def test_ranks_that_are_not_rejected_say_what_they_cannot_see(make):
    passes = "a posterior 20 % too narrow or too wide can pass"
    blind = "Ranks of parameters cannot see a posterior that ignores data (one equal to the prior"
    few = said(content(make(modes=["prior"], axes={}, replicates=500)))
    many = said(content(make("many", modes=["prior"], axes={}, replicates=501)))
    assert f"With 500 replicates in the smallest of 2 tests, {passes}. {blind}" in few
    assert passes not in many
    assert blind in many


def test_rejected_ranks_name_failed_and_flagged_fits_as_other_causes(make):
    results = make(
        modes=["prior"], replicates=100, sd_factor=0.5, flagged=lambda i: i >= 90,
        failed=lambda i: "E" if i < 3 else None,
    )  # fmt: skip
    text = said(content(results))
    words = "6 fits failed and are not in the ranks, and 20 flagged fits are; both can cause this."
    assert f"{words} Without flagged fits, 6 of 6 tests reject." in text


def test_contraction_is_in_the_table_over_the_prior_where_its_variance_is_known(make):
    for relative_se, known in ((0.02, True), (0.6, False)):
        report = content(make(f"run{known}", axes={}, prior_variance_relative_se=relative_se))
        (table,) = tables(section(report, "recovery-prior"))
        place = [column.title for column in table.columns].index("contraction")
        assert all((" ± " in row[place].text) == known for row in table.rows)
        _, table = tables(section(report, "recovery-fixed"))
        place = [column.title for column in table.columns].index("prior z")
        assert [row[place].text for row in table.rows] == (["0.5", "6"] if known else ["–"] * 2)  # noqa: RUF001


def test_a_prior_tail_of_no_draw_is_below_what_the_draws_can_tell(make):
    report = content(make(modes=["fixed"], axes={}, parameters={"far": 50.0}))
    _, table = tables(section(report, "recovery-fixed"))
    place = [column.title for column in table.columns].index("prior tail")
    assert table.rows[0][place].text == "<0.002"
    assert f"from {PRIOR_DRAWS:,} prior draws" in " ".join(table.notes)
    assert view_module.PRIOR_DRAWS == PRIOR_DRAWS


def test_fits_of_one_chain_are_said_to_have_no_r_hat(make):
    def edit(estimates):
        estimates["r_hat"][:] = np.nan

    report = content(make(edit=edit))
    assert "crossed a threshold of the diagnostics. r_hat was not available." in said(report)
    assert "r_hat was" not in said(content(make("four")))
