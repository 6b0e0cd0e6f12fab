"""The graph of a model: every variable in a box, every dependence an arrow, downward."""

import itertools

import pytest

from recovery.plots import plot_model
from recovery.plots.model import model


def variable(role="free", distribution="Normal(0, 1)", dims=(), parents=()):
    return {"role": role, "distribution": distribution, "dims": [*dims], "parents": [*parents]}


SCHOOLS = {
    "y": variable("observed", "Normal(theta, 10)", ["school"], ["theta"]),
    "mu": variable(),
    "tau": variable(distribution="HalfCauchy(5)"),
    "theta": variable(distribution="Normal(mu, tau)", dims=["school"], parents=["mu", "tau"]),
}


def boxes(ax):
    found = [text for text in ax.texts if text.get_text()]
    return {text.get_text().split("\n")[0]: text for text in found}


def test_what_depends_on_another_stands_below_it():
    ax = plot_model(SCHOOLS)
    place = {name: text.get_position()[1] for name, text in boxes(ax).items()}
    assert set(place) == set(SCHOOLS)
    assert place["mu"] == place["tau"] < place["theta"] < place["y"]  # the axis goes down
    arrows = [text for text in ax.texts if not text.get_text()]
    assert len(arrows) == 3


def test_a_box_says_what_its_variable_is():
    assert boxes(plot_model(SCHOOLS))["theta"].get_text() == "theta\nNormal(mu, tau)\n[school]"


def test_no_box_lies_on_another_whatever_the_names():
    names = [f"a variable with a long name {i}" for i in range(23)]
    many = {name: variable(dims=["one dim", "two"]) for name in names}
    many["y"] = variable("observed", parents=[*many])
    slug, figure, text = model([{"model": many}])
    assert slug == "model"
    assert "24 variables: 23 free with a prior, 1 observed." in text
    drawn = [t for t in figure.axes[0].texts if t.get_text()]
    extents = [t.get_bbox_patch().get_window_extent() for t in drawn]
    assert not any(a.overlaps(b) for a, b in itertools.combinations(extents, 2))
    assert all(figure.bbox.x0 <= e.x0 and e.x1 <= figure.bbox.x1 for e in extents)


def test_names_are_text_and_a_circle_ends():
    odd = {
        "$x_{1}$": variable(parents=["b", "nowhere", "$x_{1}$"]),
        "b": variable(parents=["$x_{1}$"]),
    }
    ax = plot_model(odd)
    assert {text.split("\n")[0] for text in boxes(ax)} == {r"\$x_{1}\$", "b"}


def test_what_is_no_picture_is_said_or_left_out():
    with pytest.raises(ValueError, match="0 variables; a picture holds 1 to 24"):
        plot_model({})
    assert model([]) is None
    assert model([{"model": {}}]) is None
    assert model([{"model": {str(i): variable() for i in range(25)}}]) is None
