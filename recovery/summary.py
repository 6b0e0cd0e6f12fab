"""What the columns of a store hold of every cell: measures, and its replicates as arrays."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from recovery.blocks import Flags
from recovery.columns import Columns
from recovery.measures import Measured, performance
from recovery.record import Floats
from recovery.schema import ESTIMATE_COLUMNS

_BESIDE: Final = ("crps", "mcse_mean", "ess_tail")
"""Columns of estimates without which a few measures, or the share of MCMC error, are missing."""

Row: TypeAlias = tuple[int, str, str, float, float, int, float]
"""Cell, parameter, measure, estimate, mcse, n, share of MCMC error in the variance."""


def summarise(
    columns: Columns,
    intervals: Mapping[float, tuple[list[Floats], list[Floats]]],
    cells: Sequence[Mapping[str, Any]],
    keep: Flags | None = None,
) -> Iterator[Row]:
    """Go through the measures, cell by cell and parameter by parameter.

    Parameters
    ----------
    columns : Columns
    intervals : mapping of float to pair of lists
        Lower and upper ends by level, of each block, (n_parameters, n).
    cells : sequence of mapping
        As `Store.cells` gives them, for their priors.
    keep : array of bool, shape (n_replicates,), optional
        Replicates to measure; by default all. A parameter that none is left of has no measure.
    """
    priors = [{prior["parameter"]: prior for prior in cell["priors"]} for cell in cells]
    mean, sd, truth = (columns.column(name) for name in ("mean", "sd", "truth"))
    beside = {name: columns.column(name) for name in _BESIDE if name in ESTIMATE_COLUMNS}
    for (position, parameter), each in columns.groups.items():
        group = each if keep is None else each.where(keep)
        if not len(group.places):
            continue
        prior = priors[position].get(parameter, {})
        measured: dict[str, Measured] = performance(
            group.of(mean),
            group.of(sd),
            group.of(truth),
            {prob: (group.of(low), group.of(high)) for prob, (low, high) in intervals.items()},
            prior.get("sd"),
            prior.get("variance_relative_se", 0.0),
            **{name: group.of(column) for name, column in beside.items()},
        )
        for name, found in measured.items():
            yield position, parameter, name, *found


def complete_fits(columns: Columns, fits: Mapping[str, Floats]) -> dict[str, NDArray[Any]]:
    """Return columns of fits as arrays over the complete fits of each cell that has one.

    Parameters
    ----------
    columns : Columns
    fits : mapping of str to array, shape (n_replicates,)

    Returns
    -------
    dict of str to array, shape (n_cells,)
        ``position`` and arrays of arrays under the names of `fits`.
    """
    position = columns.position[columns.ok]
    starts = np.flatnonzero(np.diff(position, prepend=-1))
    found: dict[str, NDArray[Any]] = {"position": position[starts]}
    for name, column in fits.items():
        parts = np.split(column[columns.ok], starts[1:])
        found[name] = _objects(parts[: len(starts)])
    return found


def estimates(columns: Columns, values: Mapping[str, list[Floats]]) -> dict[str, NDArray[Any]]:
    """Return columns of estimates as arrays over the replicates of each cell and parameter.

    Parameters
    ----------
    columns : Columns
    values : mapping of str to list of array
        Columns of every block, (n_parameters, n) each.

    Returns
    -------
    dict of str to array, shape (n_groups,)
        ``position``, ``parameter``, ``kind``, ``ranked_among``, then arrays of arrays: those under
        the names of `values`, and ``rank``, see `Columns.ranks`.
    """
    groups = list(columns.groups.values())
    ranked = [columns.ranks(group.position, group.parameter) for group in groups]
    found: dict[str, NDArray[Any]] = {
        "position": np.array([group.position for group in groups], dtype=np.int64),
        "parameter": np.array([group.parameter for group in groups], dtype=object),
        "kind": np.array([group.kind for group in groups], dtype=object),
        "ranked_among": np.array([among for _, among in ranked], dtype=np.int64),
    }
    for name, column in values.items():
        found[name] = _objects([group.of(column) for group in groups])
    return found | {"rank": _objects([rank for rank, _ in ranked])}


def _objects(arrays: Sequence[Floats]) -> NDArray[np.object_]:
    """Return a column of arrays."""
    column = np.empty(len(arrays), dtype=object)
    for i, array in enumerate(arrays):
        column[i] = array
    return column
