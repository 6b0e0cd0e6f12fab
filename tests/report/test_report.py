import base64
import csv
import hashlib
import json
import os
import re
import subprocess
import sys
from collections import Counter
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from markdown_it import MarkdownIt

from recovery.errors import NothingMeasured, OutputError
from recovery.report import write_report
from recovery.results import Results
from recovery.store import Store

HOSTILE = [
    "<script>alert(1)</script>",
    "a|b",
    "=1+1",
    "$x_{",
    "../../x",
    "two\nlines",
    "`tick` *bold* [link](javascript:alert(1)) ![i](http://evil.example/x.png)",
    'quote" onload="alert(1)',
    "\u202eesrever\x00\x1b[31m",
    "n" * 300,
]


class Page(HTMLParser):
    """The tags, attributes and text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith((".", "results.sqlite"))
    }


def page(results: Results) -> Page:
    return Page((results.folder / "report.html").read_text(encoding="utf-8"))


def test_every_file_of_the_layout_exists_and_is_returned(make, two_figures):
    results = make()
    paths = write_report(results, two_figures())
    assert sorted(contents(results.folder)) == [
        "manifest.json",
        "plots/first.png", "plots/first.svg", "plots/second.png", "plots/second.svg",
        "report.html", "report.md",
        "tables/calibration.csv", "tables/cost.csv", "tables/diagnostics.csv",
        "tables/measures.csv", "tables/sensitivity.csv",
    ]  # fmt: skip
    assert sorted(p.relative_to(results.folder).as_posix() for p in paths) == sorted(
        contents(results.folder)
    )


def test_old_files_of_known_figures_are_removed_and_those_of_others_are_not(make, two_figures):
    results = make()
    plots = results.folder / "plots"
    plots.mkdir()
    for name in ("rank-ecdf.svg", "rank-ecdf.png", "mine.svg", "cost.txt"):
        (plots / name).touch()
    write_report(results, two_figures())
    assert {path.name for path in plots.iterdir()} == {
        "first.png", "first.svg", "second.png", "second.svg", "mine.svg", "cost.txt",
    }  # fmt: skip


def test_the_same_input_gives_the_same_bytes(make, two_figures):
    results = make(failed=lambda i: "ValueError: bad" if i == 3 else None)
    write_report(results, two_figures())
    first = contents(results.folder)
    write_report(Results(results.folder), two_figures())
    assert contents(results.folder) == first


def test_another_process_with_the_real_figures_writes_the_same_bytes(make):
    results = make(axes={}, modes=["prior"], replicates=6, parameters={"mu": 0.5})
    write_report(results)
    here = contents(results.folder)
    code = (
        "import sys; from recovery.report import write_report;"
        "from recovery.results import Results; write_report(Results(sys.argv[1]))"
    )
    path = os.pathsep.join(filter(None, sys.path))
    subprocess.run(
        [sys.executable, "-c", code, str(results.folder)],
        check=True,
        env=os.environ | {"PYTHONHASHSEED": "1", "PYTHONPATH": path},
    )
    assert contents(results.folder) == here
    assert any(name.startswith("plots/") for name in here)
    assert "<svg" in here["report.html"].decode()


def test_no_frame_with_a_row_per_estimate_is_made_for_a_report(make, monkeypatch):
    results = make(failed=lambda i: "E" if i == 1 else None, flagged=lambda i: i == 2)

    def too_wide(self):
        raise AssertionError("a million replicates would need gigabytes")

    for name in ("estimates", "replicates"):
        monkeypatch.setattr(Results, name, property(too_wide))
    write_report(results)


def test_the_time_of_a_session_is_in_the_provenance_only(make, two_figures):
    results = make()
    write_report(results, two_figures())
    text = (results.folder / "report.html").read_text(encoding="utf-8")
    before, _, provenance = text.partition('<section id="provenance"')
    assert "2030-01-02" in provenance
    assert "2030" not in before


def test_a_store_without_a_record_is_refused_and_nothing_is_written(tmp_path):
    with Store.create_or_open(tmp_path) as store:
        store.begin({"scenario": "empty", "axes": []}, [], [], {})
    with pytest.raises(NothingMeasured, match="no replicate has been run yet"):
        write_report(Results(tmp_path), [])
    assert contents(tmp_path) == {}


@pytest.mark.parametrize("axes", [{}, {"trials": [10, 40]}])
def test_without_any_complete_fit_there_is_still_a_report_that_says_so(make, axes):
    results = make(axes=axes, failed=lambda i: "ValueError: never")
    write_report(results)
    text = page(results).text
    assert "Without a complete fit there is nothing to measure." in text
    assert "ValueError: never" in text
    with (results.folder / "tables/measures.csv").open() as file:
        assert len(list(csv.reader(file))) == 1


def test_one_fit_of_one_cell_makes_a_report(make):
    results = make(axes={}, modes=["fixed"], replicates=1, parameters={"mu": 0.5})
    write_report(results)
    assert "n/a" in page(results).text


def test_cells_not_begun_all_failed_and_with_one_fit_stand_in_one_report(make):
    results = make(replicates=[0, 1, 2, 4], failed=lambda i: "E: first" if i == 0 else None)
    assert results.diagnostics()["n_ok"].tolist() == [0, 0, 1, 3]
    write_report(results)
    assert "3 of 7 replicates failed" in page(results).text


def test_failures_are_counted_and_shown_with_their_traceback_as_text(make, two_figures):
    results = make(
        failed=lambda i: "ValueError: <b>bad</b>" if i < 3 else "OSError: disk" if i < 4 else None,
        traceback='Traceback\n  File "x.py", line 1\n    <img src=x onerror=alert(1)>\n',
    )
    write_report(results, two_figures())
    found = page(results)
    assert "16 of 80 replicates failed, with 2 different errors" in found.text
    assert "<img src=x onerror=alert(1)>" in found.text
    assert "img" not in {tag for tag, _ in found.tags}
    markdown = (results.folder / "report.md").read_text(encoding="utf-8")
    assert "ValueError: &lt;b>bad&lt;/b> | sample | 12 | 4 |" in markdown
    manifest = json.loads((results.folder / "manifest.json").read_text())
    assert manifest["replicates"] == {
        "planned": 80, "done": 80, "ok": 64, "failed": 16, "flagged": 0,
    }  # fmt: skip


def hostile_run(make) -> Results:
    return make(
        axes={"label": HOSTILE[:4], "other": [True]},
        parameters=dict.fromkeys(HOSTILE, 0.5),
        predicted=[f"predicted {name}" for name in HOSTILE],
        replicates=3,
        failed=lambda i: "E: " + " ".join(HOSTILE) if i == 2 else None,
        traceback="\n".join(HOSTILE),
        command=" ".join(HOSTILE),
        scenario=HOSTILE[0],
    )


def test_hostile_names_are_inert_in_the_page(make, two_figures):
    results = hostile_run(make)
    write_report(results, two_figures(" ".join(HOSTILE).replace("\x00", "").replace("\x1b", "")))
    found = page(results)
    tags = Counter(tag for tag, _ in found.tags)
    assert tags["script"] == 1  # our own, see below
    assert not tags.keys() & {"img", "iframe", "object", "embed", "form", "base"}
    for tag, attributes in found.tags:
        assert not [name for name in attributes if name.startswith("on")]
        assert "src" not in attributes
        href = attributes.get("href") or attributes.get("xlink:href") or "#"
        assert href.startswith(("#", "https://doi.org/10.", "data:,")), (tag, href)
    assert "<script>alert(1)</script>" in found.text
    assert "n" * 300 in found.text
    assert not set(found.text) & {"\x00", "\x1b", "\u202e"}


def test_the_one_script_of_the_page_is_ours_and_its_policy_lets_no_other_run(make, two_figures):
    results = hostile_run(make)
    write_report(results, two_figures())
    text = (results.folder / "report.html").read_text(encoding="utf-8")
    script = text.partition("<script>")[2].partition("</script>")[0]
    ours = resources.files("recovery.report").joinpath("templates/report.js").read_text("utf-8")
    assert script == ours
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    assert policy == [
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
        f"script-src 'sha256-{digest}'"
    ]


def test_the_page_asks_for_nothing_from_the_network(make):
    results = make(axes={}, replicates=5, parameters={"mu": 0.5})
    write_report(results)
    text = (results.folder / "report.html").read_text(encoding="utf-8")
    assert set(re.findall(r"https?://[^/\s\"'<]+", text)) == {"https://doi.org"}
    assert not re.search(r"@import|\burl\((?!#)|<link (?!rel=\"icon\" href=\"data:,\")", text)


@pytest.mark.parametrize(
    "run",
    [
        {"axes": {}, "replicates": 5, "parameters": {"mu": 0.5}},
        {"failed": lambda i: "ValueError: never"},
        {"replicates": 12, "flagged": lambda i: i == 2, "failed": lambda i: "E" * (i == 3)},
        {"modes": ["fixed"], "parameters": {"far": 6.0}, "replicates": 30, "planned": 40},
        {"modes": ["prior"], "sd_factor": 0.4, "replicates": 60},
    ],
)  # fmt: skip
def test_no_two_elements_of_the_page_share_an_id_and_every_reference_is_met(make, run):
    results = make(**run)
    write_report(results)
    found = page(results)
    ids = Counter(a["id"] for _, a in found.tags if "id" in a)
    assert ids
    assert max(ids.values()) == 1
    text = (results.folder / "report.html").read_text(encoding="utf-8")
    used = set(re.findall(r"url\(#([^)]+)\)", text)) | set(re.findall(r'href="#([^"]+)"', text))
    assert used <= set(ids)


def test_hostile_names_are_inert_in_markdown(make, two_figures):
    results = hostile_run(make)
    write_report(results, two_figures())
    markdown = (results.folder / "report.md").read_text(encoding="utf-8")
    tokens = MarkdownIt("commonmark").enable("table").parse(markdown)
    kinds = {t.type for token in tokens for t in [token, *(token.children or [])]}
    assert not kinds & {"html_block", "html_inline", "link_open", "image", "code_inline", "em_open"}
    width = 0
    for token in tokens:
        width = 0 if token.type == "tr_open" else width + (token.type in ("th_open", "td_open"))
        if token.type == "tr_close":
            assert width >= 2
    rows = [t.content for t in tokens if t.type == "inline"]
    assert "<script>alert(1)</script>" in "".join(
        child.content for t in tokens for child in t.children or []
    )
    assert rows


def test_every_row_of_a_markdown_table_has_the_cells_of_its_head(make, two_figures):
    results = hostile_run(make)
    write_report(results, two_figures())
    lines = (results.folder / "report.md").read_text(encoding="utf-8").split("\n")
    width = None
    for line in lines:
        if line.startswith("|"):
            bars = len(re.findall(r"(?<!\\)\|", line))
            assert width in (None, bars)
            width = bars
        else:
            width = None


def test_hostile_names_are_inert_in_a_spreadsheet(make, two_figures):
    results = hostile_run(make)
    write_report(results, two_figures())
    for path in (results.folder / "tables").iterdir():
        text = path.read_bytes().decode()
        assert not set(text) & set(map(chr, [*range(10), *range(11, 32), 127]))
        for row in csv.reader(text.split("\n")):
            for cell in row:
                if cell.startswith(tuple("=+-@\t")):
                    float(cell)


def test_hostile_names_of_figures_stay_in_their_folder_and_apart(make, two_figures):
    results = make(replicates=2)
    names = ["../../x", "../../X", "", "a/b\\c", "n" * 300]
    drawn = [figure for _, figure, _ in (*two_figures(), *two_figures(), *two_figures())]
    figures = [(name, figure, name) for name, figure in zip(names, drawn, strict=False)]
    write_report(results, figures)
    plots = sorted(path.name for path in (results.folder / "plots").glob("*.svg"))
    assert plots == ["a-b-c.svg", "figure.svg", f"{'n' * 80}.svg", "x-2.svg", "x.svg"]


def test_every_row_of_a_long_table_is_in_the_page(make):
    results = make(axes={"trials": list(range(1, 101))}, modes=["fixed"], replicates=2)
    write_report(results, [])
    text = (results.folder / "report.html").read_text(encoding="utf-8")
    section = text.partition('<section id="recovery-fixed"')[2].partition("</section>")[0]
    # A row per cell says what it shows; each of the two tables has a head.
    assert section.count("<tr>") == 100 + 1 + 200 + 1
    markdown = (results.folder / "report.md").read_text(encoding="utf-8")
    assert "The first 60 of 100 rows" in markdown


def test_a_table_longer_than_a_page_can_bear_says_where_the_rest_is(make, monkeypatch):
    monkeypatch.setattr("recovery.report.html.MOST_ROWS", 30)
    results = make(axes={"trials": list(range(1, 41))}, modes=["fixed"], replicates=2)
    write_report(results, [])
    found = page(results).text
    assert "80 rows; the first 30 are here, all are in tables/." in found


def test_a_file_that_cannot_be_written_leaves_the_old_one_whole(make, two_figures, monkeypatch):
    results = make(replicates=3)
    write_report(results, two_figures())
    before = contents(results.folder)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left on device"):
        write_report(results, two_figures())
    assert contents(results.folder) == before
    assert not list(results.folder.rglob("*.part"))


def test_the_manifest_tells_design_sessions_and_compilations(make, two_figures):
    results = make(axes={"trials": [10, 40], "label": ["a", "b"], "fast": [True]})
    write_report(results, two_figures())
    manifest = json.loads((results.folder / "manifest.json").read_text())
    assert manifest["scenario"] == "conjugate"
    assert manifest["axes"] == {"trials": [10, 40], "label": ["a", "b"], "fast": [True]}
    assert manifest["truth_modes"] == ["fixed", "prior"]
    assert manifest["cells"] == 8
    assert manifest["seed"]["root"] == 42
    assert manifest["sampler"] == {"sampler": "exact", "draws": 500}
    assert manifest["sessions"] == results.sessions
    assert manifest["compilations"]["by_kind"] == {"density": {"count": 1, "seconds": 1.5}}
    assert manifest["compilations"]["by_process"] == [
        {"session": 1, "process": 7, "kind": "density", "count": 1, "seconds": 1.5}
    ]


def test_numbers_come_back_from_the_tables_as_they_were(make, two_figures):
    results = make()
    write_report(results, two_figures())
    with (results.folder / "tables/measures.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    frame = results.measures()
    names = ["trials", "truth", "parameter", "measure", "estimate", "mcse", "n", "mcmc_share"]
    assert list(rows[0]) == list(frame.columns) == names
    for name in ("truth", "parameter", "measure"):
        assert [row[name] for row in rows] == frame[name].tolist()
    for name in ("trials", "estimate", "mcse", "n", "mcmc_share"):
        read = np.array([float(row[name] or "nan") for row in rows])
        np.testing.assert_allclose(read, frame[name].to_numpy(float), rtol=1e-9)
