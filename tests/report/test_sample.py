"""The text of reports is as it was kept: a small one word for word, the sample in its build.

RECOVERY_REWRITE=1 writes the texts that are kept anew; read the difference before it goes in.
"""

import os
from html.parser import HTMLParser
from pathlib import Path

import pytest

from recovery import Sweep
from recovery.report import write_report
from recovery.scenarios.plants import plants

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "reports" / "plants"
GOLDEN = ROOT / "tests" / "golden" / "report"
_LEFT_OUT = {"svg", "style", "script"}
_LINE = {
    "body",
    "header",
    "p",
    "li",
    "dd",
    "dt",
    "tr",
    "h1",
    "h2",
    "h3",
    "summary",
    "figcaption",
    "pre",
}


class Words(HTMLParser):
    """What a page says, a line for each paragraph and row, figures left out."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.lines = [""]
        self._out = 0
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._out += tag in _LEFT_OUT
        if tag in _LINE:
            self.lines.append("")
        elif tag in ("td", "th"):
            self.lines[-1] += "| "

    def handle_endtag(self, tag: str) -> None:
        self._out -= tag in _LEFT_OUT
        if tag in ("td", "th"):
            self.lines[-1] += " "

    def handle_data(self, data: str) -> None:
        if not self._out:
            self.lines[-1] += " ".join(data.split(" ")).strip("\n")

    @property
    def text(self) -> str:
        return "".join(f"{line.strip()}\n" for line in self.lines if line.strip())


class Build(HTMLParser):
    """How a page is built: titles, heads of tables and figures, section by section."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.titles: dict[str, list[str]] = {}
        self.heads: dict[str, list[list[str]]] = {}
        self.figures: set[str] = set()
        self._section, self._in = "", ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        name = dict(attrs).get("id")
        if tag == "section":
            self._section = name or "headline"
        elif tag == "figure":
            self.figures.add(str(name))
        elif tag == "thead":
            self.heads.setdefault(self._section, []).append([])
        if tag in ("h2", "h3") or dict(attrs).get("scope") == "col":
            self._in = tag

    def handle_data(self, data: str) -> None:
        if not data.strip():
            return
        if self._in in ("h2", "h3"):
            self.titles.setdefault(self._section, []).append(data)
        elif self._in == "th":
            self.heads[self._section][-1].append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("h2", "h3", "th"):
            self._in = ""


@pytest.fixture(scope="module")
def small(write, tmp_path_factory):
    folder = tmp_path_factory.mktemp("small") / "run"
    results = write(
        folder, replicates=12, planned=15, axes={"trials": [10, 40], "noise": [1.0]},
        parameters={"mu": 0.5, "far": 6.0}, predicted=("predicted y",),
        failed=lambda i: "ValueError: bad" if i == 3 else None, flagged=lambda i: i == 5,
    )  # fmt: skip
    write_report(results, [])
    return folder


@pytest.mark.parametrize("name", ["report.md", "report.txt"])
def test_a_small_report_says_word_for_word_what_it_said(name: str, small: Path) -> None:
    found = (
        Words(small / "report.html").text
        if name == "report.txt"
        else (small / name).read_text(encoding="utf-8")
    )
    kept = GOLDEN / name
    if os.environ.get("RECOVERY_REWRITE"):
        kept.parent.mkdir(exist_ok=True)
        kept.write_text(found, encoding="utf-8")
    assert found == kept.read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_sample_is_built_as_a_report_of_the_same_scenario_is_today(tmp_path: Path) -> None:
    sweep = Sweep(plants, {"trials": [25, 50], "noise": [0.25, 0.5]}, replicates=6, truth="both",
                  draws=400, tune=400)  # fmt: skip
    sweep.run(tmp_path / "run", workers=2, progress=False)
    new, kept = Build(tmp_path / "run" / "report.html"), Build(SAMPLE / "report.html")
    assert len(new.titles) > 10
    for section, titles in new.titles.items():
        if section != "headline":  # what it comes to is another matter
            assert kept.titles[section] == titles
    for section, heads in new.heads.items():
        for head in heads:
            assert head in kept.heads[section]
    assert len(new.figures) > 15
    assert new.figures <= kept.figures


def test_the_sample_has_every_file_that_its_readers_are_sent_to() -> None:
    for name in ("report.html", "report.md", "manifest.json", "tables/measures.csv"):
        assert (SAMPLE / name).stat().st_size > 1000
    for figure in Build(SAMPLE / "report.html").figures:
        assert (SAMPLE / "plots" / f"{figure.removeprefix('figure-')}.png").exists()
