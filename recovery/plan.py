"""What of a design is missing in a store: a fixed number of replicates, or as many as needed."""

import itertools
from collections import Counter
from collections.abc import Collection, Iterator, Sequence

from recovery.agenda import Agenda
from recovery.columns import Columns
from recovery.design import Cell, Design, Replicate
from recovery.escalation import Escalation
from recovery.growth import Growth, Rule
from recovery.record import Record
from recovery.seen import Seen, see_all
from recovery.store import Store


class Plan:
    """What is left to run.

    Parameters
    ----------
    design : Design
    store : Store
        Open for writing, with the design begun.
    rule : Rule, optional
        If given, cells grow by need.
    retry : bool
        Whether what failed is to be run again.
    escalation : Escalation, optional
        If given, the data of flagged fits are fitted a second time.

    Attributes
    ----------
    retry : bool
    failing : mapping
        How the replicates of each cell ended that are not to be run again, by cell digest.
    """

    def __init__(
        self,
        design: Design,
        store: Store,
        rule: Rule | None,
        *,
        retry: bool = False,
        escalation: Escalation | None = None,
    ) -> None:
        self._design, self._store, self._rule = design, store, rule
        self._escalation = escalation
        self.retry = retry
        failing = store.failing()
        self.failing = {c: (ok, Counter()) for c, (ok, _) in failing.items()} if retry else failing
        self._digests = [cell["digest"] for cell in store.cells()]
        # Which of the two is needed is read, and no more: both go through the whole store.
        self._done = store.done(failed=not retry) if rule is None else {}
        self._known = {} if rule is None else self._seen()
        if retry:
            self._known = {key: seen for key, seen in self._known.items() if seen is not None}

    def agenda(self, cells: Sequence[Cell], suspects: Collection[str]) -> tuple[Agenda, int]:
        """Return what is to be run of these cells, and how many that are, as far as is known.

        Parameters
        ----------
        cells : sequence of Cell
        suspects : collection of str
            Keys of replicates that are to have a process of their own.
        """
        escalation = self._escalation
        again = escalation.missing(cells) if escalation else []
        if self._rule is None:
            count = sum(map(self._count, cells)) + len(again)
            todo = itertools.chain(self._missing(cells), again)
            return Agenda(todo, escalation.after if escalation else None, suspects), count
        # Error rates hold over all cells of the store, those of earlier commands too.
        n_cells = len(self._digests)
        growth = Growth(self._rule, cells, self._design.seed, self._known, n_cells)
        begun = growth.begin()
        self._store.plan(growth.plan([cell.digest for cell in cells]))

        def more(record: Record) -> list[Replicate]:
            if record.refit:
                return []
            added = growth.after(record)
            if added:
                self._store.plan(growth.plan([record.cell]))
            return added + (escalation.after(record) if escalation else [])

        return Agenda([*begun, *again], more, suspects), len(begun) + len(again)

    def first(self, cell: Cell) -> Replicate:
        """Return the first replicate of a cell, done or not."""
        seed, index = self._design.numbering()[0]
        return Replicate(cell, seed, index)

    def wanted(self) -> dict[str, float | str]:
        """Return what decides how many replicates there are to be, for the record."""
        return {} if self._rule is None else self._rule.wanted()

    def _seen(self) -> dict[tuple[str, int], Seen | None]:
        """Return what is in the store of the design's seed, by cell digest and number."""
        found = see_all(Columns(self._store), self._design.seed)
        return {(self._digests[cell], index): seen for (cell, index), seen in found.items()}

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
