"""What the tables of measures share: their columns, cells, marks and notes."""

import math

from recovery.report.document import Cell, Column
from recovery.report.text import (
    level,
    plain,
    with_error,
)
from recovery.report.view import CI_PROB, Measures, View
from recovery.shares import binomial_interval

PERCENT = f"{100 * CI_PROB:g} %"
_FEWEST = 10  # fits of a row, from which its coverage is marked
_MARKS = (
    f"▼ or ▲: the 95 % Monte Carlo interval of the coverage lies below or above {PERCENT}. Of rows "
    f"whose true coverage is nominal, about 5 % get a mark by chance (1 to 11 % where n is below "
    f"60). Rows of fewer than {_FEWEST} fits get none, nor do constant and discrete "
    "quantities."
)
FIXED_MARKS = " With a fixed truth a mark alone does not show a fault, nor rule one out."
_DISCRETE = (
    "For a discrete quantity the intervals of an exact posterior hold the truth more often than "
    f"{PERCENT}."
)
STANDARD_ERRORS = (
    "± is one Monte Carlo standard error: how much the number would vary between runs of this "
    "size. n is the number of complete fits the row rests on; failed fits are in no row."
)


def mark_notes(view: View, rows: list[Measures], more: str = "") -> tuple[str, ...]:
    """Return the notes on the marks of coverage; `more` is added to the first."""
    discrete = any((m.position, m.parameter) in view.discrete for m in rows)
    return (_MARKS + more, _DISCRETE) if discrete else (_MARKS + more,)


MEASURE_COLUMNS = (
    Column(f"coverage {PERCENT}", hint=f"share of {PERCENT} intervals that hold the truth"),
    Column("bias", hint="average error of the posterior mean"),
    Column("empirical SE", hint="spread of the errors of the posterior mean"),
    Column("model SE", hint="spread the posteriors claim"),
    Column("RMSE", hint="typical size of the error"),
    Column("n", hint="complete fits used"),
)


def axis_columns(view: View) -> tuple[Column, ...]:
    """Return a column for each swept axis."""
    return tuple(Column(plain(axis), numeric=view.numeric[axis]) for axis in view.swept)


def name_columns(view: View) -> tuple[Column, ...]:
    """Return the columns that name a row: parameter and swept axes."""
    return Column("parameter", numeric=False), *axis_columns(view)


def names(view: View, measures: Measures) -> tuple[str, ...]:
    """Return the parameter and the swept levels, the first cells of a row."""
    return plain(measures.parameter), *view.levels[measures.position]


def measure_cells(view: View, measures: Measures) -> tuple[Cell, ...]:
    """Return coverage, bias, standard errors, RMSE and n as cells."""
    return (
        coverage_cell(view, measures),
        *(
            Cell(with_error(*measures[name][:2]))
            for name in ("bias", "empirical_se", "model_se", "rmse")
        ),
        Cell(level(measures["bias"].n)),
    )


def coverage_cell(view: View, measures: Measures) -> Cell:
    """Return the coverage, marked where Monte Carlo error does not explain its distance.

    Nothing is marked where there are too few fits, or where even exact intervals have no nominal
    coverage: those of a constant have no width, those of a discrete quantity hold it too often.
    """
    side = departure(measures) if judged(view, measures) else ""
    text = with_error(*measures.coverage[:2])
    return Cell(f"{text} {side}", "warn") if side else Cell(text)


def marked(difference: float, mcse: float, clear: float) -> Cell:
    """Return a difference, marked ! where it is more than so many standard errors from 0."""
    text = with_error(difference, mcse)
    beyond = mcse > 0 and abs(difference) > clear * mcse
    return Cell(f"{text} !", "warn") if beyond else Cell(text)


def judged(view: View, measures: Measures) -> bool:
    """Say whether coverage can be judged at all, see `coverage_cell`."""
    key = (measures.position, measures.parameter)
    return not (measures.coverage.n < _FEWEST or key in view.discrete or key in view.constant)


def departure(measures: Measures, prob: float = 0.95) -> str:
    """Return ▼, ▲ or nothing: where the interval of the coverage lies against nominal."""
    coverage = measures.coverage
    lower, upper = binomial_interval(coverage.estimate, coverage.n, prob)
    if math.isnan(lower) or lower <= CI_PROB <= upper:
        return ""
    return "▼" if upper < CI_PROB else "▲"
