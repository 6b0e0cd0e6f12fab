"""Which cells of two runs are the same, and which of their replicates are pairs.

Cells are the same by truth mode and the levels of their axes. A swept sampler setting is such an
axis; where one run alone sweeps it, the other has its one setting as its level. An axis that one
run has not got is left aside if the other has one level of it only, and that is told. Names of
scenarios may differ.

Replicates are pairs by root seed and number, if both are complete. The data of pairs may be equal
to the bit, or be simulated from the same random numbers (another version of PyMC may round
otherwise), or have nothing in common. Pairs are independent of each other in every case, so paired
errors hold in every case; how much smaller they are is up to the correlation.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, Literal, TypeAlias

import numpy as np

from recovery.blocks import Flags, Integers
from recovery.comparison.side import Side
from recovery.design import SAMPLER_AXES
from recovery.errors import NothingInCommon
from recovery.inert import plain
from recovery.results import Results
from recovery.scenario import Level

DataKind: TypeAlias = Literal["same data", "same seeds", "other data", "not paired"]
CellKey: TypeAlias = tuple[str, tuple[object, ...]]
_SHOWN: Final = 6  # levels named in a sentence


@dataclass(frozen=True)
class Matched:
    """A cell that both runs have.

    Attributes
    ----------
    base, head : int
        Its position in each run.
    levels : mapping of str to level
        Of the axes that both have.
    truth_mode : str
    """

    base: int
    head: int
    levels: Mapping[str, Level]
    truth_mode: str

    @property
    def label(self) -> str:
        """The levels and the truth mode in words."""
        named = [f"{plain(axis)}={plain(level)}" for axis, level in self.levels.items()]
        return " ".join([*named, f"truth={plain(self.truth_mode)}"])


@dataclass(frozen=True)
class Pairs:
    """The replicates of a cell that both runs have complete.

    Attributes
    ----------
    base, head : array of int, shape (n_pairs,)
        Their places in the columns of each run.
    same_data : array of bool, shape (n_pairs,)
        Whether the digests of their data are equal.
    same_seeds : bool
        Whether the data come from the same random numbers, given seed and number.
    """

    base: Integers
    head: Integers
    same_data: Flags
    same_seeds: bool

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.base)

    @property
    def data(self) -> DataKind:
        """What the pairs have in common."""
        if not len(self):
            return "not paired"
        if self.same_data.all():
            return "same data"
        return "same seeds" if self.same_seeds else "other data"


@dataclass(frozen=True)
class Matching:
    """Two runs whose cells are told to be the same or not.

    Attributes
    ----------
    base, head : Side
    axes : list of str
        By which cells were matched.
    ignored : dict of str to str
        Axes left aside, and why.
    """

    base: Side
    head: Side
    axes: list[str]
    ignored: dict[str, str]
    _pairs: dict[tuple[int, int], Pairs] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, base: Results, head: Results) -> "Matching":
        """Match the cells of two runs.

        Raises
        ------
        NothingInCommon
            If an axis of several levels is unknown to one run, or no cell is in both.
        """
        sides = Side(base), Side(head)
        axes, ignored = common_axes({"base": sides[0], "head": sides[1]})
        matching = cls(*sides, axes, ignored)
        if not matching.cells:
            raise NothingInCommon(
                f"no cell is in both runs: {plain(base.folder)} has {_cells(sides[0], axes)}, and "
                f"{plain(head.folder)} has {_cells(sides[1], axes)}; compare runs that share levels"
            )
        return matching

    @cached_property
    def cells(self) -> list[Matched]:
        """The cells that both have, in the order of the head."""
        theirs = {key: position for position, key in self._keyed(self.base)}
        return [
            Matched(theirs[key], position, self._levels(self.head, position), key[0])
            for position, key in self._keyed(self.head)
            if key in theirs
        ]

    def alone(self, side: Side) -> list[str]:
        """Return the labels of the cells that one side has and the other has not."""
        other = self.head if side is self.base else self.base
        theirs = {key for _, key in self._keyed(other)}
        return [
            Matched(position, position, self._levels(side, position), key[0]).label
            for position, key in self._keyed(side)
            if key not in theirs
        ]

    def pairs(self, cell: Matched) -> Pairs:
        """Return the replicates of a cell that both have complete."""
        key = cell.base, cell.head
        if key not in self._pairs:
            base, head = self.base, self.head
            mine, theirs = base.complete(cell.base), head.complete(cell.head)
            at = dict(zip(base.keys(mine), mine.tolist(), strict=True))
            shared = [
                (at[name], place)
                for name, place in zip(head.keys(theirs), theirs.tolist(), strict=True)
                if name in at
            ]
            left, right = np.array(shared, dtype=np.int64).reshape(-1, 2).T
            same = np.asarray(base.data_digests[left] == head.data_digests[right], dtype=bool)
            streams = base.stream(cell.base) == head.stream(cell.head)
            self._pairs[key] = Pairs(left, right, same, streams)
        return self._pairs[key]

    def parameters(self, cell: Matched) -> list[str]:
        """Return the parameters that the cell has in both runs, in the order of the head."""
        base, head = self.base.columns.groups, self.head.columns.groups
        names = [name for position, name in head if position == cell.head]
        return [name for name in names if (cell.base, name) in base]

    def _levels(self, side: Side, position: int) -> dict[str, Level]:
        return levels_by(side, position, self.axes)

    def _keyed(self, side: Side) -> Iterator[tuple[int, CellKey]]:
        return (
            (position, cell_key(side, position, self.axes)) for position in range(len(side.modes))
        )


def levels_by(side: Side, position: int, axes: Sequence[str]) -> dict[str, Level]:
    """Return the levels of a cell by axis; a sampler setting that is not swept is one, too."""
    return {axis: _level_of(side, axis, position) for axis in axes}


def cell_key(side: Side, position: int, axes: Sequence[str]) -> CellKey:
    """Return what cells are the same by: truth mode and levels."""
    levels = levels_by(side, position, axes).values()
    # True is no 1, though Python has them equal.
    return side.modes[position], tuple((isinstance(v, bool), v) for v in levels)


def common_axes(sides: Mapping[str, Side]) -> tuple[list[str], dict[str, str]]:
    """Return the axes to match the cells of several runs by, and those left aside with the reason.

    Parameters
    ----------
    sides : mapping of str to Side
        By the name that a message has for each.

    Raises
    ------
    NothingInCommon
        If an axis of several levels is unknown to some run.
    """
    axes, ignored = [], {}
    for axis in dict.fromkeys(axis for side in sides.values() for axis in side.results.axes):
        settings = all(_setting(side, axis) for side in sides.values())
        known = {
            name: {repr(_level_of(side, axis, i)) for i in range(len(side.modes))}
            for name, side in sides.items()
            if settings or axis in side.results.axes
        }
        single = all(len(levels) == 1 for levels in known.values())
        if settings and single and len(set.union(*known.values())) > 1:
            ignored[axis] = "each run has one setting of it"
        elif len(known) == len(sides):
            axes.append(axis)
        elif single:
            names = " and ".join(plain(name) for name in known)
            levels = ", ".join(plain(one) for one in sorted(set.union(*known.values())))
            ignored[axis] = f"only {names} has it, with the one level {levels}"
        else:
            name = next(name for name, levels in known.items() if len(levels) > 1)
            raise NothingInCommon(
                f"axis {plain(axis)} has {len(known[name])} levels in {plain(name)} and is unknown "
                "elsewhere; compare runs of scenarios with the same axes, or of one level of it"
            )
    return axes, ignored


def _setting(side: Side, axis: str) -> bool:
    """Say whether an axis is a sampler setting to a run, swept there or not."""
    return axis in SAMPLER_AXES and (axis not in side.results.axes or side.swept(axis))


def _level_of(side: Side, axis: str, position: int) -> Level:
    if axis in side.levels[position]:
        return side.levels[position][axis]
    level: Level = side.results.settings[position].get(axis)
    return level


def _cells(side: Side, axes: Sequence[str]) -> str:
    """Name the levels of a side in a few words."""
    words = []
    for axis in axes:
        levels = list(dict.fromkeys(str(_level_of(side, axis, i)) for i in range(len(side.modes))))
        more = ", ..." if len(levels) > _SHOWN else ""
        words.append(f"{plain(axis)}={','.join(plain(v) for v in levels[:_SHOWN])}{more}")
    modes = ",".join(plain(mode) for mode in dict.fromkeys(side.modes))
    return " ".join([*words, f"truth={modes}"])
