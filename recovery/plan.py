"""What of a design is missing in a store: a fixed number of replicates, or as many as needed."""

from collections.abc import Iterator, Sequence

import numpy as np

from recovery.agenda import Agenda
from recovery.columns import Columns
from recovery.design import Cell, Design, Replicate
from recovery.precision import CI_PROB, Growth, Precision, held
from recovery.record import Floats, Record
from recovery.store import Store


class Plan:
    """What is left to run.

    Parameters
    ----------
    design : Design
    store : Store
        Open for writing, with the design begun.
    precision : Precision, optional
        If given, cells grow by need.
    """

    def __init__(self, design: Design, store: Store, precision: Precision | None) -> None:
        self._design, self._store, self._precision = design, store, precision
        # Which of the two is needed is read, and no more: both go through the whole store.
        self._done = store.done() if precision is None else {}
        self._known = {} if precision is None else _covered(store, design)

    def agenda(self, cells: Sequence[Cell]) -> tuple[Agenda, int]:
        """Return what is to be run of these cells, and how many that are, as far as is known."""
        if self._precision is None:
            return Agenda(self._missing(cells)), sum(map(self._count, cells))
        growth = Growth(self._precision, cells, self._design.seed, self._known)
        begun = growth.begin()
        self._store.plan(growth.plan([cell.digest for cell in cells]))

        def more(record: Record) -> list[Replicate]:
            added = growth.after(record)
            if added:
                self._store.plan(growth.plan([record.cell]))
            return added

        return Agenda(begun, more), len(begun)

    def first(self, cell: Cell) -> Replicate:
        """Return the first replicate of a cell, done or not."""
        seed, index = self._design.numbering()[0]
        return Replicate(cell, seed, index)

    def wanted(self) -> dict[str, float]:
        """Return what decides how many replicates there are to be, for the record."""
        if self._precision is None:
            return {}
        return {
            "precision": self._precision.target,
            "min_replicates": self._precision.start,
            "max_replicates": self._precision.most,
        }

    def _missing(self, cells: Sequence[Cell]) -> Iterator[Replicate]:
        chosen = {cell.digest for cell in cells}
        for replicate in self._design:
            digest = replicate.cell.digest
            if digest in chosen and replicate.index not in self._done[digest, replicate.seed]:
                yield replicate

    def _count(self, cell: Cell) -> int:
        design = self._design
        if design.seeds is not None:
            return sum(0 not in self._done[cell.digest, seed] for seed in design.seeds)
        done = self._done[cell.digest, design.seed]
        return design.replicates - sum(index < design.replicates for index in done)


def _covered(store: Store, design: Design) -> dict[tuple[str, int], Floats | None]:
    """Return which intervals hold their truth, for all replicates of the design's seed."""
    columns = Columns(store)
    digests = [cell["digest"] for cell in store.cells()]
    keys = [
        (digests[cell], index)
        for cell, index in zip(columns.position.tolist(), columns.index.tolist(), strict=True)
    ]
    known: dict[tuple[str, int], Floats | None] = dict.fromkeys(
        keys[place] for place in np.flatnonzero(columns.seed == design.seed).tolist()
    )
    tail = (1 - CI_PROB) / 2
    for block in columns.blocks:
        lower, upper = block.column(f"q{tail:g}"), block.column(f"q{1 - tail:g}")
        inside = held(lower, upper, block.column("truth"))
        for i, place in enumerate(block.rows.tolist()):
            if keys[place] in known:
                known[keys[place]] = inside[:, i]
    return known
