"""What all parts of a report look up in the results."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd

from recovery.measures import PRIOR_VARIANCE_SE_LIMIT, Measured
from recovery.record import KEPT_DRAWS
from recovery.report.text import level
from recovery.results import Results

CI_PROB = 0.9
"""Level of the intervals whose coverage the report shows; the tables have more levels."""
PREDICTED = ("predicted", "predicted mean")
MODES = {"fixed": "fixed truth", "prior": "truth drawn from the prior"}

PRIOR_DRAWS = 4000
"""How many draws a prior is known by; the engine's own number, which is out of reach from here."""

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

    def _keys(self, frame: pd.DataFrame) -> list[Hashable]:
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
        columns = [own[c].tolist() for c in ("parameter", "measure", "estimate", "mcse", "n")]
        for position, parameter, measure, estimate, mcse, n in zip(
            self.positions(frame), *columns, strict=True
        ):
            values = found.setdefault((position, parameter), {})
            values[measure] = Measured(float(estimate), float(mcse), int(n))
        order = {parameter: i for i, parameter in enumerate(self.kinds)}
        return [
            Measures(position, parameter, self.kinds[parameter], values)
            for (position, parameter), values in sorted(
                found.items(), key=lambda item: (order[item[0][1]], item[0][0])
            )
        ]

    @cached_property
    def all_fits(self) -> list[Measures]:
        """The measures over all complete fits."""
        return self.measures()

    def fitted(self, mode: str) -> list[Measures]:
        """Return the measures of what was fitted, predictions left out, in one truth mode."""
        return [
            m for m in self.all_fits if m.kind not in PREDICTED and self.modes[m.position] == mode
        ]

    # --- estimates -----------------------------------------------------------------------------

    @cached_property
    def kinds(self) -> dict[str, str]:
        """The kind of each parameter, in their first order."""
        frame = self.own(self.results.estimates)[["parameter", "kind"]]
        frame = frame.drop_duplicates("parameter")
        return dict(zip(frame["parameter"].tolist(), frame["kind"].tolist(), strict=True))

    @cached_property
    def estimates(self) -> dict[tuple[int, str], Any]:
        """Row numbers of the estimates by cell and parameter."""
        frame = self.results.estimates
        keys = pd.DataFrame(
            {"position": self.positions(frame), "parameter": self.own(frame)["parameter"]}
        )
        groups: Mapping[Any, Any] = keys.groupby(["position", "parameter"], sort=False).indices
        return {(int(position), str(name)): rows for (position, name), rows in groups.items()}

    @cached_property
    def in_flagged_fit(self) -> "np.ndarray[Any, np.dtype[np.bool_]]":
        """Whether the fit of each estimate is flagged."""
        fits = self._fits(self.results.replicates, self.replicate_positions.tolist())
        flagged = fits[self.replicates("flagged").to_numpy(bool)]
        frame = self.results.estimates
        return np.asarray(self._fits(frame, self.positions(frame)).isin(flagged))

    @cached_property
    def n_not_finite(self) -> int:
        """How many complete fits have a fitted parameter whose mean or sd is not finite."""
        frame = self.results.estimates
        own = self.own(frame)
        finite = np.isfinite(own[["mean", "sd"]].to_numpy(float)).all(axis=1)
        lost = ~finite & ~own["kind"].isin(PREDICTED).to_numpy(bool)
        return int(self._fits(frame, self.positions(frame))[lost].nunique())

    def _fits(self, frame: pd.DataFrame, positions: list[int]) -> pd.MultiIndex:
        own = self.own(frame)
        return pd.MultiIndex.from_arrays([positions, own["seed"], own["replicate"]])

    @cached_property
    def discrete(self) -> frozenset[tuple[int, str]]:
        """The cells and parameters whose truths are integers, and their intervals' ends as well.

        A few ends may be none: they are interpolated between draws.
        """
        own = self.own(self.results.estimates)
        whole = {
            name: (values := own[name].to_numpy(float)) == np.round(values)
            for name in ("truth", "eti_90_lower", "eti_90_upper")
        }
        ends = (whole["eti_90_lower"] & whole["eti_90_upper"]).astype(float)
        return frozenset(
            key
            for key, rows in self.estimates.items()
            if whole["truth"][rows].all() and ends[rows].mean() > _MOST
        )

    @cached_property
    def constant(self) -> frozenset[tuple[int, str]]:
        """The cells and parameters whose posteriors have no spread in any replicate."""
        sd = self.own(self.results.estimates)["sd"].to_numpy(float)
        return frozenset(key for key, rows in self.estimates.items() if (sd[rows] == 0).all())

    @cached_property
    def truths(self) -> dict[tuple[int, str], float | None]:
        """The truth of each cell and parameter, None where it differs between replicates."""
        values = self.own(self.results.estimates)["truth"].to_numpy(float)
        return {
            key: float(values[rows[0]]) if (values[rows] == values[rows[0]]).all() else None
            for key, rows in self.estimates.items()
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

    @cached_property
    def replicate_positions(self) -> "np.ndarray[Any, np.dtype[np.int64]]":
        """The cell of each replicate."""
        return np.array(self.positions(self.results.replicates), dtype=np.int64)

    def replicates(self, name: str) -> "pd.Series[Any]":
        """Return a column of the replicates; a swept sampler setting is among the axes."""
        frame = self.results.replicates
        own = self.own(frame)
        return own[name] if name in own.columns else frame[name]

    @cached_property
    def ranked_among(self) -> dict[int, int]:
        """How many draws the truths of each cell were ranked among; cells without fits left out."""
        total = (self.replicates("chains") * self.replicates("draws")).to_numpy(float)
        most: dict[int, int] = {}
        for position, draws in zip(self.replicate_positions.tolist(), total, strict=True):
            if np.isfinite(draws):
                most[position] = min(KEPT_DRAWS, int(draws))
        return most
