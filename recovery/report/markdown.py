"""The report as short Markdown: what it comes to, every cell in a row, the failures."""

from jinja2 import Environment, PackageLoader, StrictUndefined

from recovery.inert import escaped, plain
from recovery.report.document import Report

ROWS_SHOWN = 60
"""Rows of a table that are written out; the text says how many more there are, and where."""


def to_markdown(report: Report) -> str:
    """Render the brief parts of a report as Markdown (GitHub's kind, for the tables)."""
    environment = Environment(
        loader=PackageLoader("recovery.report"),
        autoescape=False,  # noqa: S701  (this is no HTML: `escaped` is on everything instead)
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["md"] = escaped
    template = environment.get_template("report.md.j2")
    return plain(template.render(report=report, rows_shown=ROWS_SHOWN), lines=True)
