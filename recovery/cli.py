"""The command line: parse, call, exit code. What it calls is imported when it is called."""

import argparse
import shlex
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from recovery.errors import LevelError, RecoveryError, SettingsError, UsageError, UserCodeError

INTERRUPTED = 130

_EPILOG = """\
exit codes: 0 as promised; 1 a replicate failed for good, or the store is damaged; 2 wrong usage or
input; 3 nothing measured; 130 interrupted (the same command goes on)"""


class _Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see {self.prog} --help")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="recovery",
        description="When the truth is known, does this model and this sampler find it, and at "
        "what cost?",
        epilog=_EPILOG,
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _add_run(commands)
    report = commands.add_parser("report", help="write tables, plots and the report again")
    report.add_argument("folder", metavar="DIR", help="output folder of a run")
    report.set_defaults(call=_report)
    status = commands.add_parser("status", help="what is done, failed and left")
    status.add_argument("folder", metavar="DIR", help="output folder of a run")
    status.set_defaults(call=_status)
    scenarios = commands.add_parser("scenarios", help="list the bundled scenarios")
    scenarios.set_defaults(call=_scenarios)
    _add_selfcheck(commands)
    return parser


def _add_selfcheck(commands: Any) -> None:
    check = commands.add_parser(
        "selfcheck",
        help="test the harness itself on posteriors whose flaws are known",
        description="Run sweeps whose posteriors are exact, or wrong in a known way, and compare "
        "what the harness finds with what is known. Takes less than a minute on two cores. Exit "
        "code 1 if anything disagrees.",
        allow_abbrev=False,
    )
    check.add_argument(
        "--seed", type=_whole, default=42, metavar="S", help="root of all seeds (%(default)s)"
    )
    check.add_argument(
        "--full", action="store_true", help="the whole table of powers; takes many minutes"
    )
    check.set_defaults(call=_selfcheck)


def _add_run(commands: Any) -> None:
    run = commands.add_parser(
        "run",
        help="run a sweep, or what is missing of it, and write its report",
        usage="recovery run SCENARIO [AXIS=LEVEL,LEVEL,...] ... [options]",
        description="Simulate, fit and record every replicate that the store has not got yet, "
        "then write tables, plots and the report.",
        epilog=_EPILOG,
        allow_abbrev=False,
    )
    run.add_argument(
        "scenario",
        metavar="SCENARIO",
        help="a Python file (its code is run), FILE.py:NAME, or a bundled scenario",
    )
    run.add_argument(
        "axes",
        metavar="AXIS=LEVELS",
        nargs="*",
        help="levels of an axis, as trials=50,100; axes left out stay at their defaults",
    )
    seeds = run.add_argument_group("replicates")
    seeds.add_argument("--replicates", type=_whole, metavar="N", help="replicates per cell (100)")
    seeds.add_argument(
        "--precision",
        type=_number,
        metavar="P",
        help="add replicates, cell by cell, until the coverage of every parameter is known to "
        "this standard error, 0.01 say; --replicates are the least then",
    )
    seeds.add_argument(
        "--stop-when",
        choices=("decided",),
        help="add replicates, cell by cell, until it is decided whether the posteriors are "
        "calibrated, at an error rate of 5%% over all cells",
    )
    seeds.add_argument(
        "--margin",
        type=_number,
        metavar="M",
        help="with --stop-when: how far the coverage of 90%% intervals may be from nominal (0.05)",
    )
    seeds.add_argument(
        "--max-replicates",
        type=_whole,
        metavar="N",
        help="per cell, with --precision (10000) or --stop-when (5000)",
    )
    seeds.add_argument("--seed", type=_whole, metavar="S", help="root of all seeds (42)")
    seeds.add_argument(
        "--seeds", type=_seeds, metavar="LIST", help="these seeds instead: 1,2,3 or 1-100"
    )
    seeds.add_argument(
        "--truth",
        choices=("fixed", "prior", "both"),
        default="fixed",
        help="given truth, truth drawn from the prior, or both (%(default)s)",
    )
    sampling = run.add_argument_group("sampler")
    sampling.add_argument(
        "--sampler",
        default="nutpie",
        metavar="NAME",
        help="nutpie or pymc; or an approximation: advi, fullrank_advi or laplace, of which "
        "--draws times --chains independent draws are taken",
    )
    for name, default, more in (
        ("draws", 1000, ""),
        ("tune", None, "1000, or 400 with --ess"),
        ("chains", 4, ""),
    ):
        sampling.add_argument(
            f"--{name}", type=_whole, default=default, metavar="N", help=more or "%(default)s"
        )
    sampling.add_argument(
        "--ess",
        type=_whole,
        default=0,
        metavar="N",
        help="end a fit as soon as every parameter has this bulk and tail ESS and r_hat is below "
        "1.01; --draws are the most then",
    )
    sampling.add_argument(
        "--target-accept", type=_number, default=0.8, metavar="P", help="%(default)s"
    )
    where = run.add_argument_group("output")
    where.add_argument("--out", metavar="DIR", help="output folder (reports/SCENARIO)")
    where.add_argument("--workers", type=_whole, metavar="N", help="fits at a time (one per core)")
    where.add_argument(
        "--processes", type=_whole, metavar="N", help="to spread the workers over (measured)"
    )
    where.add_argument(
        "--fresh", action="store_true", help="begin again; the old store is kept beside the new"
    )
    run.set_defaults(call=_run)


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number") from None


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from None


_MOST_SEEDS = 1_000_000


def _seeds(text: str) -> tuple[int, ...]:
    seeds: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise argparse.ArgumentTypeError(
                f"{part!r} is no seed; give whole numbers from 0, as 1,2,3 or 1-100"
            )
        end = int(last) if dash else int(first)
        if end < int(first) or end - int(first) >= _MOST_SEEDS:
            raise argparse.ArgumentTypeError(f"{part!r} is no range of seeds; give it as 1-100")
        seeds.extend(range(int(first), end + 1))
    return tuple(seeds)


def _assignments(scenario: Any, words: Sequence[str]) -> dict[str, list[Any]]:
    from recovery.design import SAMPLER_AXES, Settings
    from recovery.scenario import Axis

    levels: dict[str, list[Any]] = {}
    for word in words:
        name, equals, values = word.partition("=")
        if not equals or not name.isidentifier():
            raise LevelError(f"{word!r} is no axis with levels; give AXIS=LEVEL,LEVEL,...")
        if name in levels:
            raise LevelError(f"axis {name} is given twice; give all its levels at once")
        axis = scenario.axes.get(name)
        if axis is None and name in SAMPLER_AXES:
            default = getattr(Settings(), name)
            axis = Axis(name, type(default), default)
        texts = values.split(",") if values else []
        # An unknown axis is named by the design, which knows all of them.
        levels[name] = [axis.parse(text.strip()) for text in texts] if axis else texts
    return levels


def _run(options: argparse.Namespace) -> int:
    from recovery.importing import uncollected
    from recovery.loading import load_scenario

    derived = options.replicates is not None or options.seed is not None
    if options.seeds is not None and derived:
        raise SettingsError("--seeds stands instead of --replicates and --seed; give one of them")
    _check_growth(options)
    # PyMC takes seconds to import; what is wrong with the words above is told at once.
    with uncollected():
        scenario = load_scenario(options.scenario)
        from recovery.decided import MARGIN
        from recovery.sweep import Sweep
    sweep = Sweep(
        scenario,
        _assignments(scenario, options.axes),
        replicates=100 if options.replicates is None else options.replicates,
        truth=options.truth,
        seed=42 if options.seed is None else options.seed,
        seeds=options.seeds,
        sampler=options.sampler,
        draws=options.draws,
        tune=options.tune,
        chains=options.chains,
        target_accept=options.target_accept,
        ess=options.ess,
        precision=options.precision,
        stop_when=options.stop_when,
        margin=MARGIN if options.margin is None else options.margin,
        max_replicates=options.max_replicates,
    )
    command = shlex.join(["recovery", *options.words])
    results = sweep.run(
        options.out,
        workers=options.workers,
        processes=options.processes,
        fresh=options.fresh,
        command=command,
    )
    ours = results.cells["cell"].isin([cell.digest for cell in sweep.design.cells])
    others = int(results.fits["position"].isin(ours.index[~ours]).sum())
    if others:
        print(f"{results.folder} also holds {others} replicates of other levels or truth modes")
    return _told(results)


def _check_growth(options: argparse.Namespace) -> None:
    """Refuse options on how cells grow that do not go together."""
    stop, precision = options.stop_when is not None, options.precision is not None
    if stop and precision:
        raise SettingsError("--stop-when stands instead of --precision; give one of them")
    if stop and options.seeds is not None:
        raise SettingsError("--stop-when: needs replicates to add to; give --seed, not --seeds")
    if options.margin is not None and not stop:
        raise SettingsError("--margin: goes with --stop-when decided; give both")
    if options.max_replicates is not None and not (stop or precision):
        raise SettingsError(
            "--max-replicates: goes with --precision or --stop-when; use --replicates without them"
        )


def _report(options: argparse.Namespace) -> int:
    from recovery.report import write_report
    from recovery.results import Results

    results = Results(options.folder)
    write_report(results)
    return _told(results)


def _told(results: Any) -> int:
    """Say what the store holds, and why fits failed if any did."""
    failed = Counter((stage, error) for stage, error, _ in results.columns.failures.values())
    count, total = sum(failed.values()), len(results.columns)
    print(f"{total} replicates, {count} failed: {results.folder / 'report.html'}")
    lost = results.quantity_failures.groupby("quantity", sort=False)["n"].sum()
    for quantity, times in lost.items():
        print(f"test quantity {quantity} failed in {times} complete fits; see the report")
    for (stage, error), times in failed.most_common(3):
        print(f"{times} failed at stage {stage}: {error[:200]}")
    return 1 if count else 0


def _status(options: argparse.Namespace) -> int:
    from recovery.status import print_status

    print_status(Path(options.folder))
    return 0


def _scenarios(options: argparse.Namespace) -> int:
    from recovery.loading import bundled_scenarios

    for listing in bundled_scenarios():
        print(f"{listing.name}({listing.axes})\n    {listing.summary}")
    return 0


def _selfcheck(options: argparse.Namespace) -> int:
    from rich.console import Console

    from recovery.execution import default_workers
    from recovery.selfcheck import FULL, QUICK, print_outcome, selfcheck

    cases = FULL if options.full else QUICK
    fits = sum(case.replicates for case in cases)
    with Console(stderr=True).status(f"{fits} exact fits in {len(cases)} sweeps"):
        outcome = selfcheck(cases, seed=options.seed, workers=default_workers())
    print_outcome(outcome)
    return 1 if outcome.failed else 0


def main(words: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code.

    Parameters
    ----------
    words : sequence of str, optional
        The arguments; by default those of the process.
    """
    words = list(sys.argv[1:] if words is None else words)
    try:
        options, extra = _parser().parse_known_args(words)
        # Assignments may stand after options, where argparse no longer expects them.
        unknown = [word for word in extra if word.startswith("-") or "axes" not in options]
        if unknown:
            raise UsageError(f"unknown argument {unknown[0]!r}; see recovery --help")
        if extra:
            options.axes = [*options.axes, *extra]
        options.words = words
        code: int = options.call(options)
    except UserCodeError as error:
        print(f"{error.traceback_text}\n{_line(error)}", file=sys.stderr)
        return error.exit_code
    except RecoveryError as error:
        print(_line(error), file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        again = shlex.join(["recovery", *(word for word in words if word != "--fresh")])
        print(f"interrupted; what was done is kept; go on with: {again}", file=sys.stderr)
        return INTERRUPTED
    return code


def _line(error: RecoveryError) -> str:
    return "recovery: " + " ".join(str(error).split())


def entry() -> NoReturn:
    """Run as the command ``recovery``."""
    try:
        code = main()
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read the output has gone; there is nobody left to tell.
        sys.stderr.close()
        code = 0
    sys.exit(code)
