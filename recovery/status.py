"""What is done, failed and left, straight from the store."""

import shlex
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from recovery.inert import plain
from recovery.pauses import Pauses
from recovery.store import Store

_COUNTS = """
SELECT c.digest, coalesce(p.n, 0), coalesce(r.n, 0), coalesce(f.n, 0)
FROM cells c
LEFT JOIN (SELECT cell, sum(replicates) AS n FROM planned GROUP BY cell) p ON p.cell = c.position
LEFT JOIN (SELECT cell, count(*) AS n FROM replicates GROUP BY cell) r ON r.cell = c.position
LEFT JOIN (SELECT cell, count(*) AS n FROM failures JOIN replicates ON id = replicate
           GROUP BY cell) f ON f.cell = c.position
ORDER BY c.position
"""


def print_status(folder: Path, console: Console | None = None) -> None:
    """Print a line of totals and a table of cells.

    Raises
    ------
    NotAStore, StoreDamaged
        If the folder holds no store that can be read.
    """
    store = Store.read(folder)
    try:
        counts = {digest: tuple(row) for digest, *row in store.rows(_COUNTS)}
        cells, identity, sessions = store.cells(), store.identity(), store.sessions()
        pauses = Pauses(store.failing())
    finally:
        store.close()
    console = console or Console(soft_wrap=False)
    planned, done, failed = (sum(row[i] for row in counts.values()) for i in range(3))
    left = planned - done
    console.print(
        Text(
            f"{plain(folder)}: {plain(identity.get('scenario'))}, {len(cells)} cells, "
            f"{done} of {planned} replicates done, {failed} failed, {left} left"
        ),
        soft_wrap=True,
    )
    axes = identity.get("axes", [])
    table = Table(box=None, pad_edge=False)
    for name in (*axes, "truth"):
        table.add_column(Text(plain(name)))
    for name in ("planned", "done", "failed", "left"):
        table.add_column(name, justify="right")
    for cell in cells:
        levels = {**cell["settings"], **cell["levels"]}
        row_planned, row_done, row_failed = counts[cell["digest"]]
        numbers = (row_planned, row_done, row_failed, row_planned - row_done)
        _row(table, [levels.get(axis) for axis in axes], [cell["truth_mode"]], numbers)
    console.print(table)
    paused = [cell for cell in cells if pauses.reason(cell["digest"])]
    for cell in paused:
        place = " ".join(f"{axis}={value}" for axis, value in cell["levels"].items())
        why = pauses.reason(cell["digest"])
        text = f"{place} truth={cell['truth_mode']}: paused, as all failed: {why}"
        console.print(Text(plain(text)), soft_wrap=True)
    if left and sessions:
        again = _again(str(sessions[-1]["command"]), retry=bool(paused))
        console.print(Text(plain(f"go on with: {again}")), soft_wrap=True)


def _again(command: str, *, retry: bool) -> str:
    """Return a command to go on with; quoted, so that it is one command whatever it says."""
    try:
        words = [word for word in shlex.split(command) if word != "--fresh"]
    except ValueError:
        words = command.split()
    if retry and "--retry-failed" not in words:
        words.append("--retry-failed")
    return shlex.join(words)


def _row(table: Table, *groups: Iterable[object]) -> None:
    # Text, not markup: a level is the user's, and stays what it is.
    table.add_row(*(Text(plain(value)) for group in groups for value in group))
