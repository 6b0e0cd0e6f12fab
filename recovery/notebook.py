"""How results show themselves: a line in a terminal, a small table in a notebook."""

import math
from html import escape
from typing import TYPE_CHECKING, Final

from recovery.inert import plain
from recovery.record import FITTED

if TYPE_CHECKING:
    from recovery.results import Results

MOST_ROWS: Final = 30
"""Rows of the table in a notebook."""
_SHOWN: Final = ("coverage_90", "bias", "rmse")
_FRAMES: Final = "measures(), diagnostics(), cost(), estimates, replicates, to_xarray()"
_LONGEST: Final = 80


def line(results: "Results") -> str:
    """Return what results are in one line, and what to ask them for."""
    axes = ", ".join(results.axes) or "no axis"
    return f"<Results of {_scenario(results)} ({axes}): {_counts(results)}; see {_FRAMES}>"


def page(results: "Results") -> str:
    """Return results as a piece of HTML: counts, and measures by cell and parameter.

    Names are text in it, whatever they are, and of many rows the first are shown.
    """
    heads, rows, total = _rows(results)
    parts = [
        f"<p><b>{_text(_scenario(results))}</b>, {_text(results.folder)}<br>",
        f"{_text(_counts(results))}</p>",
    ]
    if rows:
        head = "".join(f'<th scope="col">{_text(name)}</th>' for name in heads)
        parts += [
            "<table>",
            "<caption>Each ± is one Monte Carlo standard error, n the fits of a row.</caption>",
            f"<thead><tr>{head}</tr></thead>",
            "<tbody>",
            *("<tr>" + "".join(f"<td>{_text(v)}</td>" for v in row) + "</tr>" for row in rows),
            "</tbody>",
            "</table>",
        ]
    if total > len(rows):
        parts.append(f"<p>{total - len(rows):,} more rows: see results.measures()</p>")
    return "\n".join(["<div>", *parts, f"<p>See also {_FRAMES}.</p>", "</div>"])


def _rows(results: "Results") -> tuple[list[str], list[list[str]], int]:
    """Return heads and first rows of the table, and how many rows there are in all."""
    axes, cells = results.axes, results.cells
    swept = [axis for axis in axes if cells[axis].nunique(dropna=False) > 1]
    fitted = {name for (_, name), group in results.columns.groups.items() if group.kind in FITTED}
    table = results.measures()
    table = table[table["measure"].isin(_SHOWN) & table["parameter"].isin(fitted)]
    total = int((table["measure"] == _SHOWN[0]).sum())
    # By place, for an axis may have the name of a measure; those of one row follow one another.
    places = [axes.index(axis) for axis in swept]
    found: dict[tuple[str, ...], dict[str, str]] = {}
    counts: dict[tuple[str, ...], str] = {}
    for values in table.head(MOST_ROWS * len(_SHOWN)).itertuples(index=False, name=None):
        *levels, truth, parameter, measure, estimate, mcse, n, _ = values
        key = (str(parameter), *(str(levels[place]) for place in places), str(truth))
        found.setdefault(key, {})[str(measure)] = _number(float(estimate), float(mcse))
        counts[key] = str(n)
    rows = [
        [*key, *(cells.get(name, "n/a") for name in _SHOWN), counts[key]]
        for key, cells in found.items()
    ]
    return ["parameter", *swept, "truth", *_SHOWN, "n"], rows, total


def _scenario(results: "Results") -> str:
    return plain(results.identity.get("scenario", "no scenario"))


def _counts(results: "Results") -> str:
    done, ok = len(results.columns), int(results.columns.ok.sum())
    flagged = int(results.fits["flagged"].sum())
    cells, planned = len(results.cells), int(results.cells["n_planned"].sum())
    return (
        f"{cells:,} {'cell' if cells == 1 else 'cells'}, {done:,} of {planned:,} replicates done, "
        f"{done - ok:,} failed, {flagged:,} flagged"
    )


def _number(estimate: float, mcse: float) -> str:
    if math.isnan(estimate):
        return "n/a"
    return f"{estimate:.3g} ± " + ("n/a" if math.isnan(mcse) else f"{mcse:.2g}")


def _text(value: object) -> str:
    text = plain(value)
    return escape(text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…")
