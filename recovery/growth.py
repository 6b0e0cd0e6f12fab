"""Cells that grow by need: a rule says how many replicates each needs, given what is known so far.

A cell is looked at only when all replicates planned so far are done, in the order of their numbers,
so how far it grows depends on the seeds alone: not on workers, order or interruptions.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from recovery.design import Cell, Replicate, TruthMode
from recovery.errors import SettingsError
from recovery.record import Record
from recovery.seen import Seen, see


class Rule(Protocol):
    """What decides how many replicates a cell needs."""

    @property
    def start(self) -> int:
        """Replicates of a cell before the first look."""

    def needed(self, seen: Sequence[Seen | None], truth_mode: TruthMode, n_cells: int, /) -> int:
        """Return how many replicates a cell needs in all; as many as there are if it has enough.

        Parameters
        ----------
        seen : sequence of Seen or None
            All replicates so far, in the order of their numbers; None for one that failed.
        truth_mode : {"fixed", "prior"}
        n_cells : int
            Cells of the run, over all of which a stated error rate must hold.
        """

    def wanted(self) -> dict[str, float | str]:
        """Return what was asked for, for the record."""


def check_most(most: int, start: int) -> None:
    """Raise SettingsError where the most replicates are fewer than those to begin with."""
    if most < start:
        raise SettingsError(
            f"max_replicates: {most} is less than the {start} replicates to begin with; give "
            "more, or fewer replicates"
        )


class Growth:
    """The cells of a sweep that grow by need.

    Parameters
    ----------
    rule : Rule
    cells : sequence of Cell
    seed : int
        Root of all random numbers.
    known : mapping of (cell digest, number) to Seen or None
        What is in the store already.
    n_cells : int
        Cells of the run, `cells` among them.
    """

    def __init__(
        self,
        rule: Rule,
        cells: Sequence[Cell],
        seed: int,
        known: Mapping[tuple[str, int], Seen | None],
        n_cells: int,
    ) -> None:
        self._rule = rule
        self._n_cells = n_cells
        self._cells = {cell.digest: cell for cell in cells}
        self._seed = seed
        self._known: dict[str, dict[int, Seen | None]] = {digest: {} for digest in self._cells}
        for (digest, index), found in known.items():
            if digest in self._known:
                self._known[digest][index] = found
        self.planned = dict.fromkeys(self._cells, 0)
        """Replicates of each cell so far, by its digest."""
        self._missing = dict.fromkeys(self._cells, 0)

    def begin(self) -> list[Replicate]:
        """Return the replicates to run first, one of each cell after another."""
        columns = [self._grow(digest) for digest in self._cells]
        longest = max(map(len, columns), default=0)
        return [column[i] for i in range(longest) for column in columns if i < len(column)]

    def after(self, record: Record) -> list[Replicate]:
        """Take note of a record, and return what is to run because of it."""
        self._known[record.cell][record.index] = see(record)
        self._missing[record.cell] -= 1
        return [] if self._missing[record.cell] else self._grow(record.cell)

    def _grow(self, digest: str) -> list[Replicate]:
        """Plan on while all that is planned is known; return what is missing of the new plan."""
        cell, known = self._cells[digest], self._known[digest]
        missing: list[int] = []
        while not missing:
            planned = self.planned[digest]
            seen = [known[index] for index in range(planned)]
            needed = self._rule.start
            if planned:
                needed = self._rule.needed(seen, cell.truth_mode, self._n_cells)
            if needed == planned:
                break
            missing = [index for index in range(planned, needed) if index not in known]
            self.planned[digest] = needed
        self._missing[digest] = len(missing)
        return [Replicate(cell, self._seed, index) for index in missing]

    def plan(self, digests: Iterable[str]) -> list[tuple[str, int, int]]:
        """Return what the store keeps of the plan of these cells."""
        return [(digest, self._seed, self.planned[digest]) for digest in digests]
