"""A figure of panels under one title, with one legend below them."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from recovery.plots.style import WIDTH, new_figure
from recovery.plots.text import inert, shorten, wrapped

Made: TypeAlias = tuple[str, Figure, str]
"""Slug, figure and text; see `figures.figures`."""
_CHARACTERS = 125  # of a legend, in a line as wide as a figure


def columns_for(n: int, *, busy: bool = False) -> int:
    """Return how many columns n panels are laid out in; two at most if they are busy."""
    if busy:
        return min(n, 2)
    if n <= 3:
        return max(n, 1)
    return 2 if n == 4 else 3 if n <= 9 else 4


@dataclass(frozen=True, slots=True)
class Grid:
    """A figure and its panels, row by row."""

    figure: Figure
    panels: list[Axes]
    columns: int

    @classmethod
    def of(
        cls,
        n: int,
        columns: int | None = None,
        *,
        height: float = 2.5,
        share: str = "",
        busy: bool = False,
    ) -> "Grid":
        """Make n empty panels; with ``share="y"`` they have one vertical axis."""
        columns = columns or columns_for(n, busy=busy)
        rows = -(-n // columns)
        figure = new_figure(WIDTH, (height if rows > 1 else 1.25 * height) * rows + 1.1)
        panels: list[Axes] = []
        for i in range(n):
            sharing = panels[0] if share == "y" and i else None
            panels.append(figure.add_subplot(rows, columns, i + 1, sharey=sharing))
        return cls(figure, panels, columns)

    def finish(self, title: str, notes: Sequence[str], *, share: str = "") -> Figure:
        """Keep the outer labels, put one legend below and the title with its notes above.

        ``share`` is ``y`` or ``rows`` where one vertical axis serves all panels or those of a row.
        """
        n = len(self.panels)
        if share == "rows":
            self._even_rows()
        for i, ax in enumerate(self.panels):
            ax.set_anchor("N")
            below = self.panels[i + self.columns] if i + self.columns < n else None
            if below is not None and below.get_xlabel() == ax.get_xlabel():
                ax.set_xlabel("")
            left = self.panels[i - 1] if i % self.columns else None
            if left is not None and left.get_ylabel() == ax.get_ylabel():
                ax.get_yaxis().label.set_visible(False)
                if share:
                    ax.tick_params(labelleft=False)
        handles: dict[str, Artist] = {}
        for ax in self.panels:
            for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
                handles.setdefault(label, handle)
        if handles:
            per_line = _CHARACTERS // (max(map(len, handles)) + 7)
            self.figure.legend(
                list(handles.values()), list(handles), loc="outside lower center",
                ncols=max(1, min(per_line, len(handles))),
            )  # fmt: skip
        text = wrapped([inert(title), inert("; ".join(notes))])
        self.figure.suptitle(text, x=0.01, ha="left")
        self._lay_out()
        refitted = [fit(ax) for ax in self.panels for fit in (_fit_title, _fit_label)]
        if any(refitted):
            self._lay_out()
        self.figure.set_layout_engine(None)  # what is laid out stays, in every format
        return self.figure

    def _lay_out(self) -> None:
        """Find the places of all that is drawn; ticks are made by that, while the style is set."""
        engine = self.figure.get_layout_engine()
        assert engine is not None
        engine.execute(self.figure)

    def _even_rows(self) -> None:
        for first in range(0, len(self.panels), self.columns):
            row = self.panels[first : first + self.columns]
            ends = [end for ax in row for end in ax.get_ylim()]
            for ax in row:
                ax.set_ylim(min(ends), max(ends))


def name_panel(ax: Axes, label: str) -> None:
    """Put a label in the first line of a panel's title, in place of the parameter's name."""
    _, _, rest = ax.get_title().partition("\n")
    ax.set_title(inert(label) + (f"\n{rest}" if rest else ""))


def described(title: str, limits: Sequence[str], finding: str) -> str:
    """Write what is drawn, what of it is left out, and the finding."""
    aside = f" ({'; '.join(limits)})" if limits else ""
    return f"{title}{aside}. {finding}"


def _fit_title(ax: Axes) -> bool:
    """Break lines of a title that is wider than its panel; say whether that was needed."""
    width, room = ax.title.get_window_extent().width, ax.get_window_extent().width
    if width <= room:
        return False
    lines = ax.get_title().replace(r"\$", "$").split("\n")
    longest = int(max(map(len, lines)) * room / width)
    ax.set_title(inert("\n".join(part for line in lines for part in textwrap.wrap(line, longest))))
    return True


def _fit_label(ax: Axes) -> bool:
    """Shorten a label that is wider than its panel; say whether that was needed."""
    label = ax.xaxis.label
    width, room = label.get_window_extent().width, ax.get_window_extent().width
    if width <= room:
        return False
    text = label.get_text().replace(r"\$", "$")
    ax.set_xlabel(inert(shorten(text, max(4, int(len(text) * room / width)))))
    return True
