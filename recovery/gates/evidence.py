"""What a gate is given: the runs, the options, and its part of the error rate."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from recovery.blocks import Group
from recovery.comparison import Matching
from recovery.equivalence import POWER, Limits
from recovery.errors import NothingInCommon
from recovery.gates.limits import CI_PROB, TOLERATED
from recovery.inert import plain
from recovery.record import FITTED, Floats
from recovery.results import Results

_MODES = {"prior": "over the prior", "fixed": "at the fixed truth"}


@dataclass(frozen=True)
class Evidence:
    """What a gate judges.

    Parameters
    ----------
    results : Results
    baseline : Results or None
    options : mapping
        Options beside the gates, see `limits.OPTIONS`.
    error_rate : float
        Chance of a false pass of one gate.
    alpha : float
        The gate's part of the chance of a false alarm.
    """

    results: Results
    baseline: Results | None
    options: Mapping[str, Any]
    error_rate: float
    alpha: float

    @property
    def ci_prob(self) -> float:
        """Level of the intervals whose coverage is judged."""
        return float(self.options.get("ci_prob", CI_PROB))

    @property
    def tolerated(self) -> float:
        """Share of fits that may cross a limit of r_hat or ESS."""
        return float(self.options.get("tolerated", TOLERATED))

    @property
    def few(self) -> int:
        """As many pairs as leave nothing tolerated unseen: of one of so many, none may be met."""
        return math.ceil(math.log(self.error_rate) / math.log(1 - self.tolerated))

    def limits(self, low: float, high: float, rows: int) -> Limits:
        """Return limits whose false alarms keep to the gate's part over so many rows.

        A pass claims all rows to be inside. It is false only if some row is not, and then that
        row's test has erred, so passes need no correction (Berger, 1982,
        doi:10.1080/00401706.1982.10487790).
        """
        return Limits(low, high, self.error_rate, self.alpha / rows)

    @staticmethod
    def power(rows: int) -> float:
        """Return the chance to decide on each of so many rows that decides on all."""
        return 1 - (1 - POWER) / rows

    @cached_property
    def modes(self) -> list[str]:
        """The truth mode of each cell."""
        return [str(mode) for mode in self.results.cells["truth_mode"]]

    @cached_property
    def chosen(self) -> list[int]:
        """Cells whose coverage and bias are judged: those over the prior, if there are any."""
        wanted = self.options.get("truth", "prior" if "prior" in self.modes else "fixed")
        return [position for position, mode in enumerate(self.modes) if wanted in (mode, "both")]

    @cached_property
    def complete(self) -> list[int]:
        """How many complete fits each cell has."""
        columns = self.results.columns
        found = np.bincount(columns.position[columns.ok], minlength=len(self.modes))
        return [int(count) for count in found]

    @cached_property
    def done(self) -> list[int]:
        """How many replicates of each cell were run, failed ones too."""
        found = np.bincount(self.results.columns.position, minlength=len(self.modes))
        return [int(count) for count in found]

    @cached_property
    def failed(self) -> list[int]:
        """How many fits of each cell failed."""
        return [done - ok for done, ok in zip(self.done, self.complete, strict=True)]

    def in_replicates(self, position: int, usable: int, needed: int | None) -> int | None:
        """Return how many replicates of a cell give so many usable ones, and more than it has."""
        if needed is None or not usable:
            return None
        return max(-(-needed * self.done[position] // usable), self.done[position] + 1)

    def without(self, cells: Sequence[int]) -> str:
        """Say which of some cells has no complete fit, or that there is no cell."""
        if not cells:
            return "no cell of the truth mode that is to be judged was run"
        for position in cells:
            if not self.complete[position]:
                return f"no fit is complete {self.at(position)}"
        return ""

    def beside(self, cells: Sequence[int]) -> str:
        """Say how many failed fits are not among the replicates that were judged."""
        failed = sum(self.failed[position] for position in cells)
        return f"{failed:,} failed fits are not among them" if failed else ""

    def groups(self) -> Iterator[Group]:
        """Go through the fitted parameters of the cells whose coverage and bias are judged."""
        for group in self.results.columns.groups.values():
            if group.kind in FITTED and group.position in self.chosen:
                yield group

    def of_cell(self, name: str, position: int) -> Floats:
        """Return a column of `Results.fits` over the complete fits of a cell."""
        columns = self.results.columns
        mine = (columns.position == position) & columns.ok
        return np.asarray(self.results.fits[name].to_numpy(float)[mine])

    @cached_property
    def matching(self) -> tuple[Matching | None, str]:
        """The cells of both runs, or which cell of the head has no pair in the baseline.

        Found once for all gates: the data of every pair are looked up in both stores.
        """
        assert self.baseline is not None
        try:
            matching = Matching.of(self.baseline, self.results)
        except NothingInCommon as error:
            return None, plain(error)
        if alone := matching.alone(matching.head):
            return None, f"the baseline has no cell {alone[0]}"
        for cell in matching.cells:
            if not len(matching.pairs(cell)):
                where = self.at(cell.head)
                return None, f"no replicate is complete both here and in the baseline {where}"
        return matching, ""

    @cached_property
    def shared(self) -> tuple[Matching | None, str]:
        """As `matching`, or which fitted parameter of the baseline the run has not got."""
        matching, reason = self.matching
        if matching is None:
            return None, reason
        base, head = matching.base.columns.groups, matching.head.columns.groups
        places = {cell.base: cell.head for cell in matching.cells}
        for (position, name), group in base.items():
            if group.kind in FITTED and position in places and (places[position], name) not in head:
                where = self.at(places[position])
                return None, f"the baseline has {plain(name)} {where}, this run has not"
        return matching, ""

    def at(self, position: int) -> str:
        """Say where a cell is, within a sentence."""
        place = self.place(position)
        return f"at {place}" if place else "in the run"

    def place(self, position: int, parameter: str = "") -> str:
        """Name a cell by what is swept, and a parameter of it."""
        cells = self.results.cells
        swept = [a for a in self.results.axes if cells[a].nunique(dropna=False) > 1]
        parts = [f"{plain(axis)} = {plain(cells[axis].iloc[position])}" for axis in swept]
        if len(set(self.modes)) > 1:
            parts.append(_MODES[self.modes[position]])
        return " at ".join(filter(None, [plain(parameter), ", ".join(parts)]))
