"""How well each parameter was recovered where truths were drawn from the prior."""

from recovery.report.document import Cell, Column, Section, Table, Text, row
from recovery.report.measured import (
    MEASURE_COLUMNS,
    PERCENT,
    STANDARD_ERRORS,
    mark_notes,
    measure_cells,
    name_columns,
    names,
)
from recovery.report.text import with_error
from recovery.report.view import Measures, View

_HEAVY_TAILS = (
    "Where the prior has heavy tails, bias, standard errors and RMSE hang on a few extreme truths "
    "and ± is too small."
)
_CONTRACTION = (
    "Contraction is the share of the prior variance that the data removed: near 0 the posterior "
    "is as wide as the prior. It is missing where the prior has no known variance."
)


def prior_section(view: View) -> Section | None:
    """Return the section on truth mode ``prior``, if it has a complete fit."""
    rows = view.fitted("prior")
    if not rows:
        return None
    text = Text(
        "The truth of each replicate is a draw from the prior. Averaged over the prior, "
        f"{PERCENT} intervals of an exact posterior hold the truth in {PERCENT} of replicates, so "
        "a departure here speaks of the sampler, or of a simulator and a fitted model that differ."
        + (" Here they do: the data come from another model." if view.generated else "")
    )
    blocks = text, _prior_table(view, rows)
    return Section("recovery-prior", "Recovery over the prior", blocks)


def _prior_table(view: View, rows: list[Measures]) -> Table:
    return Table(
        f"Every fitted parameter, truth drawn from the prior; nominal coverage {PERCENT}.",
        (
            *name_columns(view),
            *MEASURE_COLUMNS[:-1],
            Column("contraction", hint="share of the prior variance that the data removed"),
            MEASURE_COLUMNS[-1],
        ),
        tuple(_prior_row(view, m) for m in rows),
        (*mark_notes(view, rows), STANDARD_ERRORS, _HEAVY_TAILS, _CONTRACTION),
        slug="table-prior",
    )


def _prior_row(view: View, measures: Measures) -> tuple[Cell, ...]:
    *cells, n = measure_cells(view, measures)
    contraction = with_error(*measures["contraction"][:2])
    return row(*names(view, measures), *cells, contraction, n)
