"""What a report consists of: plain frozen values that HTML and Markdown both render."""

from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

Tone: TypeAlias = Literal["", "note", "warn", "bad"]
ROWS_SHOWN = 30
"""Rows of a table in view; the others fold away behind a line that says how many they are."""


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph."""

    text: str
    tone: Tone = ""
    kind: ClassVar[str] = "text"


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a table."""

    text: str
    tone: Tone = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table; numbers stand to the right."""

    title: str
    numeric: bool = True
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table whose first column names the rows; `caption` is a sentence.

    A `long` table is left out of the short Markdown version, which says so.
    """

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()
    shown: int = ROWS_SHOWN
    long: bool = False
    kind: ClassVar[str] = "table"


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and what is known under them."""

    pairs: tuple[tuple[str, str], ...]
    kind: ClassVar[str] = "facts"


@dataclass(frozen=True, slots=True)
class Code:
    """Text kept line by line, folded behind a summary."""

    summary: str
    text: str
    kind: ClassVar[str] = "code"


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure: the name of its files, its description, and safe SVG to put in a page."""

    slug: str
    alt: str
    svg: str
    kind: ClassVar[str] = "figure"


Block: TypeAlias = Text | Table | Facts | Code | Figure


@dataclass(frozen=True, slots=True)
class Tile:
    """One number of the headline box: what it is, the number, and what to know of it."""

    label: str
    value: str
    detail: str
    tone: Tone = ""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the report; `brief` ones are in the short Markdown version too."""

    slug: str
    title: str
    blocks: tuple[Block, ...]
    brief: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """The whole report."""

    title: str
    tiles: tuple[Tile, ...]
    sentences: tuple[Text, ...]
    sections: tuple[Section, ...]


def row(*cells: str | Cell) -> tuple[Cell, ...]:
    """Return a row of a table; bare text is a cell without a tone."""
    return tuple(Cell(cell) if isinstance(cell, str) else cell for cell in cells)
