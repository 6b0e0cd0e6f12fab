"""What all parts of a report look up in the results."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd

from recovery.blocks import Flags, Group, Integers
from recovery.measures import PRIOR_VARIANCE_SE_LIMIT, Measured
from recovery.rank_tests import RankTest, untested
from recovery.record import FITTED, Floats
from recovery.report.text import level
from recovery.results import Results

CI_PROB = 0.9
"""Level of the intervals whose coverage the report shows; the tables have more levels."""
PREDICTED = ("predicted", "predicted mean")
MODES = {"fixed": "fixed truth", "prior": "truth drawn from the prior"}

PRIOR_DRAWS = 4000
"""How many draws a prior is known by; the engine's own number, which is out of reach from here."""

_MEASURED = ("parameter", "measure", "estimate", "mcse", "n", "mcmc_share")
_FAR_OUT_SDS = 3.0
_FAR_OUT_TAIL = 0.01
_MOST = 0.5


@dataclass(frozen=True, slots=True)
class Measures:
    """The measures of one scalar parameter in one cell, by name."""

    position: int
    parameter: str
    kind: str
    values: Mapping[str, Measured]

    def __getitem__(self, name: str) -> Measured:
        """Return a measure; one that was not made is nan from no replicates."""
        return self.values.get(name, Measured(np.nan, np.nan, 0))

    @property
    def coverage(self) -> Measured:
        """Coverage of the intervals of level `CI_PROB`."""
        return self[f"coverage_{100 * CI_PROB:g}"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a given truth lies in the prior of its parameter; z is nan without a known variance."""

    z_score: float
    tail_probability: float

    @property
    def conflict(self) -> bool:
        """Whether the truth lies so far out that the prior itself speaks against it."""
        return abs(self.z_score) > _FAR_OUT_SDS or self.tail_probability < _FAR_OUT_TAIL


class View:
    """The results by cell position, parameter and truth mode.

    Parameters
    ----------
    results : Results

    Attributes
    ----------
    swept : list of str
        Axes with more than one level; only these name a cell in tables and sentences.
    """

    def __init__(self, results: Results) -> None:
        self.results = results
        self.cells = results.cells
        self.swept = [a for a in results.axes if self.cells[a].nunique(dropna=False) > 1]
        self._positions = {key: position for position, key in enumerate(self._keys(self.cells))}

    @cached_property
    def levels(self) -> list[tuple[str, ...]]:
        """The levels of the swept axes of each cell, as text."""
        columns = [self.cells[axis].tolist() for axis in self.swept]
        return [tuple(level(c[i]) for c in columns) for i in range(len(self.cells))]

    @cached_property
    def modes(self) -> list[str]:
        """The truth mode of each cell."""
        return [str(mode) for mode in self.cells["truth_mode"]]

    @cached_property
    def numeric(self) -> dict[str, bool]:
        """Whether all levels of each swept axis are numbers, to stand to the right."""
        columns = {axis: self.cells[axis].tolist() for axis in self.swept}
        return {
            axis: all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
            for axis, values in columns.items()
        }

    def cell_name(self, position: int) -> str:
        """Name a cell by its swept levels, for a sentence; empty if nothing is swept."""
        pairs = zip(self.swept, self.levels[position], strict=True)
        return ", ".join(f"{axis} = {text}" for axis, text in pairs)

    def at(self, position: int) -> str:
        """Return `` at trials = 50, noise = 1``, or nothing if nothing is swept."""
        name = self.cell_name(position)
        return f" at {name}" if name else ""

    def positions(self, frame: pd.DataFrame) -> list[int]:
        """Return the cell of each row of a frame that begins with the axes and the truth mode."""
        return [self._positions[key] for key in self._keys(frame)]

    def _keys(self, frame: pd.DataFrame) -> list[tuple[Hashable, ...]]:
        # By place, not by name: an axis may share its name with a later column.
        columns = [frame.iloc[:, i].tolist() for i in range(len(self.results.axes) + 1)]
        return [tuple(None if v != v else v for v in key) for key in zip(*columns, strict=True)]

    def own(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return a frame without the axes, one of which may share its name with a column."""
        return frame.iloc[:, len(self.results.axes) :]

    # --- measures ------------------------------------------------------------------------------

    @cached_property
    def table(self) -> pd.DataFrame:
        """The measures of all complete fits, as `Results.measures` gives them."""
        return self.results.measures()

    def measures(self, fits: Literal["all", "clean"] = "all") -> list[Measures]:
        """Return the measures, one parameter after another and its cells in their order."""
        frame = self.table if fits == "all" else self.results.measures((CI_PROB,), fits)
        own = self.own(frame)
        found: dict[tuple[int, str], dict[str, Measured]] = {}
        columns = [own[c].tolist() for c in _MEASURED]
        for position, parameter, measure, estimate, mcse, n, mcmc_share in zip(
            self.positions(frame), *columns, strict=True
        ):
            values = found.setdefault((position, parameter), {})
            values[measure] = Measured(float(estimate), float(mcse), int(n), float(mcmc_share))
        order = {parameter: i for i, parameter in enumerate(self.kinds)}
        return [
            Measures(position, parameter, self.kinds[parameter], values)
            for (position, parameter), values in sorted(
                found.items(), key=lambda item: (order[item[0][1]], item[0][0])
            )
        ]

    @cached_property
    def sensitivity(self) -> pd.DataFrame:
        """What flagged fits change, see `Results.sensitivity`, at the level of the report."""
        return self.results.sensitivity((CI_PROB,))

    @cached_property
    def all_fits(self) -> list[Measures]:
        """The measures over all complete fits."""
        return self.measures()

    def fitted(self, mode: str) -> list[Measures]:
        """Return the measures of what was fitted, parameters only, in one truth mode."""
        return [m for m in self.all_fits if m.kind in FITTED and self.modes[m.position] == mode]

    # --- estimates -----------------------------------------------------------------------------

    @cached_property
    def kinds(self) -> dict[str, str]:
        """The kind of each parameter, in their first order."""
        found: dict[str, str] = {}
        for group in self.groups.values():
            found.setdefault(group.parameter, group.kind)
        return found

    @property
    def groups(self) -> Mapping[tuple[int, str], Group]:
        """Where the estimates of each cell and parameter are."""
        return self.results.columns.groups

    def estimates(self, key: tuple[int, str], name: str) -> Floats:
        """Return one column of the estimates of a cell and parameter, shape (n,)."""
        return self.groups[key].of(self.results.columns.column(name))

    @cached_property
    def rank_tests(self) -> list[RankTest]:
        """The tests of ranks, see `Results.rank_tests`."""
        return self.results.rank_tests()

    def twin(self, position: int) -> int | None:
        """Return the cell of truth mode ``prior`` with the same levels, if there is one."""
        *levels, _ = self._keys(self.cells.iloc[[position]])[0]
        return self._positions.get((*levels, "prior"))

    @property
    def generated(self) -> bool:
        """Whether data come from another model than the one that is fitted."""
        return any("generator" in problem for problem in self.results.problems.values())

    @cached_property
    def untested(self) -> list[tuple[int, str, str]]:
        """Cell, parameter and reason where there is no rank that could be tested."""
        return untested(self.results.columns, self.modes)

    @cached_property
    def n_not_finite(self) -> int:
        """How many complete fits have a fitted parameter whose mean or sd is not finite."""
        lost = 0
        for block in self.results.columns.blocks:
            finite = [np.isfinite(block.column(name)[block.fitted]) for name in ("mean", "sd")]
            lost += int(np.count_nonzero(~(finite[0] & finite[1]).all(axis=0)))
        return lost

    @cached_property
    def discrete(self) -> frozenset[tuple[int, str]]:
        """The cells and parameters whose truths are integers, and their intervals' ends as well.

        A few ends may be none: they are interpolated between draws.
        """
        tail = (1 - CI_PROB) / 2
        found = []
        for key in self.groups:
            if _whole(self.estimates(key, "truth")).all():
                lower, upper = (self.estimates(key, f"q{p:g}") for p in (tail, 1 - tail))
                if (_whole(lower) & _whole(upper)).mean() > _MOST:
                    found.append(key)
        return frozenset(found)

    @cached_property
    def constant(self) -> frozenset[tuple[int, str]]:
        """The cells and parameters whose posteriors have no spread in any replicate."""
        return frozenset(key for key in self.groups if not self.estimates(key, "sd").any())

    @cached_property
    def truths(self) -> dict[tuple[int, str], float | None]:
        """The truth of each cell and parameter, None where it differs between replicates."""
        columns = {key: self.estimates(key, "truth") for key in self.groups}
        return {
            key: float(values[0]) if (values == values[0]).all() else None
            for key, values in columns.items()
        }

    @cached_property
    def places(self) -> dict[tuple[int, str], Place]:
        """Where each given truth lies in its prior; no entry where none was given."""
        frame = self.results.priors
        own = self.own(frame)
        rows = zip(
            self.positions(frame),
            *(own[c].tolist() for c in ("parameter", "z_score", "tail_probability")),
            own["variance_relative_se"] <= PRIOR_VARIANCE_SE_LIMIT,
            strict=True,
        )
        return {
            (position, parameter): Place(float(z) if known else np.nan, float(tail))
            for position, parameter, z, tail, known in rows
            if not np.isnan(tail)
        }

    # --- replicates ----------------------------------------------------------------------------

    @property
    def fits(self) -> pd.DataFrame:
        """One row per replicate, see `Results.fits`."""
        return self.results.fits

    @cached_property
    def n_ok(self) -> int:
        """How many fits are complete."""
        return int(np.count_nonzero(self.results.columns.ok))

    def complete(self, name: str) -> Floats:
        """Return a column of `fits`, of the complete ones."""
        values: Floats = self.fits[name].to_numpy(float)
        return np.asarray(values[self.results.columns.ok])

    @cached_property
    def cost(self) -> pd.DataFrame:
        """See `Results.cost`."""
        return self.results.cost()

    @cached_property
    def diagnostics(self) -> pd.DataFrame:
        """See `Results.diagnostics`."""
        return self.results.diagnostics()

    @property
    def replicate_positions(self) -> Integers:
        """The cell of each replicate."""
        position: Integers = self.results.columns.position
        return position


def _whole(values: Floats) -> Flags:
    return np.asarray(values == np.round(values))
