"""How well new observations were predicted."""

from recovery.report.document import Column, Section, Table, Text, row
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
from recovery.report.text import plain
from recovery.report.view import MODES, PREDICTED, View


def predictions_section(view: View) -> Section | None:
    """Return the section on predictions of new observations, if there are any."""
    rows = [m for m in view.all_fits if m.kind in PREDICTED]
    if not rows:
        return None
    columns = (
        Column("quantity", numeric=False),
        Column("truth mode", numeric=False),
        *name_columns(view)[1:],
        *MEASURE_COLUMNS,
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
        (*mark_notes(view, rows, FIXED_MARKS), STANDARD_ERRORS),
    )
    text = Text(
        "After each fit new data are put in and new observations simulated at the truth. A "
        "predicted mean is compared with the mean at the truth, a predicted observation with the "
        "observation itself, whose noise no amount of data removes."
    )
    return Section("predictions", "Out-of-sample prediction", (text, table))
