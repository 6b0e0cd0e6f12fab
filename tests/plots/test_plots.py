"""What each plot promises: it draws the numbers it was given, and says what it leaves out."""

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from recovery.calibration import ecdf_band
from recovery.plots import (
    plot_bias,
    plot_contraction,
    plot_coverage,
    plot_ess,
    plot_ess_per_second,
    plot_r_hat,
    plot_rank_ecdf,
    plot_rank_histogram,
    plot_recovery,
    plot_wall_time,
)
from recovery.plots.contraction import z_and_contraction
from recovery.shares import binomial_interval
from recovery.thresholds import THRESHOLDS


def intervals(ax, orient="y"):
    """Return the (low, high) ends of all bars that were drawn, each alone or in a broken line."""
    column = 1 if orient == "y" else 0
    broken = [one.get_xydata() for one in ax.get_lines() if np.isnan(one.get_xydata()).any()]
    if broken:
        ends = np.concatenate([one[:, column].reshape(-1, 3)[:, :2] for one in broken])
        return sorted(map(tuple, ends))
    segments = [
        s for c in ax.collections if isinstance(c, LineCollection) for s in c.get_segments()
    ]
    return sorted((min(s[:, column]), max(s[:, column])) for s in segments)


def line(ax, label):
    """Return the one line with this label."""
    (found,) = [one for one in ax.get_lines() if one.get_label() == label]
    return found


def part(measures, parameter, measure, mode="prior"):
    return measures[
        (measures["parameter"] == parameter)
        & (measures["measure"] == measure)
        & (measures["truth"] == mode)
    ]


# --- coverage and bias -------------------------------------------------------------------------


def test_coverage_draws_the_jeffreys_interval_of_each_cell(twelve):
    measures = twelve.measures()
    ax = plot_coverage(measures, "sigma", "trials", hue="noise", truth="prior")
    rows = part(measures, "sigma", "coverage_90")
    expected = sorted(
        binomial_interval(p, n) for p, n in zip(rows["estimate"], rows["n"], strict=True)
    )
    np.testing.assert_allclose(intervals(ax), expected)


def test_coverage_draws_the_measured_values_at_their_levels(twelve):
    measures = twelve.measures()
    ax = plot_coverage(measures, "sigma", "trials", hue="noise", truth="prior")
    rows = part(measures, "sigma", "coverage_90")
    drawn = line(ax, "noise = 0.5")
    np.testing.assert_allclose(drawn.get_ydata(), rows[rows["noise"] == 0.5]["estimate"])
    np.testing.assert_allclose(drawn.get_xdata(), [25, 50, 100, 200])


@pytest.mark.parametrize("ci_prob", [0.5, 0.8, 0.9, 0.95])
def test_the_nominal_level_is_drawn_and_in_view(twelve, ci_prob):
    ax = plot_coverage(
        twelve.measures(), "sigma", "trials", hue="noise", ci_prob=ci_prob, truth="prior"
    )
    assert set(line(ax, f"nominal {ci_prob:g}").get_ydata()) == {ci_prob}
    assert ax.get_ylim()[0] < ci_prob < ax.get_ylim()[1]


def test_bias_draws_1_96_standard_errors_and_zero(twelve):
    measures = twelve.measures()
    ax = plot_bias(measures, "sigma", "trials", hue="noise", truth="fixed")
    rows = part(measures, "sigma", "bias", "fixed")
    ends = [rows["estimate"] - 1.96 * rows["mcse"], rows["estimate"] + 1.96 * rows["mcse"]]
    np.testing.assert_allclose(intervals(ax), sorted(zip(*ends, strict=True)))
    assert set(line(ax, "no bias").get_ydata()) == {0}


def test_levels_that_span_a_factor_of_8_lie_on_a_log_scale(frames):
    narrow = frames({"trials": [10, 20, 79]}).measures()
    wide = frames({"trials": [10, 20, 80]}).measures()
    assert plot_coverage(narrow, "sigma", "trials", truth="prior").get_xscale() == "linear"
    assert plot_coverage(wide, "sigma", "trials", truth="prior").get_xscale() == "log"


def test_levels_that_are_no_numbers_lie_side_by_side_and_are_not_joined(frames):
    levels = ["normal", None, True, "10"]
    ax = plot_coverage(frames({"kind": levels}).measures(), "sigma", "kind", truth="prior")
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["normal", "None", "True", "10"]
    (drawn,) = [one for one in ax.get_lines() if len(one.get_xdata()) == 4]
    assert drawn.get_linestyle() == "None"


def test_points_of_one_level_stand_apart_and_in_the_order_of_the_levels(twelve):
    ax = plot_coverage(twelve.measures(), "sigma", "trials", hue="noise", truth="prior")
    places = [line(ax, f"noise = {n}").get_xdata() for n in ("0.25", "0.5", "1")]
    assert (np.diff(places, axis=0) > 0).all()
    assert (np.ravel(places, order="F") == np.sort(np.ravel(places))).all()


def test_one_cell_of_one_level_can_be_drawn(frames):
    ax = plot_coverage(frames({"trials": [50]}).measures(), "sigma", "trials", truth="prior")
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["50"]
    assert len(intervals(ax)) == 1


def test_all_parameters_can_stand_side_by_side(frames):
    measures = frames({"trials": [50]}, ["a", "b", "c"]).measures()
    ax = plot_coverage(measures, None, "parameter", truth="prior")
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["a", "b", "c"]


def test_more_than_seven_lines_have_a_colour_each(frames):
    levels = [round(0.1 * i, 1) for i in range(1, 11)]
    measures = frames({"trials": [50, 100], "noise": levels}).measures()
    ax = plot_coverage(measures, "sigma", "trials", hue="noise", truth="prior")
    colours = {line(ax, f"noise = {level:g}").get_color() for level in levels}
    assert len(colours) == 10


# --- recovery and contraction ------------------------------------------------------------------


def test_recovery_draws_estimates_over_truths_and_the_line_of_equality(twelve):
    estimates = twelve.estimates.query("trials == 50 and noise == 0.5")
    ax = plot_recovery(estimates, "sigma", truth="prior")
    rows = estimates.query("parameter == 'sigma' and truth_mode == 'prior'")
    drawn = np.concatenate(
        [one.get_xydata() for one in ax.get_lines() if "interval" in one.get_label()]
    )
    expected = rows[["truth", "mean"]].to_numpy()
    np.testing.assert_allclose(drawn[np.lexsort(drawn.T)], expected[np.lexsort(expected.T)])
    same = line(ax, "estimate = truth")
    np.testing.assert_array_equal(same.get_xdata(), same.get_ydata())


def test_intervals_around_one_truth_are_sorted_and_those_that_miss_it_are_marked(twelve):
    estimates = twelve.estimates.query("trials == 50 and noise == 0.5")
    ax = plot_recovery(estimates, "sigma", truth="fixed")
    rows = estimates.query("parameter == 'sigma' and truth_mode == 'fixed'")
    hit = rows["truth"].between(rows["eti_90_lower"], rows["eti_90_upper"])
    holds = line(ax, "90 % interval holds the truth")
    misses = line(ax, "90 % interval misses it")
    assert (len(holds.get_xdata()), len(misses.get_xdata())) == (hit.sum(), (~hit).sum())
    assert (np.diff(holds.get_xdata()) >= 0).all()
    assert (np.diff(holds.get_ydata()) > 0).all()
    assert holds.get_color() != misses.get_color()
    assert holds.get_marker() != misses.get_marker()
    ends = sorted(map(tuple, rows[["eti_90_lower", "eti_90_upper"]].to_numpy()))
    np.testing.assert_allclose(intervals(ax, "x"), ends)


@pytest.mark.parametrize("mode", ["fixed", "prior"])
def test_recovery_says_how_many_replicates_it_draws_and_counts_all(frames, mode):
    estimates = frames({"trials": [50]}, ["a"], replicates=1000).estimates
    ax = plot_recovery(estimates, "a", truth=mode)
    rows = estimates[estimates["truth_mode"] == mode]
    hit = rows["truth"].between(rows["eti_90_lower"], rows["eti_90_upper"]).sum()
    assert ax.get_title() == f"a\n{hit} of 1000 intervals hold the truth; 150 drawn"
    assert len(intervals(ax, "y" if mode == "prior" else "x")) == 150


def test_recovery_says_nothing_of_thinning_when_all_is_drawn(frames):
    ax = plot_recovery(frames({"trials": [50]}).estimates, "sigma", truth="prior")
    assert "drawn" not in ax.get_title()


def test_contraction_and_z_score_are_those_of_their_definition(frames):
    made = frames({"trials": [4]}, ["a"], modes=("prior",))
    ax = plot_contraction(made.estimates, made.priors)
    drawn = next(one for one in ax.get_lines() if len(one.get_xdata()) == 40).get_xydata()
    rows = made.estimates
    np.testing.assert_allclose(drawn[:, 0], 1 - rows["sd"] ** 2 / 1.5**2)
    np.testing.assert_allclose(drawn[:, 1], (rows["mean"] - rows["truth"]) / rows["sd"])


def test_contraction_shows_a_posterior_wider_than_the_prior(frames):
    made = frames({"trials": [4]}, ["a"], modes=("prior",), scale=9.0)
    ax = plot_contraction(made.estimates, made.priors)
    drawn = next(one for one in ax.get_lines() if len(one.get_xdata()) == 40)
    assert max(drawn.get_xdata()) < -1
    low, high = ax.get_xlim()
    assert low < min(drawn.get_xdata())
    assert max(drawn.get_xdata()) < high


def test_contraction_has_guides_at_0_and_2_and_reaches_1_on_its_linear_scale(frames):
    made = frames({"trials": [4]}, ["a", "b"], modes=("prior",))
    ax = plot_contraction(made.estimates, made.priors, scale="linear")
    guides = {tuple(one.get_ydata()) for one in ax.get_lines() if len(one.get_ydata()) == 2}
    assert guides >= {(-2, -2), (0, 0), (2, 2)}
    assert ax.get_xlim()[1] > 1


def test_contraction_leaves_out_a_parameter_whose_prior_has_no_known_variance(frames):
    made = frames({"trials": [4]}, ["a", "b"], modes=("prior",))
    made.priors.loc[made.priors["parameter"] == "b", "variance_relative_se"] = 0.6
    assert set(z_and_contraction(made.estimates, made.priors)["parameter"]) == {"a"}


def test_contraction_says_how_many_points_it_draws(frames):
    made = frames({"trials": [4]}, ["a", "b"], replicates=2000, modes=("prior",))
    ax = plot_contraction(made.estimates, made.priors)
    assert ax.get_title() == "1500 of 4000 points drawn"


# --- convergence and cost ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("measure", "plot", "kind"),
    [
        ("r_hat_max", plot_r_hat, {}),
        ("ess_bulk_min", plot_ess, {"kind": "bulk"}),
        ("ess_tail_min", plot_ess, {"kind": "tail"}),
    ],
)
def test_the_limit_of_each_diagnostic_is_drawn_labelled_and_in_view(twelve, measure, plot, kind):
    limit = next(one for one in THRESHOLDS if one.measure == measure)
    ax = plot(twelve.replicates, "trials", hue="noise", **kind)
    drawn = line(ax, "limit beyond which a fit is flagged")
    assert f"{limit.limit:g}" in [text.get_text() for text in ax.texts]
    assert set(drawn.get_ydata()) == {limit.limit}
    assert ax.get_ylim()[0] < limit.limit < ax.get_ylim()[1]


def test_every_fit_beyond_the_limit_is_in_view(frames):
    fits = frames({"trials": [50, 100]}, replicates=200).replicates
    fits.loc[[3, 7], "r_hat_max"] = [1.7, 60.0]
    fits.loc[[3, 7], "ess_bulk_min"] = [4.0, 50.0]
    for plot, values in ((plot_r_hat, {1.7, 60.0}), (plot_ess, {4.0, 50.0})):
        ax = plot(fits, "trials")
        dots = {float(y) for one in ax.get_lines() for y in one.get_ydata()}
        assert values <= dots
        assert ax.get_ylim()[0] < min(values)
        assert ax.get_ylim()[1] > max(values)


def test_of_very_many_fits_beyond_a_bar_some_are_drawn_the_farthest_among_them(frames):
    fits = frames({"trials": [50]}, replicates=3000, modes=("fixed",)).replicates
    ax = plot_ess(fits, "trials")
    values = fits["ess_bulk_min"].to_numpy()
    dots = next(one for one in ax.get_lines() if len(one.get_ydata()) == 100).get_ydata()
    assert {values.min(), values.max()} <= set(dots)
    assert set(dots) <= set(values)
    line(ax, "fits beyond the bars, at most 100 of each")
    few = plot_ess(fits.head(900), "trials")
    assert not [one for one in few.get_lines() if "evenly" in str(one.get_label())]


def test_an_infinite_r_hat_is_counted_on_the_figure(frames):
    fits = frames({"trials": [50, 100]}).replicates
    fits.loc[[0, 1], "r_hat_max"] = np.inf
    ax = plot_r_hat(fits, "trials")
    assert "2 infinite" in [text.get_text() for text in ax.texts]


def test_without_an_axis_each_cell_has_its_own_place(twelve):
    ax = plot_r_hat(twelve.replicates)
    assert ax.get_xlim()[1] > 23


def test_cost_draws_the_median_and_the_quartiles_of_complete_fits(twelve):
    fits = twelve.replicates.query("truth_mode == 'prior'").copy()
    fits.loc[fits.index[:5], "status"] = "failed"
    fits.loc[fits.index[:5], "wall_s"] = 1e6
    ax = plot_wall_time(fits, "trials", hue="noise")
    complete = fits[(fits["status"] == "ok") & (fits["noise"] == 0.25)]
    quartiles = complete.groupby("trials")["wall_s"].quantile([0.25, 0.5, 0.75]).unstack()
    np.testing.assert_allclose(line(ax, "noise = 0.25").get_ydata(), quartiles[0.5])
    drawn = intervals(ax)
    for low, high in zip(quartiles[0.25], quartiles[0.75], strict=True):
        assert any(np.allclose(bar, (low, high)) for bar in drawn)


def test_costs_have_their_units_in_the_labels(twelve):
    assert plot_wall_time(twelve.replicates, "trials").get_ylabel() == "wall time per fit (s)"
    assert plot_ess_per_second(twelve.replicates, "trials").get_ylabel() == "bulk ESS per second"


# --- ranks -------------------------------------------------------------------------------------


def test_the_band_drawn_is_the_exact_one(frames):
    estimates = frames({"trials": [50]}, ["a"], replicates=60).estimates
    ax = plot_rank_ecdf(estimates, "a")
    lower, upper = ecdf_band(60, 100)
    (band,) = ax.collections
    vertices = band.get_paths()[0].vertices
    at = np.arange(1, 100) / 100
    for end in (lower / 60 - at, upper / 60 - at):
        for x, y in zip(at, end, strict=True):
            assert np.isclose(vertices, (x, y), atol=1e-12).all(axis=1).any()


def test_an_ecdf_difference_starts_and_ends_at_zero_and_counts_ranks_below(frames):
    estimates = frames({"trials": [50]}, ["a"], replicates=60).estimates
    ax = plot_rank_ecdf(estimates, "a")
    drawn = next(one for one in ax.get_lines() if len(one.get_xdata()) == 101)
    ranks = estimates.query("truth_mode == 'prior'")["rank"].to_numpy(int)
    expected = [(ranks < k).mean() - k / 100 for k in range(101)]
    np.testing.assert_allclose(drawn.get_ydata(), expected, atol=1e-12)


def test_ranks_of_posteriors_far_too_narrow_are_shown_to_leave_the_band(frames):
    estimates = frames({"trials": [25, 50, 100]}, ["a"], replicates=200, scale=0.4).estimates
    assert plot_rank_ecdf(estimates, "a").get_title() == "a\n3 of 3 cells leave the band"


def test_a_pit_outside_0_to_1_and_a_scale_of_no_draws_are_refused(frames):
    estimates = frames({"trials": [50]}, ["a"]).estimates
    with pytest.raises(ValueError, match="n_draws: 0 is not allowed"):
        plot_rank_ecdf(estimates, "a", n_draws=0)
    estimates["pit"] += 0.5
    with pytest.raises(ValueError, match=r"a pit lies outside \(0, 1\)"):
        plot_rank_ecdf(estimates, "a")


def test_ranks_are_shown_on_any_scale(frames):
    estimates = frames({"trials": [50]}, ["a"], replicates=60).estimates
    ax = plot_rank_histogram(estimates, "a", n_draws=9)
    bars = [bar for bar in ax.patches if bar.get_width() == 1 and bar.get_x() % 1 == 0.5]
    assert len(bars) == 10
    assert sum(bar.get_height() for bar in bars) == 60


def test_the_bars_of_a_rank_histogram_count_every_rank_once(frames):
    estimates = frames({"trials": [50, 100]}, ["a"], replicates=60).estimates
    ax = plot_rank_histogram(estimates, "a")
    bars = [bar for bar in ax.patches if bar.get_width() == 5]
    assert len(bars) == 20
    assert sum(bar.get_height() for bar in bars) == 120


# --- manners -----------------------------------------------------------------------------------


def test_what_is_missing_is_named(twelve):
    measures, estimates = twelve.measures(), twelve.estimates
    with pytest.raises(ValueError, match="no parameter 'gamma'; there are: betas"):
        plot_coverage(measures, "gamma", "trials", truth="prior")
    with pytest.raises(ValueError, match="no column temperature; it has trials, noise"):
        plot_coverage(measures, "sigma", "temperature", truth="prior")
    with pytest.raises(ValueError, match="two truth modes; give truth='fixed' or"):
        plot_coverage(measures, "sigma", "trials")
    with pytest.raises(ValueError, match="choose one level of: noise"):
        plot_coverage(measures, "sigma", "trials", truth="prior")
    with pytest.raises(ValueError, match="with measure coverage_99"):
        plot_coverage(measures, "sigma", "trials", hue="noise", truth="prior", ci_prob=0.99)
    with pytest.raises(ValueError, match="no truth mode 'prior'; there are: fixed"):
        plot_rank_ecdf(estimates[estimates["truth_mode"] == "fixed"], "sigma")
    with pytest.raises(ValueError, match="no column eti_90_lower"):
        plot_recovery(estimates.drop(columns="eti_90_lower"), "sigma", truth="prior")
    with pytest.raises(ValueError, match="there is nothing to draw"):
        plot_wall_time(twelve.replicates.assign(status="failed"), "trials")


def test_a_plot_draws_on_the_axes_it_is_given_and_adds_no_legend(twelve):
    ax = Figure().add_subplot()
    assert plot_coverage(twelve.measures(), "sigma", "trials", hue="noise", truth="prior",
                         ax=ax) is ax  # fmt: skip
    assert ax.get_legend() is None
    assert not ax.figure.legends


def test_a_plot_makes_axes_with_a_legend_and_no_window(twelve):
    before = dict(mpl.rcParams)
    ax = plot_bias(twelve.measures(), "sigma", "trials", hue="noise", truth="prior")
    assert isinstance(ax, Axes)
    assert len(ax.figure.legends) == 1
    assert type(ax.figure.canvas).__name__ == "FigureCanvasAgg"
    assert dict(mpl.rcParams) == before


def test_no_frame_is_changed_by_a_plot(twelve):
    frames = (twelve.measures(), twelve.estimates, twelve.replicates, twelve.priors)
    copies = [frame.copy() for frame in frames]
    plot_coverage(frames[0], "sigma", "trials", hue="noise", truth="prior")
    plot_recovery(frames[1], "sigma", truth="prior")
    plot_contraction(frames[1], frames[3])
    plot_r_hat(frames[2])
    for frame, copy in zip(frames, copies, strict=True):
        assert frame.equals(copy)
