"""Figures asked of results by name: ``results.plot.coverage()``."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from recovery.errors import LevelError, NothingMeasured
from recovery.plots.bias import plot_bias
from recovery.plots.contraction import plot_contraction
from recovery.plots.cost import plot_ess_per_second, plot_wall_time
from recovery.plots.coverage import plot_coverage
from recovery.plots.diagnostics import plot_ess, plot_r_hat
from recovery.plots.divergences import plot_divergences
from recovery.plots.frames import is_level, levels_of, of_mode
from recovery.plots.gamma import plot_gamma
from recovery.plots.heat import plot_heat
from recovery.plots.levels import plot_coverage_levels
from recovery.plots.model import latest, plot_model
from recovery.plots.nested_loop import plot_nested_loop
from recovery.plots.predictive import plot_predictive_coverage
from recovery.plots.rank import plot_rank_ecdf, plot_rank_histogram
from recovery.plots.recovery import plot_recovery
from recovery.plots.rmse import plot_rmse
from recovery.plots.text import level_text
from recovery.plots.view import View, swept
from recovery.plots.zip_plot import plot_zip
from recovery.record import FITTED


class Plottable(Protocol):
    """What of `Results` is drawn."""

    axes: list[str]
    sessions: list[dict[str, Any]]

    @property
    def estimates(self) -> pd.DataFrame:
        """One row per replicate and scalar parameter."""

    @property
    def replicates(self) -> pd.DataFrame:
        """One row per replicate."""

    @property
    def priors(self) -> pd.DataFrame:
        """One row per cell and parameter."""

    def measures(self, ci_probs: Sequence[float] = ...) -> pd.DataFrame:
        """One row per cell, parameter and measure."""


class Plots:
    """The figures of `recovery.plots`, each a method named without ``plot_``.

    Every method returns the Axes and takes what its function takes, by name, and:

    - ``parameter`` is by default the first one;
    - ``x`` is by default the swept axis of numbers with the most levels, ``hue`` the next swept
      axis; ``hue=None`` draws one line;
    - ``truth`` is ``"fixed"`` or ``"prior"``, needed where a run has both; diagnostics and costs
      show both together without it;
    - any other name is an axis, held at one level: ``results.plot.coverage(noise=0.5)``. Where an
      axis has the name of an argument, use ``at={"x": 0.5}``;
    - ``ax`` is by default a new one; ``ax.figure.savefig("coverage.png")`` saves it.

    Raises
    ------
    LevelError
        If a name is no axis, or an axis has no such level.
    NothingMeasured
        If there is no complete fit.
    ValueError
        If a choice is missing, such as a truth mode, or there is nothing to draw; the message says
        what to give.
    """

    def __init__(self, results: Plottable) -> None:
        self._results = results

    def coverage(self, parameter: str | None = None, **options: Any) -> Axes:
        """Draw coverage against an axis; see `plot_coverage`."""
        return self._of_cells(plot_coverage, parameter, options)

    def coverage_levels(self, parameter: str | None = None, **options: Any) -> Axes:
        """Draw coverage at every level of the intervals; see `plot_coverage_levels`."""
        return self._of_estimates(plot_coverage_levels, parameter, options)

    def predictive_coverage(self, parameter: str | None = None, **options: Any) -> Axes:
        """Draw coverage of predicted quantities; see `plot_predictive_coverage`."""
        rows, rest = self._measures(options, plot_predictive_coverage)
        x, hue = self._axes(rows, rest)
        if parameter is None and x != "parameter" and "hue" not in options:
            hue = None  # a line per quantity
        return plot_predictive_coverage(rows, x, parameter=parameter, hue=hue, **rest)

    def bias(self, parameter: str | None = None, **options: Any) -> Axes:
        """Draw bias against an axis; see `plot_bias`."""
        return self._of_cells(plot_bias, parameter, options)

    def rmse(self, parameter: str | None = None, **options: Any) -> Axes:
        """Draw RMSE beside what posteriors claim; see `plot_rmse`."""
        return self._of_cells(plot_rmse, parameter, options)

    def heat(self, parameter: str | None = None, **options: Any) -> Axes:
        """Draw a measure over two axes, `x` and `y`; see `plot_heat`."""
        rows, rest = self._measures(options, plot_heat)
        view = View.of(rows, self._results.axes)
        two = [a for a in (view.x, view.hue) if a is not None]
        x = rest.pop("x", None) or next((a for a in two if a != rest.get("y")), None)
        y = rest.pop("y", None) or next((a for a in two if a != x), None)
        if x is None or y is None:
            raise ValueError(
                f"heat: two swept axes are needed and there are: {self._there(rows)}; use "
                "results.plot.coverage for one axis"
            )
        return plot_heat(rows, x, y, parameter=parameter or self._first(rows), **rest)

    def nested_loop(self, parameter: str | Sequence[str] | None = None, **options: Any) -> Axes:
        """Draw a measure in all cells, in the order of nested loops; see `plot_nested_loop`."""
        rows, rest = self._measures(options, plot_nested_loop)
        return plot_nested_loop(rows, parameter or self._first(rows), **rest)

    def recovery(self, parameter: str | None = None, **options: Any) -> Axes:
        """Draw each replicate beside its truth; see `plot_recovery`."""
        return self._of_estimates(plot_recovery, parameter, options)

    def zip(self, parameter: str | None = None, **options: Any) -> Axes:
        """Draw intervals by how far off they are; see `plot_zip`."""
        return self._of_estimates(plot_zip, parameter, options)

    def contraction(self, parameter: str | None = None, **options: Any) -> Axes:
        """Draw z-scores against contraction, by default of all parameters; see its function."""
        rows, rest = self._held(self._results.estimates, options, plot_contraction)
        return plot_contraction(rows, self._results.priors, parameter, **rest)

    def rank_ecdf(self, parameter: str | None = None, **options: Any) -> Axes:
        """Draw the ECDF of the ranks of drawn truths; see `plot_rank_ecdf`."""
        return self._of_estimates(plot_rank_ecdf, parameter, options)

    def rank_histogram(self, parameter: str | None = None, **options: Any) -> Axes:
        """Draw a histogram of the ranks of drawn truths; see `plot_rank_histogram`."""
        return self._of_estimates(plot_rank_histogram, parameter, options)

    def gamma(self, parameter: str | None = None, **options: Any) -> Axes:
        """Draw evidence on calibration as it grows, by default of all; see `plot_gamma`."""
        rows, rest = self._held(self._results.estimates, options, plot_gamma)
        return plot_gamma(rows, parameter, **rest)

    def r_hat(self, **options: Any) -> Axes:
        """Draw the largest r_hat of each fit; see `plot_r_hat`."""
        return self._of_fits(plot_r_hat, options)

    def ess(self, *, kind: Literal["bulk", "tail"] = "bulk", **options: Any) -> Axes:
        """Draw the smallest ESS of each fit; see `plot_ess`."""
        return self._of_fits(plot_ess, {"kind": kind, **options})

    def divergences(self, **options: Any) -> Axes:
        """Draw the share of fits with divergent transitions; see `plot_divergences`."""
        return self._of_fits(plot_divergences, options)

    def wall_time(self, **options: Any) -> Axes:
        """Draw wall time per fit; see `plot_wall_time`."""
        return self._of_fits(plot_wall_time, options)

    def ess_per_second(self, **options: Any) -> Axes:
        """Draw effective draws per second; see `plot_ess_per_second`."""
        return self._of_fits(plot_ess_per_second, options)

    def model(self, *, ax: Axes | None = None) -> Axes:
        """Draw the graph of the model that was fitted; see `plot_model`."""
        portrait = latest(self._results.sessions)
        if not portrait:
            raise NothingMeasured("results.plot: no session of this run knows its model")
        return plot_model(portrait, ax=ax)

    # --- which frame, and which of it ----------------------------------------------------------

    def _of_cells(self, draw: Any, parameter: str | None, options: Mapping[str, Any]) -> Axes:
        rows, rest = self._measures(options, draw)
        x, hue = self._axes(rows, rest)
        if x != "parameter":
            parameter = parameter or self._first(rows)
        elif parameter is None:
            rows = rows[rows["parameter"].isin(self._fitted())]
        axes: Axes = draw(rows, parameter, x, hue=hue, **rest)
        return axes

    def _of_estimates(self, draw: Any, parameter: str | None, options: Mapping[str, Any]) -> Axes:
        rows, rest = self._held(self._results.estimates, options, draw)
        axes: Axes = draw(rows, parameter or self._first(rows), **rest)
        return axes

    def _of_fits(self, draw: Any, options: Mapping[str, Any]) -> Axes:
        rows, rest = self._held(self._results.replicates, options, draw)
        if "truth" in rest:
            rows = of_mode(rows, "replicates", "truth_mode", rest.pop("truth"))
        x, hue = self._axes(rows, rest)
        axes: Axes = draw(rows, "truth_mode" if x == "parameter" else x, hue=hue, **rest)
        return axes

    def _measures(
        self, options: Mapping[str, Any], draw: Any
    ) -> tuple[pd.DataFrame, dict[str, Any]]:
        prob = options.get("ci_prob")
        frame = self._results.measures() if prob is None else self._results.measures([prob])
        return self._held(frame, options, draw)

    def _held(
        self, frame: pd.DataFrame, options: Mapping[str, Any], draw: Any
    ) -> tuple[pd.DataFrame, dict[str, Any]]:
        """Return the rows at the levels held, and what else was asked for."""
        rest, takes = dict(options), taken(draw)
        at = rest.pop("at", None) or {}
        if not isinstance(at, Mapping):
            raise LevelError(f"results.plot: at={at!r} is no mapping; give at={{axis: level}}")
        held = dict(at) | {name: rest.pop(name) for name in list(rest) if name not in takes}
        for name in ("x", "y", "hue"):
            chosen, known = rest.get(name), (*self._results.axes, *_COLUMNS)
            if chosen is not None and chosen not in known:
                raise LevelError(
                    f"results.plot: {name}={chosen!r} is no axis; there are: {', '.join(known)}"
                )
        if rest.get("most", 1) < 1:
            raise ValueError(f"results.plot: most={rest['most']!r} draws nothing; give 1 or more")
        if frame.empty:
            raise NothingMeasured(
                "results.plot: no fit is complete, so there is nothing to draw; "
                "results.replicates says why"
            )
        for axis, level in held.items():
            if axis not in self._results.axes:
                raise LevelError(
                    f"results.plot: {axis!r} is no argument and no axis; the axes are: "
                    f"{', '.join(self._results.axes) or 'none'}; arguments are: "
                    f"{', '.join(sorted(takes))}"
                )
            if not (level is None or isinstance(level, str | int | float | np.generic)):
                raise LevelError(f"results.plot: {axis}={level!r} is no level; give one of them")
            column = frame[str(axis)]
            rows = frame[is_level(column, level)]
            if rows.empty:
                there = ", ".join(level_text(each) for each in levels_of(column))
                raise LevelError(
                    f"results.plot: {axis} has no level {level_text(level)}; there are: {there}"
                )
            frame = rows
        return frame, rest

    def _axes(self, rows: pd.DataFrame, rest: dict[str, Any]) -> tuple[str, str | None]:
        """Take x and hue from what was asked for, or choose them."""
        view = View.of(rows, self._results.axes)
        there = [axis for axis in (view.x, view.hue) if axis is not None]
        x = rest.pop("x", None)
        if x is None:
            x = next((axis for axis in there if axis != rest.get("hue")), "parameter")
        if "hue" in rest:
            return x, rest.pop("hue")
        return x, next((axis for axis in there if axis != x), None)

    def _first(self, rows: pd.DataFrame) -> str:
        """Return the first parameter of a frame, no test quantity and no prediction."""
        there = rows["parameter"]
        return str(there[there.isin(self._fitted())].iloc[0])

    def _fitted(self) -> set[str]:
        estimates = self._results.estimates
        return set(estimates.loc[estimates["kind"].isin(FITTED), "parameter"])

    def _there(self, rows: pd.DataFrame) -> str:
        return ", ".join(swept(rows, self._results.axes)) or "none"


_COLUMNS = ("parameter", "truth", "truth_mode")
"""What may stand in the place of an axis."""
_FRAMES = frozenset({"measures", "estimates", "replicates", "priors", "parameter"})


def taken(draw: Any) -> set[str]:
    """Return what a method takes beside a parameter and `at`: the arguments of its function."""
    given = {"truth"} if draw in _OF_FITS else set()
    return (set(inspect.signature(draw).parameters) - _FRAMES) | given


_OF_FITS = frozenset({plot_r_hat, plot_ess, plot_divergences, plot_wall_time, plot_ess_per_second})
"""Those that show both truth modes together, unless one is asked for."""
