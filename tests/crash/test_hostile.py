"""Names, levels and messages that try to be more than text, through a whole sweep."""

import csv
import io
import json
import math
import re
import sys
import unicodedata
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import cloudpickle
import numpy as np
import pymc as pm
import pytest
from markdown_it import MarkdownIt
from rich.console import Console

from recovery import Problem, Results, Sweep, scenario
from recovery.cli import main
from recovery.cli.told import told
from recovery.engine.samplers import Fit, Target
from recovery.engine.structure import Simulated
from recovery.status import print_status
from recovery.testing import ExactDensity, ExactSampler, line
from recovery.testing.normal import exact_fit, normal_draws
from recovery.verify import verify

cloudpickle.register_pickle_by_value(sys.modules[__name__])

HOSTILE = [
    "../../x",
    "/etc/x",
    "nul\x00",
    "two\nlines\r\nand\u2028more",
    "<script>alert(1)</script>",
    "a|b`c`*d*[e](javascript:alert(1))![f](http://evil.example/g.png)",
    "$x_{$",
    "=1+1",
    "+1",
    "-1+1",
    "@x",
    "\x1b[2J\x1b]0;owned\x07\x9b31m",
    "\u202eesrever\u2066",
    "n" * 300,
    "b\u0435tas",  # a Cyrillic letter
    "[red]x[/red]",
    '"onload="alert(1)',
    "{{7*7}}{% include %}",
]
LEVELS = [*HOSTILE[:1], *HOSTILE[2:8], *HOSTILE[11:13], HOSTILE[15]]
ALLOWED_CONTROLS = {"\n", "\t"}


def active(text: str) -> set[str]:
    """Characters that act on a terminal or turn text around."""
    bidi = set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
    return {c for c in text if unicodedata.category(c) == "Cc" or c in bidi} - ALLOWED_CONTROLS


class Sampler(ExactSampler):
    def compile(self, target: Target, simulated: Simulated) -> ExactDensity:
        return Density(self, target)


class Density(ExactDensity):
    def fit(self, simulated: Simulated, settings: Any, seed: int) -> Fit:
        if simulated.observed["y"][0] > 3:
            raise ValueError("\ud800".join(HOSTILE))
        mean, covariance = self.posterior(simulated)
        betas = normal_draws(mean, covariance, settings, np.random.default_rng(seed))
        recorded = self._target.problem.recorded
        draws = {name: betas if name == "betas" else betas.sum(axis=-1) for name in recorded}
        return exact_fit(self._sampler.name, draws, recorded, settings)


def complain(parameters: Any, data: Any) -> Any:
    raise ValueError("".join(HOSTILE))


# Look-alikes of trials and of an element of a page are names of axes, too.
@scenario
def hostile(label: str = "plain", script: int = 1, triаls: int = 5) -> Problem:
    with pm.Model(coords={"side": HOSTILE}) as model:
        x = pm.Data("x", np.zeros((triаls, len(HOSTILE))), dims=["trial", "side"])
        noise_sd = pm.Data("noise_sd", 1.0)
        betas = pm.Normal("betas", dims="side")
        for name in HOSTILE[6:8] + HOSTILE[10:12]:
            pm.Deterministic(name, betas.sum())
        pm.Normal("y", x @ betas, noise_sd, dims="trial")
    return Problem(
        model,
        observed="y",
        truth={"betas": np.ones(len(HOSTILE))},
        covariates={"x": pm.Normal.dist(shape=(triаls, len(HOSTILE)))},
        quantities={f"{HOSTILE[4]} {HOSTILE[11]}": complain},
    )


NAME = "<b>exact|\x1b[1m=1+1"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    out = tmp_path_factory.mktemp("hostile") / "run"
    levels = {"label": LEVELS, "script": [1]}
    sweep = Sweep(hostile, levels, sampler=Sampler(name=NAME), draws=25, replicates=2)
    found = sweep.run(out, workers=2, progress=False, command="\n".join(HOSTILE))
    assert set(found.replicates["status"]) == {"ok", "failed"}
    return found


@pytest.fixture
def folder(results: Results) -> Path:
    return results.folder


def test_no_name_leads_out_of_the_folder_or_into_the_name_of_a_file(folder: Path) -> None:
    assert [path.name for path in folder.parent.iterdir()] == ["run"]
    for path in folder.rglob("*"):
        assert re.fullmatch(r"[a-z0-9_.-]+", path.name)
        assert path.suffix in {"", ".sqlite", ".json", ".html", ".md", ".csv", ".svg", ".png"}
    assert not verify(folder).findings


def texts(folder: Path) -> Iterator[tuple[str, str]]:
    for path in folder.rglob("*"):
        if path.is_file() and path.suffix not in (".png", ".sqlite") and path.name[0] != ".":
            yield path.name, path.read_bytes().decode()


def test_no_file_of_a_report_holds_a_character_that_acts(folder: Path) -> None:
    found = dict(texts(folder))
    assert {"report.html", "report.md", "measures.csv", "cost.svg", "manifest.json"} <= set(found)
    assert not {name: active(text) for name, text in found.items() if active(text)}


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.names: set[str] = set()
        self.links: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.names |= {name for name, _ in attrs}
        self.links |= {str(value) for name, value in attrs if name in ("href", "src")}


def test_names_are_text_in_the_page(folder: Path) -> None:
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert text.count("<script") == 1  # our own; the page's policy lets no other run
    found = Page(text)
    assert not found.tags & {"img", "iframe", "b", "red", "object", "form"}
    assert not [name for name in found.names if name.startswith("on")]
    assert all(link.startswith(("#", "https://doi.org/10.", "data:,")) for link in found.links)
    assert "{{7*7}}" in text


def test_names_are_text_in_markdown_and_stay_in_their_cells(folder: Path) -> None:
    markdown = (folder / "report.md").read_text(encoding="utf-8")
    tokens = MarkdownIt("commonmark").enable("table").parse(markdown)
    kinds = {part.type for token in tokens for part in (token, *(token.children or []))}
    assert not kinds & {"html_block", "html_inline", "link_open", "image", "code_inline", "em_open"}
    width = None
    for text in markdown.split("\n"):
        bars = len(re.findall(r"(?<!\\)\|", text)) if text.startswith("|") else None
        assert width in (None, bars) or bars is None, text
        width = bars


def test_cells_of_a_spreadsheet_are_no_formulas_and_numbers_stay_numbers(
    results: Results, folder: Path
) -> None:
    for path in (folder / "tables").iterdir():
        for row in csv.reader(io.StringIO(path.read_text(encoding="utf-8"), newline="")):
            for cell in row:
                if cell.startswith(("=", "+", "-", "@")):
                    float(cell)  # nothing else may begin so
    with (folder / "tables" / "measures.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    expected = results.measures()["estimate"].tolist()
    read = [float(row["estimate"] or math.nan) for row in rows]
    np.testing.assert_allclose(read, expected, rtol=1e-9)
    assert "'=1+1" in {row["label"] for row in rows}


def test_figures_with_such_names_are_whole(folder: Path) -> None:
    plots = sorted((folder / "plots").iterdir())
    assert len(plots) > 8
    for path in plots:
        if path.suffix == ".svg":
            tags = {e.tag.rpartition("}")[2] for e in ElementTree.parse(path).iter()}
            assert not tags & {"script", "a", "foreignObject"}
        else:
            assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_the_manifest_has_the_names_as_they_are(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["axes"]["label"] == LEVELS


def test_nothing_that_is_said_acts_on_the_terminal(
    results: Results, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    screen = io.StringIO()
    print_status(folder, Console(file=screen, width=400))
    assert "owned" in screen.getvalue()
    assert not active(screen.getvalue())
    assert "[red]x[/red]" in screen.getvalue()
    assert told(results) == 1
    text = capsys.readouterr().out
    assert "failed at stage sample: ValueError" in text
    assert not active(text)
    assert len(text.splitlines()) == 3


def test_a_cell_that_is_paused_is_told_of_in_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    @scenario
    def paused(label: str) -> Problem:
        return line.function()

    class Failing(ExactSampler):
        def compile(self, target: Target, simulated: Simulated) -> ExactDensity:
            raise ValueError(HOSTILE[11])

    sweep = Sweep(paused, {"label": [HOSTILE[11]]}, sampler=Failing(), draws=25, replicates=12)
    sweep.run(tmp_path / "run", progress=False, report=False)
    text = capsys.readouterr().err
    assert "paused" in text
    assert not active(text)


FILE = """
import pymc as pm
from recovery import scenario

@scenario
def mine(label: str = "x"):
    raise ValueError("told " + label)
"""


@pytest.mark.parametrize(
    "name", ["<script>.py", "=1+1.py", "-x.py", "a b;$(x)`y`.py", "\x1b[2J.py"]
)
def test_a_file_of_any_name_is_run_and_named_in_text(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_text(FILE)
    word = f"./{name}"
    assert main(["run", word, f"label={HOSTILE[11]}", "--out", f"out{HOSTILE[11]}"]) == 2
    text = capsys.readouterr().err
    assert "the scenario raised ValueError: told" in text
    assert not active(text)
    # Python may keep what it has compiled.
    assert {path.name for path in tmp_path.iterdir()} - {"__pycache__"} == {name}


@pytest.mark.parametrize("out", ["nul\0", "n" * 300, "file/below"])
def test_a_folder_that_cannot_be_is_refused_in_one_line(
    out: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    for words in (["run", "plants", "--out", out], ["status", out], ["report", out]):
        assert main(words) in (1, 2)
        text = capsys.readouterr().err
        assert text.count("\n") == 1
        assert text.startswith("recovery: ")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_quantity_with_a_name_that_no_file_can_hold_is_refused(tmp_path: Path) -> None:
    from recovery.errors import ProblemError

    @scenario
    def halved() -> Problem:
        problem = line.function()
        return Problem(problem.model, "y", problem.truth, quantities={"\ud800": complain})

    with pytest.raises(ProblemError, match=r"'\\ud800' cannot be written"):
        Sweep(halved, sampler=ExactSampler()).run(tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()
