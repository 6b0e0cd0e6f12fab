"""The box on top says what a run comes to in a few words; each claim is linked to its evidence."""

import re

import numpy as np
import pytest

from recovery.report.conclusion import conclusion
from recovery.report.content import report_content
from recovery.report.document import Conclusion, Section, Table
from recovery.report.headline import _pooled_error
from recovery.report.lowest import ends, lowest
from recovery.report.view import View


def concluded(results) -> Conclusion:
    view = View(results)
    return conclusion(view, view.rank_tests)


def said(found: Conclusion) -> str:
    return " ".join(sentence.text for sentence in found.sentences)


def overview(results) -> Table:
    section: Section = next(
        s for s in report_content(View(results), []).sections if s.slug == "overview"
    )
    (table,) = (block for block in section.blocks if isinstance(block, Table))
    return table


def words(table: Table) -> list[str]:
    place = [column.title for column in table.columns].index("in a word")
    return [row[place].text for row in table.rows]


def test_exact_posteriors_in_many_replicates_show_no_departure(make):
    results = make(replicates=150, modes=["prior"])
    found = concluded(results)
    assert found.words == "No departure found over the prior"
    assert "in 6 tests of 150 replicates or more" in said(found)
    assert found.tone in ("", "warn")  # coverage may be known too loosely
    assert words(overview(results)) == ["no departure found"] * 2


def test_too_few_replicates_are_called_inconclusive(make):
    results = make(replicates=20)
    found = concluded(results)
    assert found.words == "Inconclusive: too few replicates"
    assert "20 replicates in the smallest test are too few to conclude" in said(found)
    assert re.search(r"Coverage over the prior is inconclusive in \d of 4 rows", said(found))
    assert "139 replicates a cell are enough" in said(found)
    table = words(overview(results))
    assert table[2:] == ["inconclusive, n = 20"] * 2


def test_posteriors_that_are_too_narrow_are_not_calibrated(make):
    results = make(replicates=100, sd_factor=0.5, modes=["prior"])
    found = concluded(results)
    assert (found.words, found.tone) == ("Posteriors are not calibrated", "bad")
    assert "ranks are not uniform in 6 of 6 tests (mu and far)" in said(found)
    assert "lower than Monte Carlo error explains, at a 5 %" in said(found)
    assert words(overview(results)) == ["not calibrated"] * 2


def test_without_prior_mode_the_sampler_was_not_judged(make):
    found = concluded(make(modes=["fixed"], replicates=10))
    assert found.words == "The sampler was not judged"


def test_a_lost_truth_in_conflict_with_its_prior_is_called_that(make):
    results = make(replicates=120, parameters={"mu": 0.5, "far": 30.0})
    found = concluded(results)
    assert "At the fixed truth recovery of far is lost in every cell" in said(found)
    assert "the truth of far is in conflict with its prior" in said(found)
    assert words(overview(results))[0] == "recovery lost, conflict with the prior"


def test_a_run_without_a_complete_fit_measured_nothing(make):
    results = make(failed=lambda i: "ValueError: never")
    found = concluded(results)
    assert (found.words, found.tone) == ("Nothing was measured", "bad")
    assert "None of 80 replicates that were run is complete" in said(found)
    assert "ValueError: never" in said(found)
    assert words(overview(results)) == ["every fit failed"] * 4


def test_cells_that_fail_alike_and_are_not_run_to_the_end_are_paused(make):
    results = make(replicates=10, planned=30, failed=lambda i: f"ValueError: at {i}")
    assert words(overview(results)) == ["paused: every fit fails alike"] * 4
    report = report_content(View(results), [])
    failures = next(s for s in report.sections if s.slug == "failures")
    text = " ".join(block.text for block in failures.blocks if hasattr(block, "text"))
    assert "Paused: 4 cells (fixed truth at trials = 10;" in text
    assert "recovery run --retry-failed" in text


def test_cells_of_which_some_fail_are_not_paused(make):
    results = make(replicates=12, planned=30, failed=lambda i: "E: x" if i > 1 else None)
    assert not [word for word in words(overview(results)) if "paused" in word]


def test_the_lowest_coverage_of_a_cell_has_its_interval(make):
    results = make(replicates=50, modes=["prior"])
    frame = results.measures((0.9,)).query("measure == 'coverage_90'")
    for row, trials in zip(overview(results).rows, (10, 40), strict=True):
        lowest = frame[frame["trials"] == trials]["estimate"].min()
        text = next(cell.text for cell in row if "(" in cell.text)
        estimate, low, high = map(float, re.findall(r"[\d.]+", text))
        assert estimate == pytest.approx(lowest, abs=0.0051)
        assert low < estimate < high


def test_three_numbers_stand_out_and_each_has_its_evidence(make):
    report = report_content(View(make(replicates=30)), [])
    main = [tile for tile in report.tiles if tile.main]
    assert [tile.label for tile in main] == [
        "Lowest coverage for its n, truth drawn from the prior",
        "Worst r_hat",
        "Mean cost per complete fit",
    ]
    assert all(tile.evidence for tile in report.tiles)
    assert all(sentence.evidence for sentence in report.sentences)
    assert all(sentence.evidence for sentence in report.conclusion.sentences)


def test_cells_without_a_fit_are_not_covered_by_what_is_said_of_the_others(make):
    found = concluded(make(replicates=[150, 0, 150, 0], planned=150, parameters={"mu": 0.5}))
    assert found.words == "Inconclusive: cells without a test (preliminary)"
    assert "in 1 of 2 cells; the others have no rank that could be tested" in said(found)
    fixed = next(text.text for text in found.sentences if text.text.startswith("At the fixed"))
    assert "in 1 of 2 cells; the others have none that can be judged" in fixed


def test_as_many_replicates_as_are_called_enough_are_enough(make):
    # A sound row of so many was called too few half of the time, by the width at its estimate.
    for n, loose in ((138, True), (139, False)):
        found = concluded(make(f"run{n}", replicates=n, axes={}, modes=["prior"]))
        assert ("n is too small to tell" in said(found)) is loose


def test_what_is_drawn_from_planned_differences_is_no_monte_carlo_error():
    cells = np.repeat([0.0, 1.0], 50)
    rng = np.random.default_rng(5)
    means = [
        np.concatenate([rng.normal(1, 1, 50), rng.normal(100, 2, 50)]).mean() for _ in range(4000)
    ]
    values = np.concatenate([rng.normal(1, 1, 50), rng.normal(100, 2, 50)])
    # The sd of 4,000 means is known to 1.1 %, that of one sample of 2 x 50 to about 10 %.
    assert _pooled_error(values, cells) == pytest.approx(np.std(means), rel=0.3)
    assert np.isnan(_pooled_error(np.ones(2), np.array([0.0, 1.0])))


def test_the_box_and_the_overview_name_one_row_as_the_lowest(make):
    results = make(replicates=[40, 60, 25, 80], parameters={"mu": 0.5, "far": 1.0, "b": 0.2})
    view = View(results)
    for mode in ("prior", "fixed"):
        found = lowest(view, mode)
        row = overview(results).rows[found.measures.position]
        assert found.measures.parameter in [cell.text for cell in row]


def test_an_end_that_misses_its_level_is_written_so_that_it_is_seen():
    assert ends(0.3249, 0.8961, 2) == "0.325 to 0.896"
    assert ends(0.75, 0.92, 2) == "0.75 to 0.92"
    assert ends(0.8999999, 0.95, 2) == "0.9000 to 0.9500"  # no more than four digits
