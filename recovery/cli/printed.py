"""What commands have in common that print tables and write files that were asked for."""

import os
import sys
from pathlib import Path
from typing import Any, Final

_WIDE: Final = 200


def console(wide: int = _WIDE) -> Any:
    """Return where to print: as wide as the terminal, or where nobody looks, as `wide`."""
    from rich.console import Console

    # There no name need be shortened, and no sentence broken into short lines.
    return Console() if sys.stdout.isatty() else Console(width=wide)


def print_rows(console: Any, columns: Any, names: int, rows: Any) -> None:
    """Print a table whose first columns are names and whose others are numbers."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for i, column in enumerate(columns):
        table.add_column(Text(column), justify="left" if i < names else "right", overflow="fold")
    for row in rows:
        # Text, not markup: brackets are part of a parameter's name.
        table.add_row(*(Text(cell) for cell in row))
    console.print(table)


def write_asked_file(path: str, content: str | bytes) -> None:
    """Write a file that an option names.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    from recovery.errors import OutputError
    from recovery.report.atomic import write_file

    try:
        write_file(Path(path), content)
    except OutputError as error:
        raise OutputError(
            f"{str(error).partition(';')[0]}; give a file that can be written"
        ) from error


def summary_so_far(path: Path) -> str:
    """Return what a job's summary holds already; other files are written anew."""
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if not summary or Path(summary) != path or not path.is_file():
        return ""
    return path.read_text(encoding="utf-8", errors="replace")
