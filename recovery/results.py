"""The frames a user works with, read from a store."""

import os
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recovery.arrays import dataset
from recovery.cells import cell_table, convergence, costs, prior_table
from recovery.columns import Columns
from recovery.comparisons import bounds, contrasts, gains
from recovery.correlations import correlations
from recovery.design import SAMPLER_AXES
from recovery.errors import SettingsError, StoreConflict
from recovery.notebook import line, page
from recovery.plotted import Plotted
from recovery.rank_tests import RankTest, rank_tests
from recovery.record import QUANTILE_GRID, Floats
from recovery.refits import refit_estimate_rows, refit_rows, retried_rows
from recovery.rows import (
    WORST,
    compilation_rows,
    estimate_rows,
    fit_rows,
    quantity_failure_rows,
    rank_test_rows,
    replicate_rows,
)
from recovery.store import Store
from recovery.summary import Ends, Given, complete_fits, estimates, summarise

if TYPE_CHECKING:
    import xarray as xr

CI_PROBS = (0.5, 0.8, 0.9, 0.95)
"""Levels of the central intervals that measures are made at by default."""


class Results(Plotted):
    """What a store holds, as data frames. Reading never changes a run.

    Parameters
    ----------
    folder : path
        The output folder of a run.

    Attributes
    ----------
    folder : pathlib.Path
    axes : list of str
        Axes of the sweep; the first columns of every frame.

    Raises
    ------
    NotAStore, StoreDamaged
        If the folder holds no store, or one that cannot be read.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        with closing(Store.read(folder)) as store, store.snapshot():
            self.identity = store.identity()
            self._cells = store.cells()
            self.sessions = store.sessions()
            self._origin = store.origin()
            self._load(store)
        self._measured: dict[tuple[tuple[float, ...], str], pd.DataFrame] = {}
        self.axes: list[str] = list(self.identity.get("axes", []))

    @classmethod
    def read(cls, folder: str | os.PathLike[str]) -> Self:
        """Do what the constructor does."""
        return cls(folder)

    def __repr__(self) -> str:
        return line(self)

    def _repr_html_(self) -> str:
        return page(self)

    def _load(self, store: Store) -> None:
        self.columns = Columns(store)
        self._planned = dict(store.rows("SELECT cell, sum(replicates) FROM planned GROUP BY cell"))
        self.compilations = compilation_rows(store)
        self._quantity_failures = quantity_failure_rows(store)

    @cached_property
    def cells(self) -> pd.DataFrame:
        """One row per cell: axes, truth mode, planned replicates, settings."""
        return cell_table(self._cells, self.axes, self._planned)

    @property
    def settings(self) -> list[dict[str, Any]]:
        """How the fits of each cell are sampled, in the order of `cells`."""
        return [cell["settings"] for cell in self._cells]

    @property
    def problems(self) -> dict[str, dict[str, Any]]:
        """What the problem of each cell consists of, by the cell's digest."""
        return {cell["digest"]: cell["problem"] for cell in self._cells}

    @cached_property
    def fits(self) -> pd.DataFrame:
        """One row per replicate, numbers and flags only: `replicates` without names and levels.

        Columns: ``position`` of the cell, ``ok``, times in seconds, counts, the worst diagnostics
        over the fitted parameters, ``flags`` and ``flagged``.
        """
        return fit_rows(self.columns)

    @cached_property
    def replicates(self) -> pd.DataFrame:
        """One row per replicate: levels, status, times (seconds), diagnostics, flags.

        ``r_hat_max``, ``ess_bulk_min`` and ``ess_tail_min`` are over the fitted parameters;
        ``ess_bulk_per_s`` and ``ess_bulk_per_gradient`` use the smallest bulk ESS, and gradient
        evaluations count warm-up. ``draws`` are those kept per chain; an approximation has one
        chain, and its optimiser's iterations under ``tune``. ``flags`` names the thresholds a
        fit has crossed.
        """
        with self._opened() as store:
            frame = replicate_rows(self.columns, self.fits, store, self.keys)
        # A swept sampler setting is a column already, as an axis.
        doubled = [axis for axis in self.axes if axis in frame.columns]
        return self._with_levels(frame.drop(columns=doubled))

    def keys(self, places: NDArray[np.int64]) -> list[str]:
        """Return the names of replicates that never change, given their rows in `fits`."""
        columns, digests = self.columns, [cell["digest"] for cell in self._cells]
        named = zip(*(c[places].tolist() for c in (columns.position, columns.seed, columns.index)),
                    strict=True)  # fmt: skip
        return [f"{digests[position]}-{seed}-{index}" for position, seed, index in named]

    @cached_property
    def estimates(self) -> pd.DataFrame:
        """One row per replicate and scalar parameter, in the parameter's own units.

        Columns: axes, ``truth_mode``, ``seed``, ``replicate``, ``key`` (which ``recovery replay``
        takes), ``parameter``, ``kind``, ``truth`` (the true value), ``mean``, ``sd``,
        ``median``, ``eti_90_lower``, ``eti_90_upper``, ``r_hat``, ``ess_bulk``, ``ess_tail``,
        ``mcse_mean``, ``crps``, ``rank`` (of the truth among ``ranked_among`` draws), ``pit``. Use
        `intervals` for other levels. Test quantities have the kind ``quantity``.
        """
        return self._with_levels(estimate_rows(self.columns, self.intervals(0.9), self.keys))

    @cached_property
    def refits(self) -> pd.DataFrame:
        """One row per second fit of a flagged fit's data, with the diagnostics of both."""
        with self._opened() as store:
            frame = refit_rows(store, self.columns, self.fits, self.keys)
        return self._with_levels(frame.drop(columns=[a for a in self.axes if a in frame]))

    @cached_property
    def refit_estimates(self) -> pd.DataFrame:
        """One row per second fit and scalar parameter; the first are in `estimates`."""
        with self._opened() as store:
            return self._with_levels(refit_estimate_rows(store, self.columns, self.keys))

    @cached_property
    def retried(self) -> pd.DataFrame:
        """One row per failure that was run again; what came of it is in `replicates`."""
        with self._opened() as store:
            return self._with_levels(retried_rows(store))

    @property
    def quantity_failures(self) -> pd.DataFrame:
        """One row per cell, test quantity and error: in how many complete fits it failed so."""
        return self._with_levels(self._quantity_failures)

    # --- one row per cell, its replicates as arrays ---------------------------------------------

    @cached_property
    def fits_by_cell(self) -> pd.DataFrame:
        """One row per cell, with an array over its complete fits in each of a few columns.

        Columns: axes, ``truth_mode``, then the worst diagnostics, ``divergences``, ``wall_s`` and
        ``ess_bulk_per_s`` as in `fits`; cells without a complete fit have no row.
        """
        names = [*(name for name, _ in WORST), "divergences", "wall_s", "ess_bulk_per_s"]
        fits = {name: self.fits[name].to_numpy(float) for name in names}
        return self._with_levels(pd.DataFrame(complete_fits(self.columns, fits)))

    @cached_property
    def estimates_by_cell(self) -> pd.DataFrame:
        """One row per cell and parameter, with an array over its complete fits in each column.

        Columns: axes, ``truth_mode``, ``parameter``, ``kind``, then the arrays ``truth``,
        ``mean``, ``sd``, ``eti_90_lower`` and ``eti_90_upper``, the same numbers as in
        `estimates` without a row for each, and ``rank``: the rank of every truth on the scale of
        99 draws, see `recovery.ranking.rank_cells`.
        """
        lower, upper = self.ends(0.9)
        columns = {name: self.columns.column(name) for name in ("truth", "mean", "sd")}
        columns |= {"eti_90_lower": lower, "eti_90_upper": upper}
        return self._with_levels(pd.DataFrame(estimates(self.columns, columns)))

    # --- intervals and priors -------------------------------------------------------------------

    def intervals(self, ci_prob: float) -> tuple[Floats, Floats]:
        """Return equal-tailed intervals of any level, a pair of arrays in the order of `estimates`.

        Parameters
        ----------
        ci_prob : float
            Level, at most 0.998. Even and half per cents are exact quantiles of the draws; other
            levels are interpolated between them.

        Raises
        ------
        SettingsError
            If the level is out of range.
        """
        lower, upper = self.ends(ci_prob)
        return self.columns.flat(lower), self.columns.flat(upper)

    def ends(self, ci_prob: float) -> tuple[list[Floats], list[Floats]]:
        """Return the ends of such intervals of every block, arrays (n_parameters, n)."""
        if not (isinstance(ci_prob, float | int) and 0 < ci_prob <= 1 - 2 * QUANTILE_GRID[0]):
            raise SettingsError(f"ci_prob: {ci_prob!r} is not allowed; give 0 < ci_prob <= 0.998")
        tail = (1 - ci_prob) / 2
        with self._opened() as store:
            return self.columns.quantiles(store, tail), self.columns.quantiles(store, 1 - tail)

    @contextmanager
    def _opened(self) -> Iterator[Store]:
        """Open the store again, which may have grown, but must not be another one."""
        with closing(Store.read(self.folder)) as store:
            if store.origin() != self._origin:
                raise StoreConflict(
                    f"{self.folder}: holds another run than the one that was read; read it again "
                    "with Results(folder)"
                )
            yield store

    @cached_property
    def priors(self) -> pd.DataFrame:
        """One row per cell and parameter: prior mean and sd, and where a given truth lies in it.

        ``tail_probability`` is the two-sided prior tail probability of the truth and ``z_score``
        its distance from the prior mean in prior sds; both empty in truth mode ``prior``.
        """
        return self._with_levels(prior_table(self._cells))

    def _with_levels(self, frame: pd.DataFrame, mode: str = "truth_mode") -> pd.DataFrame:
        """Put the axes and the truth mode of each row's cell in front."""
        cells = self.cells[[*self.axes, "truth_mode"]].rename(columns={"truth_mode": mode})
        levels = cells.iloc[frame["position"]].reset_index(drop=True)
        rest = frame.drop(columns=["position"]).reset_index(drop=True)
        return pd.concat([levels, rest], axis=1)

    # --- one row per cell ----------------------------------------------------------------------

    def measures(
        self, ci_probs: Sequence[float] = CI_PROBS, fits: Literal["all", "clean"] = "all"
    ) -> pd.DataFrame:
        """Return the performance measures: a row per cell, parameter and measure.

        Parameters
        ----------
        ci_probs : sequence of float
            Levels of the central intervals.
        fits : {"all", "clean"}
            All complete fits, or only those that crossed no threshold.

        Returns
        -------
        DataFrame
            One column per axis, then ``truth`` (the truth mode), ``parameter``, ``measure``,
            ``estimate``, ``mcse``, ``n``, the number of replicates used, and ``mcmc_share``, the
            share of ``mcse**2`` that longer chains would take away, nan where it is not known.
        """
        if fits not in ("all", "clean"):
            raise SettingsError(f"fits: {fits!r} is not allowed; give 'all' or 'clean'")
        key = (tuple(ci_probs), fits)
        if key not in self._measured:
            clean = None if fits == "all" else ~self.fits["flagged"].to_numpy(bool)
            rows = summarise(self.columns, self._ends(ci_probs), self._cells, clean)
            columns = ["position", "parameter", "measure", "estimate", "mcse", "n", "mcmc_share"]
            frame = pd.DataFrame(list(rows), columns=columns)
            self._measured[key] = self._with_levels(frame, "truth")
        return self._measured[key].copy()

    def diagnostics(self) -> pd.DataFrame:
        """Return convergence per cell: how many fits there are, how many failed, the worst values.

        Columns: axes, ``truth``, ``n_planned``, ``n``, ``n_ok``, ``n_failed``, ``n_flagged``,
        ``r_hat_max``, ``ess_bulk_min``, ``ess_tail_min``, ``divergences``,
        ``reached_max_treedepth``, ``tree_depth_max``.
        """
        table = convergence(self.fits, self.cells["n_planned"].to_numpy(np.int64))
        return self._with_levels(table, "truth")

    def rank_tests(self, fits: Literal["all", "clean"] = "all") -> list[RankTest]:
        """Test whether the ranks of truths drawn from the prior are uniform, see `rank_tests`."""
        if fits not in ("all", "clean"):
            raise SettingsError(f"fits: {fits!r} is not allowed; give 'all' or 'clean'")
        keep = None if fits == "all" else ~self.fits["flagged"].to_numpy(bool)
        # Cells of a swept sampler setting share their data sets.
        together = all(self.identity.get(axis) != "swept" for axis in SAMPLER_AXES)
        modes = [str(cell["truth_mode"]) for cell in self._cells]
        return rank_tests(self.columns, modes, together=together, keep=keep)

    def calibration(self, fits: Literal["all", "clean"] = "all") -> pd.DataFrame:
        """Return the tests of the ranks in truth mode ``prior``: simulation-based calibration.

        Parameters
        ----------
        fits : {"all", "clean"}
            All complete fits, or only those that crossed no threshold.

        Returns
        -------
        DataFrame
            A row per parameter or test quantity and cell, first those over all cells together
            (the axes are empty there). Columns: axes, ``parameter``, ``kind``, ``n`` (ranks),
            ``gamma``, ``threshold`` (of gamma, at 5 % for this test alone), ``p_value`` (exact),
            ``p_holm``, ``p_bh`` (adjusted over all rows) and ``rejected`` (by Holm, at 5 %).
        """
        frame = rank_test_rows(self.rank_tests(fits))
        everywhere = frame["position"] == -1
        named = self._with_levels(frame.assign(position=frame["position"].clip(lower=0)))
        named = named.drop(columns="truth_mode")
        for axis in self.axes:
            named[axis] = named[axis].astype(object).where(~everywhere, None)
        return named

    def cost(self) -> pd.DataFrame:
        """Return the cost per cell: means over complete fits, in seconds and counts.

        Columns: axes, ``truth``, ``n_ok``, ``simulate_s``, ``sample_s``, ``rest_s``, ``wall_s``,
        ``gradient_evaluations``, ``ess_bulk_per_s``, ``ess_bulk_per_gradient``, the last three
        and ``wall_s`` each with the Monte Carlo standard error of the mean (``_mcse``).
        """
        return self._with_levels(costs(self.fits, len(self._cells)), "truth")

    # --- comparisons ---------------------------------------------------------------------------

    def sensitivity(self, ci_probs: Sequence[float] = CI_PROBS) -> pd.DataFrame:
        """Return what flagged fits change: each measure of all fits, and of the clean ones.

        Columns: axes, ``truth``, ``parameter``, ``measure``, ``all``, ``clean``, ``difference``
        (all minus clean), ``mcse`` of the difference, which counts that the two share fits,
        ``n`` and ``n_clean``. Only parameters of cells in which fits are flagged have rows, and
        joint coverage has none.
        """
        clean = ~self.fits["flagged"].to_numpy(bool)
        given = Given(self.columns, self._ends(ci_probs), self._cells)
        return self._with_levels(contrasts(self.columns, given, clean), "truth")

    def coverage_bounds(self, ci_probs: Sequence[float] = CI_PROBS) -> pd.DataFrame:
        """Return between what coverage would lie had no fit failed, in cells where some did.

        Columns: axes, ``truth``, ``parameter``, ``measure``, ``lowest`` (every failed fit would
        have missed), ``highest`` (every one would have covered), ``n``, failed fits counted, and
        ``n_failed``. A fit without a finite interval counts as failed. Where no fit is complete
        no parameter is known, and there is no row.
        """
        return self._with_levels(bounds(self.columns, self._ends(ci_probs)), "truth")

    def relative_precision(self) -> pd.DataFrame:
        """Return what a sampler setting that is an axis does to precision, on the same data.

        Columns: axes, ``truth``, ``parameter``, ``setting``, ``against``, ``estimate``, ``mcse``
        and ``n``. Each row compares two cells that differ in one sampler setting only: the cell
        of the axes, and the one where that setting is ``against``. The estimate is by how many
        per cent the precision of the latter exceeds that of the former, see
        `recovery.measures.relative_precision`. Replicates are pairs if both are complete and
        their data are equal. Without such an axis there is no row.
        """
        with self._opened() as store:
            _, digests = self.columns.texts(store)
        return self._with_levels(gains(self.columns, self._cells, self.axes, digests), "truth")

    def pairs(self, parameters: Sequence[str] | None = None) -> pd.DataFrame:
        """Return whether posterior correlations are right, in truth mode ``prior``.

        Parameters
        ----------
        parameters : sequence of str, optional
            Free scalars such as ``betas[water amount]``; by default all; more than
            100 are refused.

        Returns
        -------
        DataFrame
            Columns: axes, ``truth``, ``parameter``, ``other_parameter``, ``measure``,
            ``estimate``, ``mcse``, ``n``, three rows for each pair, see
            `recovery.measures.pair_recovery`. Covariances are those of the kept draws.

        Raises
        ------
        SettingsError
            If a parameter is unknown, or there are too many.
        """
        with self._opened() as store:
            table = correlations(self.columns, store, self._cells, parameters)
        return self._with_levels(table, "truth")

    def _ends(self, ci_probs: Sequence[float]) -> Ends:
        return {prob: self.ends(prob) for prob in ci_probs}

    def to_xarray(self, what: Literal["estimates", "measures"] = "estimates") -> "xr.Dataset":
        """Return the estimates or the measures with the axes as dims.

        Replicates of one root seed are independent draws, so ArviZ opens the estimates after
        ``.rename(seed="chain", replicate="draw")``.

        Returns
        -------
        xarray.Dataset
            Of estimates the dims are axes, ``truth_mode``, ``seed``, ``replicate``, ``parameter``;
            of measures axes, ``truth``, ``parameter``, ``measure``. NaN without a complete fit.
        """
        return dataset(self, what)
