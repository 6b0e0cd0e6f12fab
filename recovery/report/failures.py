"""Failed replicates: by error, and what they could hide at the worst."""

import numpy as np
import pandas as pd

from recovery.record import FITTED
from recovery.report.document import Block, Cell, Code, Column, Section, Table, Text, row
from recovery.report.fits import cell_columns, cell_names
from recovery.report.measured import PERCENT
from recovery.report.text import count, level, plain, share
from recovery.report.view import CI_PROB, View

_GROUPS_SHOWN = 20


def failures_section(view: View) -> Section:
    """Return the failures by error, each with its first traceback."""
    places = np.flatnonzero(~view.fits["ok"].to_numpy(bool))
    number_failed, total = len(places), len(view.fits)
    if not number_failed:
        text = Text(f"None of {count(total, 'replicate')} failed.")
        return Section("failures", "Failures", (text, *_quantities(view)), brief=True)
    failures = [view.results.columns.failures.get(place, (None,) * 3) for place in places.tolist()]
    frame = pd.DataFrame(failures, columns=["stage", "error", "traceback"])
    frame["key"] = view.results.keys(places)
    frame["cell"] = view.replicate_positions[places]
    groups = sorted(
        frame.groupby(["stage", "error"], sort=False, dropna=False),
        key=lambda group: -len(group[1]),
    )
    columns = (
        Column("error", numeric=False),
        Column("while", numeric=False),
        Column("replicates"),
        Column("cells"),
        Column("first key", numeric=False),
    )
    rows, codes = [], []
    for group_name, group in groups:
        assert isinstance(group_name, tuple)  # the keys of two columns are pairs
        stage, error = (plain(part) for part in group_name)
        first = group.iloc[0]
        rows.append(
            row(
                Cell(error, "bad"),
                stage,
                level(len(group)),
                level(group["cell"].nunique()),
                plain(first["key"]),
            )
        )
        codes.append(Code(f"First traceback: {error[:120]}", plain(first["traceback"], lines=True)))
    blocks: list[Block] = [
        Text(
            f"{number_failed} of {count(total, 'replicate')} failed, with "
            f"{count(len(groups), 'different error')}. They are in no measure; where failing "
            "depends on the data, the measures describe the easier data only.",
            "bad",
        ),
        Table("Failures by error.", columns, tuple(rows), shown=_GROUPS_SHOWN),
        *codes,
        _bounds(view),
        *_quantities(view),
    ]
    return Section("failures", "Failures", tuple(blocks), brief=True)


def _quantities(view: View) -> list[Block]:
    """Say which test quantities could not be had, in how many fits that are complete all the same.

    Their fits are in every other measure.
    """
    frame = view.own(view.results.quantity_failures)
    found: list[Block] = []
    for name, group in frame.groupby("quantity", sort=False):
        first = group.sort_values("n", ascending=False, kind="stable").iloc[0]
        lost, errors = int(group["n"].sum()), group["error"].nunique()
        text = (
            f"Test quantity {plain(name)} failed in {lost:,} of {count(view.n_ok, 'complete fit')}"
            f" ({plain(first['error'])}"
            + (f", and {count(errors - 1, 'other error')}" if errors > 1 else "")
            + "). Its ranks and measures are of the others."
        )
        found.append(Text(text, "warn"))
    return found


def _bounds(view: View) -> Table:
    """Return between what limits coverage must lie, whatever the failed fits would have shown."""
    frame = view.results.coverage_bounds((CI_PROB,))
    own = view.own(frame)
    columns = (own[name].tolist() for name in ("parameter", "lowest", "highest", "n"))
    rows = [
        row(
            plain(parameter),
            *cell_names(view, position),
            share(lowest, 3),
            share(highest, 3),
            level(int(n)),
        )
        for position, parameter, lowest, highest, n in zip(
            view.positions(frame), *columns, strict=True
        )
        if view.kinds.get(parameter) in FITTED
    ]
    return Table(
        f"Coverage of {PERCENT} intervals if every failed fit had missed the truth, or held it.",
        (
            Column("parameter", numeric=False),
            *cell_columns(view),
            Column("lowest"),
            Column("highest"),
            Column("n", hint="failed fits counted"),
        ),
        tuple(rows),
        ("Whatever the failed fits would have shown, coverage lies between the two.",),
    )
