"""The fits themselves: convergence per cell, flagged ones, failed ones, and what they cost."""

from collections import Counter

import numpy as np
import pandas as pd

from recovery.record import FITTED
from recovery.report.document import Block, Cell, Code, Column, Facts, Section, Table, Text, row
from recovery.report.measured import PERCENT, axis_columns, coverage_cell, names
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

_GROUPS_SHOWN = 20


def convergence_section(view: View) -> Section:
    """Return the section on diagnostics: counts of flags, and the worst values per cell."""
    frame = view.diagnostics
    rows = []
    for position, record in enumerate(_records(frame, len(view.results.axes) + 1)):
        rows.append(
            row(
                *_cell_names(view, position),
                *(level(int(record[name])) for name in ("n_planned", "n", "n_ok")),
                _count_cell(record["n_failed"], "bad"),
                _count_cell(record["n_flagged"], "warn"),
                *(_judged(name, record[name]) for name in _JUDGED),
                level(int(record["reached_max_treedepth"])),
            )
        )
    columns = (
        *_cell_columns(view),
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
    )
    return Section("convergence", "Convergence", (_flag_table(view), table))


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
    )


def _judged(name: str, value: float) -> Cell:
    text = f"{value:.3f}" if name == "r_hat_max" and value < 1000 else number(value)
    crossed = any(t.measure == name and value == value and t.crossed(value) for t in THRESHOLDS)
    return Cell(f"{text} !", "warn") if crossed else Cell(text)


def _count_cell(value: float, tone: str) -> Cell:
    if value == 0:
        return Cell("0")
    return Cell(level(int(value)), "bad" if tone == "bad" else "warn")


def flagged_section(view: View) -> Section | None:
    """Return the measures with and without flagged fits, in the cells that have some."""
    flagged = set(view.fits["position"][view.fits["flagged"]].unique().tolist())
    if not flagged:
        return None
    clean = {(m.position, m.parameter): m for m in view.measures("clean")}
    rows = []
    for m in view.all_fits:
        if m.position not in flagged or m.kind not in FITTED:
            continue
        without = clean.get((m.position, m.parameter))
        rows.append(
            row(
                names(view, m)[0],
                MODES.get(view.modes[m.position], ""),
                *names(view, m)[1:],
                coverage_cell(view, m),
                coverage_cell(view, without) if without else MISSING,
                with_error(*m["bias"][:2]),
                with_error(*without["bias"][:2]) if without else MISSING,
                level(m["bias"].n),
                level(without["bias"].n if without else 0),
            )
        )
    columns = (
        Column("parameter", numeric=False),
        *_cell_columns(view),
        Column(f"coverage {PERCENT}"),
        Column("coverage, without"),
        Column("bias"),
        Column("bias, without"),
        Column("n"),
        Column("n, without"),
    )
    text = Text(
        "All other tables include flagged fits. Leaving them out can mislead as well: fits are "
        "often flagged because of the data they met, so what is left is a choice of easy data. "
        "Where the two would lead to different conclusions, trust neither."
    )
    table = Table("With and without flagged fits, in cells that have some.", columns, tuple(rows))
    return Section("flagged", "With and without flagged fits", (text, table))


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


def cost_section(view: View) -> Section:
    """Return the cost per cell, and the compilations."""
    frame = view.cost
    rows = [
        row(
            *_cell_names(view, position),
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
        *_cell_columns(view),
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


def _cell_columns(view: View) -> tuple[Column, ...]:
    return Column("truth mode", numeric=False), *axis_columns(view)


def _cell_names(view: View, position: int) -> tuple[str, ...]:
    return MODES.get(view.modes[position], ""), *view.levels[position]


def _records(frame: pd.DataFrame, skip: int) -> list[dict[str, float]]:
    """Return the rows as mappings, without the first columns, which name the cell."""
    rest = frame.iloc[:, skip:]
    return [{str(k): float(v) for k, v in record.items()} for record in rest.to_dict("records")]
