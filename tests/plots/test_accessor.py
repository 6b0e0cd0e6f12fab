"""What results.plot promises: the right frame, sensible choices, and errors that say what to do."""

import inspect
from dataclasses import replace

import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from recovery import plots
from recovery.errors import LevelError, NothingMeasured
from recovery.plots.accessor import Plots

NAMES = [name for name in plots.__all__ if name.startswith("plot_") and name != "plot_model"]
ONE_MODE = {"r_hat", "ess", "divergences", "wall_time", "ess_per_second"}


@pytest.mark.parametrize("name", NAMES)
def test_every_plot_is_a_method_that_draws(three, name):
    ax = Figure().add_subplot()
    method = getattr(Plots(three), name.removeprefix("plot_"))
    held = {"noise": 0.5} if name in ("plot_predictive_coverage",) else {}
    assert (
        method(truth="prior", at={"x": "u"}, ax=ax, **held) is ax
        if _takes_truth(name)
        else (method(at={"x": "u"}, ax=ax) is ax)
    )


def test_the_model_is_drawn_from_the_last_session_that_knows_it(three):
    with pytest.raises(NothingMeasured, match="no session of this run knows its model"):
        Plots(three).model()
    one = {"mu": {"role": "free", "distribution": "Normal(0, 1)", "dims": [], "parents": []}}
    known = replace(three, sessions=[{"model": one}, {}])
    assert [text.get_text() for text in Plots(known).model().texts] == ["mu\nNormal(0, 1)"]


def _takes_truth(name):
    of_fits = name.removeprefix("plot_") in ONE_MODE
    return of_fits or "truth" in inspect.signature(getattr(plots, name)).parameters


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p: p.zip("sigma", truth="prior", hue="trials"), "'hue' is no argument and no axis"),
        (lambda p: p.coverage(truth="prior", trials=[50, 100]), "is no level; give one of them"),
        (lambda p: p.coverage(truth="prior", at="trials"), "is no mapping"),
        (lambda p: p.coverage(truth="prior", x="nope"), "x='nope' is no axis; there are: trials"),
        (lambda p: p.zip("sigma", truth="prior", most=0), "most=0 draws nothing"),
    ],
)
def test_wrong_input_is_told_and_never_ends_deep_inside(twelve, call, message):
    with pytest.raises((LevelError, ValueError), match=message):
        call(Plots(twelve))


def test_without_a_choice_the_axis_with_most_levels_is_x_and_the_next_is_hue(twelve):
    ax = Plots(twelve).coverage(truth="prior")
    assert isinstance(ax, Axes)
    assert ax.get_xlabel() == "trials"
    assert ax.get_title() == "betas[water]"
    assert ax.get_legend_handles_labels()[1][1:] == ["noise = 0.25", "noise = 0.5", "noise = 1"]


def test_an_axis_can_be_held_and_another_be_x(twelve):
    ax = Plots(twelve).bias("sigma", x="noise", trials=50, truth="fixed")
    assert (ax.get_xlabel(), ax.get_title()) == ("noise", "sigma")


def test_without_a_swept_axis_parameters_stand_side_by_side(frames):
    ax = Plots(frames({"trials": [50]}, ["a", "b"], modes=("prior",))).coverage()
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["a", "b"]


def test_what_cannot_be_drawn_is_said_with_what_to_do(twelve, frames):
    plot = Plots(twelve)
    with pytest.raises(ValueError, match="two truth modes; give truth='fixed' or"):
        plot.coverage()
    with pytest.raises(LevelError, match="'colour' is no argument and no axis; the axes are: tri"):
        plot.coverage(colour="red", truth="prior")
    with pytest.raises(LevelError, match="noise has no level 7; there are: 0.25, 0.5, 1"):
        plot.coverage(noise=7, truth="prior")
    with pytest.raises(ValueError, match="no parameter 'gamma'"):
        plot.recovery("gamma", truth="prior")
    with pytest.raises(ValueError, match="heat: two swept axes are needed and there are: trials"):
        plot.heat(noise=0.5, truth="prior")
    with pytest.raises(NothingMeasured, match="no fit is complete"):
        Plots(frames({"trials": [50]}, ok=False)).coverage()
