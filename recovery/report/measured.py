"""How well each parameter was recovered: one table per truth mode, predictions apart."""

import math

from recovery.report.document import Block, Cell, Column, Section, Table, Text, row
from recovery.report.text import (
    MISSING,
    count,
    level,
    listed,
    number,
    plain,
    with_error,
)
from recovery.report.view import CI_PROB, MODES, PREDICTED, PRIOR_DRAWS, Measures, View
from recovery.shares import binomial_interval

PERCENT = f"{100 * CI_PROB:g} %"
_FEWEST = 10  # fits of a row, from which its coverage is marked
_MARKS = (
    f"▼ or ▲: the 95 % Monte Carlo interval of the coverage lies below or above {PERCENT}. Of rows "
    f"whose true coverage is nominal, about 5 % get a mark by chance (more often where n is below "
    f"30). Rows of fewer than {_FEWEST} fits get none, nor do constant and discrete quantities."
)
_FIXED_MARKS = " With a fixed truth a mark alone does not show a fault, nor rule one out."
_DISCRETE = (
    "For a discrete quantity the intervals of an exact posterior hold the truth more often than "
    f"{PERCENT}."
)
_HEAVY_TAILS = (
    "Where the prior has heavy tails, bias, standard errors and RMSE hang on a few extreme truths "
    "and ± is too small."
)
_CONTRACTION = (
    "Contraction is the share of the prior variance that the data removed: near 0 the posterior "
    "is as wide as the prior. It is missing where the prior has no known variance."
)
_SES = (
    "± is one Monte Carlo standard error: how much the number would vary between runs of this "
    "size. n is the number of complete fits the row rests on; failed fits are in no row."
)


def recovery_sections(view: View) -> list[Section]:
    """Return the sections on the parameters, one for each truth mode that has a complete fit."""
    sections = []
    if rows := view.fitted("prior"):
        blocks: list[Block] = [
            Text(
                "The truth of each replicate is a draw from the prior. Averaged over the prior, "
                f"{PERCENT} intervals of an exact posterior hold the truth in {PERCENT} of "
                "replicates, so a departure here speaks of the sampler, or of a simulator and a "
                "fitted model that differ."
            ),
            _prior_table(view, rows),
        ]
        sections.append(
            Section("recovery-prior", "Recovery over the prior", tuple(blocks), brief=True)
        )
    if rows := view.fitted("fixed"):
        blocks = [
            Text(
                "The truth is the same in all replicates of a cell. Intervals of an exact "
                "posterior need not have nominal coverage at one truth: the prior pulls the "
                "estimate, and the more so the fewer the data and the further out the truth."
            ),
            *_conflict_text(view, rows),
            _fixed_table(view, rows),
        ]
        sections.append(
            Section("recovery-fixed", "Recovery at the fixed truth", tuple(blocks), brief=True)
        )
    if predicted := [m for m in view.all_fits if m.kind in PREDICTED]:
        sections.append(_predictions(view, predicted))
    return sections


def conflicts(view: View) -> list[tuple[int, str]]:
    """Return the cells and parameters whose given truth lies far out in the prior."""
    return [key for key, place in view.places.items() if place.conflict and key in view.groups]


def cells_in_conflict(view: View) -> set[int]:
    """Return the cells where any given truth lies far out in the prior."""
    return {position for position, _ in conflicts(view)}


def _conflict_text(view: View, rows: list[Measures]) -> list[Block]:
    found = conflicts(view)
    if not found:
        return []
    names = list(dict.fromkeys(plain(parameter) for _, parameter in found))
    shown = listed(names[:5]) if len(names) <= 5 else f"{', '.join(names[:5])} and more"
    touched = cells_in_conflict(view)
    others = sum((m.position, m.parameter) not in found and m.position in touched for m in rows)
    text = (
        f"Conflict of truth and prior in {len(found):,} of {count(len(rows), 'row')} "
        f"({shown}): the truth lies more than 3 prior standard deviations from the prior "
        "mean, or its two-sided prior tail probability is below 0.01. Bias and low coverage can "
        "occur there even with an exact posterior, so by themselves they show no fault of the "
        "sampler; nor do they clear it, since chains can agree and all miss the mode at the truth."
    )
    if others:
        text += (
            f" All parameters of a cell are fitted to the same data, and the same may hold for the "
            f"{count(others, 'other row')} of these cells."
        )
    return [Text(text, "warn")]


def _prior_table(view: View, rows: list[Measures]) -> Table:
    return Table(
        f"Every fitted parameter, truth drawn from the prior; nominal coverage {PERCENT}.",
        (
            *_name_columns(view),
            *_MEASURE_COLUMNS[:-1],
            Column("contraction", hint="share of the prior variance that the data removed"),
            _MEASURE_COLUMNS[-1],
        ),
        tuple(_prior_row(view, m) for m in rows),
        (*_mark_notes(view, rows), _SES, _HEAVY_TAILS, _CONTRACTION),
    )


def _prior_row(view: View, measures: Measures) -> tuple[Cell, ...]:
    *cells, n = measure_cells(view, measures)
    contraction = with_error(*measures["contraction"][:2])
    return row(*names(view, measures), *cells, contraction, n)


def _mark_notes(view: View, rows: list[Measures], more: str = "") -> tuple[str, ...]:
    discrete = any((m.position, m.parameter) in view.discrete for m in rows)
    return (_MARKS + more, _DISCRETE) if discrete else (_MARKS + more,)


def _fixed_table(view: View, rows: list[Measures]) -> Table:
    columns = (
        *_name_columns(view),
        Column("truth"),
        Column("prior z", hint="distance of the truth from the prior mean, in prior sds"),
        Column("prior tail", hint="two-sided prior tail probability of the truth"),
        Column("truth and prior", numeric=False),
        *_MEASURE_COLUMNS,
    )
    touched = cells_in_conflict(view)
    return Table(
        f"Every fitted parameter at its fixed truth; nominal coverage {PERCENT}.",
        columns,
        tuple(_fixed_row(view, m, m.position in touched) for m in rows),
        (
            *_mark_notes(view, rows, _FIXED_MARKS),
            _SES,
            f"prior z and prior tail are from {PRIOR_DRAWS:,} prior draws. They are missing where "
            "no truth was given for the parameter itself, prior z also where the prior has no "
            "known variance. Conflict: the truth lies far out in the prior. In cell: so does the "
            "truth of another parameter of the same cell.",
        ),
    )


def _fixed_row(view: View, measures: Measures, touched: bool) -> tuple[Cell, ...]:
    key = (measures.position, measures.parameter)
    truth, place = view.truths.get(key), view.places.get(key)
    if place is not None and place.conflict:
        conflict = Cell("conflict", "warn")
    else:
        conflict = Cell("in cell" if touched else "")
    return row(
        *names(view, measures),
        "varies" if truth is None else number(truth),
        number(float(f"{place.z_score:.2g}")) if place else MISSING,
        _tail(place.tail_probability) if place else MISSING,
        conflict,
        *measure_cells(view, measures),
    )


def _tail(probability: float) -> str:
    """Write a two-sided tail probability as well as so many prior draws know it."""
    if probability == 0:
        return "<0.002"  # what is that rare is met by none of 4,000 draws 1 time in 50
    return f"{probability:.3f}" if probability >= 0.001 else number(probability, 1)


_MEASURE_COLUMNS = (
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


def _name_columns(view: View) -> tuple[Column, ...]:
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
    key = (measures.position, measures.parameter)
    judged = not (measures.coverage.n < _FEWEST or key in view.discrete or key in view.constant)
    side = departure(measures) if judged else ""
    text = with_error(*measures.coverage[:2])
    return Cell(f"{text} {side}", "warn") if side else Cell(text)


def departure(measures: Measures, prob: float = 0.95) -> str:
    """Return ▼, ▲ or nothing: where the interval of the coverage lies against nominal."""
    coverage = measures.coverage
    lower, upper = binomial_interval(coverage.estimate, coverage.n, prob)
    if math.isnan(lower) or lower <= CI_PROB <= upper:
        return ""
    return "▼" if upper < CI_PROB else "▲"


def _predictions(view: View, rows: list[Measures]) -> Section:
    columns = (
        Column("quantity", numeric=False),
        Column("truth mode", numeric=False),
        *_name_columns(view)[1:],
        *_MEASURE_COLUMNS,
    )
    table = Table(
        f"Predictions of new observations and of their means; nominal coverage {PERCENT}.",
        columns,
        tuple(
            row(
                plain(m.parameter),
                MODES.get(view.modes[m.position], ""),
                *names(view, m)[1:],
                *measure_cells(view, m),
            )
            for m in rows
        ),
        (*_mark_notes(view, rows, _FIXED_MARKS), _SES),
    )
    text = Text(
        "After each fit new data are put in and new observations simulated at the truth. A "
        "predicted mean is compared with the mean at the truth, a predicted observation with the "
        "observation itself, whose noise no amount of data removes."
    )
    return Section("predictions", "Out-of-sample prediction", (text, table), brief=True)
