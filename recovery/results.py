"""The frames a user works with, read from a store."""

import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, cast

import numpy as np
import pandas as pd

from recovery.errors import SettingsError
from recovery.measures import performance
from recovery.record import QUANTILE_GRID, Floats
from recovery.store import Store
from recovery.thresholds import flags

if TYPE_CHECKING:
    import xarray as xr

CI_PROBS = (0.5, 0.8, 0.9, 0.95)
"""Levels of the central intervals that measures are made at by default."""

_REPLICATES = """
SELECT r.id, c.position, r.seed, r."index", r.key, r.status, r.stage, r.error, r.traceback,
    r.sampler, r.chains, r.draws, r.tune, r.simulate_s, r.sample_s, r.rest_s, r.divergences,
    r.reached_max_treedepth, r.tree_depth_max, r.acceptance_rate, r.gradient_evaluations,
    r.data_digest
FROM replicates r JOIN cells c ON c.digest = r.cell ORDER BY c.position, r.seed, r."index"
"""
_ESTIMATES = """
SELECT r.id, c.position, r.seed, r."index", p.name, p.kind, e.truth, e.mean, e.sd, e.r_hat,
    e.ess_bulk, e.ess_tail, e.mcse_mean, e.rank, e.pit, e.quantiles
FROM estimates e JOIN parameters p ON p.id = e.parameter JOIN replicates r ON r.id = e.replicate
    JOIN cells c ON c.digest = r.cell
ORDER BY c.position, r.seed, r."index", e.parameter
"""
_ESTIMATE_COLUMNS = ("mean", "sd", "r_hat", "ess_bulk", "ess_tail", "mcse_mean", "rank", "pit")


class Results:
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
        store = Store.read(folder)
        try:
            self.identity = store.identity()
            self._cells = store.cells()
            self.sessions = store.sessions()
            self._load(store)
        finally:
            store.close()
        self.axes: list[str] = list(self.identity.get("axes", []))

    @classmethod
    def read(cls, folder: str | os.PathLike[str]) -> Self:
        """Read the results of a run; the same as the constructor."""
        return cls(folder)

    def _load(self, store: Store) -> None:
        self._replicate_rows = store.rows(_REPLICATES)
        self._estimate_rows = store.rows(_ESTIMATES)
        self._planned = dict(store.rows("SELECT cell, count(*) FROM planned GROUP BY cell"))
        self.compilations = pd.DataFrame(
            store.rows("SELECT session, kind, seconds, process FROM compilations"),
            columns=["session", "kind", "seconds", "process"],
        )

    # --- one row per replicate or parameter ----------------------------------------------------

    @cached_property
    def cells(self) -> pd.DataFrame:
        """One row per cell: axes, truth mode, planned replicates, settings."""
        rows = []
        for cell in self._cells:
            levels = {**cell["levels"], **cell["settings"]}
            rows.append(
                {axis: levels.get(axis) for axis in self.axes}
                | {
                    "truth_mode": cell["truth_mode"],
                    "cell": cell["digest"],
                    "n_planned": self._planned.get(cell["digest"], 0),
                }
            )
        frame = pd.DataFrame(rows, columns=[*self.axes, "truth_mode", "cell", "n_planned"])
        # Levels of mixed types ([None, 5]) keep what they are.
        mixed = [axis for axis in self.axes if frame[axis].map(type).nunique() > 1]
        for axis in mixed:
            frame[axis] = pd.Series([row[axis] for row in rows], dtype=object)
        return frame

    @property
    def problems(self) -> dict[str, dict[str, Any]]:
        """What the problem of each cell consists of, by the cell's digest."""
        return {cell["digest"]: cell["problem"] for cell in self._cells}

    @cached_property
    def replicates(self) -> pd.DataFrame:
        """One row per replicate: levels, status, times (seconds), diagnostics, flags.

        ``r_hat_max``, ``ess_bulk_min`` and ``ess_tail_min`` are over the fitted parameters;
        ``ess_bulk_per_s`` and ``ess_bulk_per_gradient`` use the smallest bulk ESS, and gradient
        evaluations count warm-up. ``flags`` names the thresholds a fit has crossed.
        """
        columns = (
            "id position seed replicate key status stage error traceback sampler chains draws "
            "tune simulate_s sample_s rest_s divergences reached_max_treedepth tree_depth_max "
            "acceptance_rate gradient_evaluations data_digest"
        ).split()
        frame = pd.DataFrame(self._replicate_rows, columns=columns)
        numbers = [c for c in columns if c.endswith("_s") or c in _COUNTS]
        frame[numbers] = frame[numbers].astype(float)
        frame["wall_s"] = frame[["simulate_s", "sample_s", "rest_s"]].sum(axis=1)
        fitted = self._estimates[self._estimates["kind"].isin(["parameter", "deterministic"])]
        # Draws that are not finite have no ESS; none is what they are worth.
        fitted = fitted.fillna({"ess_bulk": 0.0, "ess_tail": 0.0})
        worst = fitted.groupby("id").agg(
            r_hat_max=("r_hat", "max"), ess_bulk_min=("ess_bulk", "min"),
            ess_tail_min=("ess_tail", "min"),
        )  # fmt: skip
        frame = frame.join(worst, on="id")
        frame["ess_bulk_per_s"] = frame["ess_bulk_min"] / frame["sample_s"]
        gradients = frame["gradient_evaluations"].replace(0, np.nan)
        frame["ess_bulk_per_gradient"] = frame["ess_bulk_min"] / gradients
        judged = frame[["r_hat_max", "ess_bulk_min", "ess_tail_min", "divergences"]]
        frame["flags"] = [
            ", ".join(flags({str(k): float(v) for k, v in row.items()})) if ok else ""
            for row, ok in zip(judged.to_dict("records"), frame["status"] == "ok", strict=True)
        ]
        frame["flagged"] = frame["flags"] != ""
        # A swept sampler setting is a column already, as an axis.
        doubled = [axis for axis in self.axes if axis in columns]
        return self._with_levels(frame.drop(columns=["id", *doubled]))

    @cached_property
    def _estimates(self) -> pd.DataFrame:
        columns = ["id", "position", "seed", "replicate", "parameter", "kind", "truth"]
        frame = pd.DataFrame(
            [row[:-1] for row in self._estimate_rows], columns=[*columns, *_ESTIMATE_COLUMNS]
        )
        floats = ["truth", *_ESTIMATE_COLUMNS]
        frame[floats] = frame[floats].astype(float)
        return frame.astype({"rank": "Int64"})

    @cached_property
    def _quantiles(self) -> Floats:
        blob = b"".join(row[-1] for row in self._estimate_rows)
        return np.frombuffer(blob, dtype="<f8").reshape(-1, len(QUANTILE_GRID))

    @cached_property
    def estimates(self) -> pd.DataFrame:
        """One row per replicate and scalar parameter, in the parameter's own units.

        Columns: axes, ``truth_mode``, ``seed``, ``replicate``, ``parameter``, ``kind``, ``truth``
        (the true value), ``mean``, ``sd``, ``median``, ``eti_90_lower``, ``eti_90_upper``,
        ``r_hat``, ``ess_bulk``, ``ess_tail``, ``mcse_mean``, ``rank``, ``pit``. Use `intervals`
        for other levels.
        """
        frame = self._estimates.copy()
        lower, upper = self.intervals(0.9)
        place = frame.columns.get_loc("sd")
        assert isinstance(place, int)
        frame.insert(place + 1, "median", self._quantile(0.5))
        frame.insert(place + 2, "eti_90_lower", lower)
        frame.insert(place + 3, "eti_90_upper", upper)
        return self._with_levels(frame).drop(columns=["id"])

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
        if not 0 < ci_prob <= 1 - 2 * QUANTILE_GRID[0]:
            raise SettingsError(f"ci_prob: {ci_prob!r} is not allowed; give 0 < ci_prob <= 0.998")
        tail = (1 - ci_prob) / 2
        return self._quantile(tail), self._quantile(1 - tail)

    def _quantile(self, prob: float) -> Floats:
        above = min(int(np.searchsorted(QUANTILE_GRID, prob - 1e-12)), len(QUANTILE_GRID) - 1)
        if abs(QUANTILE_GRID[above] - prob) < 1e-12:
            return self._quantiles[:, above]
        low, high = QUANTILE_GRID[above - 1], QUANTILE_GRID[above]
        share = (prob - low) / (high - low)
        blend: Floats = np.asarray((1 - share) * self._quantiles[:, above - 1])
        blend += share * self._quantiles[:, above]
        return blend

    @cached_property
    def priors(self) -> pd.DataFrame:
        """One row per cell and parameter: prior mean and sd, and where a given truth lies in it.

        ``tail_probability`` is the two-sided prior tail probability of the truth and ``z_score``
        its distance from the prior mean in prior sds; both empty in truth mode ``prior``.
        """
        # A given truth is the truth of the fixed cells only.
        none = {"truth": None, "tail_probability": None}
        rows = [
            {"position": position, **prior, **({} if cell["truth_mode"] == "fixed" else none)}
            for position, cell in enumerate(self._cells)
            for prior in cell["priors"]
        ]
        columns = ["position", "parameter", "mean", "sd", "variance_relative_se", "truth",
                   "tail_probability"]  # fmt: skip
        frame = pd.DataFrame(rows, columns=columns)
        frame[columns[2:]] = frame[columns[2:]].astype(float)
        frame["z_score"] = (frame["truth"] - frame["mean"]) / frame["sd"]
        return self._with_levels(frame)

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
            ``estimate``, ``mcse`` and ``n``, the number of replicates used.
        """
        intervals = {prob: self.intervals(prob) for prob in ci_probs}
        rows = []
        for position, parameter, index in self._groups(fits):
            group = self._columns(index)
            prior = self._prior(position, parameter)
            measured = performance(
                group["mean"],
                group["sd"],
                group["truth"],
                {prob: (low[index], high[index]) for prob, (low, high) in intervals.items()},
                prior_sd=prior.get("sd"),
                prior_variance_relative_se=prior.get("variance_relative_se", 0.0),
            )
            rows += [(position, parameter, name, *value) for name, value in measured.items()]
        columns = ["position", "parameter", "measure", "estimate", "mcse", "n"]
        return self._with_levels(pd.DataFrame(rows, columns=columns), "truth")

    def _groups(self, fits: str) -> Iterator[tuple[int, str, Any]]:
        frame = self._estimates
        if fits not in ("all", "clean"):
            raise SettingsError(f"fits: {fits!r} is not allowed; give 'all' or 'clean'")
        if fits == "clean":
            ids = [row[0] for row in self._replicate_rows]
            flagged = {i for i, f in zip(ids, self.replicates["flagged"], strict=True) if f}
            frame = frame[~frame["id"].isin(flagged)]
        groups = frame.groupby(["position", "parameter", "kind"], sort=False).indices
        row_numbers = frame.index.to_numpy()
        for key, index in groups.items():
            position, parameter, _ = cast(tuple[int, str, str], key)
            yield int(position), str(parameter), row_numbers[index]

    @cached_property
    def _arrays(self) -> Mapping[str, Floats]:
        return {name: self._estimates[name].to_numpy(float) for name in ("truth", "mean", "sd")}

    def _columns(self, index: Any) -> dict[str, Floats]:
        return {name: values[index] for name, values in self._arrays.items()}

    @cached_property
    def _priors_by_name(self) -> list[dict[str, dict[str, Any]]]:
        return [{prior["parameter"]: prior for prior in cell["priors"]} for cell in self._cells]

    def _prior(self, position: int, parameter: str) -> dict[str, Any]:
        return self._priors_by_name[position].get(parameter, {})

    def diagnostics(self) -> pd.DataFrame:
        """Return convergence per cell: how many fits there are, how many failed, the worst values.

        Columns: axes, ``truth``, ``n_planned``, ``n``, ``n_ok``, ``n_failed``, ``n_flagged``,
        ``r_hat_max``, ``ess_bulk_min``, ``ess_tail_min``, ``divergences``,
        ``reached_max_treedepth``, ``tree_depth_max``.
        """
        frame = self._by_cell()
        grouped = frame.groupby("position", sort=True)
        table = grouped.agg(
            n=("key", "size"),
            n_ok=("status", lambda s: int((s == "ok").sum())),
            n_failed=("status", lambda s: int((s == "failed").sum())),
            n_flagged=("flagged", "sum"),
            r_hat_max=("r_hat_max", "max"),
            ess_bulk_min=("ess_bulk_min", "min"),
            ess_tail_min=("ess_tail_min", "min"),
            divergences=("divergences", "sum"),
            reached_max_treedepth=("reached_max_treedepth", "sum"),
            tree_depth_max=("tree_depth_max", "max"),
        )
        table = table.reindex(range(len(self.cells)))
        counts = ["n", "n_ok", "n_failed", "n_flagged", "divergences", "reached_max_treedepth"]
        table[counts] = table[counts].fillna(0).astype(int)
        table.insert(0, "n_planned", self.cells["n_planned"].to_numpy())
        return self._with_levels(table.reset_index(names="position"), "truth")

    def cost(self) -> pd.DataFrame:
        """Return the cost per cell: means over complete fits, in seconds and counts.

        Columns: axes, ``truth``, ``n_ok``, ``simulate_s``, ``sample_s``, ``rest_s``, ``wall_s``,
        ``gradient_evaluations``, ``ess_bulk_per_s``, ``ess_bulk_per_gradient``, the last three
        and ``wall_s`` each with the Monte Carlo standard error of the mean (``_mcse``).
        """
        frame = self._by_cell()
        grouped = frame[frame["status"] == "ok"].groupby("position", sort=True)
        table = pd.DataFrame({"n_ok": grouped.size()})
        for name in ("simulate_s", "sample_s", "rest_s", "wall_s", "gradient_evaluations",
                     "ess_bulk_per_s", "ess_bulk_per_gradient"):  # fmt: skip
            table[name] = grouped[name].mean()
            if name not in ("simulate_s", "sample_s", "rest_s"):
                table[f"{name}_mcse"] = grouped[name].std(ddof=1) / np.sqrt(grouped[name].count())
        table = table.reindex(range(len(self.cells)))
        table["n_ok"] = table["n_ok"].fillna(0).astype(int)
        return self._with_levels(table.reset_index(names="position"), "truth")

    def _by_cell(self) -> pd.DataFrame:
        return self.replicates.assign(position=[row[1] for row in self._replicate_rows])

    def to_xarray(self) -> "xr.Dataset":
        """Return the estimates with the axes as dims, for ArviZ users.

        Returns
        -------
        xarray.Dataset
            Dims: the axes, ``truth_mode``, ``seed``, ``replicate``, ``parameter``; NaN where
            there is no complete fit.
        """
        import xarray as xr

        keys = [*self.axes, "truth_mode", "seed", "replicate", "parameter"]
        frame = self.estimates.drop(columns=["kind"]).astype({"rank": float}).set_index(keys)
        return xr.Dataset.from_dataframe(frame)


_COUNTS = frozenset(
    "chains draws tune divergences reached_max_treedepth tree_depth_max acceptance_rate "
    "gradient_evaluations".split()
)
