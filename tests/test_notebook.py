"""What a notebook shows of results, and what pandas, xarray and ArviZ make of them."""

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import arviz as az
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from recovery import Problem, Results, Sweep, scenario, testing
from recovery.arrays import arrays
from recovery.errors import SettingsError
from recovery.notebook import MOST_ROWS, line, page

Run = Callable[..., Results]
KINDS = {"parameter", "deterministic"}


@pytest.fixture
def results(run_line: Run) -> Results:
    return run_line({"trials": [10, 5], "noise": [1.0, 0.5]}, truth="both", replicates=8)


class Strict(HTMLParser):
    """The cells of a page's table; what is not closed in its order is an error."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.rows: list[list[str]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.add(tag)
        assert {name for name, _ in attrs} <= {"scope"}
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data


def test_results_show_counts_and_measures_in_a_notebook(results: Results) -> None:
    html = results._repr_html_()
    shown = Strict(html)
    assert "8 cells, 64 of 64 replicates done, 0 failed, " in html
    head, *rows = shown.rows
    assert head == ["parameter", "trials", "noise", "truth", "coverage_90", "bias", "rmse", "n"]
    names = results.estimates.loc[lambda e: e["kind"].isin(KINDS), "parameter"].unique()
    assert len(rows) == min(8 * len(names), MOST_ROWS)
    measures = results.measures().set_index(["trials", "noise", "truth", "parameter", "measure"])
    for name, trials, noise, truth, *_, bias, _, n in rows:
        bias_of = measures.loc[(int(trials), float(noise), truth, name, "bias")]
        assert bias == f"{bias_of['estimate']:.3g} ± {bias_of['mcse']:.2g}"
        assert n == "8"


def test_many_rows_are_cut_and_counted(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recovery.notebook.MOST_ROWS", 3)
    html = page(results)
    assert len(Strict(html).rows) == 4
    total = (results.measures()["measure"] == "bias").sum() - 8 * sum(
        kind not in KINDS for kind in results.estimates.drop_duplicates("parameter")["kind"]
    )
    assert f"{total - 3} more rows" in html


class Sized(SimpleNamespace):
    def __len__(self) -> int:
        return len(self.ok)


def test_hostile_names_are_text_in_a_notebook(results: Results) -> None:
    evil = "<script>alert(1)</script>\n\x1b[31m" + "n" * 300
    frame = results.measures().assign(parameter=evil)
    groups = {(0, evil): SimpleNamespace(kind="parameter")}
    stand_in: Any = SimpleNamespace(
        axes=results.axes,
        cells=results.cells,
        fits=results.fits,
        folder=evil,
        identity={"scenario": evil},
        measures=lambda: frame,
        columns=Sized(ok=results.columns.ok, groups=groups),
    )
    shown = Strict(page(stand_in))
    assert "script" not in shown.tags
    assert shown.rows[1][0].startswith("<script>alert(1)</script> [31mnnn")
    assert len(shown.rows[1][0]) == 80
    assert line(stand_in).isprintable()


def test_a_line_says_what_results_are(results: Results) -> None:
    assert repr(results).startswith(
        "<Results of line (trials, noise, slope): 8 cells, 64 of 64 replicates done, 0 failed, "
    )
    assert "measures()" in repr(results)


def test_measures_pivot_as_pandas_does_it(results: Results) -> None:
    measures = results.measures()
    wide = measures.pivot(
        index=[*results.axes, "truth"], columns=["parameter", "measure"], values="estimate"
    )
    assert len(wide) == 8
    assert wide.size == len(measures)
    row = measures.iloc[len(measures) // 2]
    key = tuple(row[[*results.axes, "truth"]])
    assert wide.loc[key, (row["parameter"], row["measure"])] == row["estimate"]
    assert wide["betas[left]"]["coverage_90"].between(0, 1).all()
    bias = measures.query("measure == 'bias' and truth == 'fixed'")
    assert bias.pivot(index="parameter", columns=results.axes, values="estimate").shape[1] == 4


def test_measures_are_an_array_in_the_order_of_levels_and_parameters(results: Results) -> None:
    data = results.to_xarray("measures")
    assert data.sizes == {
        "trials": 2, "noise": 2, "slope": 1, "truth": 2, "parameter": data.sizes["parameter"],
        "measure": data.sizes["measure"],
    }  # fmt: skip
    assert data["trials"].values.tolist() == [10, 5]
    assert data["noise"].values.tolist() == [1.0, 0.5]
    assert data["parameter"].values.tolist() == list(results.measures()["parameter"].unique())
    one = data.sel(trials=5, noise=1.0, truth="prior", parameter="total", measure="rmse").squeeze()
    row = results.measures().query(
        "trials == 5 and noise == 1 and truth == 'prior' and parameter == 'total' and "
        "measure == 'rmse'"
    )
    for name in ("estimate", "mcse", "n"):
        assert float(one[name]) == row[name].item()


def test_what_is_neither_estimates_nor_measures_is_refused(results: Results) -> None:
    with pytest.raises(SettingsError, match="give 'estimates' or 'measures'"):
        results.to_xarray("draws")  # type: ignore[arg-type]


def test_levels_of_mixed_types_are_found_as_they_were_given() -> None:
    frame = pd.DataFrame(
        {
            "depth": pd.Series([None, 5, None, 5], dtype=object),
            "on": [True, True, False, False],
            "name": ["b", "b", "a", "a"],
            "x": [1.0, 2.0, 3.0, 4.0],
        }
    )
    data = arrays(frame, ["depth", "on", "name"], ["x"])
    assert data["depth"].values.tolist() == [None, 5]
    assert data["name"].values.tolist() == ["b", "a"]
    assert float(data["x"].sel(depth=5, name="a", on=False)) == 4.0
    assert np.isnan(data["x"].values).sum() == 4


@pytest.mark.filterwarnings("ignore")  # ArviZ says much of eight draws
def test_arviz_opens_the_estimates(results: Results) -> None:
    data = results.to_xarray()
    assert data["kind"].sel(parameter="total").item() == "deterministic"
    draws = data.rename(seed="chain", replicate="draw")[["mean", "sd"]]
    assert isinstance(az.convert_to_dataset(draws), xr.Dataset)
    table = az.summary(draws.sel(truth_mode="fixed", trials=10), round_to="none")
    (row,) = (name for name in table.index if "mean" in name and "total" in name and "0.5" in name)
    estimates = results.estimates.query(
        "truth_mode == 'fixed' and trials == 10 and noise == 0.5 and parameter == 'total'"
    )
    assert float(table.loc[row, "mean"]) == pytest.approx(estimates["mean"].mean())
    az.plot_forest(draws[["mean"]].sel(truth_mode="fixed", trials=10, noise=0.5))


def test_an_axis_named_as_a_measure_keeps_its_levels(tmp_path: Path) -> None:
    @scenario
    def named(bias: int = 7) -> Problem:
        return testing.line.function(bias)

    sweep = Sweep(named, {"bias": [7, 9]}, sampler=testing.ExactSampler(), draws=100, replicates=5)
    results = sweep.run(tmp_path, workers=1, progress=False, report=False)
    cells = re.findall(r"<tr><td>[^<]*</td><td>([^<]*)</td>", results._repr_html_())
    assert set(cells) == {"7", "9"}
