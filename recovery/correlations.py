"""Correlations that posteriors claim, from their kept draws, and those that errors have."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Final, NamedTuple

import numpy as np
import pandas as pd

from recovery.blocks import Block, Integers
from recovery.cells import Cells
from recovery.columns import Columns
from recovery.database import consistent
from recovery.errors import SettingsError, StoreDamaged
from recovery.measures import pair_recovery
from recovery.record import KEPT_DRAWS, Floats
from recovery.store import Store

MOST_PARAMETERS: Final = 100
"""Scalars of a cell whose pairs are looked at: 4,950 pairs."""
_NUMBERS: Final = 8_000_000  # of kept draws in memory at a time
_KEPT: Final = """
SELECT replicate, kept_draws FROM replicates JOIN posteriors ON replicate = id
WHERE cell = ? AND id <= ?
"""


class _Cell(NamedTuple):
    """The free scalars of a cell: posterior covariances and errors of the means."""

    names: list[str]
    covariance: Floats  # (n_replicates, n_parameters, n_parameters)
    error: Floats  # (n_replicates, n_parameters)


def correlations(
    columns: Columns,
    store: Store,
    cells: Cells,
    parameters: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Return the recovery of posterior correlations, see `Results.pairs`.

    Parameters
    ----------
    columns : Columns
    store : Store
        That of the columns; its kept draws are read cell by cell.
    cells : sequence of mapping
        As `Store.cells` gives them.
    parameters : sequence of str, optional

    Raises
    ------
    SettingsError
        If a parameter is unknown, or there are too many.
    StoreDamaged
        If kept draws are not of the shape that their replicate has.
    """
    rows = []
    for position, names in _chosen(columns, cells, parameters).items():
        cell = _read(columns, store, position, names)
        sd = np.sqrt(np.diagonal(cell.covariance, axis1=1, axis2=2))
        for i, j in combinations(range(len(names)), 2):
            found = pair_recovery(
                cell.covariance[:, i, j], sd[:, i], sd[:, j], cell.error[:, i], cell.error[:, j]
            )
            for measure, value in found.items():
                rows.append((position, names[i], names[j], measure, *value[:3]))
    columns_of = ["position", "parameter", "other_parameter", "measure", "estimate", "mcse", "n"]
    return pd.DataFrame(rows, columns=columns_of)


def _chosen(
    columns: Columns, cells: Cells, parameters: Sequence[str] | None
) -> dict[int, list[str]]:
    """Return the free scalars to look at in each cell of truth mode ``prior``."""
    free: dict[int, list[str]] = {}
    for (position, name), group in columns.groups.items():
        if group.kind == "parameter" and cells[position]["truth_mode"] == "prior":
            free.setdefault(position, []).append(name)
    if parameters is not None:
        known = {name for names in free.values() for name in names}
        for name in parameters:
            if name not in known:
                some = ", ".join(sorted(known)[:5]) or "none in truth mode prior"
                raise SettingsError(
                    f"parameters: {name!r} is no free scalar of this run; there are: {some}"
                )
        free = {at: [name for name in names if name in parameters] for at, names in free.items()}
    most = max(map(len, free.values()), default=0)
    if most > MOST_PARAMETERS:
        raise SettingsError(
            f"parameters: {most:,} free scalars make {most * (most - 1) // 2:,} pairs; name at "
            f"most {MOST_PARAMETERS} of them"
        )
    return free


def _read(columns: Columns, store: Store, position: int, names: list[str]) -> _Cell:
    """Read the kept draws of a cell, and put errors beside their covariances."""
    places = np.flatnonzero((columns.position == position) & columns.ok)
    shape = len(places), len(names)
    covariance, error = np.full((*shape, shape[1]), np.nan), np.full(shape, np.nan)
    mean, truth = columns.column("mean"), columns.column("truth")
    for j, name in enumerate(names):
        group = columns.groups[position, name]
        error[np.searchsorted(places, group.places), j] = group.of(truth) - group.of(mean)
    row_of = {int(columns.id[place]): row for row, place in enumerate(places)}
    for block, rows, draws in _kept(columns, store, position, places, row_of):
        fitted = [name for name, mine in zip(block.names, block.fitted, strict=True) if mine]
        here = [(j, fitted.index(name)) for j, name in enumerate(names) if name in fitted]
        at, take = np.array(here, dtype=np.intp).reshape(-1, 2).T
        off = draws[:, :, take]
        off = off - off.mean(axis=1, keepdims=True)
        products = np.matmul(off.transpose(0, 2, 1), off)
        covariance[np.ix_(rows, at, at)] = products / max(draws.shape[1] - 1, 1)
    return _Cell(names, covariance, error)


def _kept(
    columns: Columns, store: Store, position: int, places: Integers, row_of: Mapping[int, int]
) -> Iterator[tuple[Block, Integers, Floats]]:
    """Go through the kept draws of a cell: block, rows of the cell, draws (n, n_kept, n_fitted)."""
    owner = np.zeros(len(columns), dtype=np.int64)
    fits = columns.blocks[: columns.n_main]  # those of quantities added later have no draws
    for number, block in enumerate(fits):
        owner[block.rows] = number
    widest = max((int(block.fitted.sum()) for block in fits), default=1)
    most = max(1, _NUMBERS // (KEPT_DRAWS * max(widest, 1)))
    newest = int(columns.id.max(initial=0))
    for chunk in store.chunks(_KEPT, (position, newest), most):
        # Fits that ended early may have kept fewer draws than others.
        alike: dict[tuple[int, int], list[tuple[int, bytes]]] = {}
        for number, blob in chunk:
            if (row := row_of.get(number)) is None:
                continue  # it had failed when it was read, and has been run again since
            with consistent(store.folder):
                size = memoryview(blob).nbytes
            alike.setdefault((int(owner[places[row]]), size), []).append((row, blob))
        for (of_block, length), found in alike.items():
            block = fits[of_block]
            width = 8 * int(block.fitted.sum())
            if length % max(width, 1):
                raise StoreDamaged(
                    f"{store.folder}: kept draws of {length} bytes are not of {width // 8} "
                    "parameters; restore results.sqlite from a backup or begin again with --fresh"
                )
            rows = np.array([row for row, _ in found], dtype=np.int64)
            draws = np.frombuffer(b"".join(blob for _, blob in found), dtype="<f8")
            yield block, rows, draws.reshape(len(found), -1, width // 8)
