"""The look of every figure: colours, markers, sizes, and a context that sets them.

Colours are those of Okabe and Ito (2008, "Color universal design"), told apart with the common
colour vision deficiencies; yellow is left out, too pale on white. Beside its colour every level
has a marker and a line style of its own.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from matplotlib import colormaps, rc_context, rcParamsDefault
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager

PALETTE: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X")
LINE_STYLES: Final = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)))

GOOD: Final = PALETTE[0]
BAD: Final = PALETTE[1]
GUIDE: Final = "#444444"
BAND: Final = "#D9D9D9"
QUIET: Final = "#8C8C8C"
EDGE: Final = "#666666"
GRID: Final = "#E6E6E6"
FAINT: Final = "#EDEDED"

WIDTH: Final = 10.0
"""Width of a figure in inches, 1000 pixels at `DPI`."""
DPI: Final = 100
TITLE_SIZE: Final = 11.0
TEXT_SIZE: Final = 9.0
TICK_SIZE: Final = 8.0
_CHARACTERS = 95  # of a legend, in a line as wide as a figure of one Axes

# Used only where they are installed, for names in scripts that DejaVu Sans does not have.
_FALLBACKS = (
    "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans CJK KR", "WenQuanYi Zen Hei",
    "IPAGothic", "PingFang SC", "Hiragino Sans", "Microsoft YaHei", "Arial Unicode MS",
    "Noto Sans Devanagari", "Noto Emoji", "Segoe UI Symbol",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Look:
    """How one level is drawn."""

    color: str
    marker: str
    linestyle: Any  # a name or a dash pattern; matplotlib has no public type for both


def looks(n: int) -> list[Look]:
    """Return n looks that differ: the palette, or a dark-to-light range for more than 7 levels."""
    colors = list(PALETTE[:n])
    if n > len(PALETTE):
        colors = [to_hex(colormaps["viridis"](0.88 * i / (n - 1))) for i in range(n)]
    return [
        Look(color, MARKERS[i % len(MARKERS)], LINE_STYLES[i % len(LINE_STYLES)])
        for i, color in enumerate(colors)
    ]


@cache
def _families() -> tuple[str, ...]:
    installed = set(fontManager.get_font_names())
    return ("DejaVu Sans", *(name for name in _FALLBACKS if name in installed), "sans-serif")


@contextmanager
def styled() -> Iterator[None]:
    """Set the style, whatever the user's own is; save a figure inside it, too.

    A warning that no installed font has a character of some name is silenced: the name stays
    whole in an SVG, where the reader's own fonts are used.
    """
    style: Any = {
        **{
            key: rcParamsDefault[key]
            for key in rcParamsDefault
            if key.startswith(("axes.", "figure.", "font.", "legend.", "lines.", "text.", "xtick.",
                               "ytick.", "grid.", "errorbar.", "path.", "scatter."))
        },
        "font.family": list(_families()),
        "font.size": TEXT_SIZE,
        "axes.titlesize": TEXT_SIZE,
        "axes.titley": 1.0,  # nothing stands above an Axes, and looking for it takes a tenth of all
        "axes.labelsize": TEXT_SIZE,
        "xtick.labelsize": TICK_SIZE,
        "ytick.labelsize": TICK_SIZE,
        "legend.fontsize": TICK_SIZE,
        "legend.frameon": False,
        "figure.titlesize": TITLE_SIZE,
        "figure.dpi": DPI,
        "figure.facecolor": "white",
        "savefig.facecolor": "white",
        "savefig.transparent": False,
        "axes.facecolor": "white",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.edgecolor": EDGE,
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.formatter.useoffset": False,
        "grid.color": GRID,
        "grid.linewidth": 0.7,
        "lines.linewidth": 1.2,
        "lines.markersize": 4.5,
        "text.usetex": False,
    }  # fmt: skip
    with rc_context(style), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        warnings.filterwarnings("ignore", message="Matplotlib currently does not support")
        yield


def new_figure(width: float = WIDTH, height: float = 4.0) -> Figure:
    """Return a white figure in inches with a constrained layout, without any GUI behind it."""
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


@contextmanager
def drawing(ax: Axes | None, height: float = 4.0) -> Iterator[Axes]:
    """Yield the Axes to draw on: the one given, as it is, or a new one in this style.

    A new one gets a legend when the drawing is done, if anything on it has a label.
    """
    if ax is not None:
        yield ax
        return
    with styled():
        figure = new_figure(7.0, height)
        ax = figure.add_subplot()
        yield ax
        labels = ax.get_legend_handles_labels()[1]
        if labels:
            per_line = _CHARACTERS // (max(map(len, labels)) + 7)
            ncols = max(1, min(4, per_line, len(labels)))
            figure.legend(loc="outside lower center", ncols=ncols)
        figure.draw_without_rendering()  # ticks are made while the style is set
