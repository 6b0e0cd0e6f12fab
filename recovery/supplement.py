"""Test quantities added later: from the kept draws, with the data simulated again; no refit."""

import json
from collections.abc import Collection, Iterator, Sequence
from typing import Final

import numpy as np

from recovery.design import Cell, Purpose, Replicate
from recovery.engine.estimate import among_for_quantities, estimate_quantities, failures_of
from recovery.engine.quantities import asked, expanded_names
from recovery.engine.replicate import simulate
from recovery.engine.structure import Simulated
from recovery.engine.workshop import Workshop
from recovery.errors import StoreConflict
from recovery.record import FITTED, QUANTITY
from recovery.schema import ESTIMATE_COLUMNS
from recovery.store import Store, Supplement

_TOGETHER: Final = 200  # replicates whose quantities share a commit
_THERE: Final = """
SELECT r.id, l.names, l.kinds FROM replicates r JOIN layouts l ON l.id = r.layout
WHERE r.cell = (SELECT position FROM cells WHERE digest = ?1)
UNION ALL
SELECT r.id, l.names, l.kinds FROM supplements s
JOIN replicates r ON r.id = s.replicate JOIN layouts l ON l.id = s.layout
WHERE r.cell = (SELECT position FROM cells WHERE digest = ?1)
"""
_REPLICATE: Final = """
SELECT r.seed, r."index", r.estimates, l.kinds, p.kept_draws FROM replicates r
JOIN posteriors p ON p.replicate = r.id JOIN layouts l ON l.id = r.layout WHERE r.id = ?
"""


def add_quantities(store: Store, workshop: Workshop, cells: Sequence[Cell]) -> int:
    """Add the test quantities that cells were asked for after they had replicates.

    Their numbers are those that the fits would have given. An interrupted call is finished by the
    next one.

    Parameters
    ----------
    store : Store
        Open for writing, with the design begun.
    workshop : Workshop
    cells : sequence of Cell

    Returns
    -------
    int
        How many replicates were added to.

    Raises
    ------
    StoreConflict
        If a replicate's data come out otherwise than they did.
    """
    later = store.quantities(later=True)
    added = 0
    for cell in cells:
        found: list[Supplement] = []
        for number, names in _missing(store, workshop, cell, later.get(cell.digest, {})):
            found.append(_supplement(store, workshop, cell, number, names))
            added += 1
            if len(found) == _TOGETHER:
                store.supplement(found)
                found.clear()
        if found:
            store.supplement(found)
    return added


def _missing(
    store: Store, workshop: Workshop, cell: Cell, later: Collection[str]
) -> Iterator[tuple[int, list[str]]]:
    """Go through the complete replicates of a cell that lack quantities, and name these."""
    problem = workshop.prepare(cell).problem
    wanted = [name for name in asked(problem) if name in later]
    if not wanted:
        return
    there: dict[int, set[str]] = {}
    known: dict[str, set[str]] = {}
    for number, names, kinds in store.rows(_THERE, (cell.digest,)):
        if names not in known:
            pairs = zip(json.loads(names), json.loads(kinds), strict=True)
            known[names] = {name for name, kind in pairs if kind == QUANTITY}
        there.setdefault(number, set()).update(known[names])
    shapes: dict[str, tuple[int, ...]] = {}
    for number, present in there.items():
        if not shapes:  # of any replicate: they are alike in a cell
            truth = _simulated(store, workshop, cell, number).truth
            shapes = {name: np.shape(truth[name]) for name in problem.recorded}
            expanded = expanded_names(problem, shapes)
        lacking = [name for name in wanted if not present.issuperset(expanded[name])]
        if lacking:
            yield number, lacking


def _simulated(store: Store, workshop: Workshop, cell: Cell, number: int) -> Simulated:
    """Simulate the data of a replicate again, given its number in the store."""
    query = 'SELECT seed, "index", data_digest FROM replicates WHERE id = ?'
    ((seed, index, digest),) = store.rows(query, (number,))
    replicate = Replicate(cell, seed, index)
    simulated = simulate(replicate, workshop.prepare(cell))
    if simulated.digest() != digest.hex():
        raise StoreConflict(
            f"{store.folder}: the data of replicate {replicate.key} come out otherwise here than "
            "where they were fitted (other versions, or another machine), so test quantities "
            "cannot be added; add them there, or run again with --fresh"
        )
    return simulated


def _supplement(
    store: Store, workshop: Workshop, cell: Cell, number: int, names: Sequence[str]
) -> Supplement:
    simulated = _simulated(store, workshop, cell, number)
    ((seed, index, block, kinds, kept),) = store.rows(_REPLICATE, (number,))
    fitted = np.array([kind in FITTED for kind in json.loads(kinds)])
    values = np.frombuffer(block, dtype="<f8").reshape(len(ESTIMATE_COLUMNS), -1)
    sd, ess_bulk, ess_tail = (
        values[ESTIMATE_COLUMNS.index(name)][fitted] for name in ("sd", "ess_bulk", "ess_tail")
    )
    draws = np.frombuffer(kept, dtype="<f8").reshape(-1, np.count_nonzero(fitted))
    evaluated = workshop.quantities(workshop.prepare(cell)).evaluate(simulated, draws, names)
    among = among_for_quantities(sd, ess_bulk, ess_tail, len(draws))
    entropy = Replicate(cell, seed, index).entropy(Purpose.RANKS)
    return number, estimate_quantities(evaluated, among, entropy), failures_of(evaluated)
