"""What a report consists of: plain frozen values that HTML and Markdown both render."""

from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

Tone: TypeAlias = Literal["", "note", "warn", "bad"]
MOST_ROWS = 1500
"""Rows of a table that a page can bear; the files in tables/ have them all."""


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph, and the anchor of what shows it."""

    text: str
    tone: Tone = ""
    evidence: str = ""
    kind: ClassVar[str] = "text"


@dataclass(frozen=True, slots=True)
class Heading:
    """A title within a section."""

    slug: str
    title: str
    kind: ClassVar[str] = "heading"


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

    A table with a `slug` can be linked to.
    """

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()
    slug: str = ""
    kind: ClassVar[str] = "table"

    @property
    def hints(self) -> tuple[Column, ...]:
        """The columns that need a word of explanation."""
        return tuple(column for column in self.columns if column.hint)


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


Block: TypeAlias = Text | Heading | Table | Facts | Code | Figure


@dataclass(frozen=True, slots=True)
class Tile:
    """One number of the headline box: what it is, the number, what to know of it, its evidence.

    The `main` ones come first and stand out.
    """

    label: str
    value: str
    detail: str
    tone: Tone = ""
    evidence: str = ""
    main: bool = False


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What it comes to: a few words, and plain sentences."""

    words: str
    sentences: tuple[Text, ...]
    tone: Tone = ""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the report; its `brief` blocks are in the short Markdown version too."""

    slug: str
    title: str
    blocks: tuple[Block, ...]
    brief: tuple[Block, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """The whole report."""

    title: str
    about: str
    conclusion: Conclusion
    tiles: tuple[Tile, ...]
    sentences: tuple[Text, ...]
    sections: tuple[Section, ...]


def row(*cells: str | Cell) -> tuple[Cell, ...]:
    """Return a row of a table; bare text is a cell without a tone."""
    return tuple(Cell(cell) if isinstance(cell, str) else cell for cell in cells)
