"""The validation report and every other file of a run's output folder, made from its store."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from recovery.errors import NothingMeasured
from recovery.report.atomic import remove_file, write_file
from recovery.report.content import report_content
from recovery.report.forms import remove_forms, write_forms
from recovery.report.html import to_html
from recovery.report.manifest import manifest_json
from recovery.report.markdown import to_markdown
from recovery.report.tables import OPTIONAL, csv_tables
from recovery.report.view import View
from recovery.results import Results

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["write_forms", "write_report"]

Figures: TypeAlias = "Iterable[tuple[str, Figure, str]]"


def write_report(results: Results, figures: "Figures | None" = None) -> list[Path]:
    """Write manifest, tables, plots and the report into the folder of a run.

    The same store gives the same bytes. Each file is written whole or not at all.

    Parameters
    ----------
    results : Results
    figures : iterable of (slug, matplotlib Figure, alt text), optional
        By default all that `recovery.plots.figures` makes of the results. Files of a figure of
        `recovery.plots.figures` that is not among them, from an earlier report, are removed, and
        so is what `write_forms` has written.

    Returns
    -------
    list of Path
        What was written: ``manifest.json``, ``tables/*.csv``, ``plots/*.svg`` and ``*.png``,
        ``report.md`` and last ``report.html``.

    Raises
    ------
    NothingMeasured
        If the store has no record of any replicate.
    OutputError
        If a file cannot be written or removed.
    """
    if not len(results.columns):
        raise NothingMeasured(
            f"{results.folder}: no replicate has been run yet, so there is nothing to report; "
            "run the sweep with recovery run first"
        )
    from recovery.plots.figures import SLUGS
    from recovery.plots.figures import figures as all_figures
    from recovery.report.drawings import draw

    if figures is None:
        figures = all_figures(results)
    folder, view = results.folder, View(results)
    remove_forms(folder)
    written = [write_file(folder / "manifest.json", manifest_json(view))]
    tables = csv_tables(view)
    for name, content in tables.items():
        written.append(write_file(folder / "tables" / name, content))
    for name in set(OPTIONAL) - set(tables):
        remove_file(folder / "tables" / name)
    shown = []
    for drawing in draw(figures):
        shown.append(drawing.figure)
        for ending, data in (("svg", drawing.svg), ("png", drawing.png)):
            path = folder / "plots" / f"{drawing.figure.slug}.{ending}"
            written.append(write_file(path, data))
    for slug in set(SLUGS) - {figure.slug for figure in shown}:
        for ending in ("svg", "png"):
            remove_file(folder / "plots" / f"{slug}.{ending}")
    report = report_content(view, shown)
    written.append(write_file(folder / "report.md", to_markdown(report)))
    written.append(write_file(folder / "report.html", to_html(report)))
    return written
