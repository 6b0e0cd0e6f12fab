"""The report as one self-contained HTML page."""

import re

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from recovery.inert import plain
from recovery.report.document import Figure, Report

_DOI = re.compile(r"\bdoi:(10\.\d{4,9}/[\w.()/:;-]*\w)")


def to_html(report: Report) -> str:
    """Render a report as a page that needs nothing else: no script, no font, no network."""
    environment = Environment(
        loader=PackageLoader("recovery.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["linked"] = linked
    environment.filters["drawn"] = _drawn
    page = environment.get_template("report.html.j2").render(report=report)
    # Each text was made plain where it was taken; one that was forgotten ends here.
    return plain(page, lines=True)


def linked(text: str) -> Markup:
    """Escape text, make each DOI in it a link, and keep numbers and their % on one line."""
    link = r'<a href="https://doi.org/\1">doi:\1</a>'
    escaped = str(escape(re.sub(r"(?<=\d) %", "\u00a0%", text)))
    return Markup(_DOI.sub(link, escaped))  # noqa: S704  (escaped just before)


def _drawn(figure: Figure) -> Markup:
    return Markup(figure.svg)  # noqa: S704  (made safe by inline_svg)
