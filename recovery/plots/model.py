"""The graph of a model: what each variable is, and what it depends on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from recovery.plots.grid import Made, described
from recovery.plots.style import (
    BAND,
    EDGE,
    FAINT,
    GUIDE,
    TEXT_SIZE,
    WIDTH,
    drawing,
    new_figure,
    styled,
)
from recovery.plots.text import count, inert, shorten

Portrait = Mapping[str, Mapping[str, Any]]
"""Variables by name, each with role, distribution, dims and parents."""
_MOST: Final = 24  # variables that a picture can hold
_PER_ROW: Final = 5
_LINE: Final = 24  # characters of a line in a box
_ROLES: Final = {
    "data": "given as data",
    "free": "free with a prior",
    "deterministic": "computed",
    "potential": "a factor of the density",
    "observed": "observed",
}
_FACES: Final = {
    "data": FAINT, "free": "white", "deterministic": "white", "potential": "white",
    "observed": BAND,
}  # fmt: skip
_EDGES: Final = {"deterministic": "--", "potential": ":"}


@dataclass(frozen=True, slots=True)
class _Box:
    """Where a variable is drawn: columns from -0.5 to 0.5 of the width, rows from the top."""

    x: float
    y: float
    lines: tuple[str, ...]


def plot_model(portrait: Portrait, *, ax: Axes | None = None) -> Axes:
    """Draw the graph of a model: a box per variable, an arrow from each to what depends on it.

    Parameters
    ----------
    portrait : mapping of str to mapping
        By name of a variable: ``role`` (``data``, ``free``, ``deterministic``, ``potential`` or
        ``observed``), ``distribution``, ``dims`` and ``parents``, as each session of
        `Results.sessions` has it under ``model``.
    ax : Axes, optional
        By default a new one.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If there is no variable, or there are more than 24.
    """
    if not 0 < len(portrait) <= _MOST:
        raise ValueError(
            f"portrait: {count(len(portrait), 'variable')}; a picture holds 1 to {_MOST}"
        )
    with drawing(ax, height=1.2 * len(_rows(portrait)) + 0.6) as ax:
        boxes = _places(portrait)
        drawn = {name: _draw(ax, box, str(portrait[name]["role"])) for name, box in boxes.items()}
        ax.set_xlim(-0.02, 1.02)
        ax.set_ylim(max(box.y for box in boxes.values()) + 0.6, -0.6)
        ax.set_axis_off()
        _arrows(ax, portrait, drawn)
    return ax


def latest(sessions: Sequence[Mapping[str, Any]]) -> Portrait:
    """Return the portrait of the last session that knows its model; empty if none does."""
    return next((found for s in reversed(sessions) if (found := s.get("model"))), {})


def model(sessions: Sequence[Mapping[str, Any]]) -> Made | None:
    """Make the figure of the model, if a session knows one that fits a picture."""
    portrait = latest(sessions)
    if not 0 < len(portrait) <= _MOST:
        return None
    with styled():
        figure = new_figure(WIDTH, 1.15 * len(_rows(portrait)) + 0.7)
        title = "The model that is fitted: each variable, and what it depends on"
        figure.suptitle(title, x=0.01, ha="left")
        plot_model(portrait, ax=figure.add_subplot())
        figure.set_layout_engine(None)
    roles = [str(each["role"]) for each in portrait.values()]
    parts = [f"{roles.count(role)} {what}" for role, what in _ROLES.items() if role in roles]
    finding = f"{count(len(roles), 'variable')}: {', '.join(parts)}."
    return "model", figure, described(title, [], finding)


def _rows(portrait: Portrait) -> list[list[str]]:
    """Return the variables row by row: each above all that depend on it, and no higher."""
    children: dict[str, list[str]] = {name: [] for name in portrait}
    for name, each in portrait.items():
        for parent in each["parents"]:
            if parent in children and parent != name:
                children[parent].append(name)
    height: dict[str, int] = {}
    left = list(portrait)
    while left:
        ready = [name for name in left if all(child in height for child in children[name])]
        # A circle, which no model has: what a foreign file claims is drawn all the same.
        for name in ready or left[:1]:
            height[name] = 1 + max((height.get(child, 0) for child in children[name]), default=0)
        left = [name for name in left if name not in height]
    rows: list[list[str]] = []
    for level in range(max(height.values()), 0, -1):
        row = [name for name in portrait if height[name] == level]
        size = -(-len(row) // -(-len(row) // _PER_ROW))
        rows += [row[i : i + size] for i in range(0, len(row), size)]
    return rows


def _places(portrait: Portrait) -> dict[str, _Box]:
    boxes: dict[str, _Box] = {}
    for y, row in enumerate(_rows(portrait)):
        # Where its parents are: so fewer arrows cross.
        centre = {
            name: [boxes[p].x for p in portrait[name]["parents"] if p in boxes] or [0.5]
            for name in row
        }
        ordered = sorted(row, key=lambda name: sum(centre[name]) / len(centre[name]))
        for i, name in enumerate(ordered):
            each = portrait[name]
            dims = f"[{', '.join(map(str, each['dims']))}]" if each["dims"] else ""
            lines = (name, str(each["distribution"]) or str(each["role"]), dims)
            shown = tuple(inert(shorten(line, _LINE)) for line in lines if line)
            boxes[name] = _Box((i + 0.5) / len(row), y, shown)
    return boxes


def _draw(ax: Axes, box: _Box, role: str) -> Text:
    return ax.text(
        box.x, box.y, "\n".join(box.lines), ha="center", va="center", fontsize=TEXT_SIZE,
        linespacing=1.35, zorder=3,
        bbox={"boxstyle": "round,pad=0.45", "facecolor": _FACES.get(role, "white"),
              "edgecolor": EDGE, "linestyle": _EDGES.get(role, "-")},
    )  # fmt: skip


def _arrows(ax: Axes, portrait: Portrait, drawn: Mapping[str, Text]) -> None:
    """Draw an arrow from the edge of each box to the edge of every one that depends on it.

    A box has the size of its text, which is known once it is drawn.
    """
    figure = ax.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()
    to_data = ax.transData.inverted()
    extents = {}
    for name, text in drawn.items():
        patch = text.get_bbox_patch()
        assert patch is not None
        extents[name] = patch.get_window_extent().transformed(to_data)
    for name, each in portrait.items():
        for parent in each["parents"]:
            if parent in drawn and parent != name:
                start = _edge(extents[parent], extents[name])
                end = _edge(extents[name], extents[parent])
                ax.annotate(
                    "", end, start, zorder=1,
                    arrowprops={"arrowstyle": "-|>", "color": GUIDE, "linewidth": 1,
                                "shrinkA": 0, "shrinkB": 2},
                )  # fmt: skip


def _edge(box: Bbox, other: Bbox) -> tuple[float, float]:
    """Return where the line from the middle of a box to that of another leaves it."""
    x, y = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2
    dx, dy = (other.x0 + other.x1) / 2 - x, (other.y0 + other.y1) / 2 - y
    shares = [abs(size / 2 / d) for size, d in ((box.width, dx), (box.height, dy)) if d]
    share = min(shares, default=0.0)
    return x + share * dx, y + share * dy
