"""One run as a side of a comparison: its cells by their levels, its replicates by their keys."""

import math
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cached_property
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from recovery.blocks import Integers
from recovery.design import SAMPLER_AXES, digest
from recovery.errors import StoreConflict
from recovery.record import Floats
from recovery.results import Results
from recovery.scenario import Level
from recovery.store import Store

Ends: TypeAlias = tuple[list[Floats], list[Floats]]
"""Lower and upper ends of intervals, of each block, (n_parameters, n)."""
_SESSIONS: Final = "SELECT id, session FROM replicates WHERE id <= ?"


class Side:
    """What a comparison looks up in one of its two runs.

    Parameters
    ----------
    results : Results

    Attributes
    ----------
    levels : list of dict
        The level of every axis, of each cell.
    modes : list of str
        The truth mode of each cell.
    """

    def __init__(self, results: Results) -> None:
        self.results, self.columns = results, results.columns
        cells = results.cells
        columns = [cells.iloc[:, i].tolist() for i in range(len(results.axes))]
        self.levels: list[dict[str, Level]] = [
            {axis: _level(column[i]) for axis, column in zip(results.axes, columns, strict=True)}
            for i in range(len(cells))
        ]
        self.modes = [str(mode) for mode in cells["truth_mode"]]
        self._ends: dict[float, Ends] = {}

    def swept(self, axis: str) -> bool:
        """Say whether an axis is a sampler setting that was swept."""
        return axis in SAMPLER_AXES and self.results.identity.get(axis) == "swept"

    def stream(self, position: int) -> str:
        """Identify the random numbers that the data of a cell are made of, given seed and index."""
        axes = [axis for axis in self.results.axes if not self.swept(axis)]
        levels = {axis: self.levels[position][axis] for axis in axes}
        return digest([self.results.identity.get("scenario"), levels, self.modes[position]])

    def complete(self, position: int) -> Integers:
        """Return the places of the complete replicates of a cell, by seed and number."""
        return np.flatnonzero((self.columns.position == position) & self.columns.ok)

    def keys(self, places: Integers) -> list[tuple[int, int]]:
        """Return root seed and number of replicates."""
        columns = self.columns
        return list(zip(columns.seed[places].tolist(), columns.index[places].tolist(), strict=True))

    def fits(self, name: str) -> Floats:
        """Return a column of `Results.fits`, shape (n_replicates,)."""
        return self.results.fits[name].to_numpy(float)

    @cached_property
    def data_digests(self) -> NDArray[np.object_]:
        """Digest of the data of every replicate."""
        with self._opened() as store:
            return self.columns.texts(store)[1]

    @cached_property
    def sessions(self) -> Integers:
        """Place in `Results.sessions` of the session that every replicate was run in."""
        found = np.full(len(self.columns), -1, dtype=np.int64)
        order = np.argsort(self.columns.id)
        ids = self.columns.id[order]
        newest = int(ids[-1]) if len(ids) else 0
        with self._opened() as store:
            for chunk in store.chunks(_SESSIONS, (newest,)):
                numbers, sessions = (np.array(c, np.int64) for c in zip(*chunk, strict=True))
                at = np.searchsorted(ids, numbers)
                here = ids[np.minimum(at, len(ids) - 1)] == numbers
                found[order[at[here]]] = sessions[here] - 1
        return found

    @cached_property
    def priors(self) -> list[dict[str, dict[str, Any]]]:
        """What is known of the prior of each parameter, of each cell."""
        with self._opened() as store:
            return [{p["parameter"]: p for p in cell["priors"]} for cell in store.cells()]

    def interleaved(self, session: int) -> dict[str, Any] | None:
        """Return what a session says of the job that it was an interleaved part of, if any."""
        if not 0 <= session < len(self.results.sessions):
            return None
        told = self.results.sessions[session].get("interleaved")
        if not isinstance(told, dict):
            return None
        whole = isinstance(told.get("job"), str) and isinstance(told.get("round"), int)
        return told if whole else None

    def ends(self, ci_prob: float) -> Ends:
        """Return the ends of equal-tailed intervals of a level."""
        if ci_prob not in self._ends:
            self._ends[ci_prob] = self.results.ends(ci_prob)
        return self._ends[ci_prob]

    @contextmanager
    def _opened(self) -> Iterator[Store]:
        """Open the store again, which may have grown, but must not be another one."""
        folder = self.results.folder
        with closing(Store.read(folder)) as store:
            first = [session.get("started") for session in store.sessions()[:1]]
            if first != [session.get("started") for session in self.results.sessions[:1]]:
                raise StoreConflict(
                    f"{folder}: holds another run than the one that was read; compare again"
                )
            yield store


def where(side: Side, position: int, parameter: str) -> Integers:
    """Return the row of every replicate within a group of estimates; -1 where it has none."""
    group = side.columns.groups[position, parameter]
    rows = np.full(len(side.columns), -1, dtype=np.int64)
    rows[group.places] = np.arange(len(group.places))
    return rows


def at_places(
    side: Side, position: int, parameter: str, places: Integers, values: Floats
) -> Floats:
    """Return what a group of estimates has of some replicates, nan of those it has not.

    Parameters
    ----------
    side : Side
    position, parameter
        The group.
    places : array of int, shape (n,)
        Of replicates among those of the run.
    values : array
        One for each row of the group.
    """
    rows = where(side, position, parameter)[places]
    return np.where(rows >= 0, values[rows], np.nan)


def _level(value: Any) -> Level:
    """Return a level as a plain value; a table may hold None as nan and 1 as 1.0."""
    if isinstance(value, float):
        if math.isnan(value):
            return None
        return int(value) if value.is_integer() else value
    return value  # type: ignore[no-any-return]  # from a column of any type
