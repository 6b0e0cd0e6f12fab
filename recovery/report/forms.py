"""Other forms of a report, written when they are asked for: LaTeX tables for a paper, a PDF."""

from pathlib import Path

from recovery.report.atomic import remove_file, write_file
from recovery.report.latex import FILES, latex_tables
from recovery.report.pdf import print_pdf
from recovery.report.view import View
from recovery.results import Results

PDF = "report.pdf"


def write_forms(results: Results, *, latex: bool = False, pdf: bool = False) -> list[Path]:
    """Write other forms of a report that is in the folder of a run already.

    The same store gives the same bytes. Forms that are not asked for are left as they are;
    `recovery.report.write_report` removes them, for they would be of an earlier state of the store.

    Parameters
    ----------
    results : Results
    latex : bool
        Write ``tables/*.tex``, see `recovery.report.latex.latex_tables`.
    pdf : bool
        Print ``report.html`` as ``report.pdf``.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    UsageError
        If there is nothing that prints a PDF.
    OutputError
        If a file cannot be written, or the PDF cannot be made.
    """
    folder, written = results.folder, []
    if latex:
        for name, content in latex_tables(View(results)).items():
            written.append(write_file(folder / "tables" / name, content))
    if pdf:
        written.append(write_file(folder / PDF, print_pdf(folder / "report.html")))
    return written


def remove_forms(folder: Path) -> None:
    """Remove what `write_forms` has written into a folder at any time."""
    for path in (*(folder / "tables" / name for name in FILES), folder / PDF):
        remove_file(path)
