"""The report as one self-contained HTML page."""

import base64
import hashlib
import re
from importlib import resources
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from recovery.inert import plain
from recovery.report.document import MOST_ROWS, Figure, Report

_DOI: Final = re.compile(r"\bdoi:(10\.\d{4,9}/[\w.()/:;-]*\w)")
_EVIDENCE: Final = {
    "table-": "see the table",
    "figure-": "see the figure",
    "guide": "how to read them",
}


def to_html(report: Report) -> str:
    """Render a report as a page that needs nothing else: no font, no file, no network.

    Its one script sorts and filters tables; the page's own policy lets no other script run.
    """
    environment = Environment(
        loader=PackageLoader("recovery.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"linked": linked, "drawn": _drawn, "named": _named}
    script = resources.files("recovery.report").joinpath("templates/report.js").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    page = environment.get_template("report.html.j2").render(
        report=report,
        most_rows=MOST_ROWS,
        script=Markup(script),  # noqa: S704  (our own file)
        script_digest=Markup(f"sha256-{digest}"),  # noqa: S704  (base64)
    )
    # Each text was made plain where it was taken; one that was forgotten ends here.
    return plain(page, lines=True)


def linked(text: str) -> Markup:
    """Escape text, make each DOI in it a link, and keep numbers and their % on one line."""
    link = r'<a href="https://doi.org/\1">doi:\1</a>'
    escaped = str(escape(re.sub(r"(?<=\d) %", "\u00a0%", text)))
    return Markup(_DOI.sub(link, escaped))  # noqa: S704  (escaped just before)


def _named(slug: str) -> str:
    """Return the words of a link to some evidence."""
    found = (words for beginning, words in _EVIDENCE.items() if slug.startswith(beginning))
    return next(found, "see the section")


def _drawn(figure: Figure) -> Markup:
    return Markup(figure.svg)  # noqa: S704  (made safe by inline_svg)
