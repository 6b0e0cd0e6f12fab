"""Cells against themselves and each other: clean fits, failed fits, other sampler settings."""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recovery.blocks import Flags, Group, Integers
from recovery.cells import Cells
from recovery.columns import Columns
from recovery.measures import coverage_bounds, relative_precision, sensitivity
from recovery.record import FITTED
from recovery.summary import Ends, Given


def contrasts(columns: Columns, given: Given, clean: Flags) -> pd.DataFrame:
    """Return every measure over all fits and over clean ones, see `Results.sensitivity`.

    Parameters
    ----------
    columns : Columns
    given : Given
    clean : array of bool, shape (n_replicates,)
    """
    rows = [
        (position, parameter, name, *contrast)
        for (position, parameter), group in columns.groups.items()
        if not (kept := clean[group.places]).all()
        for name, contrast in sensitivity(kept, **given.of(group)).items()
    ]
    names = ["position", "parameter", "measure", "all", "clean", "difference", "mcse", "n",
             "n_clean"]  # fmt: skip
    return pd.DataFrame(rows, columns=names)


def bounds(columns: Columns, intervals: Ends) -> pd.DataFrame:
    """Return the worst cases of coverage where fits failed, see `Results.coverage_bounds`.

    Parameters
    ----------
    columns : Columns
    intervals : mapping of float to pair of lists
        Lower and upper ends by level, of each block, (n_parameters, n).
    """
    truth, fits, rows = columns.column("truth"), np.bincount(columns.position), []
    for (position, parameter), group in columns.groups.items():
        true = group.of(truth)
        if group.kind not in FITTED or not np.isfinite(true).any():
            continue  # nobody aims at the coverage of a quantity, or of what has no truth
        for prob in sorted(intervals):
            lower, upper = (group.of(end) for end in intervals[prob])
            known = np.isfinite(lower) & np.isfinite(upper) & np.isfinite(true)
            n_ok = int(np.count_nonzero(known))
            covered = int(np.count_nonzero(known & (lower <= true) & (true <= upper)))
            n_failed = int(fits[position]) - n_ok
            if n_failed:
                found = coverage_bounds(covered, n_ok, n_failed)
                rows.append((position, parameter, f"coverage_{100 * prob:g}", *found, n_failed))
    names = ["position", "parameter", "measure", "lowest", "highest", "n", "n_failed"]
    return pd.DataFrame(rows, columns=names)


def gains(
    columns: Columns, cells: Cells, axes: Sequence[str], data_digests: NDArray[np.object_]
) -> pd.DataFrame:
    """Return the precision of sampler settings on equal data, see `Results.relative_precision`.

    Parameters
    ----------
    columns : Columns
    cells : sequence of mapping
        As `Store.cells` gives them.
    axes : sequence of str
    data_digests : array of str, shape (n_replicates,)
    """
    mean, truth = columns.column("mean"), columns.column("truth")
    groups: dict[int, list[Group]] = defaultdict(list)
    for (position, _), group in columns.groups.items():
        if group.kind in FITTED:
            groups[position].append(group)
    rows = []
    for first, second, setting in _alike(cells, axes):
        mine, theirs = _paired(columns, first, second, data_digests)
        for group in groups[first]:
            other = columns.groups.get((second, group.parameter))
            if other is None:
                continue
            here, there = _where(group, mine, len(columns)), _where(other, theirs, len(columns))
            both = (here >= 0) & (there >= 0)
            found = relative_precision(
                group.of(mean)[here[both]],
                other.of(mean)[there[both]],
                group.of(truth)[here[both]],
            )
            against = cells[second]["settings"][setting]
            rows.append((first, group.parameter, setting, against, *found[:3]))
    names = ["position", "parameter", "setting", "against", "estimate", "mcse", "n"]
    frame = pd.DataFrame(rows, columns=names)
    # Levels of several settings, or of mixed types, keep what they are.
    frame["against"] = pd.Series([row[3] for row in rows], dtype=object)
    return frame


def _alike(cells: Cells, axes: Sequence[str]) -> Iterator[tuple[int, int, str]]:
    """Go through the pairs of cells that differ in one swept sampler setting, and name it."""
    for setting in axes:
        alike: dict[str, list[int]] = defaultdict(list)
        for position, cell in enumerate(cells):
            if setting not in cell["levels"] and setting in cell["settings"]:
                others = {k: v for k, v in cell["settings"].items() if k != setting}
                key = json.dumps([cell["truth_mode"], cell["levels"], others], sort_keys=True)
                alike[key].append(position)
        for positions in alike.values():
            for first, second in combinations(positions, 2):
                yield first, second, setting


def _paired(
    columns: Columns, first: int, second: int, data_digests: NDArray[np.object_]
) -> tuple[Integers, Integers]:
    """Return the places of the complete replicates of two cells that met the same data."""

    def of(position: int) -> dict[tuple[int, int, str], int]:
        places = np.flatnonzero((columns.position == position) & columns.ok)
        names = columns.seed[places], columns.index[places], data_digests[places]
        keys = zip(*(name.tolist() for name in names), strict=True)
        return dict(zip(keys, places.tolist(), strict=True))

    mine, theirs = of(first), of(second)
    shared = [key for key in mine if key in theirs]
    return (
        np.array([mine[key] for key in shared], dtype=np.int64),
        np.array([theirs[key] for key in shared], dtype=np.int64),
    )


def _where(group: Group, places: Integers, size: int) -> Integers:
    """Return which estimates of a group belong to replicates at these places; -1 for none."""
    where = np.full(size, -1, dtype=np.int64)
    where[group.places] = np.arange(len(group.places))
    return where[places]
