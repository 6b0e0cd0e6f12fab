"""Verdicts on the terminal and in the files that were asked for, and the exit code."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from recovery.cli.printed import console, summary_so_far

if TYPE_CHECKING:
    from recovery.gates import Verdict

_WIDE: Final = 160  # for sentences
_STYLES: Final = {
    "pass": "green",
    "fail": "bold red",
    "inconclusive": "yellow",
    "error": "bold red",
}


def add_verdict_options(command: argparse.ArgumentParser) -> None:
    """Add the options of every command that judges."""
    judging = command.add_argument_group("judging")
    judging.add_argument(
        "--allow-inconclusive",
        action="store_true",
        help="exit with 0 where nothing failed and something is inconclusive; a gate that measured "
        "nothing still is an error",
    )
    files = command.add_argument_group("verdicts as files")
    files.add_argument("--junit", metavar="FILE", help="JUnit XML, a test case per gate")
    files.add_argument(
        "--markdown", metavar="FILE", help="a table; added to the end of $GITHUB_STEP_SUMMARY"
    )
    files.add_argument("--json", metavar="FILE", help="all numbers")


def tell_verdicts(
    verdicts: Sequence["Verdict"],
    options: argparse.Namespace,
    error_rate: float,
    notes: Sequence[str] = (),
) -> int:
    """Print verdicts, write the files that were asked for, and return the exit code.

    Parameters
    ----------
    verdicts : sequence of Verdict
    options : argparse.Namespace
        With those of `add_verdict_options`.
    error_rate : float
        That they were judged with.
    notes : sequence of str
        What else to tell, a sentence each.
    """
    from recovery.errors import OutputError
    from recovery.gates import exit_code
    from recovery.gates.forms import to_json, to_junit, to_markdown
    from recovery.inert import plain
    from recovery.report.atomic import write_file

    code = exit_code(verdicts, allow_inconclusive=options.allow_inconclusive)
    _print(verdicts, error_rate, notes)
    texts = {}
    if options.junit:
        texts[options.junit] = to_junit(verdicts)
    if options.json:
        texts[options.json] = to_json(verdicts, error_rate, code, notes)
    if options.markdown:
        before = summary_so_far(Path(options.markdown))
        texts[options.markdown] = before + to_markdown(verdicts, error_rate, notes)
    lost = []
    for path, text in texts.items():
        try:
            write_file(Path(path), text)
        except OutputError as error:
            lost.append(str(error).partition(";")[0])
    if lost:
        # No file hides that a gate failed.
        print(
            f"recovery: {plain('; '.join(lost))}; give files that can be written", file=sys.stderr
        )
    return code or (OutputError.exit_code if lost else 0)


def _print(verdicts: Sequence["Verdict"], error_rate: float, notes: Sequence[str]) -> None:
    from rich.table import Table
    from rich.text import Text

    from recovery.gates.forms import WORDS, footnote, headline, limit_text
    from recovery.inert import plain

    out = console(_WIDE)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for head in ("verdict", "scenario", "gate"):
        table.add_column(head, no_wrap=True)
    table.add_column("why")
    for v in verdicts:
        table.add_row(
            Text(WORDS[v.outcome], style=_STYLES[v.outcome]),
            Text(plain(v.scenario)),
            Text(f"{v.gate} = {limit_text(v)}"),
            Text(plain(v.reason)),
        )
    out.print(table)
    for note in notes:
        out.print(Text(plain(note)))
    out.print(Text(footnote(error_rate), style="dim"))
    out.print(Text(headline(verdicts), style="bold"))
