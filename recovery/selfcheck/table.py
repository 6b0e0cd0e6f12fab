"""An outcome for a person on a terminal."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from recovery.selfcheck.check import FALSE_ALARM, Outcome


def print_outcome(outcome: Outcome, console: Console | None = None) -> None:
    """Print a row per finding, and below them how many agree with what is known."""
    console = console or Console()
    table = Table(box=None, pad_edge=False)
    for name in ("posterior, and what is looked at", "expected", "measured", ""):
        table.add_column(name)
    before = ""
    for finding in outcome.findings:
        if finding.case != before:
            before = finding.case
            table.add_row(Text(before, "bold"))
        passed = outcome.passed(finding)
        verdict = Text("pass", "green") if passed else Text("FAIL", "bold red")
        # Text, not markup: brackets are part of a parameter's name.
        words = (f"  {finding.subject}", finding.expected, finding.measured)
        table.add_row(*(Text(word) for word in words), verdict)
    console.print(table)
    count, failed = len(outcome.findings), len(outcome.failed)
    said = f"{count} findings, all as they must be" if not failed else f"{failed} of {count} failed"
    chance = f"a sound harness fails for 1 seed in {1 / FALSE_ALARM:.0f}, at most"
    console.print(Text(f"{said} ({chance})"), soft_wrap=True)
