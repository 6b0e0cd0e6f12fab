"""What the figures of a run promise: readable, honest on what is left out, and always the same."""

import io
import itertools
import subprocess
import sys
import xml.etree.ElementTree as ET

import matplotlib as mpl
import numpy as np
import pytest

from recovery.plots import figures, styled
from recovery.plots.figures import SLUGS
from recovery.plots.text import distinct, inert, shorten

ALL = [
    *(
        f"{name}-{mode}"
        for name in ("coverage", "coverage-levels", "heat-coverage", "nested-loop", "zip",
                     "recovery", "bias", "rmse", "contraction")
        for mode in ("fixed", "prior")
    ),
    "rank-ecdf", "rank-histogram", "gamma", "diagnostics", "cost",
]  # fmt: skip
OF_TWO_AXES = ("heat-coverage", "nested-loop")
OF_RANKS = ("rank-ecdf", "rank-histogram", "gamma")
HOSTILE = [
    r"$\frac{a}{b$ <script>alert(1)</script>",
    "a name[" + "very " * 30 + "long first level]",
    "a name[" + "very " * 30 + "long other level]",
    "x\ny\t$z$",
    "%s {0} \\n &amp; ]]>",
    "β[光照 🌱]",
]
PRIOR = {"modes": ("prior",), "replicates": 20}
RUNS = {
    "one cell": ({"trials": [100]}, ["mu"], {}),
    "no axis": ({}, ["mu", "sigma"], {}),
    "12 cells": ({"trials": [25, 50, 100, 200], "noise": [0.25, 0.5, 1.0]}, ["a", "b"], {}),
    "100 cells": (
        {"trials": [10, 20, 30, 40, 60, 80, 100, 150, 200, 400],
         "noise": [round(0.1 * i, 1) for i in range(1, 11)]},
        ["a", "b", "c", "d"],
        {"modes": ("prior",), "replicates": 12},
    ),
    "60 parameters": ({"trials": [50, 100]}, [f"theta[school {i}]" for i in range(60)], PRIOR),
    "60 parameters in one cell": (
        {"trials": [50]},
        [f"theta[a school with a long name, number {i}]" for i in range(60)],
        PRIOR,
    ),
    "hostile names": (
        {"prior": ["$\\alpha$ a level " + "so " * 20 + "long", "normal", None, "x$y"],
         "big": [True, False], "trials": [10, 20, 50]},
        HOSTILE,
        {"replicates": 8},
    ),
    "a long axis": ({"a" * 60: [1, 2, 3]}, [f"p{i}" for i in range(12)], PRIOR),
    "30 levels": ({"step": list(range(1, 31))}, ["a", "b", "c", "d"], PRIOR),
    "one replicate": ({"trials": [50, 100]}, ["a", "b"], {"replicates": 1, "chains": 1}),
    "three axes": ({"a": [1, 2], "b": ["u", "v"], "c": [3, 4, 5]}, ["m"], PRIOR),
}  # fmt: skip


@pytest.fixture(scope="module")
def drawn():
    """Figures of a run by name, made once."""
    made = {}

    def of(frames, name):
        if name not in made:
            levels, parameters, more = RUNS[name]
            made[name] = list(figures(frames(levels, parameters, **more)))
        return made[name]

    return of


def svg(figure):
    text = io.StringIO()
    with styled(), mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "recovery"}):
        figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()


def texts(figure):
    """Return every visible text of a figure with its box, rotated ones apart."""
    renderer = figure.canvas.get_renderer()
    found = [figure._suptitle] if figure._suptitle else []
    found += [text for legend in figure.legends for text in legend.get_texts()]
    for ax in figure.axes:
        found += [ax.title, ax.xaxis.label, ax.yaxis.label, *ax.texts]
        for axis, (low, high) in ((ax.xaxis, ax.get_xlim()), (ax.yaxis, ax.get_ylim())):
            for tick in axis.get_major_ticks():
                inside = min(low, high) <= tick.get_loc() <= max(low, high)
                if inside and tick.label1.get_visible():
                    found.append(tick.label1)
    found = [text for text in found if text.get_text().strip() and text.get_visible()]
    return [(text, text.get_window_extent(renderer)) for text in found]


def overlap(one, other):
    wide = min(one.x1, other.x1) - max(one.x0, other.x0)
    high = min(one.y1, other.y1) - max(one.y0, other.y0)
    return wide > 1 and high > 1


@pytest.mark.parametrize("name", RUNS)
def test_no_text_lies_on_another_or_leaves_the_figure(frames, drawn, name):
    with styled():
        for slug, figure, _ in drawn(frames, name):
            figure.draw_without_rendering()
            boxes = texts(figure)
            # The boxes of slanted labels overlap though the words do not: they are checked apart.
            straight = [(t, b) for t, b in boxes if t.get_rotation() in (0, 90)]
            for (one, box), (other, box2) in itertools.combinations(straight, 2):
                assert not overlap(box, box2), (slug, one.get_text(), other.get_text())
            for text, box in boxes:
                inside = (box.x0 > -1, box.y0 > -1, box.x1 < figure.bbox.x1 + 1,
                          box.y1 < figure.bbox.y1 + 1)  # fmt: skip
                assert all(inside), (slug, text.get_text())
            for ax in figure.axes:
                slanted = [t for t in ax.get_xticklabels() if t.get_rotation() not in (0, 90)]
                ends = [t.get_transform().transform(t.get_position())[0] for t in slanted]
                assert (np.diff(sorted(ends)) > 8 / 72 * figure.dpi).all()


@pytest.mark.parametrize("name", ["12 cells", "100 cells", "hostile names", "one replicate"])
def test_every_figure_is_saved_as_svg_with_its_text_and_as_png(frames, drawn, name):
    for _, figure, _ in drawn(frames, name):
        root = ET.fromstring(svg(figure))
        written = "".join(text for text in root.itertext())
        assert figure._suptitle.get_text().split("\n")[0] in written
        assert not [tag for tag in root.iter() if tag.tag.endswith("script")]
        with styled():
            figure.savefig(io.BytesIO(), format="png")


def test_a_sweep_in_both_truth_modes_has_every_figure_once_and_1000_pixels_wide(frames, drawn):
    made = drawn(frames, "12 cells")
    assert [slug for slug, _, _ in made] == ALL
    for _, figure, _ in made:
        assert figure.get_figwidth() * figure.dpi == 1000
        assert figure.get_facecolor() == (1, 1, 1, 1)


def test_the_same_frames_give_the_same_bytes(frames):
    levels, parameters, more = RUNS["three axes"]
    first, second = (
        [(slug, svg(figure), text) for slug, figure, text in
         figures(frames(levels, parameters, **more))]
        for _ in range(2)
    )  # fmt: skip
    assert first == second


def test_coverage_at_a_fixed_truth_is_said_not_to_be_nominal_by_right(frames, drawn):
    made = {slug: text for slug, _, text in drawn(frames, "12 cells")}
    caveat = "at one fixed truth even exact posteriors need not have nominal coverage"
    assert caveat in made["coverage-fixed"]
    assert caveat not in made["coverage-prior"]


def test_a_finding_says_what_chance_alone_would_give_where_that_is_known(frames, drawn):
    made = {slug: text for slug, _, text in drawn(frames, "12 cells")}
    outside = "about 5 % fall outside by chance where coverage is nominal"
    assert [outside in made[f"coverage-{mode}"] for mode in ("prior", "fixed")] == [True, False]
    for mode in ("prior", "fixed"):
        assert "about 5 % would by chance if none were biased" in made[f"bias-{mode}"]
        assert "fits, counted for each parameter" in made[f"contraction-{mode}"]
    expected = "about 5 % are expected"
    assert [expected in made[f"contraction-{m}"] for m in ("prior", "fixed")] == [True, False]


def test_the_limits_of_the_diagnostics_are_once_in_the_legend_and_beside_each_line(frames, drawn):
    figure = next(f for slug, f, _ in drawn(frames, "12 cells") if slug == "diagnostics")
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert [label for label in labels if "limit" in label] == [
        "limit beyond which a fit is flagged"
    ]  # fmt: skip
    beside = [{text.get_text() for text in ax.texts} for ax in figure.axes]
    assert beside == [{"1.01"}, {"1.01"}, {"400"}, {"400"}, {"400"}, {"400"}, set(), set()]


def test_ranks_of_constant_and_of_not_finite_estimates_are_not_drawn(frames):
    made = frames({"trials": [50]}, ["a", "b", "c"], modes=("prior",))
    constant = made.estimates["parameter"] == "b"
    made.estimates.loc[constant, ["sd", "mean", "truth"]] = 0.0
    made.estimates.loc[made.estimates["parameter"] == "c", ["mean", "sd"]] = np.nan
    figure = next(figure for slug, figure, _ in figures(made) if slug == "rank-ecdf")
    assert [ax.get_title().split("\n")[0] for ax in figure.axes] == ["a"]


def test_every_figure_has_one_of_the_known_names(frames, drawn):
    predicted = {"coverage-predicted-fixed", "coverage-predicted-prior"}
    assert set(SLUGS) == {*ALL, *predicted, "model"}


@pytest.mark.parametrize("mode", ["fixed", "prior"])
def test_one_truth_mode_alone_has_no_figure_of_the_other(frames, mode):
    slugs = [slug for slug, _, _ in figures(frames({"trials": [50, 100]}, modes=(mode,)))]
    other = {"fixed": "prior", "prior": "fixed"}[mode]
    expected = [s for s in ALL if not s.endswith(other) and not s.startswith(OF_TWO_AXES)]
    assert slugs == [slug for slug in expected if mode == "prior" or slug not in OF_RANKS]


def test_a_run_without_a_complete_fit_has_no_figures(frames):
    assert list(figures(frames({"trials": [50, 100]}, ok=False))) == []


def test_predicted_quantities_have_a_figure_of_their_own_and_are_in_no_other(frames):
    made = {
        slug: (figure, text)
        for slug, figure, text in figures(
            frames({"trials": [50, 100]}, ["a"], predicted=["predicted y[0]"])
        )
    }
    assert [s for s in made if "predicted" in s] == [
        "coverage-predicted-fixed", "coverage-predicted-prior"
    ]  # fmt: skip
    for slug, (figure, _) in made.items():
        titles = [ax.get_title().split("\n")[0] for ax in figure.axes]
        assert any("predicted" in title for title in titles) == ("predicted" in slug)


def test_of_60_parameters_12_are_drawn_the_farthest_from_nominal_and_the_title_says_so(
    frames, drawn
):
    levels, parameters, more = RUNS["60 parameters"]
    rows = frames(levels, parameters, **more).measures().query(
        "measure == 'coverage_90' and truth == 'prior'"
    )  # fmt: skip
    away = (rows["estimate"] - 0.9).abs().groupby(rows["parameter"]).max()
    made = {slug: (figure, text) for slug, figure, text in drawn(frames, "60 parameters")}
    figure, text = made["coverage-prior"]
    shown = {ax.get_title() for ax in figure.axes}
    assert len(shown) == 12
    assert away[list(shown)].min() >= away.drop(list(shown)).max()
    note = "12 of 60 parameters shown: the farthest from nominal coverage"
    assert note in figure._suptitle.get_text()
    assert note in text


def test_a_finding_counts_all_parameters_when_only_the_worst_are_drawn(frames, drawn):
    made = {slug: text for slug, _, text in drawn(frames, "60 parameters")}
    assert "of 120 coverages of 60 parameters" in made["coverage-prior"]
    assert "of 120 rank ECDFs of 60 parameters" in made["rank-ecdf"]


def test_the_levels_at_which_other_axes_are_held_are_stated(frames, drawn):
    made = {slug: figure for slug, figure, _ in drawn(frames, "three axes")}
    assert "b = u, one of 2 levels" in made["coverage-prior"]._suptitle.get_text()
    assert made["coverage-prior"].axes[0].get_xlabel() == "c"
    legend = [text.get_text() for text in made["coverage-prior"].legends[0].get_texts()]
    assert legend == ["nominal 0.9", "a = 1", "a = 2"]


def test_the_lines_left_out_of_many_are_stated(frames, drawn):
    figure = next(figure for slug, figure, _ in drawn(frames, "100 cells") if slug[:3] == "cov")
    assert "3 of 10 levels of noise" in figure._suptitle.get_text()


def test_the_coverage_finding_is_what_the_measures_say(frames):
    made = frames({"trials": [50, 100]}, ["a"], modes=("prior",), replicates=100, scale=0.3)
    text = next(text for slug, _, text in figures(made) if slug == "coverage-prior")
    rows = made.measures().query("measure == 'coverage_90'")
    far = rows.loc[(rows["estimate"] - 0.9).abs().idxmax()]
    assert "holds 0.9 for 0 of 2 coverages of 1 parameter (about 5 %" in text
    assert text.endswith(
        f"that of a at trials = {far['trials']}: {far['estimate']:.3g} over 100 fits."
    )


def test_hostile_names_are_written_as_they_are_never_typeset(frames, drawn):
    figure = next(f for slug, f, _ in drawn(frames, "hostile names") if slug == "coverage-prior")
    root = ET.fromstring(svg(figure))
    written = [" ".join("".join(node.itertext()).split()) for node in root.iter()
               if node.tag.endswith("text")]  # fmt: skip
    assert "x y $z$" in written
    assert "β[光照 🌱]" in written
    assert shorten(HOSTILE[0]) in written


def test_names_that_look_alike_when_short_are_numbered():
    names = ["a name[" + "very " * 30 + f"long {which} level]" for which in ("one", "one ", "two")]
    short = distinct(names)
    assert len(set(short)) == 3
    assert all("…" in name for name in short)


def test_a_long_name_loses_its_middle_and_keeps_its_ends():
    name = "betas[the amount of water that was given in the first week]"
    short = shorten(name)
    assert len(short) == 28
    assert short.startswith("betas[the")
    assert short.endswith("first week]")
    assert shorten("sigma") == "sigma"


def test_dollars_are_escaped():
    assert inert("$x$") == r"\$x\$"


def test_drawing_leaves_pyplot_and_its_windows_alone():
    code = "import sys, recovery.plots; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
