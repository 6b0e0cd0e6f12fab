"""``recovery compare``."""

import argparse
from pathlib import Path
from typing import Any

from recovery.cli.printed import console, print_rows, summary_so_far, write_asked_file


def add_compare(commands: Any) -> None:
    """Add the command to a parser."""
    command = commands.add_parser(
        "compare",
        help="two runs side by side, paired where they share seeds",
        description="Put two runs side by side: what differs in how they were made, which measures "
        "differ beyond chance, and what the fits cost. Replicates of one seed and number are "
        "pairs, which makes small differences visible. Exit code 0 whatever differs; "
        "recovery check judges.",
        allow_abbrev=False,
    )
    command.add_argument("base", metavar="BASE", help="output folder of the run to compare with")
    command.add_argument("head", metavar="HEAD", help="output folder of the run that is looked at")
    command.add_argument(
        "--measures",
        metavar="M,...",
        help="measures to compare, as coverage_90,bias,joint_coverage_95; by default the main ones",
    )
    command.add_argument(
        "--rows", type=int, default=20, metavar="N", help="rows of a table (%(default)s)"
    )
    for form, what in (
        ("markdown", "the same as Markdown; added to the end of $GITHUB_STEP_SUMMARY"),
        ("json", "everything, as JSON"),
        ("csv", "all rows, as one tidy table"),
    ):
        command.add_argument(f"--{form}", metavar="FILE", help=what)
    command.set_defaults(call=_compare)


def _compare(options: argparse.Namespace) -> int:
    from recovery.comparison import compare
    from recovery.errors import UsageError
    from recovery.report.compared import shown, to_json, to_markdown, to_tidy

    if options.rows < 1:
        raise UsageError(f"--rows: {options.rows} is not allowed; give 1 or more")
    names = None
    if options.measures is not None:
        names = [name.strip() for name in options.measures.split(",") if name.strip()]
    comparison = compare(options.base, options.head, measures=names)
    if options.markdown is not None:
        before = summary_so_far(Path(options.markdown))
        write_asked_file(options.markdown, before + to_markdown(comparison, options.rows))
    if options.json is not None:
        write_asked_file(options.json, to_json(comparison))
    if options.csv is not None:
        write_asked_file(options.csv, to_tidy(comparison))
    _print(shown(comparison, options.rows))
    return 0


def _print(what: Any) -> None:
    from rich.text import Text

    out = console()
    out.print(Text(what.title, "bold"), soft_wrap=True)
    out.print("differs in the set-ups:")
    for line in what.setups:
        out.print(Text(f"  {line}"), soft_wrap=True)
    out.print()
    for line in what.conclusion:
        out.print(Text(line), soft_wrap=True)
    for table in what.tables:
        out.print()
        out.print(Text(table.caption, "bold"))
        print_rows(out, table.columns, table.names, table.rows)
        out.print(Text(table.note), soft_wrap=True)
