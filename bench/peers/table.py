"""The table of ratios, for the screen and for README.md."""

import argparse
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table

from peers.machine import Machine

HEADERS = (
    "peer",
    "first result, s",
    "fits a round",
    "fits/s",
    "range",
    "ratio to nutpie's loop",
    "recovery / peer",
    "difference, sd",
)


@dataclass(frozen=True)
class Row:
    """One peer: why it has no numbers, or its numbers."""

    name: str
    problem: str
    first_s: float
    count: int
    rates: Sequence[float]
    to_nutpie: float | None
    of_recovery: float | None
    difference: float | None

    def cells(self) -> list[str]:
        if self.problem:
            return [self.name, self.problem, *[""] * (len(HEADERS) - 2)]
        return [
            self.name,
            f"{self.first_s:.1f}",
            str(self.count),
            f"{statistics.median(self.rates):.3g}",
            f"{min(self.rates):.3g} to {max(self.rates):.3g}",
            *(
                "-" if value is None else f"{value:.{places}f}"
                for value, places in (
                    (self.to_nutpie, 3),
                    (self.of_recovery, 2),
                    (self.difference, 2),
                )
            ),
        ]


def printed(rows: Sequence[Row]) -> Table:
    table = Table(*HEADERS)
    for row in rows:
        table.add_row(*row.cells())
    return table


def markdown(rows: Sequence[Row], options: argparse.Namespace, about: Machine) -> str:
    lines = [HEADERS, ["---", *["---:"] * (len(HEADERS) - 1)], *(row.cells() for row in rows)]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    rounds = f"rounds: {options.pairs}, data sets: {options.fits}"
    return f"**{options.model}**, {rounds}. {about.line}.\n\n{table}\n"
