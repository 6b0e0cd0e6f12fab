"""LaTeX tables: a parse of our own, and pdfTeX where there is one."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from recovery.report import write_forms, write_report
from recovery.report.latex import FILES, LONG, latex_tables
from recovery.report.tex import slug, tex
from recovery.report.view import View
from recovery.results import Results

HOSTILE = [
    "<script>", "a|b", "=1+1", "$x_{", "two\nlines", "q\"u'o`te--x", "\u202eesrever\x00\x1b[31m",
    "n" * 90, "[x]", "*y", "\\end{table}\\input{/etc/passwd}", "%c", "~^#&", "\\write18{x}", " [b",
    "a''b,,c", "中文 é σ²₁ 𝛽 \u200b ř ọ ﬁ ❤ Đ", "\\", "}", "e\u0301\u0301", "ß Æ ø ł µ ° – “x” …",  # noqa: RUF001
]  # fmt: skip
COMMANDS = set(
    "providecommand recoveryglyph ifdefined Umathcode else fi begin end centering caption label "
    "footnotesize setlength tabcolsep toprule midrule bottomrule addlinespace par smallskip parbox "
    "linewidth shortstack begingroup endgroup endfirsthead endhead endfoot noindent "
    "textbackslash textasciicircum textasciitilde textless textgreater textbar char "
    "textendash textquotedblleft textquotedblright ldots ss AE o l downarrow uparrow pm infty "
    "sigma mu circ v d sbox ifdim wd usebox resizebox".split()
)


def rows_of(text: str) -> list[list[str]]:
    """Return the cells of a table's rows; whatever is not as it must be is an error."""
    preamble, *lines = text.removesuffix("\n").split("\n")
    assert preamble.startswith("% Needs ")
    bare = "\n".join(lines)
    assert set(re.findall(r"\\([A-Za-z]+)", bare)) <= COMMANDS
    environments = []
    for kind, name in re.findall(r"\\(begin|end)\{(\w+)\}", bare):
        if kind == "begin":
            environments.append(name)
        else:
            assert environments.pop() == name
    assert environments == []
    # An escaped character is none; what is left must pair.
    unescaped = re.sub(r"\\[\\{}$&#%_ ^~'`=.\"]", lambda m: " " if m[0] != r"\\" else m[0], bare)
    assert "%" not in unescaped
    assert unescaped.replace("#1", "").replace("#2", "").count("#") == 0
    depth = 0
    for character in unescaped:
        depth += (character == "{") - (character == "}")
        assert depth >= 0
    assert depth == 0
    (columns,) = re.findall(r"\\begin\{(?:tabular|longtable)\}\{@\{\}([lr]+)@\{\}\}", bare)
    start = next(i for i, line in enumerate(lines) if line == r"\midrule")
    found = []
    for line in lines:
        assert line.count("$") - line.count(r"\$") == 2 * len(re.findall(r"(?<!\\)\$[^$]+\$", line))
        if line.endswith(r" \\"):
            cells = re.split(r"(?<!\\)&", line.removesuffix(r" \\"))
            assert len(cells) == len(columns)
            assert not line.startswith(("[", "*", " "))
            found.append([cell.strip() for cell in cells])
    assert start > 0
    heads = 2 if "longtable" in bare else 1
    assert all(head == found[0] for head in found[:heads])
    return found[heads:]


def hostile_run(make, count: int = len(HOSTILE)) -> Results:
    return make(
        axes={"label": HOSTILE[:4], "other": [True]},
        parameters=dict.fromkeys(HOSTILE[:count], 0.5),
        replicates=4,
        failed=lambda i: "E: " + " ".join(HOSTILE) if i == 2 else None,
        flagged=lambda i: i == 1,
        scenario=HOSTILE[3] + HOSTILE[-5],
    )


def test_a_table_has_a_row_per_parameter_and_cell_with_errors_in_parentheses(make):
    results = make(parameters={"betas[water amount]": 0.5, "sigma_1": 6.0})
    tables = latex_tables(View(results))
    assert sorted(tables) == sorted(FILES)
    text = tables["measures-fixed.tex"]
    rows = rows_of(text)
    assert [row[:2] for row in rows] == [
        ["betas[water amount]", "10"], ["betas[water amount]", "40"],
        [r"sigma\_1", "10"], [r"sigma\_1", "40"],
    ]  # fmt: skip
    measures = results.measures().set_index(["trials", "truth", "parameter", "measure"])
    for row in rows:
        name = row[0].replace("\\", "")
        for cell, measure in zip(
            row[2:7], ["coverage_90", "bias", "empirical_se", "model_se", "rmse"], strict=True
        ):
            found = measures.loc[(int(row[1]), "fixed", name, measure)]
            shown = re.fullmatch(r"(\$-\$)?([\d.]+) \(([\d.]+)\)( \$\\downarrow\$)?", cell)
            assert shown, cell
            value = float(shown[2]) * (-1 if shown[1] else 1)
            assert value == pytest.approx(found["estimate"], abs=found["mcse"] / 10 + 1e-4)
            assert float(shown[3]) == pytest.approx(found["mcse"], rel=0.06, abs=1e-4)
        assert row[7] == "20"
    assert r"\caption{Recovery of parameters, fixed truth. Scenario: conjugate.}" in text
    assert r"\label{tab:conjugate-measures-fixed}" in text
    assert "one Monte Carlo standard error" in text
    assert "n is the number of complete fits" in text
    assert len(rows_of(tables["diagnostics.tex"])) == len(rows_of(tables["cost.tex"])) == 4


def test_many_rows_run_over_several_pages(make):
    results = make(
        axes={"trials": list(range(5, 5 + LONG + 1))}, modes=["prior"], replicates=2,
        parameters={"mu": 0.5},
    )  # fmt: skip
    tables = latex_tables(View(results))
    assert "measures-fixed.tex" not in tables
    text = tables["measures-prior.tex"]
    assert r"\begin{longtable}" in text
    assert "{longtable} in the preamble" in text
    assert len(rows_of(text)) == LONG + 1


def test_hostile_names_are_inert_in_latex(make):
    tables = latex_tables(View(hostile_run(make)))
    rows = [row for text in tables.values() for row in rows_of(text)]
    assert r"\textbackslash{}end\{table\}\textbackslash{}input\{/etc/passwd\}" in {
        row[0] for row in rows
    }


def test_text_is_written_so_that_it_is_printed_as_it_is():
    assert tex("betas[water amount]") == "betas[water amount]"
    assert tex("[x] [y") == "{[}x] [y"
    assert tex(" [x") == r"\ [x"
    assert tex("a--b  c") == r"a-{}-b \ c"
    assert tex("90 % of é, ř and Å") == r"90~\% of \'{e}, \v{r} and \r{A}"
    assert tex("σ²") == r"$\sigma$${}^{2}$"
    assert tex("中") == r"\recoveryglyph{中}{U+4E2D}"
    assert tex("a\u200bb") == "a[U+200B]b"
    assert tex("a\x00\u202e\nb") == "a b"
    assert slug(r"s_$%{}\x中 Y") == "s-x-y"


def test_no_complete_fit_leaves_only_tables_of_cells(make):
    results = make(failed=lambda i: "E")
    assert set(latex_tables(View(results))) == {"diagnostics.tex", "cost.tex"}


def test_the_same_store_gives_the_same_files_and_old_ones_do_not_stay(make, two_figures):
    results = make(modes=["prior"])
    tables = results.folder / "tables"
    tables.mkdir()
    for name in ("measures-fixed.tex", "mine.tex"):
        (tables / name).write_text("old")
    write_report(results, two_figures())
    paths = write_forms(results, latex=True)
    assert {path.name for path in paths} == set(FILES) - {"measures-fixed.tex"}
    assert {path.name for path in tables.glob("*.tex")} == {*(p.name for p in paths), "mine.tex"}
    first = [path.read_bytes() for path in paths]
    again = write_forms(Results(results.folder), latex=True)
    assert [path.read_bytes() for path in again] == first
    write_report(results, two_figures())
    assert [path.name for path in tables.glob("*.tex")] == ["mine.tex"]


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="no pdflatex on PATH")
def test_pdftex_takes_every_table(make, tmp_path: Path):
    inputs = []
    for run, results in {"plain": make("plain"), "hostile": hostile_run(make)}.items():
        for name, text in latex_tables(View(results)).items():
            (tmp_path / f"{run}-{name}").write_text(text, encoding="utf-8")
            inputs.append(rf"\input{{{run}-{name.removesuffix('.tex')}}}")
    paper = [r"\documentclass{article}", r"\usepackage{booktabs}", r"\usepackage{longtable}",
             r"\usepackage{graphicx}",
             r"\begin{document}", r"\listoftables", *inputs, r"\end{document}"]  # fmt: skip
    (tmp_path / "paper.tex").write_text("\n".join(paper))
    for _ in range(2):  # the second time with the list of tables
        made = subprocess.run(
            ["pdflatex", "-no-shell-escape", "-halt-on-error", "-interaction=nonstopmode", "paper"],
            cwd=tmp_path, capture_output=True, check=False,
        )  # fmt: skip
        assert made.returncode == 0, made.stdout[-2000:]
    assert (tmp_path / "paper.pdf").read_bytes().startswith(b"%PDF")
