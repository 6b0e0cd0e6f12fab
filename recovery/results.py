"""The frames a user works with, read from a store."""

import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recovery.columns import TIMES, Columns
from recovery.errors import SettingsError
from recovery.measures import performance
from recovery.record import QUANTILE_GRID, Floats
from recovery.store import Store
from recovery.thresholds import flags

if TYPE_CHECKING:
    import xarray as xr

CI_PROBS = (0.5, 0.8, 0.9, 0.95)
"""Levels of the central intervals that measures are made at by default."""

_ESTIMATES = ("mean", "sd", "r_hat", "ess_bulk", "ess_tail", "mcse_mean", "rank", "pit")
_WORST = (("r_hat_max", "r_hat"), ("ess_bulk_min", "ess_bulk"), ("ess_tail_min", "ess_tail"))


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
            with store.snapshot():
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
        self.columns = Columns(store)
        self._planned = dict(store.rows("SELECT cell, sum(replicates) FROM planned GROUP BY cell"))
        self.compilations = pd.DataFrame(
            store.rows("SELECT session, kind, seconds, process FROM compilations"),
            columns=["session", "kind", "seconds", "process"],
        )

    # --- one row per replicate or parameter ----------------------------------------------------

    @cached_property
    def cells(self) -> pd.DataFrame:
        """One row per cell: axes, truth mode, planned replicates, settings."""
        rows = []
        for position, cell in enumerate(self._cells):
            levels = {**cell["levels"], **cell["settings"]}
            rows.append(
                {axis: levels.get(axis) for axis in self.axes}
                | {
                    "truth_mode": cell["truth_mode"],
                    "cell": cell["digest"],
                    "n_planned": self._planned.get(position, 0),
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
    def fits(self) -> pd.DataFrame:
        """One row per replicate, numbers and flags only: `replicates` without names and levels.

        Columns: ``position`` of the cell, ``ok``, times in seconds, counts, the worst diagnostics
        over the fitted parameters, ``flags`` and ``flagged``.
        """
        columns = self.columns
        frame = pd.DataFrame({"position": columns.position, "ok": columns.ok, **columns.numbers})
        frame["wall_s"] = sum(columns.numbers[name] for name in TIMES)
        for name, diagnostic in _WORST:
            frame[name] = columns.worst(diagnostic)
        frame["ess_bulk_per_s"] = frame["ess_bulk_min"] / frame["sample_s"]
        gradients = frame["gradient_evaluations"].replace(0, np.nan)
        frame["ess_bulk_per_gradient"] = frame["ess_bulk_min"] / gradients
        frame["flags"] = flags({str(name): frame[name].to_numpy(float) for name in frame})
        frame.loc[~columns.ok, "flags"] = ""
        frame["flagged"] = frame["flags"] != ""
        return frame

    @cached_property
    def replicates(self) -> pd.DataFrame:
        """One row per replicate: levels, status, times (seconds), diagnostics, flags.

        ``r_hat_max``, ``ess_bulk_min`` and ``ess_tail_min`` are over the fitted parameters;
        ``ess_bulk_per_s`` and ``ess_bulk_per_gradient`` use the smallest bulk ESS, and gradient
        evaluations count warm-up. ``draws`` are those kept per chain. ``flags`` names the
        thresholds a fit has crossed.
        """
        columns, fits = self.columns, self.fits
        digests = [cell["digest"] for cell in self._cells]
        places = zip(
            columns.position.tolist(), columns.seed.tolist(), columns.index.tolist(), strict=True
        )
        stage, error, traceback = np.full((3, len(columns)), None, dtype=object)
        for place, failure in columns.failures.items():
            stage[place], error[place], traceback[place] = failure
        frame = pd.DataFrame(
            {
                "position": columns.position,
                "seed": columns.seed,
                "replicate": columns.index,
                "key": [f"{digests[cell]}-{seed}-{index}" for cell, seed, index in places],
                "status": np.where(columns.ok, "ok", "failed").astype(object),
                "stage": stage,
                "error": error,
                "traceback": traceback,
                "sampler": columns.sampler,
                **{name: fits[name] for name in fits if name not in ("position", "ok")},
                "data_digest": [digest.hex() for digest in columns.data_digest],
            }
        )
        # A swept sampler setting is a column already, as an axis.
        doubled = [axis for axis in self.axes if axis in frame.columns]
        return self._with_levels(frame.drop(columns=doubled))

    @cached_property
    def estimates(self) -> pd.DataFrame:
        """One row per replicate and scalar parameter, in the parameter's own units.

        Columns: axes, ``truth_mode``, ``seed``, ``replicate``, ``parameter``, ``kind``, ``truth``
        (the true value), ``mean``, ``sd``, ``median``, ``eti_90_lower``, ``eti_90_upper``,
        ``r_hat``, ``ess_bulk``, ``ess_tail``, ``mcse_mean``, ``rank``, ``pit``. Use `intervals`
        for other levels.
        """
        columns, blocks = self.columns, self.columns.blocks
        places = [np.broadcast_to(b.rows, (len(b.names), len(b.rows))) for b in blocks]
        place = self._flat(places).astype(np.intp)
        lower, upper = self.intervals(0.9)
        values = {
            "position": columns.position[place],
            "seed": columns.seed[place],
            "replicate": columns.index[place],
            "parameter": self._flat([_names(b.names, len(b.rows)) for b in blocks]).astype(object),
            "kind": self._flat([_names(b.kinds, len(b.rows)) for b in blocks]).astype(object),
            **{n: self._flat([b.column(n) for b in blocks]) for n in ("truth", *_ESTIMATES)},
        }
        frame = pd.DataFrame(values).astype({"rank": "Int64"})
        at = frame.columns.get_loc("sd")
        assert isinstance(at, int)
        frame.insert(at + 1, "median", self._flat([b.column("q0.5") for b in blocks]))
        frame.insert(at + 2, "eti_90_lower", lower)
        frame.insert(at + 3, "eti_90_upper", upper)
        return self._with_levels(frame)

    def _flat(self, columns: Sequence[NDArray[Any]]) -> NDArray[Any]:
        """Put a column of every block, (n_parameters, n) each, into one, in the order of rows."""
        if not columns:
            return np.empty(0)
        flat = np.concatenate([np.ravel(column, order="F") for column in columns])
        return flat if self._order is None else flat[self._order]

    @cached_property
    def _order(self) -> NDArray[np.intp] | None:
        """Where rows of several blocks go: replicates in their order; None for a single block."""
        blocks = self.columns.blocks
        if len(blocks) < 2:
            return None
        place = np.concatenate([np.repeat(b.rows, len(b.names)) for b in blocks])
        return np.argsort(place, kind="stable")

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
        lower, upper = self._intervals(ci_prob)
        return self._flat(lower), self._flat(upper)

    def _intervals(self, ci_prob: float) -> tuple[list[Floats], list[Floats]]:
        if not 0 < ci_prob <= 1 - 2 * QUANTILE_GRID[0]:
            raise SettingsError(f"ci_prob: {ci_prob!r} is not allowed; give 0 < ci_prob <= 0.998")
        tail = (1 - ci_prob) / 2
        store = Store.read(self.folder)
        try:
            return self.columns.quantiles(store, tail), self.columns.quantiles(store, 1 - tail)
        finally:
            store.close()

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
        intervals = {prob: self._intervals(prob) for prob in ci_probs}
        moments = [[b.column(n) for b in self.columns.blocks] for n in ("mean", "sd", "truth")]
        rows = []
        for position, parameter, parts in self._groups(fits):
            prior = self._prior(position, parameter)
            mean, sd, truth = (_gather(parts, column) for column in moments)
            ends = {
                prob: (_gather(parts, low), _gather(parts, high))
                for prob, (low, high) in intervals.items()
            }
            relative_se = prior.get("variance_relative_se", 0.0)
            measured = performance(mean, sd, truth, ends, prior.get("sd"), relative_se)
            rows += [(position, parameter, name, *value) for name, value in measured.items()]
        columns = ["position", "parameter", "measure", "estimate", "mcse", "n"]
        return self._with_levels(pd.DataFrame(rows, columns=columns), "truth")

    def _groups(self, fits: str) -> Iterator[tuple[int, str, "list[_Part]"]]:
        """Go through cells and parameters: where in the blocks their replicates are."""
        if fits not in ("all", "clean"):
            raise SettingsError(f"fits: {fits!r} is not allowed; give 'all' or 'clean'")
        clean = None if fits == "all" else ~self.fits["flagged"].to_numpy(bool)
        groups: dict[tuple[int, str, str], list[_Part]] = {}
        for number, block in enumerate(self.columns.blocks):
            for position, start, stop in block.runs:
                rows: slice | NDArray[np.intp] = slice(start, stop)
                if clean is not None:
                    rows = start + np.flatnonzero(clean[block.rows[start:stop]])
                    if not rows.size:
                        continue
                for j, key in enumerate(zip(block.names, block.kinds, strict=True)):
                    groups.setdefault((position, *key), []).append(_Part(number, j, rows))
        # By cell; the parameters of a cell stay in the order of the model.
        for (position, parameter, _), parts in sorted(groups.items(), key=lambda item: item[0][0]):
            yield position, parameter, parts

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
        grouped = self.fits.groupby("position", sort=True)
        table = grouped.agg(
            n=("ok", "size"),
            n_ok=("ok", "sum"),
            n_flagged=("flagged", "sum"),
            r_hat_max=("r_hat_max", "max"),
            ess_bulk_min=("ess_bulk_min", "min"),
            ess_tail_min=("ess_tail_min", "min"),
            divergences=("divergences", "sum"),
            reached_max_treedepth=("reached_max_treedepth", "sum"),
            tree_depth_max=("tree_depth_max", "max"),
        )
        table.insert(2, "n_failed", table["n"] - table["n_ok"])
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
        grouped = self.fits[self.fits["ok"]].groupby("position", sort=True)
        table = pd.DataFrame({"n_ok": grouped.size()})
        for name in ("simulate_s", "sample_s", "rest_s", "wall_s", "gradient_evaluations",
                     "ess_bulk_per_s", "ess_bulk_per_gradient"):  # fmt: skip
            table[name] = grouped[name].mean()
            if name not in ("simulate_s", "sample_s", "rest_s"):
                table[f"{name}_mcse"] = grouped[name].std(ddof=1) / np.sqrt(grouped[name].count())
        table = table.reindex(range(len(self.cells)))
        table["n_ok"] = table["n_ok"].fillna(0).astype(int)
        return self._with_levels(table.reset_index(names="position"), "truth")

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


class _Part(NamedTuple):
    """Some replicates of one parameter within a block."""

    block: int
    parameter: int
    rows: "slice | NDArray[np.intp]"


def _gather(parts: Sequence[_Part], columns: Sequence[Floats]) -> Floats:
    """Return one column of one parameter in one cell, given that column of every block."""
    found = [columns[block][parameter, rows] for block, parameter, rows in parts]
    return found[0] if len(found) == 1 else np.concatenate(found)


def _names(names: Sequence[str], count: int) -> NDArray[np.object_]:
    """Repeat names for so many replicates, shape (n_names, count)."""
    column = np.array(names, dtype=object)[:, None]
    return np.broadcast_to(column, (len(names), count))
