"""How well each parameter was recovered at a fixed truth, and what that says of the sampler."""

from recovery.report.conflict import cells_in_conflict, conflicts
from recovery.report.document import Block, Cell, Column, Section, Table, Text, row
from recovery.report.measured import (
    FIXED_MARKS,
    MEASURE_COLUMNS,
    PERCENT,
    STANDARD_ERRORS,
    mark_notes,
    measure_cells,
    name_columns,
    names,
)
from recovery.report.reading import readings_table
from recovery.report.text import MISSING, count, listed, number, plain
from recovery.report.view import PRIOR_DRAWS, Measures, View


def fixed_section(view: View) -> Section | None:
    """Return the section on truth mode ``fixed``, if it has a complete fit."""
    rows = view.fitted("fixed")
    if not rows:
        return None
    text = Text(
        "The truth is the same in all replicates of a cell. Intervals of an exact posterior need "
        "not have nominal coverage at one truth: the prior pulls the estimate, and the more so the "
        "fewer the data and the further out the truth."
    )
    blocks = (
        text,
        *_conflict_text(view, rows),
        readings_table(view),
        _fixed_table(view, rows),
    )
    return Section("recovery-fixed", "Recovery at the fixed truth", blocks)


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


def _fixed_table(view: View, rows: list[Measures]) -> Table:
    columns = (
        *name_columns(view),
        Column("truth"),
        Column("prior z", hint="distance of the truth from the prior mean, in prior sds"),
        Column("prior tail", hint="two-sided prior tail probability of the truth"),
        Column("truth and prior", numeric=False),
        *MEASURE_COLUMNS,
    )
    touched = cells_in_conflict(view)
    return Table(
        f"Every fitted parameter at its fixed truth; nominal coverage {PERCENT}.",
        columns,
        tuple(_fixed_row(view, m, m.position in touched) for m in rows),
        (
            *mark_notes(view, rows, FIXED_MARKS),
            STANDARD_ERRORS,
            f"prior z and prior tail are from {PRIOR_DRAWS:,} prior draws. They are missing where "
            "no truth was given for the parameter itself, prior z also where the prior has no "
            "known variance. Conflict: the truth lies far out in the prior. In cell: so does the "
            "truth of another parameter of the same cell.",
        ),
        slug="table-fixed",
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
