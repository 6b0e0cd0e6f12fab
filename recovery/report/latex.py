r"""The main tables as LaTeX for a paper: the same store always gives the same bytes.

A file is an environment with caption and label, to be taken in with ``\input``. It needs the
package ``booktabs``, and a table of more than `LONG` rows ``longtable`` as well.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from recovery.report.document import Section, Table
from recovery.report.fits import convergence_section, cost_section
from recovery.report.measured import PERCENT, axis_columns, departure, judged
from recovery.report.tex import GLYPH, slug, tex
from recovery.report.text import level, plain, with_error
from recovery.report.view import MODES, View

LONG: Final = 40
"""Rows from which a table runs over several pages."""
FILES: Final = ("measures-fixed.tex", "measures-prior.tex", "diagnostics.tex", "cost.tex")
"""Every file that may be written."""

_NAMES: Final = ("bias", "empirical_se", "model_se", "rmse")
_HEADS: Final = (f"coverage {PERCENT}", "bias", "empirical SE", "model SE", "RMSE", "n")
_ERRORS: Final = (
    "In parentheses: one Monte Carlo standard error, that is how much the number would vary "
    "between runs of this size. n is the number of complete fits a row rests on; failed fits are "
    "in no row."
)
_ARROWS: Final = (
    f"An arrow shows that the 95 % Monte Carlo interval of the coverage lies below or above "
    f"{PERCENT}; about 5 % of rows whose true coverage is nominal get one by chance."
)
_SES: Final = (
    "Bias, empirical SE and RMSE are of the posterior mean as an estimate of the truth; model SE "
    "is the spread the posteriors claim."
)
_FIXED: Final = (
    "The truth is the same in every replicate, so even exact credible intervals need not have "
    "nominal coverage."
)
_PRIOR: Final = (
    "The truth of each replicate is drawn from the prior, so the credible intervals of a correct "
    "analysis have nominal coverage."
)


@dataclass(frozen=True, slots=True)
class _Paper:
    """A table as text, not yet escaped; `groups` are rows that stand together."""

    label: str
    caption: str
    heads: Sequence[str]
    numeric: Sequence[bool]
    groups: Sequence[Sequence[Sequence[str]]]
    notes: Sequence[str]


def latex_tables(view: View) -> dict[str, str]:
    """Return the content of each LaTeX file by its name.

    Parameters
    ----------
    view : View

    Returns
    -------
    dict of str to str
        ``measures-fixed.tex`` and ``measures-prior.tex``, of the truth modes that were measured:
        coverage, bias, standard errors and RMSE by parameter and cell. ``diagnostics.tex`` and
        ``cost.tex``: one row per cell.
    """
    papers = {f"measures-{mode}.tex": _measures(view, mode) for mode in MODES}
    papers["diagnostics.tex"] = _of(convergence_section(view), "table-diagnostics")
    papers["cost.tex"] = _of(cost_section(view), "table-cost")
    scenario = plain(view.results.identity.get("scenario", ""))
    return {name: _file(p, scenario) for name, p in papers.items() if p.groups}


def _measures(view: View, mode: str) -> _Paper:
    """Return the measures of what was fitted in one truth mode, a group for each parameter."""
    groups: dict[str, list[list[str]]] = {}
    arrows = False
    for m in view.fitted(mode):
        side = departure(m) if judged(view, m) else ""
        arrows = arrows or bool(side)
        coverage = f"{_error(with_error(*m.coverage[:2]))} {side}".rstrip()
        numbers = [_error(with_error(*m[name][:2])) for name in _NAMES]
        row = [m.parameter, *view.levels[m.position], coverage, *numbers, level(m["bias"].n)]
        groups.setdefault(m.parameter, []).append(row)
    axes = axis_columns(view)
    parts = list(groups.values())
    if parts and len(parts[0]) == 1:  # gaps between single rows would only take room
        parts = [[row for rows in parts for row in rows]]
    return _Paper(
        f"measures-{mode}",
        f"Recovery of parameters, {MODES[mode]}.",
        ["parameter", *(axis.title for axis in axes), *_HEADS],
        [False, *(axis.numeric for axis in axes), *[True] * len(_HEADS)],
        parts,
        [_FIXED if mode == "fixed" else _PRIOR, _SES, _ERRORS, *([_ARROWS] if arrows else [])],
    )


def _of(section: Section, slug: str) -> _Paper:
    """Return a table of the report by its slug."""
    (table,) = (b for b in section.blocks if isinstance(b, Table) and b.slug == slug)
    label = slug.removeprefix("table-")
    rows = [[_error(cell.text) for cell in cells] for cells in table.rows]
    return _Paper(
        label,
        table.caption,
        [column.title for column in table.columns],
        [column.numeric for column in table.columns],
        [rows] if rows else [],
        [note.replace("± is", "In parentheses:") for note in table.notes],
    )


def _error(text: str) -> str:
    """Put a standard error into parentheses, as papers have it."""
    estimate, sign, error = text.partition(" ± ")
    return f"{estimate} ({error})" if sign else text


def _file(paper: _Paper, scenario: str) -> str:
    long = sum(map(len, paper.groups)) > LONG
    packages = r"\usepackage{booktabs} and \usepackage{%s}" % ("longtable" if long else "graphicx")
    named = "-".join(filter(None, ["tab:" + (slug(scenario) or "recovery"), paper.label]))
    where = f" Scenario: {scenario}." if scenario else ""
    lines = [
        f"% Needs {packages} in the preamble.",
        GLYPH,
        *(_long if long else _short)(
            paper, rf"\caption{{{tex(paper.caption + where)}}}", rf"\label{{{named}}}"
        ),
    ]
    return "\n".join(lines) + "\n"


def _short(paper: _Paper, caption: str, label: str) -> Iterator[str]:
    """Write a table that floats on one page."""
    yield from (r"\begin{table}[htbp]", r"\centering", caption, label, _SMALL)
    yield from (rf"\sbox0{{\begin{{tabular}}{{{_align(paper)}}}", r"\toprule")
    yield from (_heads(paper), r"\midrule")
    yield from _body(paper)
    yield from (r"\bottomrule", r"\end{tabular}}")
    # A table wider than the text is made as wide as that.
    yield r"\ifdim\wd0>\linewidth\resizebox{\linewidth}{!}{\usebox0}\else\usebox0\fi"
    yield r"\par\smallskip"
    yield rf"\parbox{{\linewidth}}{{{_notes(paper)}}}"
    yield r"\end{table}"


def _long(paper: _Paper, caption: str, label: str) -> Iterator[str]:
    """Write a table that runs over several pages, each with its heads."""
    heads = _heads(paper)
    yield from (r"\begingroup", _SMALL, rf"\begin{{longtable}}{{{_align(paper)}}}")
    yield from (caption + label + r"\\", r"\toprule", heads, r"\midrule", r"\endfirsthead")
    yield from (r"\toprule", heads, r"\midrule", r"\endhead", r"\bottomrule", r"\endfoot")
    yield from _body(paper)
    yield from (r"\end{longtable}", rf"\noindent {_notes(paper)}\par", r"\endgroup")


_SMALL: Final = r"\footnotesize\setlength{\tabcolsep}{3pt}"


def _align(paper: _Paper) -> str:
    return "@{}" + "".join("r" if numeric else "l" for numeric in paper.numeric) + "@{}"


def _heads(paper: _Paper) -> str:
    """Return the heads; those of numbers have a line for each word, as wide tables need it."""
    cells = []
    for title, numeric in zip(paper.heads, paper.numeric, strict=True):
        words = title.replace(" %", "\u00a0%").split(" ") if numeric else [title]
        lines = r" \\ ".join(tex(word) for word in words)
        cells.append(rf"\shortstack[r]{{{lines}}}" if len(words) > 1 else lines)
    return " & ".join(cells) + r" \\"


def _body(paper: _Paper) -> Iterator[str]:
    for number, rows in enumerate(paper.groups):
        if number:
            yield r"\addlinespace"
        for row in rows:
            yield " & ".join(tex(cell) for cell in row) + r" \\"


def _notes(paper: _Paper) -> str:
    return tex(" ".join(paper.notes))
