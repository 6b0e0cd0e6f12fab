"""Measures over runs as lines: every parameter and run, the ideal, and where machines changed."""

import numpy as np
import pandas as pd
import pytest

from recovery.plots.history import MOST_CELLS, MOST_LINES, history_figure, plot_history


def rows(n_runs: int = 4, parameters: int = 2, cells: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    made = [
        {
            "trials": 10 * (cell + 1), "truth": "prior", "parameter": f"beta${j}",
            "measure": "coverage_90", "run": run, "started": f"2026-0{run % 9 + 1}-01T10:00:00",
            "commit": "abcdef0123", "dirty": run == 1, "estimate": 0.9 + 0.01 * rng.normal(),
            "mcse": 0.02, "n": 200, "note": "machine changed: other" if run == 2 else "",
        }
        for cell in range(cells) for j in range(parameters) for run in range(n_runs)
    ]  # fmt: skip
    return pd.DataFrame(made)


def test_every_parameter_is_a_line_over_all_its_runs() -> None:
    frame = rows()
    ax = plot_history(frame, nominal=0.9)
    lines = {line.get_label(): line for line in ax.get_lines()}
    assert lines["ideal 0.9"].get_ydata()[0] == 0.9
    for name in ("beta$0", "beta$1"):
        line = lines[name.replace("$", r"\$")]
        expected = frame.loc[frame["parameter"] == name, "estimate"]
        np.testing.assert_allclose(line.get_ydata(), expected)
        assert np.abs(line.get_xdata() - np.arange(4)).max() < 0.5


def test_bars_are_95_per_cent_monte_carlo_intervals() -> None:
    frame = rows(parameters=1)
    (bars,) = plot_history(frame).collections
    ends = np.array([segment[:, 1] for segment in bars.get_segments()])
    np.testing.assert_allclose(ends.mean(axis=1), frame["estimate"])
    np.testing.assert_allclose(np.ptp(ends, axis=1), 2 * 1.96 * 0.02)


def test_runs_are_named_by_date_and_commit_and_changed_files_have_a_mark() -> None:
    ax = plot_history(rows())
    labels = [label.get_text() for label in ax.get_xticklabels()]
    assert labels[0] == "2026-01-01\nabcdef0"
    assert labels[1] == "2026-02-01\nabcdef0*"


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({}, ["10:00", "12:30"]),
        ({"started": "2026-01-01T10:00:00"}, ["base", "head"]),
        ({"started": "2026-01-01T10:00:00", "folder": "reports/ci"}, ["run 0", "run 1"]),
    ],
)
def test_runs_of_one_commit_and_one_day_are_told_apart(
    told: dict[str, str], expected: list[str]
) -> None:
    frame = rows(n_runs=2)
    number = frame["run"]
    frame["dirty"] = False
    frame["started"] = number.map({0: "2026-01-01T10:00:00", 1: "2026-01-01T12:30:00"})
    frame["folder"] = number.map({0: "reports/ci/base", 1: "reports/ci/head"})
    for name, text in told.items():
        frame[name] = text
    labels = [label.get_text() for label in plot_history(frame).get_xticklabels()]
    assert labels == [f"2026-01-01\n{word}\nabcdef0" for word in expected]


def test_a_change_of_machine_is_a_dotted_line_between_two_runs() -> None:
    ax = plot_history(rows())
    dotted = [line for line in ax.get_lines() if line.get_linestyle() == ":"]
    assert [float(np.asarray(line.get_xdata())[0]) for line in dotted] == [1.5]


def test_another_note_is_no_change_of_machine() -> None:
    frame = rows()
    frame["note"] = "no change is given: not run by turns in one job"
    assert not [line for line in plot_history(frame).get_lines() if line.get_linestyle() == ":"]
    assert "dotted" not in history_figure(frame, "a title").get_suptitle()


def test_many_runs_leave_room_between_their_names() -> None:
    ax = plot_history(rows(n_runs=60))
    assert len(ax.get_xticks()) <= 11
    assert ax.get_xlim() == (-0.6, 59.6)


def test_every_cell_has_a_panel_up_to_a_dozen_and_the_rest_is_told() -> None:
    figure = history_figure(rows(cells=14, parameters=9), "a title", nominal=0.9)
    assert len(figure.axes) == MOST_CELLS
    assert figure.axes[0].get_title() == "trials = 10"
    title = figure.get_suptitle()
    for part in ("a title", f"{MOST_CELLS} of 14 cells", f"{MOST_LINES} of 9 parameters",
                 "dotted: the machine changed"):  # fmt: skip
        assert part in title, part
    assert len(figure.legends[0].get_texts()) == MOST_LINES + 1


def test_a_cell_without_a_number_is_an_empty_panel() -> None:
    frame = rows(cells=2)
    frame.loc[frame["trials"] == 20, "estimate"] = np.nan
    figure = history_figure(frame, "a title")
    assert [len(ax.get_lines()) > 0 for ax in figure.axes] == [True, False]


def test_several_cells_on_one_axes_and_nothing_at_all_are_refused() -> None:
    with pytest.raises(ValueError, match="several cells; choose one"):
        plot_history(rows(cells=2))
    with pytest.raises(ValueError, match="nothing to draw"):
        plot_history(rows().iloc[:0])
