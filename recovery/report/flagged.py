"""What flagged fits change: every measure with and without them."""

import numpy as np

from recovery.record import FITTED
from recovery.report.document import Block, Cell, Column, Section, Table, Text, row
from recovery.report.fits import cell_columns, cell_names, worst_r_hat
from recovery.report.measured import PERCENT, coverage_cell, marked
from recovery.report.tables import flagged_fits
from recovery.report.text import MISSING, count, level, number, plain, with_error
from recovery.report.view import CI_PROB, View

_MOST_SHOWN = 20  # flagged fits that are named
_CLEAR = 1.96  # Monte Carlo standard errors from which a difference is marked


def flagged_section(view: View) -> Section | None:
    """Return the measures with and without flagged fits, in the cells that have some."""
    flagged = set(view.fits["position"][view.fits["flagged"]].unique().tolist())
    if not flagged:
        return None
    clean = {(m.position, m.parameter): m for m in view.measures("clean")}
    change = _changes(view)
    rows = []
    for m in view.all_fits:
        if m.position not in flagged or m.kind not in FITTED:
            continue
        key = m.position, m.parameter
        without = clean.get(key)
        rows.append(
            row(
                plain(m.parameter),
                *cell_names(view, m.position),
                coverage_cell(view, m),
                coverage_cell(view, without) if without else MISSING,
                _change(change.get((*key, f"coverage_{100 * CI_PROB:g}"))),
                with_error(*m["bias"][:2]),
                with_error(*without["bias"][:2]) if without else MISSING,
                _change(change.get((*key, "bias"))),
                level(m["bias"].n),
                level(without["bias"].n if without else 0),
            )
        )
    columns = (
        Column("parameter", numeric=False),
        *cell_columns(view),
        Column(f"coverage {PERCENT}"),
        Column("coverage, without"),
        Column("change", hint="coverage with flagged fits less coverage without them"),
        Column("bias"),
        Column("bias, without"),
        Column("change of bias"),
        Column("n"),
        Column("n, without"),
    )
    text = Text(
        "All other tables include flagged fits. Leaving them out can mislead as well: fits are "
        "often flagged because of the data they met, so what is left is a choice of easy data. "
        "Where the two would lead to different conclusions, trust neither."
    )
    table = Table(
        "With and without flagged fits, in cells that have some.",
        columns,
        tuple(rows),
        (
            "The standard error of a change counts that both rest on the same clean fits. A change "
            f"of more than {_CLEAR} of them is marked !. All measures are in "
            "tables/sensitivity.csv.",
        ),
    )
    blocks = (text, table, _worst(view), *_refits(view))
    return Section("flagged", "With and without flagged fits", blocks)


def _worst(view: View) -> Table:
    """Return the worst flagged fits, with the keys to look at them again."""
    frame = flagged_fits(view, _MOST_SHOWN)
    own = view.own(frame)
    shown = ("key", "flags", "r_hat_max", "ess_bulk_min", "divergences")
    columns = (own[name].tolist() for name in shown)
    rows = [
        row(
            plain(key),
            *cell_names(view, position),
            plain(flags),
            worst_r_hat(float(r_hat)),
            number(float(ess)),
            number(float(divergences)),
        )
        for position, key, flags, r_hat, ess, divergences in zip(
            view.positions(frame), *columns, strict=True
        )
    ]
    return Table(
        f"Flagged fits, the worst first, at most {_MOST_SHOWN}.",
        (
            Column("key", numeric=False),
            *cell_columns(view),
            Column("flags", numeric=False),
            Column("r_hat max"),
            Column("ESS bulk min"),
            Column("divergences"),
        ),
        tuple(rows),
        ("recovery replay DIR KEY repeats one exactly; more are in tables/flagged.csv.",),
        slug="table-flagged",
    )


def _refits(view: View) -> list[Block]:
    """Say what second fits of the same data came to."""
    refits = view.results.refits
    if refits.empty:
        return []
    cured, failed = int(refits["cured"].sum()), int((refits["status"] != "ok").sum())
    lost = f", {failed} failed" if failed else ""
    text = Text(
        f"Data of flagged fits were fitted a second time, with twice the warm-up and a higher "
        f"target_accept: {cured} of {count(len(refits), 'second fit')} are not flagged{lost}. All "
        "measures are of the first fits; diagnostics of both are in tables/refits.csv."
    )
    positions = np.array(view.positions(refits), dtype=np.int64)
    rows = tuple(
        row(
            *cell_names(view, position),
            level(len(mine)),
            level(int(mine["cured"].sum())),
            number(float(mine["r_hat_max_first"].max())),
            number(float(mine["r_hat_max"].max())),
            level(int(mine["divergences_first"].sum())),
            level(int(mine["divergences"].sum())),
        )
        for position in np.unique(positions).tolist()
        for mine in (refits[positions == position],)
    )
    columns = (
        *cell_columns(view),
        Column("second fits"),
        Column("not flagged"),
        Column("worst r_hat, first"),
        Column("worst r_hat, second"),
        Column("divergences, first"),
        Column("divergences, second"),
    )
    return [text, Table("Second fits of the data of flagged fits.", columns, rows)]


def _changes(view: View) -> dict[tuple[int, str, str], tuple[float, float]]:
    """Return difference and its standard error by cell, parameter and measure."""
    frame = view.sensitivity
    own = view.own(frame)
    columns = (own[c].tolist() for c in ("parameter", "measure", "difference", "mcse"))
    return {
        (position, parameter, measure): (float(difference), float(mcse))
        for position, parameter, measure, difference, mcse in zip(
            view.positions(frame), *columns, strict=True
        )
    }


def _change(found: tuple[float, float] | None) -> Cell:
    return Cell(MISSING) if found is None else marked(*found, _CLEAR)
