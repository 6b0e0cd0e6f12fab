"""How far off estimates are, beside how far off the posteriors say they are."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from recovery.plots.frames import (
    Floats,
    axes_of,
    by_hue,
    levels_of,
    need,
    need_rows,
    of_mode,
    of_parameter,
    one_row_each,
)
from recovery.plots.scale import LOG_FROM, LevelScale, plain_log
from recovery.plots.series import Line, draw_series
from recovery.plots.style import GUIDE, drawing, looks
from recovery.plots.text import shown

_CLAIMED = "claimed by the posteriors (model SE)"
_Z = 1.96


def plot_rmse(
    measures: pd.DataFrame,
    parameter: str | None,
    x: str,
    *,
    hue: str | None = None,
    relative: bool = False,
    truth: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the root mean square error of posterior means, and beside it what posteriors claim.

    The claim is the model standard error, the root mean square of the posterior sd. Where truths
    come from the prior, the two agree for exact posteriors; an RMSE above it means that posteriors
    are too narrow or off. At a fixed truth the prior's pull is in the RMSE, too.

    Parameters
    ----------
    measures : DataFrame
        As `Results.measures`, filtered to one cell for each level of `x` and `hue`.
    parameter : str or None
        A scalar parameter; None for all of them, with ``x="parameter"``.
    x : str
        An axis of the sweep, or ``parameter``; see `plot_coverage`.
    hue : str, optional
        An axis of the sweep, or ``truth``: a line per level.
    relative : bool
        Draw RMSE over model SE, free of units, to compare parameters, with a line at 1.
    truth : {"fixed", "prior"}, optional
        Truth mode; needed if the frame has both.
    ax : Axes, optional
        By default a new one, with a legend.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If something is not in the frame, or several cells share a place.

    Notes
    -----
    Bars are 95 % Monte Carlo intervals, made on the log scale so that they stay above 0:
    RMSE exp(+-1.96 mcse / RMSE). Those of the ratio take the errors of RMSE and model SE as
    independent. RMSE and model SE are those of Morris, White & Crowther (2019), table 6,
    doi:10.1002/sim.8086.
    """
    need(measures, "measures", "measure", "estimate", "mcse", x)
    rows = of_mode(measures, "measures", "truth", truth, (x, hue))
    if parameter is not None:
        rows = of_parameter(rows, "measures", parameter)
    rows = rmse_and_claim(rows)
    need_rows(rows, "measures", "with a finite rmse and model_se above 0")
    with drawing(ax) as ax:
        draw_rmse(ax, rows, x, hue, relative=relative)
        ax.set_title(shown(parameter) if parameter is not None else "")
    return ax


def rmse_and_claim(measures: pd.DataFrame) -> pd.DataFrame:
    """Return a row per cell and parameter with RMSE and model SE, and their mcse."""
    keys = [*axes_of(measures), "truth", "parameter"]
    rmse, claim = (
        measures.loc[measures["measure"] == name, [*keys, "estimate", "mcse"]]
        for name in ("rmse", "model_se")
    )
    rows = rmse.merge(claim, on=keys, suffixes=("", "_claimed"))
    finite = rows[["estimate", "estimate_claimed"]].apply(np.isfinite).all(axis=1)
    rows = rows[finite & (rows["estimate"] > 0) & (rows["estimate_claimed"] > 0)]
    return rows


def draw_rmse(
    ax: Axes,
    rows: pd.DataFrame,
    x: str,
    hue: str | None,
    *,
    relative: bool,
    log: bool | None = None,
) -> None:
    """Draw what `plot_rmse` does, given what `rmse_and_claim` returns; `log` chooses the scale."""

    def summary(line: pd.DataFrame) -> Line:
        one_row_each(line, "measures", x)
        half = half_width(line, relative=relative)
        levels = [levels_of(line[x].iloc[i : i + 1])[0] for i in range(len(line))]
        middle = line["estimate"].to_numpy(float)
        if relative:
            middle = middle / line["estimate_claimed"].to_numpy(float)
        return levels, middle, middle * np.exp(-half), middle * np.exp(half)

    if relative:
        ax.axhline(1, color=GUIDE, linestyle="--", linewidth=1, zorder=1,
                   label="as the posteriors claim")  # fmt: skip
    low, high = draw_series(ax, rows, "measures", x, hue, summary)
    if relative:
        low, high = min(low, 1.0), max(high, 1.0)
    else:
        claimed = rows["estimate_claimed"]
        _draw_claims(ax, rows, x, hue)
        low, high = min(low, claimed.min()), max(high, claimed.max())
    if high / low >= LOG_FROM if log is None else log:
        plain_log(ax)
        ax.set_ylim(low / 1.15, high * 1.15)
    else:
        room = 0.06 * max(high - low, 1e-12)
        ax.set_ylim(low - room if relative else 0, high + room)
    ax.set_ylabel("RMSE over model SE" if relative else "RMSE")


def suits_log(rows: pd.DataFrame) -> bool:
    """Say whether the RMSE of some parameter spans so much that a log scale shows more."""
    spans = rows.groupby("parameter")["estimate"].agg(["min", "max"])
    return bool((spans["max"] >= LOG_FROM * spans["min"]).any())


def half_width(rows: pd.DataFrame, *, relative: bool) -> Floats:
    """Return half the width of each interval on the log scale; nan where there is no mcse."""
    share = (rows["mcse"] / rows["estimate"]).to_numpy(float)
    if relative:
        share = np.hypot(share, (rows["mcse_claimed"] / rows["estimate_claimed"]).to_numpy(float))
    return np.asarray(_Z * share)


def _draw_claims(ax: Axes, rows: pd.DataFrame, x: str, hue: str | None) -> None:
    """Draw hollow markers where the posteriors say the RMSE should be."""
    series = by_hue(rows, "measures", x, hue)
    scale = LevelScale.of(rows[x])
    for i, ((_, _, line), look) in enumerate(zip(series, looks(len(series)), strict=True)):
        levels: Sequence[object] = line[x].tolist()
        ax.plot(scale.at(levels, i, len(series)), line["estimate_claimed"], color=look.color,
                marker=look.marker, markerfacecolor="none", markersize=8, linestyle="",
                markeredgewidth=0.9, zorder=2)  # fmt: skip
    ax.plot([], [], color=GUIDE, marker="o", markerfacecolor="none", markersize=8, linestyle="",
            markeredgewidth=0.9, label=_CLAIMED)  # fmt: skip
