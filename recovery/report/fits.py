"""The fits themselves: how they converged, and what they cost."""

from collections import Counter

import pandas as pd

from recovery.report.document import Block, Cell, Column, Facts, Section, Table, Text, row
from recovery.report.measured import axis_columns
from recovery.report.text import (
    MISSING,
    count,
    level,
    number,
    plain,
    seconds,
    with_error,
)
from recovery.report.view import MODES, View
from recovery.thresholds import THRESHOLDS


def convergence_section(view: View) -> Section:
    """Return the section on diagnostics: counts of flags, and the worst values per cell."""
    frame = view.diagnostics
    rows = []
    for position, record in enumerate(_records(frame, len(view.results.axes) + 1)):
        rows.append(
            row(
                *cell_names(view, position),
                *(level(int(record[name])) for name in ("n_planned", "n", "n_ok")),
                _count_cell(record["n_failed"], "bad"),
                _count_cell(record["n_flagged"], "warn"),
                *(_judged(name, record[name]) for name in _JUDGED),
                level(int(record["reached_max_treedepth"])),
            )
        )
    columns = (
        *cell_columns(view),
        Column("planned"),
        Column("n", hint="replicates with a record"),
        Column("n ok", hint="complete fits"),
        Column("n failed"),
        Column("n flagged", hint="complete fits that crossed a threshold"),
        Column("r_hat max"),
        Column("ESS bulk min"),
        Column("ESS tail min"),
        Column("divergences", hint="sum over fits"),
        Column("max tree depth", hint="draws that reached the greatest tree depth, sum over fits"),
    )
    table = Table(
        "Convergence per cell: the worst value over fits and fitted parameters.",
        columns,
        tuple(rows),
        ("A value beyond its threshold is marked !.",),
        slug="table-diagnostics",
    )
    return Section("diagnostics", "Diagnostics", (_flag_table(view), table))


_JUDGED = ("r_hat_max", "ess_bulk_min", "ess_tail_min", "divergences")


def flag_counts(view: View) -> dict[str, int]:
    """Return how many complete fits crossed each threshold, by its label."""
    found: Counter[str] = Counter()
    for labels, times in view.fits["flags"].value_counts().items():
        found.update(dict.fromkeys(str(labels).split(", "), times))
    return {threshold.label: found[threshold.label] for threshold in THRESHOLDS}


def _flag_table(view: View) -> Table:
    counts = flag_counts(view)
    columns = (
        Column("flag", numeric=False),
        Column("fits"),
        Column("flagged if", numeric=False),
        Column("why", numeric=False),
    )
    return Table(
        "What a fit is flagged for, and how many were.",
        columns,
        tuple(
            row(
                t.label,
                _count_cell(counts[t.label], "warn"),
                f"{t.measure} {'>' if t.worse == 'above' else '<'} {t.limit:g}",
                t.reason,
            )
            for t in THRESHOLDS
        ),
        ("A fit may have several flags.",),
        slug="table-flags",
    )


def _judged(name: str, value: float) -> Cell:
    text = f"{value:.3f}" if name == "r_hat_max" and value < 1000 else number(value)
    if value != value:
        return Cell(MISSING)
    crossed = any(t.measure == name and value == value and t.crossed(value) for t in THRESHOLDS)
    return Cell(f"{text} !", "warn") if crossed else Cell(text)


def worst_r_hat(value: float) -> Cell:
    """Return a largest r_hat, marked ! if it crosses its threshold."""
    return _judged("r_hat_max", value)


def _count_cell(value: float, tone: str) -> Cell:
    if value == 0:
        return Cell("0")
    return Cell(level(int(value)), "bad" if tone == "bad" else "warn")


def cost_section(view: View) -> Section:
    """Return the cost per cell, and the compilations."""
    frame = view.cost
    rows = [
        row(
            *cell_names(view, position),
            level(int(record["n_ok"])),
            *(seconds(record[name]) for name in ("simulate_s", "sample_s", "rest_s")),
            with_error(record["wall_s"], record["wall_s_mcse"]),
            *(
                with_error(record[name], record[f"{name}_mcse"])
                for name in ("gradient_evaluations", "ess_bulk_per_s", "ess_bulk_per_gradient")
            ),
        )
        for position, record in enumerate(_records(frame, len(view.results.axes) + 1))
    ]
    columns = (
        *cell_columns(view),
        Column("n ok"),
        Column("simulate"),
        Column("sample"),
        Column("rest"),
        Column("wall, s", hint="seconds per complete fit, compilation not counted"),
        Column("gradients", hint="gradient evaluations per fit, warm-up counted"),
        Column("ESS per s", hint="smallest bulk ESS per second of sampling"),
        Column("ESS per gradient"),
    )
    table = Table(
        "Cost of one complete fit: means over the fits of a cell, compilation not counted.",
        columns,
        tuple(rows),
        (
            "Seconds depend on the machine and on what else it did; compare them within one "
            "machine only. Counts of gradient evaluations do not.",
            "± is one Monte Carlo standard error of the mean over the fits of the cell.",
        ),
        slug="table-cost",
    )
    return Section("cost", "Cost", (table, *_compilations(view)))


def _compilations(view: View) -> list[Block]:
    frame = view.results.compilations
    if frame.empty:
        return [Text("No compilation was recorded.")]
    pairs = []
    for kind, group in frame.groupby("kind", sort=True):
        spent = group["seconds"].to_numpy(float)
        where = count(group["process"].nunique(), "process", "processes")
        times = f"{seconds(float(spent.sum()))} in all, {seconds(float(spent.max()))} at most"
        pairs.append((plain(kind), f"{count(len(spent), 'compilation')} in {where}, {times}"))
    text = Text(
        f"{count(len(frame), 'compilation')} cost {seconds(float(frame['seconds'].sum()))} in all."
    )
    return [text, Facts(tuple(pairs))]


def cell_columns(view: View) -> tuple[Column, ...]:
    """Return the columns that name a cell."""
    return Column("truth mode", numeric=False), *axis_columns(view)


def cell_names(view: View, position: int) -> tuple[str, ...]:
    """Return the truth mode and the swept levels of a cell, as text."""
    return MODES.get(view.modes[position], ""), *view.levels[position]


def _records(frame: pd.DataFrame, skip: int) -> list[dict[str, float]]:
    """Return the rows as mappings, without the first columns, which name the cell."""
    rest = frame.iloc[:, skip:]
    return [{str(k): float(v) for k, v in record.items()} for record in rest.to_dict("records")]
