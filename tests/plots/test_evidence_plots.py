"""What the plots of divergences, of gamma and of cost promise."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from recovery.calibration import band_gamma, gamma_statistic
from recovery.plots import figures, plot_divergences, plot_gamma, plot_wall_time
from recovery.plots.by_rank import least_uniform
from recovery.plots.gamma import interleaved
from recovery.plots.levels import draw_levels
from recovery.plots.rank import draw_ecdfs
from recovery.shares import binomial_interval


def test_divergences_are_counted_and_their_share_has_its_interval(frames):
    fits = frames({"trials": [50, 100]}, modes=("prior",)).replicates
    fits.loc[[0, 1, 2], "divergences"] = [1.0, 5.0, 10.0]
    ax = plot_divergences(fits, "trials")
    (drawn,) = [one for one in ax.get_lines() if len(one.get_ydata()) == 2]
    np.testing.assert_allclose(drawn.get_ydata(), [3 / 40, 0])
    ends = [(s[:, 1].min(), s[:, 1].max()) for c in ax.collections for s in c.get_segments()]
    np.testing.assert_allclose(ends, [binomial_interval(3 / 40, 40), binomial_interval(0.0, 40)])
    assert [text.get_text() for text in ax.texts] == ["16"]


def test_fits_that_know_no_divergences_are_left_out(frames):
    fits = frames({"trials": [50, 100]}).replicates.assign(divergences=np.nan)
    with pytest.raises(ValueError, match="with a count of divergences"):
        plot_divergences(fits)


def test_gamma_ends_at_that_of_all_simulations(frames):
    estimates = frames({"trials": [50]}, ["a"], modes=("prior",), replicates=80).estimates
    ax = plot_gamma(estimates, "a")
    (drawn,) = [one for one in ax.get_lines() if len(one.get_xdata()) > 2]
    expected = gamma_statistic(estimates["rank"].to_numpy(int), 99) / band_gamma(80, 100)
    assert drawn.get_xdata()[-1] == 80
    assert drawn.get_ydata()[-1] == pytest.approx(np.log10(expected))
    assert ax.get_title() == "a\n0 of 1 line end below 0"


def test_gamma_of_posteriors_far_too_narrow_sinks_below_zero(frames):
    made = frames({"trials": [25, 50]}, ["a", "b"], replicates=100, scale=0.4)
    assert plot_gamma(made.estimates).get_title() == "2 of 2 lines end below 0"
    text = next(text for slug, _, text in figures(made) if slug == "gamma")
    assert "many sizes are many looks" in text
    assert "2 of 2 lines end below their threshold (a, b)" in text


def test_replicates_of_cells_come_in_their_order():
    assert interleaved([np.array([1, 2, 3]), np.array([4, 5])]).tolist() == [1, 4, 2, 5, 3]


def test_cells_that_share_their_data_are_not_taken_together(frames):
    made = frames({"target_accept": [0.8, 0.9]}, ["a"], modes=("prior",), replicates=60)
    text = {slug: text for slug, _, text in figures(made)}
    assert "target_accept = 0.8 only: the data are shared" in text["gamma"]
    assert "target_accept = 0.8 only: the data are shared" in text["rank-histogram"]
    assert "With all 60 simulations" in text["gamma"]


def test_the_ranks_shown_of_many_parameters_are_the_least_uniform():
    rng = np.random.default_rng(5)
    ranks = [rng.integers(0, 100, 200) for _ in range(30)]
    for i in (3, 17):
        ranks[i] = rng.integers(0, 40, 200)
    rows = pd.DataFrame({"parameter": [f"p{i}" for i in range(30)], "rank": ranks})
    shown = least_uniform(rows, list(rows["parameter"]))
    assert len(shown) == 12
    assert {"p3", "p17"} <= set(shown)


def test_cost_against_a_size_has_log_scales_that_truth_modes_share(frames):
    made = frames({"trials": [20, 40]})
    ax = plot_wall_time(made.replicates, "trials")
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    figure = next(figure for slug, figure, _ in figures(made) if slug == "cost")
    fixed, prior = figure.axes[:2]
    assert fixed.get_yscale() == prior.get_yscale() == "log"
    assert fixed.get_ylim() == prior.get_ylim()


def test_cost_against_levels_that_are_no_sizes_is_shared_too(frames):
    figure = next(f for slug, f, _ in figures(frames({"kind": ["u", "v"]})) if slug == "cost")
    fixed, prior = figure.axes[:2]
    assert fixed.get_yscale() == prior.get_yscale() == "linear"
    assert fixed.get_ylim() == prior.get_ylim()


def test_of_many_lines_no_more_are_drawn_than_asked_for_and_those_that_leave_come_first():
    rng = np.random.default_rng(8)
    cells = [rng.integers(0, 100, 300) for _ in range(30)] + [np.zeros(300, dtype=np.int64)]
    ax = Figure().add_subplot()
    draw_ecdfs(ax, "a", cells, 99, 0.05, most=10)
    lines = [line for line in ax.lines if len(line.get_xdata()) > 2]
    assert len(lines) == 10
    assert any(line.get_linestyle() == "--" for line in lines)
    assert "10 drawn" in ax.get_title()
    folded = [rng.integers(0, 50, 300) for _ in range(30)]
    ax = Figure().add_subplot()
    draw_levels(ax, "a", folded, 50, 0.05, band=True, most=10)
    assert len([line for line in ax.lines if len(line.get_xdata()) > 2]) == 10
