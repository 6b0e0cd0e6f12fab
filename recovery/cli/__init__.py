"""The command line: parse, call, exit code. What it calls is imported when it is called."""

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from recovery.cli.check import add_check
from recovery.cli.ci import add_ci
from recovery.cli.compare import add_compare
from recovery.cli.forms import add_forms, check_forms, write_asked
from recovery.cli.history import add_history
from recovery.cli.new import add_new
from recovery.cli.replay import add_replay
from recovery.cli.run import EPILOG, add_run
from recovery.cli.told import told
from recovery.cli.words import whole
from recovery.errors import RecoveryError, StoreDamaged, UsageError, UserCodeError
from recovery.inert import plain
from recovery.streams import keep_streams, settle_streams

INTERRUPTED = 130


class _Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see {self.prog} --help")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="recovery",
        description="When the truth is known, does this model and this sampler find it, and at "
        "what cost?",
        epilog=EPILOG,
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    add_run(commands)
    report = commands.add_parser("report", help="write tables, plots and the report again")
    report.add_argument("folder", metavar="DIR", help="output folder of a run")
    add_forms(report)
    report.set_defaults(call=_report)
    status = commands.add_parser("status", help="what is done, failed and left")
    status.add_argument("folder", metavar="DIR", help="output folder of a run")
    status.add_argument(
        "--verify",
        action="store_true",
        help="check file, tables and every replicate's checksum; 1 if damaged",
    )
    status.set_defaults(call=_status)
    add_check(commands)
    add_ci(commands)
    add_compare(commands)
    add_history(commands)
    add_replay(commands)
    scenarios = commands.add_parser("scenarios", help="list the bundled scenarios")
    scenarios.set_defaults(call=_scenarios)
    add_new(commands)
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
        "--seed", type=whole, default=42, metavar="S", help="root of all seeds (%(default)s)"
    )
    check.add_argument(
        "--full", action="store_true", help="the whole table of powers; takes many minutes"
    )
    check.set_defaults(call=_selfcheck)


def _report(options: argparse.Namespace) -> int:
    from recovery.report import write_report
    from recovery.results import Results

    check_forms(options)
    results = Results(options.folder)
    write_report(results)
    write_asked(results, options)
    return told(results)


def _status(options: argparse.Namespace) -> int:
    folder = Path(options.folder)
    if options.verify:
        from recovery.verify import summary, verify

        found = verify(folder)
        print("\n".join(summary(found, folder)))
        if found.findings:
            raise StoreDamaged(
                f"{folder}: {len(found.findings)} things are wrong with its store; restore "
                "results.sqlite from a backup, or begin again with --fresh"
            )
        return 0
    from recovery.status import print_status

    print_status(folder)
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
        print(f"{plain(error.traceback_text, lines=True)}\n{_line(error)}", file=sys.stderr)
        return error.exit_code
    except RecoveryError as error:
        print(_line(error), file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        again = shlex.join(["recovery", *(word for word in words if word != "--fresh")])
        kept = f"what was done is kept; go on with: {again}"
        resumes = words[:1] in (["run"], ["ci"])
        print("interrupted" + (f"; {kept}" if resumes else ""), file=sys.stderr)
        return INTERRUPTED
    return code


def _line(error: RecoveryError) -> str:
    return "recovery: " + " ".join(plain(error).split())


def entry() -> NoReturn:
    """Run as the command ``recovery``."""
    keep_streams()
    try:
        code = main()
    finally:
        lost = settle_streams()
    # Whoever closes a pipe has read enough; a full disk is another matter.
    if lost is not None and not isinstance(lost, BrokenPipeError):
        print(f"recovery: standard output could not be written: {lost.strerror}", file=sys.stderr)
        # What a run is for is its store.
        code = code or int(sys.argv[1:2] != ["run"])
    if code == INTERRUPTED:
        # Threads may still be in compiled code, which does not outlive the interpreter's end.
        os._exit(code)
    sys.exit(code)
