"""The options that ask for other forms of a report."""

import argparse
from typing import Any


def add_forms(command: argparse.ArgumentParser) -> None:
    """Add the options to a command that writes a report."""
    forms = command.add_argument_group(
        "other forms of the report", "those of an earlier report that are not asked for are removed"
    )
    forms.add_argument(
        "--latex", action="store_true", help="the main tables for a paper as well: tables/*.tex"
    )
    forms.add_argument(
        "--pdf",
        action="store_true",
        help="report.pdf as well, printed by Chromium or Chrome, the one on PATH or "
        "RECOVERY_CHROMIUM, or else by the package weasyprint",
    )


def check_forms(options: argparse.Namespace) -> None:
    """Refuse at once what could not be written when all else is done."""
    if options.pdf:
        from recovery.report.pdf import printer

        printer()


def write_asked(results: Any, options: argparse.Namespace) -> None:
    """Write the forms that were asked for; the report is there already."""
    if options.latex or options.pdf:
        from recovery.report import write_forms

        write_forms(results, latex=options.latex, pdf=options.pdf)
