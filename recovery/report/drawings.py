"""Figures as files, and as SVG that is safe inside a page."""

import gc
import io
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from xml.etree import ElementTree

import matplotlib as mpl
from matplotlib.figure import Figure as MplFigure

from recovery.plots.style import BAND, EDGE, FAINT, GOOD, GRID, GUIDE, QUIET, styled
from recovery.report.document import Figure
from recovery.report.text import plain

_DPI = 120
_DROPPED = frozenset({"metadata", "style", "script", "foreignObject", "a", "title", "desc"})
_COLOUR = re.compile(r"#[0-9a-f]{6}\b")
# Colours that a page in the dark has others for; the names are those of its style sheet.
_VARIABLES = {
    "#ffffff": "--figure",
    "#000000": "--figure-ink",
    GUIDE.lower(): "--figure-guide",
    EDGE.lower(): "--figure-edge",
    QUIET.lower(): "--figure-quiet",
    BAND.lower(): "--figure-band",
    GRID.lower(): "--figure-grid",
    FAINT.lower(): "--figure-faint",
    GOOD.lower(): "--figure-blue",
}
_REFERENCE = re.compile(r"url\(#([^)]+)\)")


@dataclass(frozen=True, slots=True)
class Drawing:
    """One figure, drawn: the files, and what goes in a page."""

    svg: bytes
    png: bytes
    figure: Figure


def draw(figures: Iterable[tuple[str, MplFigure, str]]) -> Iterator[Drawing]:
    """Draw figures, the same bytes for the same figure.

    Parameters
    ----------
    figures : iterable of (slug, matplotlib Figure, alt text)
    """
    taken: set[str] = set()
    with _unsearched():
        yield from _drawn(figures, taken)


@contextmanager
def _unsearched() -> Iterator[None]:
    """Look for no garbage meanwhile: artists by the ten thousand make that a tenth of the time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _drawn(figures: Iterable[tuple[str, MplFigure, str]], taken: set[str]) -> Iterator[Drawing]:
    for name, figure, alt in figures:
        slug = _slug(name, taken)
        taken.add(slug)
        with styled(), mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "recovery"}):
            svg = _saved(figure, "svg", {"Date": None, "Creator": None})
            png = _saved(figure, "png", {"Software": None})
        yield Drawing(svg, png, Figure(slug, plain(alt), inline_svg(svg, slug, plain(alt))))


def _saved(figure: MplFigure, form: str, metadata: dict[str, None]) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format=form, dpi=_DPI, metadata=metadata)
    return file.getvalue()


def _slug(name: str, taken: set[str]) -> str:
    """Return a file name that stays in its folder and is not taken yet."""
    base = re.sub(r"[^a-z0-9_-]+", "-", name.lower()).strip("-")[:80] or "figure"
    slug, number = base, 1
    while slug in taken:
        number += 1
        slug = f"{base}-{number}"
    return slug


def inline_svg(svg: bytes, prefix: str, label: str) -> str:
    """Return SVG to stand inside an HTML page beside other figures.

    Ids get a prefix, so that no two figures share one. Style sheets, which would act on the whole
    page, metadata and anything that runs or fetches are left out.

    Parameters
    ----------
    svg : bytes
        A whole SVG file as matplotlib writes it.
    prefix : str
        Unique within the page.
    label : str
        What the figure shows, for those who cannot see it.
    """
    root = ElementTree.fromstring(svg)  # noqa: S314  (matplotlib wrote it a moment ago)
    _clean(root, prefix)
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    # What matplotlib's style sheet says of every element is inherited from the root instead.
    root.set("style", "stroke-linejoin: round; stroke-linecap: butt; fill: var(--figure-ink)")
    root.set("role", "img")
    root.set("aria-label", label)
    root.tail = None
    return ElementTree.tostring(root, encoding="unicode", short_empty_elements=False)


def _clean(element: ElementTree.Element, prefix: str) -> None:
    element.tag = _local(element.tag)
    if element.text:
        element.text = plain(element.text, lines=True)
    attributes = {_local(name): value for name, value in element.attrib.items()}
    element.attrib.clear()
    for name, value in attributes.items():
        if name == "id":
            element.set(name, f"{prefix}-{value}")
        elif name == "href":
            if value.startswith("#"):
                element.set(name, f"#{prefix}-{value[1:]}")
            elif value.startswith("data:image/"):
                element.set(name, value)
        elif name == "style":
            element.set(name, _COLOUR.sub(_variable, _REFERENCE.sub(rf"url(#{prefix}-\1)", value)))
        elif not name.lower().startswith("on"):
            element.set(name, _REFERENCE.sub(rf"url(#{prefix}-\1)", value))
    for child in list(element):
        if _local(child.tag) in _DROPPED:
            element.remove(child)
        else:
            _clean(child, prefix)


def _variable(colour: re.Match[str]) -> str:
    """Return a colour as the page has it, by light or in the dark; in a file alone it is itself."""
    name = _VARIABLES.get(colour[0])
    return f"var({name}, {colour[0]})" if name else colour[0]


def _local(name: str) -> str:
    return name.rpartition("}")[2]
