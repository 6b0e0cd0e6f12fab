"""Second fits: the data of a flagged fit once more, with more warm-up and smaller steps.

Nothing is redrawn: truth, covariates and data stay, so that a cell is not left with its easier data
sets. Both outcomes are kept, and all measures are of the first.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from recovery.blocks import worst
from recovery.columns import Columns
from recovery.design import Cell, Replicate
from recovery.record import FITTED, Estimates, Record, Sampling
from recovery.rows import WORST, fit_rows
from recovery.store import Store
from recovery.thresholds import flags


def flags_of(estimates: Estimates, sampling: Sampling) -> str:
    """Name the thresholds that one fit has crossed; empty if none."""
    fitted = np.isin(estimates.kinds, FITTED)
    measures = {
        name: worst(diagnostic, getattr(estimates, diagnostic)[fitted, np.newaxis])
        for name, diagnostic in WORST
    }
    return str(flags({**measures, "divergences": np.array([float(sampling.divergences)])})[0])


class Escalation:
    """Which replicates of a store are to be fitted a second time.

    Parameters
    ----------
    store : Store
    cells : sequence of Cell
    retry : bool
        Whether second fits that failed are to be made again.
    """

    def __init__(self, store: Store, cells: Sequence[Cell], *, retry: bool = False) -> None:
        self._retry = retry
        self._cells = {cell.digest: cell for cell in cells}
        self._flagged = list(self._stored(store))

    def missing(self, cells: Sequence[Cell]) -> list[Replicate]:
        """Return the second fits that flagged fits of these cells have not had yet."""
        chosen = {cell.digest for cell in cells}
        return [replicate for replicate in self._flagged if replicate.cell.digest in chosen]

    def after(self, record: Record) -> list[Replicate]:
        """Return the second fit that a record asks for, if it does."""
        if record.refit or record.estimates is None or record.sampling is None:
            return []
        if not flags_of(record.estimates, record.sampling):
            return []
        return [Replicate(self._cells[record.cell], record.seed, record.index, refit=True)]

    def _stored(self, store: Store) -> Iterator[Replicate]:
        if not store.rows("SELECT 1 FROM replicates LIMIT 1"):
            return
        columns = Columns(store)
        query = "SELECT replicate FROM refits WHERE status = 'ok' OR NOT ?"
        refitted = {number for (number,) in store.rows(query, (self._retry,))}
        digests = [cell["digest"] for cell in store.cells()]
        flagged = fit_rows(columns)["flagged"].to_numpy(bool)
        for place in np.flatnonzero(flagged).tolist():
            cell = self._cells.get(digests[columns.position[place]])
            if cell is not None and columns.id[place] not in refitted:
                seed, index = int(columns.seed[place]), int(columns.index[place])
                yield Replicate(cell, seed, index, refit=True)
