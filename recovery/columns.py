"""A store as columns: an entry per replicate, a block of numbers per layout of estimates.

Everything stands in the order of tables: cell, seed, number of the replicate; and within a
replicate its parameters in the order of the model.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import compress
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from recovery.ahead import ahead
from recovery.blocks import Block, Flags, Group, Growing, Integers
from recovery.database import consistent
from recovery.ranking import rank_cells
from recovery.record import ERROR_LENGTH, QUANTILE_GRID, TRACEBACK_LENGTH, Floats, shortened
from recovery.schema import SUMMARY_PROBS
from recovery.store import Store

TIMES: Final = ("simulate_s", "sample_s", "rest_s")
COUNTS: Final = (
    "chains", "draws", "tune", "divergences", "reached_max_treedepth", "tree_depth_max",
    "acceptance_rate", "gradient_evaluations",
)  # fmt: skip
_NUMBERS: Final = (*TIMES, *COUNTS)
# Names of columns and tables are this module's own.
_REPLICATES: Final = f"""
SELECT id, cell, seed, "index", status = 'ok', coalesce(layout, 0), {", ".join(_NUMBERS)}, estimates
FROM replicates ORDER BY id
"""  # noqa: S608  (see above)
_QUANTILES: Final = "SELECT replicate, quantiles FROM posteriors WHERE replicate <= ?"
_SUPPLEMENTS: Final = "SELECT layout, replicate, estimates FROM supplements ORDER BY replicate"
_LATER: Final = "SELECT replicate, quantiles FROM supplements WHERE layout = ? AND replicate <= ?"
_FAILURES: Final = """
SELECT replicate, status, stage, error, traceback
FROM failures LEFT JOIN replicates ON id = replicate
"""
_TEXTS: Final = "SELECT id, sampler, data_digest FROM replicates WHERE id <= ?"


class Columns:
    """All replicates of a store.

    Parameters
    ----------
    store : Store

    Attributes
    ----------
    folder : pathlib.Path
        Of the store.
    id, position, seed, index : array of int, shape (n,)
        Number in the store, cell, root seed, number under that seed.
    ok : array of bool, shape (n,)
    numbers : mapping of str to array, shape (n,)
        `TIMES` in seconds and `COUNTS`; nan where a replicate failed before it had them.
    blocks : list of Block
        First those of `n_main` layouts of the replicates themselves, then those of test quantities
        that were added later.
    failures : dict
        Stage, error and traceback of each failed replicate, by its place.
    status : dict
        How each of these ended, by its place.
    """

    def __init__(self, store: Store) -> None:
        self.folder = store.folder
        self.failures: dict[int, tuple[str, str, str]] = {}
        self.status: dict[int, str] = {}
        with consistent(store.folder):
            self.blocks = self._read(store)
            # One at a time: a text from elsewhere may be long, until it is cut here.
            for ((number, status, *failure),) in store.chunks(_FAILURES, most=1):
                (place,) = self._places((number,)).tolist()
                stage, error, traceback = map(str, failure)
                self.failures[place] = (
                    shortened(stage, ERROR_LENGTH),
                    shortened(error, ERROR_LENGTH),
                    shortened(traceback, TRACEBACK_LENGTH),
                )
                self.status[place] = str(status)

    def __len__(self) -> int:
        """Return the number of replicates."""
        return len(self.id)

    def _places(self, ids: Sequence[int]) -> Integers:
        """Return the places of replicates by their numbers in the store."""
        wanted = np.array(ids, dtype=np.int64)
        if not len(self):
            raise ValueError("rows of a replicate that is not there")
        at = np.minimum(np.searchsorted(self._ids, wanted), len(self._ids) - 1)
        if (self._ids[at] != wanted).any():
            raise ValueError("rows of a replicate that is not there")
        return self._place[at]

    def find(self, ids: Sequence[int]) -> dict[int, int]:
        """Return the places of those of some replicates that are here, by number in the store."""
        wanted = np.array(ids, dtype=np.int64)
        at = np.searchsorted(self._ids, wanted)
        here = at < len(self._ids)
        here[here] = self._ids[at[here]] == wanted[here]
        return dict(zip(wanted[here].tolist(), self._place[at[here]].tolist(), strict=True))

    def _read(self, store: Store) -> list[Block]:
        growing = _growing(store)
        integers, numbers = [np.empty((6, 0), dtype=np.int64)], [np.empty((len(_NUMBERS), 0))]
        for chunk in ahead(store, store.chunks(_REPLICATES)):
            *columns, estimates = zip(*chunk, strict=True)
            integers.append(np.array(columns[:6], dtype=np.int64))
            numbers.append(np.array(columns[6:], dtype=np.float64))
            for number, mine in _by_layout(integers[-1][5]):
                growing[number].add(b"".join(compress(estimates, mine.tolist())))
        self._ids, cell, seed, index, ok, layout = np.concatenate(integers, axis=1)
        (cells,) = store.rows("SELECT count(*) FROM cells")[0]
        if len(cell) and not 0 <= cell.min() <= cell.max() < cells:
            raise ValueError("replicates of a cell that is not there")
        if ((ok == 1) != (layout != 0)).any():
            raise ValueError("complete replicates without estimates, or failed ones with some")
        order = np.lexsort((index, seed, cell))
        self._place = np.empty_like(order)
        self._place[order] = np.arange(len(order))
        self.id, self.position = self._ids[order], cell[order]
        self.seed, self.index, self.ok = seed[order], index[order], ok[order] == 1
        table = np.concatenate(numbers, axis=1)[:, order]
        self.numbers: dict[str, Floats] = dict(zip(_NUMBERS, table, strict=True))
        main = [(n, growing[n], self._place[mine]) for n, mine in _by_layout(layout)]
        self._later: list[int] = []  # layouts of the blocks that follow
        blocks = [block.done(place, self.position) for _, block, place in main]
        self.n_main = len(blocks)
        return blocks + self._supplements(store)

    def _supplements(self, store: Store) -> list[Block]:
        """Read the test quantities that were added to replicates later."""
        blocks = []
        growing = _growing(store, "supplements")
        places: dict[int, list[Integers]] = {number: [] for number in growing}
        for chunk in store.chunks(_SUPPLEMENTS):
            layouts, ids, estimates = zip(*chunk, strict=True)
            place = self._places(ids)
            for number, mine in _by_layout(np.array(layouts, dtype=np.int64)):
                growing[number].add(b"".join(compress(estimates, mine.tolist())))
                places[number].append(place[mine])
        for number, found in places.items():
            if found:
                self._later.append(number)
                blocks.append(growing[number].done(np.concatenate(found), self.position))
        return blocks

    def column(self, name: str) -> list[Floats]:
        """Return one column of every block, shape (n_parameters, n) each; views."""
        return [block.column(name) for block in self.blocks]

    @cached_property
    def groups(self) -> dict[tuple[int, str], Group]:
        """The estimates by cell and parameter: cells in order, parameters as in the model."""
        found: dict[tuple[int, str], Group] = {}
        for number, block in enumerate(self.blocks):
            for position, start, stop in block.runs:
                for j, (name, kind) in enumerate(zip(block.names, block.kinds, strict=True)):
                    group = found.setdefault((position, name), Group(position, name, kind, []))
                    group.add(number, j, slice(start, stop), block.rows[start:stop])
        return dict(sorted(found.items(), key=lambda item: item[0][0]))

    def ranks(self, position: int, parameter: str) -> Floats:
        """Return the ranks of the truths of a cell and parameter on one scale, see `rank_cells`."""
        return rank_cells(self.groups[position, parameter].of(self.column("pit")))

    def flat(self, columns: Sequence[NDArray[Any]]) -> NDArray[Any]:
        """Put a column of every block, (n_parameters, n) each, into one, in the order of tables."""
        if not columns:
            return np.empty(0)
        flat = np.concatenate([np.ravel(column, order="F") for column in columns])
        return flat if self._order is None else flat[self._order]

    @cached_property
    def _order(self) -> NDArray[np.intp] | None:
        """Where rows of several blocks go: replicates in their order; None for a single block."""
        if len(self.blocks) < 2:
            return None
        place = np.concatenate([np.repeat(b.rows, len(b.names)) for b in self.blocks])
        return np.argsort(place, kind="stable")

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
                return self.column(f"q{known}")
        below, share = _grid_place(prob)
        found = [np.empty((len(b.names), len(b.rows))) for b in self.blocks]
        main, later = self.blocks[: self.n_main], self.blocks[self.n_main :]
        owner = np.zeros(len(self), dtype=np.int64)  # 0: no estimates
        row = np.empty(len(self), dtype=np.int64)
        for number, block in enumerate(main, 1):
            owner[block.rows] = number
            row[block.rows] = np.arange(len(block.rows))
        # A run may have gone on since: what is newer has larger numbers.
        newest = int(self.id.max(initial=0))

        def value(blobs: Iterable[bytes], n: int) -> Floats:
            grid = np.frombuffer(b"".join(blobs), dtype="<f8").reshape(n, -1, len(QUANTILE_GRID))
            values = grid[..., below]
            if share:
                values = (1 - share) * values + share * grid[..., below + 1]
            return np.asarray(values.T)

        with consistent(store.folder):
            for chunk in store.chunks(_QUANTILES, (newest,)):
                ids, blobs = zip(*chunk, strict=True)
                place = self._places(ids)
                for number, mine in _by_layout(owner[place]):
                    values = value(compress(blobs, mine.tolist()), int(np.count_nonzero(mine)))
                    found[number - 1][:, row[place[mine]]] = values
            for filled, block, layout in zip(found[self.n_main :], later, self._later, strict=True):
                for chunk in store.chunks(_LATER, (layout, newest)):
                    ids, blobs = zip(*chunk, strict=True)
                    at = np.searchsorted(block.rows, self._places(ids))
                    filled[:, at] = value(blobs, len(ids))
        return found

    def texts(self, store: Store) -> tuple[NDArray[np.object_], NDArray[np.object_]]:
        """Read the sampler's name and the digest of the data of every replicate."""
        sampler, digest = np.full((2, len(self)), None, dtype=object)
        newest = int(self.id.max(initial=0))
        with consistent(store.folder):
            for chunk in store.chunks(_TEXTS, (newest,)):
                ids, names, digests = zip(*chunk, strict=True)
                place = self._places(ids)
                sampler[place] = [name or "" for name in names]
                digest[place] = [memoryview(one).hex() for one in digests]
        return sampler, digest


def _growing(store: Store, table: str = "replicates") -> dict[int, Growing]:
    layouts = store.layouts()
    if table == "replicates" and len(layouts) == 1:
        # All that is complete: an index tells at once how many there may be.
        sizes = dict.fromkeys(layouts, store.rows("SELECT count(*) FROM replicates")[0][0])
    else:
        counts = f"SELECT layout, count(*) FROM {table} GROUP BY layout"  # noqa: S608  (see above)
        sizes = dict(store.rows(counts))
    return {number: Growing(*known, sizes.get(number, 0)) for number, known in layouts.items()}


def _by_layout(layout: Integers) -> Iterator[tuple[int, Flags]]:
    """Return which rows have each layout; 0 is none."""
    for number in np.unique(layout).tolist():
        if number:
            yield number, layout == number


def _grid_place(prob: float) -> tuple[int, float]:
    """Return the point of the grid at or below a probability, and the share of the next one."""
    above = min(int(np.searchsorted(QUANTILE_GRID, prob - 1e-12)), len(QUANTILE_GRID) - 1)
    if abs(QUANTILE_GRID[above] - prob) < 1e-12:
        return above, 0.0
    low, high = QUANTILE_GRID[above - 1], QUANTILE_GRID[above]
    return above - 1, float((prob - low) / (high - low))
