"""What the plots of all levels, errors, intervals, two axes and nested loops promise."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import QuadMesh
from matplotlib.patches import StepPatch

from recovery.calibration import ecdf_band
from recovery.plots import (
    figures,
    plot_coverage_levels,
    plot_heat,
    plot_nested_loop,
    plot_predictive_coverage,
    plot_rmse,
    plot_zip,
)
from recovery.plots.heat import Colours
from recovery.plots.levels import covered, fold, leaves
from recovery.shares import binomial_interval


def line(ax, label):
    """Return the one line with this label."""
    (found,) = [one for one in ax.get_lines() if one.get_label() == label]
    return found


def at(frame, **levels):
    """Return the rows where columns have these values."""
    for column, level in levels.items():
        frame = frame[frame[column] == level]
    return frame


# --- all levels of coverage --------------------------------------------------------------------


def test_a_central_interval_of_each_level_holds_what_was_folded_below_it():
    pit = np.random.default_rng(1).random(500)
    inside = covered(fold(pit))
    for k in (1, 10, 45, 50):
        half = k / 100
        assert inside[k - 1] == ((pit > 0.5 - half) & (pit < 0.5 + half)).sum()


def test_coverage_less_its_level_starts_and_ends_at_zero(frames):
    made = frames({"trials": [50]}, ["a"], replicates=60)
    ax = plot_coverage_levels(made.estimates, "a", truth="prior")
    drawn = next(one for one in ax.get_lines() if len(one.get_xdata()) == 51)
    pit = at(made.estimates, truth_mode="prior")["pit"].to_numpy()
    expected = [(np.abs(2 * pit - 1) * 50 < k - 1e-9).mean() - k / 50 for k in range(51)]
    np.testing.assert_allclose(drawn.get_ydata(), expected, atol=1e-12)
    assert drawn.get_ydata()[0] == drawn.get_ydata()[-1] == 0


def test_the_band_over_levels_is_the_exact_one_of_folded_ranks(frames):
    ax = plot_coverage_levels(frames({"trials": [50]}, ["a"], replicates=60).estimates, "a",
                              truth="prior")  # fmt: skip
    (band,) = ax.collections
    vertices, levels = band.get_paths()[0].vertices, np.arange(1, 50) / 50
    for end in ecdf_band(60, 50):
        for x, y in zip(levels, end / 60 - levels, strict=True):
            assert np.isclose(vertices, (x, y), atol=1e-12).all(axis=1).any()


def test_folded_ranks_of_right_posteriors_leave_the_band_no_more_often_than_they_may():
    rng = np.random.default_rng(3)
    out = np.mean([leaves(fold(rng.random(40))) for _ in range(2000)])
    assert 0.02 < out < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 2000)


def test_a_fixed_truth_has_no_band_and_says_nothing_of_leaving_one(frames):
    estimates = frames({"trials": [25, 50]}, ["a"], replicates=200, scale=0.4).estimates
    assert plot_coverage_levels(estimates, "a", truth="prior").get_title() == (
        "a\n2 of 2 cells leave the band"
    )
    fixed = plot_coverage_levels(estimates, "a", truth="fixed")
    assert fixed.get_title() == "a\n2 cells"
    assert not fixed.collections
    with pytest.raises(ValueError, match="two truth modes"):
        plot_coverage_levels(estimates, "a")


# --- errors ------------------------------------------------------------------------------------


def test_rmse_stands_beside_what_posteriors_claim(twelve):
    measures = twelve.measures()
    ax = plot_rmse(measures, "sigma", "trials", hue="noise", truth="prior")
    rows = at(measures, parameter="sigma", truth="prior", noise=0.5)
    np.testing.assert_allclose(
        line(ax, "noise = 0.5").get_ydata(), at(rows, measure="rmse")["estimate"]
    )
    claims = at(rows, measure="model_se")["estimate"].to_numpy()
    assert any(
        len(one.get_ydata()) == 4 and np.allclose(one.get_ydata(), claims)
        for one in ax.get_lines()
        if one.get_markerfacecolor() == "none"
    )


def test_the_interval_of_an_rmse_is_of_its_log_and_stays_above_zero(twelve):
    rows = at(twelve.measures(), parameter="sigma", truth="prior", noise=0.5)
    ax = plot_rmse(rows, "sigma", "trials")
    rmse = at(rows, measure="rmse")
    half = 1.96 * (rmse["mcse"] / rmse["estimate"]).to_numpy()
    ends = sorted(s[:, 1].min() for c in ax.collections for s in c.get_segments())
    np.testing.assert_allclose(ends, sorted(rmse["estimate"].to_numpy() * np.exp(-half)))
    assert min(ends) > 0


def test_relative_rmse_shows_posteriors_that_claim_too_much(frames):
    measures = frames({"trials": [50]}, ["a", "b"], replicates=200, scale=0.5).measures()
    ax = plot_rmse(measures, None, "parameter", relative=True, truth="prior")
    (drawn,) = [one for one in ax.get_lines() if len(one.get_xdata()) == 2
                and one.get_label() != "as the posteriors claim"]  # fmt: skip
    assert (np.array(drawn.get_ydata()) > 1.6).all()


# --- zip plots ---------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["fixed", "prior"])
def test_a_zip_plot_draws_150_intervals_and_counts_all(frames, mode):
    estimates = at(frames({"trials": [50]}, ["a"], replicates=1000).estimates, truth_mode=mode)
    ax = plot_zip(estimates, "a")
    hit = estimates["truth"].between(estimates["eti_90_lower"], estimates["eti_90_upper"])
    assert ax.get_title() == f"a\n{hit.sum()} of 1000 intervals hold the truth; 150 drawn"
    drawn = [line(ax, f"90 % interval {what}") for what in ("holds the truth", "misses it")]
    assert sum(len(one.get_xdata()) for one in drawn) == 3 * 150
    heights = [np.nanmean(one.get_ydata()) for one in drawn]
    assert heights[0] < heights[1]


def test_the_band_of_a_zip_plot_is_the_interval_of_coverage(frames):
    estimates = at(frames({"trials": [50]}, ["a"]).estimates, truth_mode="prior")
    ax = plot_zip(estimates, "a")
    hit = estimates["truth"].between(estimates["eti_90_lower"], estimates["eti_90_upper"])
    (band,) = ax.patches
    box = band.get_extents().transformed(ax.transData.inverted())
    expected = np.array(binomial_interval(hit.mean(), 40)) * 100
    np.testing.assert_allclose([box.y0, box.y1], expected)


def test_the_zip_plot_of_a_report_is_of_the_worst_cell(frames):
    made = frames({"trials": [25, 50, 100]}, ["a"], modes=("prior",), replicates=100)
    estimates = made.estimates
    worst = estimates["trials"] == 50
    estimates.loc[worst, ["mean", "eti_90_lower", "eti_90_upper"]] += 1.0
    figure, text = next((f, text) for slug, f, text in figures(made) if slug == "zip-prior")
    assert figure.axes[0].get_title().split("\n")[1] == "trials = 50"
    assert "of 3 cells the one whose coverage chance explains least" in text
    assert text.endswith("0 of 100 intervals hold the truth, 0 lie below it and 100 above.")


# --- two axes and more -------------------------------------------------------------------------


def test_the_tiles_of_a_heat_map_lie_at_their_levels_with_their_numbers(twelve):
    rows = at(twelve.measures(), parameter="sigma", truth="prior")
    ax = plot_heat(rows, "trials", "noise", parameter="sigma")
    (mesh,) = [each for each in ax.collections if isinstance(each, QuadMesh)]
    table = at(rows, measure="coverage_90").pivot_table("estimate", "noise", "trials")
    np.testing.assert_allclose(np.reshape(mesh.get_array(), (3, 4)), table.to_numpy())
    written = {text.get_position(): text.get_text() for text in ax.texts}
    assert written[0, 2] == f"{table.loc[1.0, 25]:.2f}"
    assert len(written) == 12


def test_the_colours_of_coverage_are_even_about_nominal_and_end_at_one():
    colours = Colours(np.array([0.5, 0.95]), "coverage_90")
    assert (colours.norm.vmin + colours.norm.vmax) / 2 == pytest.approx(0.9)
    assert colours.ends == pytest.approx((0.5, 1.0))
    assert Colours(np.array([1.0, 3.0]), "rmse").nominal is None


def test_a_heat_map_of_one_level_too_many_says_which_to_choose(twelve):
    measures = twelve.measures()
    with pytest.raises(ValueError, match="two truth modes"):
        plot_heat(measures, "trials", "noise", parameter="sigma")
    doubled = at(measures, truth="prior").assign(extra=1)
    doubled = doubled[["extra", *measures.columns]]
    both = pd.concat([doubled, doubled.assign(extra=2)])
    with pytest.raises(ValueError, match="choose one level of: extra"):
        plot_heat(both, "trials", "noise", parameter="sigma")
    with pytest.raises(ValueError, match="give two axes"):
        plot_heat(measures, "noise", "noise", parameter="sigma", truth="prior")


@pytest.mark.parametrize("size", [(3, 4), (10, 10)])
def test_numbers_fit_their_tiles(frames, size):
    levels = {"trials": [10 * (i + 1) for i in range(size[0])],
              "noise": [0.1 * (i + 1) for i in range(size[1])]}  # fmt: skip
    made = frames(levels, ["a"], modes=("prior",), replicates=12)
    ax = plot_heat(made.measures(), "trials", "noise", parameter="a")
    ax.figure.draw_without_rendering()
    tile = ax.get_window_extent().width / size[0]
    assert len(ax.texts) == size[0] * size[1]
    assert max(text.get_window_extent().width for text in ax.texts) < tile


def test_a_nested_loop_has_every_cell_in_lexicographic_order(twelve):
    rows = at(twelve.measures(), truth="prior")
    ax = plot_nested_loop(rows, ["sigma", "betas[water]"], axes=["noise", "trials"])
    steps = [each for each in ax.patches if isinstance(each, StepPatch)]
    chosen = at(rows, parameter="sigma", measure="coverage_90")
    expected = chosen.sort_values(["noise", "trials"])["estimate"]
    np.testing.assert_allclose(steps[0].get_data().values, expected)
    slow, fast = (np.diff(each.get_data().values) for each in steps[2:])
    assert (np.count_nonzero(slow), np.count_nonzero(fast)) == (2, 11)


def test_a_nested_loop_needs_every_axis_that_tells_cells_apart(twelve):
    with pytest.raises(ValueError, match="give every axis with more than one level"):
        plot_nested_loop(twelve.measures(), "sigma", axes=["noise"], truth="prior")


def test_a_nested_loop_draws_a_line_for_each_truth_mode(twelve):
    ax = plot_nested_loop(twelve.measures(), "sigma")
    labels = ax.get_legend_handles_labels()[1]
    assert labels == [
        "nominal 0.9", "95 % range of one coverage (n = 40)",
        "sigma, fixed truth", "sigma, truth drawn from the prior",
    ]  # fmt: skip


# --- predictions -------------------------------------------------------------------------------


def test_predictions_are_told_from_parameters(frames):
    made = frames({"trials": [50, 100]}, ["a"], predicted=["predicted y[0]", "predicted y[1]"])
    ax = plot_predictive_coverage(made.measures(), "trials", truth="prior")
    assert ax.get_legend_handles_labels()[1][1:] == [
        "parameter = predicted y[0]", "parameter = predicted y[1]"
    ]  # fmt: skip
    with pytest.raises(ValueError, match="no predicted quantity; give predict="):
        plot_predictive_coverage(frames({"trials": [50]}).measures(), "trials", truth="prior")


def test_of_many_predictions_the_farthest_from_nominal_are_drawn(frames):
    made = frames({"trials": [50]}, ["a"], predicted=[f"predicted y[{i}]" for i in range(20)])
    ax = plot_predictive_coverage(made.measures(), "trials", truth="prior")
    assert ax.get_title() == "6 of 20 quantities, the farthest from nominal"


def test_an_axis_of_any_name_keeps_its_levels(frames):
    made = frames({"ratio": [0.5, 2.0]}, ["a"], modes=("prior",))
    ax = plot_rmse(made.measures(), "a", "ratio")
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["0.5", "2"]
