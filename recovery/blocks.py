"""The estimates of many replicates as blocks of numbers, and the pieces of a block.

A block holds all replicates that have the same parameters, one column of numbers after another;
a group is one parameter in one cell, a piece of a block.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, NamedTuple, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from recovery.record import FITTED, Floats
from recovery.schema import ESTIMATE_COLUMNS

Integers: TypeAlias = NDArray[np.int64]
Flags: TypeAlias = NDArray[np.bool_]
_Number = TypeVar("_Number", np.float64, np.int64)

_ROWS: Final = 1024  # replicates turned into columns at a time: what a core's cache holds


class Run(NamedTuple):
    """The replicates of one cell within a block: rows start to stop."""

    position: int
    start: int
    stop: int


@dataclass(frozen=True)
class Block:
    """The estimates of all complete replicates that have the same parameters.

    Attributes
    ----------
    names, kinds : list of str
        Of the parameters.
    rows : array of int, shape (n,)
        Places of the replicates in `Columns`, ascending.
    values : array, shape (len(ESTIMATE_COLUMNS), n_parameters, n)
    runs : list of Run
        The cells, in order.
    """

    names: list[str]
    kinds: list[str]
    rows: Integers
    values: Floats
    runs: list[Run]

    def column(self, name: str) -> Floats:
        """Return one column, shape (n_parameters, n); a view."""
        column: Floats = self.values[ESTIMATE_COLUMNS.index(name)]
        return column

    @cached_property
    def fitted(self) -> Flags:
        """Which parameters are no predictions."""
        return np.array([kind in FITTED for kind in self.kinds], dtype=bool)

    def worst(self, name: str) -> Floats:
        """Return the largest r_hat, or the smallest ESS, of each replicate's fitted parameters.

        Draws that are not finite have no ESS; none is what they are worth.
        """
        return worst(name, self.column(name)[self.fitted])


def worst(name: str, values: Floats) -> Floats:
    """Return the largest r_hat, or the smallest ESS, over the first axis, which may be empty."""
    if name == "r_hat":
        return np.asarray(np.fmax.reduce(values, axis=0, initial=np.nan))
    return np.asarray(np.where(np.isnan(values), 0.0, values).min(axis=0, initial=np.inf))


class _Part(NamedTuple):
    """Some replicates of one parameter within a block."""

    block: int
    parameter: int
    rows: slice | NDArray[np.intp]
    places: Integers

    def where(self, keep: Flags) -> "_Part":
        assert isinstance(self.rows, slice)
        kept = np.flatnonzero(keep[self.places])
        return self._replace(rows=self.rows.start + kept, places=self.places[kept])


@dataclass(frozen=True)
class Group:
    """The estimates of one parameter in one cell: a piece of one block, seldom of several.

    Attributes
    ----------
    position : int
        Of the cell.
    parameter, kind : str
    parts : list
        Where the replicates are in the blocks.
    """

    position: int
    parameter: str
    kind: str
    parts: list[_Part]

    def add(self, block: int, parameter: int, rows: slice, places: Integers) -> None:
        """Add the replicates in some rows of a block, `parameter` being the place of its name."""
        self.parts.append(_Part(block, parameter, rows, places))

    @property
    def places(self) -> Integers:
        """Places of the replicates in `Columns`, shape (n,)."""
        return _joined([part.places for part in self.parts])

    def of(self, columns: Sequence[Floats]) -> Floats:
        """Return its share, shape (n,), of a column of every block, (n_parameters, n) each."""
        return _joined([columns[part.block][part.parameter, part.rows] for part in self.parts])

    def where(self, keep: Flags) -> "Group":
        """Return the group with only the replicates whose places are kept."""
        return replace(self, parts=[part.where(keep) for part in self.parts])


def _joined(parts: list[NDArray[_Number]]) -> NDArray[_Number]:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


class Growing:
    """A block while its replicates come in, in the order of their numbers in the store."""

    def __init__(self, names: list[str], kinds: list[str], size: int) -> None:
        self._names, self._kinds = names, kinds
        self._values = np.empty((len(ESTIMATE_COLUMNS) * len(names), size))
        self._filled = 0

    def add(self, estimates: bytes) -> None:
        """Add the estimates of some replicates, one after another."""
        found = np.frombuffer(estimates, dtype="<f8").reshape(-1, len(self._values))
        for start in range(0, len(found), _ROWS):
            part = found[start : start + _ROWS]
            self._values[:, self._filled : self._filled + len(part)] = part.T
            self._filled += len(part)

    def done(self, place: Integers, position: Integers) -> Block:
        """Put the replicates into their order, given their places and the cell of every place."""
        order = np.argsort(place, kind="stable")
        values = self._values[:, : self._filled]
        for column in values:  # one by one, so that no second block is needed beside this one
            column[:] = column[order]
        rows = place[order]
        cells = position[rows]
        starts = np.flatnonzero(np.diff(cells, prepend=-1)).tolist()
        stops = [*starts[1:], len(rows)]
        runs = [Run(int(cells[a]), a, b) for a, b in zip(starts, stops, strict=True)]
        shape = len(ESTIMATE_COLUMNS), len(self._names), len(rows)
        return Block(self._names, self._kinds, rows, values.reshape(shape), runs)
