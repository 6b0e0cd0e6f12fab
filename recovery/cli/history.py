"""``recovery history``."""

import argparse
from pathlib import Path
from typing import Any, Final

from recovery.cli.printed import console, print_rows, write_asked_file

_FORMS: Final = ("png", "svg")


def add_history(commands: Any) -> None:
    """Add the command to a parser."""
    command = commands.add_parser(
        "history",
        help="one measure over many runs of a scenario",
        description="Show how one measure, or one cost, stood in many runs of a scenario, the "
        "oldest first, and its change from run to run, paired where runs share seeds. Times are "
        "compared between the two sides of one job of recovery ci only.",
        allow_abbrev=False,
    )
    command.add_argument("folders", metavar="DIR", nargs="+", help="output folders of runs")
    command.add_argument(
        "--measure",
        default="coverage_90",
        metavar="M",
        help="a measure, as bias or coverage_95, or a cost: wall_s, ess_bulk_per_s, "
        "gradient_evaluations, ess_bulk_per_gradient, divergences, flagged (%(default)s)",
    )
    command.add_argument(
        "--parameter",
        action="append",
        metavar="NAME",
        help="a parameter, as it stands in the report; may be given several times; by default all",
    )
    command.add_argument("--rows", type=int, default=60, metavar="N", help="rows (%(default)s)")
    command.add_argument("--plot", metavar="FILE", help="draw it: a .png or .svg file")
    command.add_argument("--csv", metavar="FILE", help="all rows, as one tidy table")
    command.set_defaults(call=_history)


def _history(options: argparse.Namespace) -> int:
    from recovery.errors import UsageError
    from recovery.history import history

    if options.rows < 1:
        raise UsageError(f"--rows: {options.rows} is not allowed; give 1 or more")
    form = Path(options.plot or "x.png").suffix.lower().lstrip(".")
    if form not in _FORMS:
        raise UsageError(f"--plot: {options.plot!r} is no .png or .svg file; give one of these")
    found = history(options.folders, measure=options.measure, parameters=options.parameter)
    if options.csv is not None:
        from recovery.report.tables import to_csv

        write_asked_file(options.csv, to_csv(found.rows))
    if options.plot is not None:
        from recovery.plots.history import history_figure
        from recovery.report.drawings import draw

        figure = history_figure(found.rows, _title(found), nominal=_nominal(found))
        (drawing,) = draw([("history", figure, _title(found))])
        write_asked_file(options.plot, getattr(drawing, form))
    _print(found, options.rows)
    return 0


def _title(found: Any) -> str:
    from recovery.report.text import count

    return f"{found.measure} of {found.scenario} over {count(len(found.runs), 'run')}"


def _moved(found: Any, i: int) -> str:
    """Say that a run was made on another machine than the one before."""
    machines = found.runs["machine"]
    return "" if i == 0 or machines[i] == machines[i - 1] else f"machine: {machines[i]}"


def _nominal(found: Any) -> float | None:
    from recovery.comparison.changes import COSTS
    from recovery.measures import measure_info

    if found.measure in COSTS:
        return None
    ideal = measure_info(found.measure).ideal
    # What exact posteriors have on average over the prior says little of one truth.
    drawn = (found.rows["truth"] == "prior").any() or "coverage" in found.measure
    return ideal if drawn else None


def _print(found: Any, most: int) -> None:
    from rich.text import Text

    from recovery.inert import plain
    from recovery.report.text import count, level, with_error

    out = console()
    out.print(Text(plain(_title(found)), "bold"), soft_wrap=True)
    runs = [
        (
            str(i),
            str(run["started"])[:16].replace("T", " "),
            run["commit"] + (" (files changed)" if run["dirty"] else ""),
            plain(run["folder"]),
            "; ".join(filter(None, [run["changed"], _moved(found, i)]))
            or ("" if i else "the first"),
        )
        for i, run in enumerate(found.runs.to_dict("records"))
    ]
    print_rows(out, ("run", "started (UTC)", "commit", "folder", "what changed"), 5, runs)
    out.print()
    names = [*found.axes, "truth", "parameter"]
    columns = [found.rows.iloc[:, i].map(level).tolist() for i in range(len(names))]
    varied = [i for i, column in enumerate(columns) if len(set(column)) > 1]
    own = found.rows.iloc[:, len(found.axes) :]
    rows = [
        (
            *(columns[j][i] for j in varied),
            str(row["run"]),
            with_error(row["estimate"], row["mcse"]),
            f"{row['n']:,}",
            with_error(row["change"], row["change_mcse"]) if row["change_n"] else "",
            f"{row['change_n']:,}" if row["change_n"] else "",
            row["data"],
        )
        for i, row in enumerate(own.to_dict("records"))
    ]
    shown = [*(plain(names[j]) for j in varied), "run", found.measure, "n", "change", "n of it",
             "pairs share"]  # fmt: skip
    print_rows(out, shown, len(varied), rows[:most])
    if len(rows) > most:
        more = f"{count(len(rows) - most, 'more row')} not shown; --rows or --csv has them"
        out.print(Text(more), soft_wrap=True)
    said = ["± is one Monte Carlo standard error; a change of twice its own comes by chance in 5 % "
            "of rows"]  # fmt: skip
    for note in [*said, *found.notes]:
        out.print(Text(plain(note)), soft_wrap=True)
