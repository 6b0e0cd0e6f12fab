"""What the columns of a store hold of every cell: measures, and its replicates as arrays."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from recovery.blocks import Flags, Group
from recovery.cells import Cells
from recovery.columns import Columns
from recovery.measures import joint_coverage, performance
from recovery.record import Floats, built_in
from recovery.scenario import LOG_POSTERIOR

_MEASURED: Final = ("mean", "sd", "truth", "crps")
"""Columns of estimates that measures are made of."""

Row: TypeAlias = tuple[int, str, str, float, float, int, float]
"""Cell, parameter, measure, estimate, mcse, n, share of MCMC error in the variance."""


Ends: TypeAlias = Mapping[float, tuple[list[Floats], list[Floats]]]
"""Lower and upper ends of intervals by level, of each block, (n_parameters, n)."""


def summarise(
    columns: Columns,
    intervals: Ends,
    cells: Cells,
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
    given = Given(columns, intervals, cells)
    error = {name: columns.column(name) for name in ("mcse_mean", "ess_tail")}
    for (position, parameter), each in columns.groups.items():
        group = each if keep is None else each.where(keep)
        if not len(group.places):
            continue
        known: dict[str, Any] = {name: group.of(column) for name, column in error.items()}
        for name, found in performance(**given.of(group), **known).items():
            yield position, parameter, name, *found
        if built_in(parameter, group.kind) == LOG_POSTERIOR:
            # The one measure of all parameters of a cell together.
            pit = group.of(columns.column("pit"))
            for prob in sorted(intervals):
                found = joint_coverage(pit, prob)
                yield position, parameter, f"joint_coverage_{100 * prob:g}", *found


class Given:
    """What the measures of a group are made of, as `performance` and `sensitivity` take it.

    Parameters
    ----------
    columns, intervals, cells
        As in `summarise`.
    """

    def __init__(self, columns: Columns, intervals: Ends, cells: Cells) -> None:
        self._columns = {name: columns.column(name) for name in _MEASURED}
        self._intervals = intervals
        self._priors = [{p["parameter"]: p for p in cell["priors"]} for cell in cells]

    def of(self, group: Group) -> dict[str, Any]:
        """Return the arrays of a group, shape (n,) each, and what is known of its prior."""
        prior = self._priors[group.position].get(group.parameter, {})
        return {
            **{name: group.of(column) for name, column in self._columns.items()},
            "intervals": {
                prob: (group.of(low), group.of(high))
                for prob, (low, high) in self._intervals.items()
            },
            "prior_sd": prior.get("sd"),
            "prior_variance_relative_se": prior.get("variance_relative_se", 0.0),
        }


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
        ``position``, ``parameter``, ``kind``, then arrays of arrays: those under the names of
        `values`, and ``rank``, see `Columns.ranks`.
    """
    groups = list(columns.groups.values())
    ranks = [columns.ranks(group.position, group.parameter) for group in groups]
    found: dict[str, NDArray[Any]] = {
        "position": np.array([group.position for group in groups], dtype=np.int64),
        "parameter": np.array([group.parameter for group in groups], dtype=object),
        "kind": np.array([group.kind for group in groups], dtype=object),
    }
    for name, column in values.items():
        found[name] = _objects([group.of(column) for group in groups])
    return found | {"rank": _objects(ranks)}


def _objects(arrays: Sequence[Floats]) -> NDArray[np.object_]:
    """Return a column of arrays."""
    column = np.empty(len(arrays), dtype=object)
    for i, array in enumerate(arrays):
        column[i] = array
    return column
