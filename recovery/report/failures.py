"""Failed replicates: by error, and what they could hide at the worst."""

from collections import Counter

import numpy as np
import pandas as pd

from recovery.pauses import Failing, Pauses
from recovery.record import FITTED
from recovery.report.document import Block, Cell, Code, Column, Section, Table, Text, row
from recovery.report.fits import cell_columns, cell_names
from recovery.report.measured import PERCENT
from recovery.report.text import count, level, plain, share
from recovery.report.view import CI_PROB, MODES, View

_CODES_SHOWN = 20


def failures_section(view: View) -> Section:
    """Return the failures by error, each with its first traceback."""
    places = np.flatnonzero(~view.fits["ok"].to_numpy(bool))
    number_failed, total = len(places), len(view.fits)
    if not number_failed:
        text = Text(f"None of {count(total, 'replicate')} failed.")
        quantities = _quantities(view)
        blocks: list[Block] = [text, *_again(view), *quantities]
        return Section("failures", "Failures", tuple(blocks), brief=tuple(quantities))
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
    kinds = "one error" if len(groups) == 1 else f"{len(groups)} different errors"
    said = Text(
        f"{number_failed} of {count(total, 'replicate')} failed, with {kinds}. They are in no "
        "measure; where failing depends on the data, the measures describe the easier data only.",
        "bad",
    )
    table = Table("Failures by error.", columns, tuple(rows), slug="table-failures")
    stopped, quantities = _paused(view), _quantities(view)
    blocks = [said, *stopped, *_again(view), table, *codes[:_CODES_SHOWN]]
    if len(codes) > _CODES_SHOWN:
        blocks.append(
            Text(f"Tracebacks of the other {len(codes) - _CODES_SHOWN} are in the store.")
        )
    blocks += [*_bounds(view), *quantities]
    brief = (said, *stopped, table, *quantities)
    return Section("failures", "Failures", tuple(blocks), brief=brief)


def paused(view: View) -> dict[int, str]:
    """Return the cells whose replicates all fail in one way and are not run to the end, and why."""
    done = np.bincount(view.replicate_positions, minlength=len(view.cells))
    failing: dict[str, Failing] = {}
    for place, (stage, error, _) in view.results.columns.failures.items():
        cell = str(view.replicate_positions[place])
        failing.setdefault(cell, (0, Counter()))[1][stage, error] += 1
    complete = np.bincount(
        view.replicate_positions[view.results.columns.ok], minlength=len(view.cells)
    )
    pauses = Pauses({cell: (int(complete[int(cell)]), found[1]) for cell, found in failing.items()})
    left = view.cells["n_planned"].to_numpy() > done
    reasons = {int(cell): pauses.reason(cell) for cell in failing}
    return {cell: reason for cell, reason in sorted(reasons.items()) if reason and left[cell]}


def _paused(view: View) -> list[Block]:
    """Say which cells are not run to the end, for all of their replicates fail alike."""
    found = paused(view)
    if not found:
        return []
    names = [f"{MODES[view.modes[cell]]}{view.at(cell)}" for cell in list(found)[:5]]
    more = f" and {len(found) - 5} more" if len(found) > 5 else ""
    text = (
        f"Paused: {count(len(found), 'cell')} ({'; '.join(names)}{more}), where every replicate so "
        "far failed in one way. What is left of them is run once that is mended, with "
        "recovery run --retry-failed."
    )
    return [Text(text, "bad")]


def _again(view: View) -> list[Block]:
    """Say how many failures were run again, and what came of it."""
    retried = view.results.retried
    if retried.empty:
        return []
    text = (
        f"{count(len(retried), 'failure')} of earlier runs {'was' if len(retried) == 1 else 'were'}"
        " run again; what came of it is counted here, and the failures are kept in the store."
    )
    return [Text(text, "note")]


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


def _bounds(view: View) -> list[Block]:
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
    if not rows:
        return []
    table = Table(
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
    return [table]
