"""A store as columns: an entry per replicate, a block of numbers per layout of estimates.

Everything stands in the order of tables: cell, seed, number of the replicate; and within a
replicate its parameters in the order of the model.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from recovery.errors import StoreDamaged
from recovery.record import QUANTILE_GRID, Floats
from recovery.schema import ESTIMATE_COLUMNS, SUMMARY_PROBS, layouts_of
from recovery.store import Store

Integers: TypeAlias = NDArray[np.int64]
Flags: TypeAlias = NDArray[np.bool_]

TIMES: Final = ("simulate_s", "sample_s", "rest_s")
COUNTS: Final = (
    "chains", "draws", "tune", "divergences", "reached_max_treedepth", "tree_depth_max",
    "acceptance_rate", "gradient_evaluations",
)  # fmt: skip
_NUMBERS: Final = (*TIMES, *COUNTS)
_PLACES: Final = """
SELECT id, cell, seed, "index" FROM replicates ORDER BY cell, seed, "index"
"""
# Both names of columns and tables are this module's own.
_REPLICATES: Final = f"""
SELECT id, status = 'ok', data_digest, coalesce(sampler, ''), coalesce(layout, 0), estimates,
    {", ".join(_NUMBERS)} FROM replicates
"""  # noqa: S608  (see above)
_QUANTILES: Final = "SELECT replicate, quantiles FROM posteriors WHERE replicate <= ?"
FITTED: Final = ("parameter", "deterministic")
"""Kinds of parameters that a fit has draws of, unlike predictions."""


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
        values = self.column(name)[self.fitted]
        if name == "r_hat":
            return np.asarray(np.fmax.reduce(values, axis=0))
        return np.asarray(np.where(np.isnan(values), 0.0, values).min(axis=0))


class Columns:
    """All replicates of a store.

    Parameters
    ----------
    store : Store

    Attributes
    ----------
    id, position, seed, index : array of int, shape (n,)
        Number in the store, cell, root seed, number under that seed.
    ok : array of bool, shape (n,)
    sampler, data_digest : array of str and of bytes, shape (n,)
    numbers : mapping of str to array, shape (n,)
        `TIMES` in seconds and `COUNTS`; nan where a replicate failed before it had them.
    blocks : list of Block
    failures : dict
        Stage, error and traceback of each failed replicate, by its place.
    """

    def __init__(self, store: Store) -> None:
        self.id, self.position, self.seed, self.index = _places(store)
        n = len(self.id)
        self.ok = np.zeros(n, dtype=bool)
        self.sampler = np.full(n, "", dtype=object)
        self.data_digest = np.full(n, b"", dtype=object)
        self.numbers: dict[str, Floats] = {name: np.full(n, np.nan) for name in _NUMBERS}
        self._by_id = np.argsort(self.id)
        self.failures: dict[int, tuple[str, str, str]] = {}
        try:
            self.blocks = self._read(store)
            for number, *failure in store.rows("SELECT * FROM failures"):
                (place,) = self._places((number,)).tolist()
                self.failures[place] = (str(failure[0]), str(failure[1]), str(failure[2]))
        except (KeyError, TypeError, ValueError) as error:
            raise StoreDamaged(
                f"{store.folder}: its tables contradict each other ({error}); restore "
                "results.sqlite from a backup or begin again with --fresh"
            ) from error

    def __len__(self) -> int:
        """Return the number of replicates."""
        return len(self.id)

    def _places(self, ids: Sequence[int]) -> Integers:
        """Return the places of replicates by their numbers in the store."""
        wanted = np.array(ids, dtype=np.int64)
        ascending = self.id[self._by_id]
        at = np.minimum(np.searchsorted(ascending, wanted), len(ascending) - 1)
        if (ascending[at] != wanted).any():
            raise ValueError("rows of a replicate that is not there")
        return self._by_id[at]

    def _read(self, store: Store) -> list[Block]:
        layouts = layouts_of(store.rows("SELECT id, names, kinds FROM layouts ORDER BY id"))
        sizes = dict(store.rows("SELECT layout, count(*) FROM replicates GROUP BY layout"))
        width = len(ESTIMATE_COLUMNS)
        values = {
            number: np.empty((width, len(names), sizes.get(number, 0)))
            for number, (names, _) in layouts.items()
        }
        rows = {n: np.empty(block.shape[2], dtype=np.int64) for n, block in values.items()}
        filled = dict.fromkeys(layouts, 0)
        for chunk in store.chunks(_REPLICATES):
            ids, ok, digest, sampler, layout, blobs, *numbers = zip(*chunk, strict=True)
            place = self._places(ids)
            self.ok[place] = ok
            self.data_digest[place] = digest
            self.sampler[place] = sampler
            for name, column in zip(_NUMBERS, numbers, strict=True):
                self.numbers[name][place] = np.array(column, dtype=np.float64)
            for number, mine in _by_layout(layout):
                start = filled[number]
                filled[number] = stop = start + len(mine)
                block = values[number]
                found = np.frombuffer(b"".join(blobs[i] for i in mine), dtype="<f8")
                found = found.reshape(len(mine), *block.shape[:2])
                block[:, :, start:stop] = np.moveaxis(found, 0, -1)
                rows[number][start:stop] = place[mine]
        return [
            self._block(*layouts[number], rows[number], values[number])
            for number in layouts
            if filled[number]
        ]

    def _block(self, names: list[str], kinds: list[str], rows: Integers, values: Floats) -> Block:
        if (rows[1:] < rows[:-1]).any():
            order = np.argsort(rows)
            rows, values = rows[order], values[:, :, order]
        positions = self.position[rows]
        starts = np.flatnonzero(np.diff(positions, prepend=-1))
        stops = [*starts[1:].tolist(), len(rows)]
        runs = [
            Run(int(positions[start]), start, stop)
            for start, stop in zip(starts.tolist(), stops, strict=True)
        ]
        return Block(names, kinds, rows, values, runs)

    def worst(self, name: str) -> Floats:
        """Return the worst r_hat or ESS of each replicate; nan where there are no estimates."""
        values = np.full(len(self), np.nan)
        for block in self.blocks:
            if block.fitted.any():
                values[block.rows] = block.worst(name)
        return values

    def quantiles(self, store: Store, prob: float) -> list[Floats]:
        """Return a posterior quantile of every estimate, of each block, (n_parameters, n).

        Quantiles in `SUMMARY_PROBS` are at hand; others are read from the store, those between
        the points of `QUANTILE_GRID` interpolated.
        """
        for known in SUMMARY_PROBS:
            if abs(known - prob) < 1e-12:
                return [block.column(f"q{known}") for block in self.blocks]
        below, share = _grid_place(prob)
        found = [np.empty((len(b.names), len(b.rows))) for b in self.blocks]
        owner = np.zeros(len(self), dtype=np.int64)  # 0: no estimates
        row = np.empty(len(self), dtype=np.int64)
        for number, block in enumerate(self.blocks, 1):
            owner[block.rows] = number
            row[block.rows] = np.arange(len(block.rows))
        # A run may have gone on since: what is newer has larger numbers.
        newest = int(self.id.max(initial=0))
        for chunk in store.chunks(_QUANTILES, (newest,)):
            ids, blobs = zip(*chunk, strict=True)
            place = self._places(ids)
            for number, mine in _by_layout(owner[place].tolist()):
                grid = np.frombuffer(b"".join(blobs[i] for i in mine), dtype="<f8")
                grid = grid.reshape(len(mine), -1, len(QUANTILE_GRID))
                value = grid[..., below]
                if share:
                    value = (1 - share) * value + share * grid[..., below + 1]
                found[number - 1][:, row[place[mine]]] = value.T
        return found


def _places(store: Store) -> tuple[Integers, Integers, Integers, Integers]:
    (count,) = store.rows("SELECT count(*) FROM replicates")[0]
    places = np.empty((count, 4), dtype=np.int64)
    start = 0
    for chunk in store.chunks(_PLACES):
        places[start : start + len(chunk)] = chunk
        start += len(chunk)
    identity, position, seed, index = np.ascontiguousarray(places.T)
    return identity, position, seed, index


def _by_layout(layout: Sequence[int]) -> Iterator[tuple[int, list[int]]]:
    """Return the places of each layout; 0 and below are none."""
    first = layout[0]
    if first > 0 and layout.count(first) == len(layout):
        yield first, list(range(len(layout)))
        return
    groups: dict[int, list[int]] = {}
    for i, number in enumerate(layout):
        groups.setdefault(number, []).append(i)
    yield from ((number, mine) for number, mine in groups.items() if number > 0)


def _grid_place(prob: float) -> tuple[int, float]:
    """Return the point of the grid at or below a probability, and the share of the next one."""
    above = min(int(np.searchsorted(QUANTILE_GRID, prob - 1e-12)), len(QUANTILE_GRID) - 1)
    if abs(QUANTILE_GRID[above] - prob) < 1e-12:
        return above, 0.0
    low, high = QUANTILE_GRID[above - 1], QUANTILE_GRID[above]
    return above - 1, float((prob - low) / (high - low))
