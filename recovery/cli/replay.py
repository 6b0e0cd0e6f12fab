"""``recovery replay``."""

import argparse
from typing import Any

from recovery.cli.printed import console
from recovery.cli.words import number


def add_replay(commands: Any) -> None:
    """Add the command to a parser."""
    again = commands.add_parser(
        "replay",
        help="run one replicate again, exactly, and compare",
        description="Run one replicate of a store again, compare data and estimates with what is "
        "stored, bit by bit, and print its record. Exit code 1 if anything came out otherwise.",
        allow_abbrev=False,
    )
    again.add_argument("folder", metavar="DIR", help="output folder of a run")
    again.add_argument("key", metavar="KEY", help="of the replicate, as in the report")
    again.add_argument(
        "--scenario",
        metavar="FILE",
        help="the scenario, where it is no bundled one: a Python file (its code is run), or "
        "FILE.py:NAME",
    )
    again.add_argument(
        "--netcdf", metavar="FILE", help="write the fit as NetCDF, which arviz.from_netcdf opens"
    )
    again.add_argument(
        "--timeout",
        type=number,
        metavar="S",
        help="seconds until a replicate that crashed or timed out in its run is ended again",
    )
    again.set_defaults(call=_replay)


def _replay(options: argparse.Namespace) -> int:
    from recovery.importing import uncollected
    from recovery.loading import load_scenario

    with uncollected():
        from recovery.engine.netcdf import writable_file
        from recovery.replay import replay
    if options.netcdf is not None:
        writable_file(options.netcdf)  # before a fit that may take an hour
    scenario = None if options.scenario is None else load_scenario(options.scenario)
    again = replay(options.folder, options.key, scenario=scenario, timeout=options.timeout)
    _print(again)
    if options.netcdf is not None:
        again.to_netcdf(options.netcdf)
        print(f"written: {options.netcdf}")
    return 1 if again.differences else 0


def _print(again: Any) -> None:
    from rich.table import Table
    from rich.text import Text

    from recovery.inert import plain

    out = console()
    record, cell = again.record, again.replicate.cell
    lines = [
        again.replicate.key,
        f"scenario {cell.scenario}, {cell.label}, seed {record.seed}, replicate {record.index}",
        f"status {record.status}, data {record.data_digest or '-'}",
        f"simulate {record.times.simulate_s:.3f} s, sample {record.times.sample_s:.3f} s, rest "
        f"{record.times.rest_s:.3f} s",
    ]
    if (s := record.sampling) is not None:
        lines.append(
            f"{s.sampler}: {s.chains} chains of {s.draws} draws after {s.tune} of warm-up, "
            f"{s.divergences} divergences, {s.gradient_evaluations} gradients, acceptance "
            f"{s.acceptance_rate:.3f}"
        )
    if (failure := record.failure) is not None:
        lines += [f"failed at stage {failure.stage}: {failure.error}"]
    for line in lines:
        out.print(Text(plain(line)), soft_wrap=True)
    if failure is not None:
        out.print(Text(plain(failure.traceback, lines=True)), soft_wrap=True)
    if (e := record.estimates) is not None:
        table = Table(box=None, pad_edge=False)
        table.add_column("parameter", no_wrap=True)
        for name in ("truth", "mean", "sd", "5 %", "95 %", "r_hat", "ess_bulk", "rank"):
            table.add_column(name, justify="right")
        lower, upper = e.interval(0.9)
        for i, name in enumerate(e.names):
            numbers = (e.truth, e.mean, e.sd, lower, upper, e.r_hat, e.ess_bulk)
            rank = f"{e.rank[i]} of {e.ranked_among[i]}"
            table.add_row(Text(plain(name)), *(f"{column[i]:.5g}" for column in numbers), rank)
        out.print(table)
    for difference in again.differences:
        out.print(Text(plain(f"differs: {difference}")), soft_wrap=True)
    if not again.differences:
        exact = again.record.status in ("ok", "failed")
        print("the same to the bit as what is stored" if exact else "it ended the same way")
    why = "perhaps because" if again.differences else "although"
    for other in again.surroundings:
        out.print(Text(plain(f"{why}: {other}")), soft_wrap=True)
