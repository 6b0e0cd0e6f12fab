"""How much was learnt, and whether it was right: z-score against contraction."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, Locator, NullLocator

from recovery.measures import PRIOR_VARIANCE_SE_LIMIT
from recovery.plots.frames import (
    Floats,
    arrays,
    axes_of,
    evenly,
    joined,
    need,
    need_rows,
    of_mode,
    of_parameter,
)
from recovery.plots.scale import plain
from recovery.plots.style import GUIDE, drawing, looks
from recovery.plots.text import distinct, inert

MOST_DRAWN = 1500
"""Points drawn at most on one Axes; with more, evenly chosen ones, and the title says so."""
_DRAWN = ("z_score", "contraction")
_Z_TICKS = (-1000, -300, -100, -30, -10, -5, -2, 0, 2, 5, 10, 30, 100, 300, 1000)
_LEFT_OVER = (0.3, 0.03, 3e-3, *(10.0**power for power in range(12, -12, -1)))
_FLOOR = 1e-12  # 1 - contraction: on a log scale 1 itself has no place
_RAISED = str.maketrans(
    "-0123456789", "\u207b\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079"
)
_UNEVEN = 20.0  # ratio of shares of variance left, from which a linear scale hides most points
_WIDE = 10.0  # a z-score from which the vertical axis is linear only near zero


def z_and_contraction(estimates: pd.DataFrame, priors: pd.DataFrame) -> pd.DataFrame:
    """Return the estimates that have a prior, with columns ``z_score`` and ``contraction``.

    z = (mean - truth) / sd and contraction = 1 - sd^2 / prior sd^2, of each replicate (Schad,
    Betancourt & Vasishth 2021, doi:10.1037/met0000275). Contraction is negative where the
    posterior is wider than the prior. Parameters are left out whose prior has no known variance:
    see `recovery.measures.contraction`.

    Parameters
    ----------
    estimates : DataFrame
        As `Results.estimates`, or as `Results.estimates_by_cell`, with arrays over replicates;
        then those in the new columns have finite values only.
    priors : DataFrame
        As `Results.priors`.
    """
    need(estimates, "estimates", "parameter", "truth_mode", "mean", "sd", "truth")
    keys = [*axes_of(estimates), "truth_mode", "parameter"]
    need(priors, "priors", *keys, "sd", "variance_relative_se")
    known = priors[(priors["variance_relative_se"] <= PRIOR_VARIANCE_SE_LIMIT) & (priors["sd"] > 0)]
    prior = known[[*keys, "sd"]].rename(columns={"sd": "prior_sd"})
    rows = estimates.reset_index(drop=True).merge(prior, on=keys, how="inner")
    with np.errstate(all="ignore"):
        z_score = (rows["mean"] - rows["truth"]) / rows["sd"]
        contraction = 1 - (rows["sd"] / rows["prior_sd"]) ** 2
    if rows["mean"].dtype != object:
        finite = np.isfinite(z_score) & np.isfinite(contraction)
        return pd.DataFrame(rows.assign(z_score=z_score, contraction=contraction)[finite])
    pairs = [np.array(pair) for pair in zip(z_score, contraction, strict=True)]
    pairs = [pair[:, np.isfinite(pair).all(axis=0)] for pair in pairs]
    made = {name: arrays([pair[i] for pair in pairs]) for i, name in enumerate(_DRAWN)}
    return rows.assign(**made)[[pair.size > 0 for pair in pairs]]


@dataclass(frozen=True, slots=True)
class Points:
    """What is drawn of one parameter: finite arrays over replicates, shape (n,)."""

    parameter: str
    z_score: Floats
    contraction: Floats

    @classmethod
    def of(cls, rows: pd.DataFrame) -> list[Self]:
        """Take the points of each parameter from what `z_and_contraction` gives."""
        return [
            cls(str(name), *(joined(of_name[column]) for column in _DRAWN))
            for name, of_name in rows.groupby("parameter", sort=False)
        ]


def plot_contraction(
    estimates: pd.DataFrame,
    priors: pd.DataFrame,
    parameter: str | None = None,
    *,
    truth: str | None = None,
    most: int = MOST_DRAWN,
    scale: Literal["auto", "linear", "log"] = "auto",
    ax: Axes | None = None,
) -> Axes:
    """Draw the z-score of each replicate against its contraction, a colour per parameter.

    Parameters
    ----------
    estimates, priors : DataFrame
        As in `Results`. Parameters whose prior has no known variance are
        left out.
    parameter : str, optional
        A scalar parameter; by default all that have a prior.
    truth : {"fixed", "prior"}, optional
        Truth mode; by default all that are there.
    most : int
        How many points to draw.
    scale : {"auto", "linear", "log"}
        Of the contraction: linear up to 1, or logarithmic in 1 - contraction, which spreads what
        lies close to 1 and gathers what is far below 0. By default what suits the points.
    ax : Axes, optional
        By default a new one, with a legend.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If something is not in the frames.
    """
    if truth is not None:
        estimates = of_mode(estimates, "estimates", "truth_mode", truth)
    if parameter is not None:
        estimates = of_parameter(estimates, "estimates", parameter)
    points = z_and_contraction(estimates, priors)
    need_rows(points, "estimates and priors", "with a finite z-score and contraction")
    with drawing(ax) as ax:
        draw_contraction(ax, Points.of(points), most=most, scale=scale)
    return ax


def draw_contraction(
    ax: Axes,
    points: Sequence[Points],
    *,
    most: int = MOST_DRAWN,
    scale: Literal["auto", "linear", "log"] = "auto",
) -> None:
    """Draw what `plot_contraction` does, given the points of each parameter."""
    for z in (-2, 0, 2):
        ax.axhline(z, color=GUIDE, linewidth=1 if z == 0 else 0.8, zorder=1,
                   linestyle="-" if z == 0 else "--")  # fmt: skip
    names, n = [each.parameter for each in points], sum(each.z_score.size for each in points)
    drawn = 0
    for each, text, look in zip(points, distinct(names), looks(len(names)), strict=True):
        chosen = evenly(each.z_score.size, max(1, most // len(names)))
        drawn += len(chosen)
        style: dict[str, Any] = {
            "color": look.color,
            "marker": look.marker,
            "linestyle": "",
            "markersize": 4,
        }
        ax.plot(each.contraction[chosen], each.z_score[chosen], alpha=_alpha(n),
                markeredgewidth=0, zorder=3, **style)  # fmt: skip
        ax.plot([], [], label=inert(text), **style)
    if max(np.abs(each.z_score).max() for each in points) > _WIDE:
        ax.set_yscale("symlog", linthresh=2)
        ax.yaxis.set_major_locator(FixedLocator(_Z_TICKS))
        ax.yaxis.set_minor_locator(NullLocator())
        plain(ax.yaxis)
    _scale_contraction(ax, np.concatenate([each.contraction for each in points]), scale)
    ax.set_ylabel("z-score")
    if drawn < n:
        ax.set_title(f"{drawn} of {n} points drawn")


def _alpha(n: int) -> float:
    """Return an opacity that keeps clouds of many points readable."""
    return float(np.clip(12 / np.sqrt(n), 0.35, 0.8))


def suits_log(contraction: Floats) -> bool:
    """Say whether contractions are better read on a log scale of the variance left."""
    left = np.maximum(1 - contraction, _FLOOR)
    low, high = np.quantile(left, [0.05, 0.95])
    return bool(left.max() > 2 or high > _UNEVEN * low)


def _scale_contraction(ax: Axes, contraction: Floats, scale: str) -> None:
    low, high = float(contraction.min()), float(contraction.max())
    ax.set_xlabel("contraction")
    if scale == "log" or (scale == "auto" and suits_log(contraction)):
        least = max(1 - high, _FLOOR)
        ax.set_xlim(
            1 - 1.5 * max(1 - low, _FLOOR), 1 - max(least / 1.5, _FLOOR)
        )  # before the scale: below 1
        ax.set_xscale("function", functions=(_forward, _back))
        ax.xaxis.set_major_locator(_RoundContractions())
        ax.xaxis.set_major_formatter(FuncFormatter(_contraction_text))
        ax.set_xlabel("contraction (log scale)")
        ax.axvline(0, color=GUIDE, linewidth=0.8, linestyle=":", zorder=1)
    else:
        room = max(1 - low, 1e-6)
        ax.set_xlim(low - 0.05 * room, 1 + 0.02 * room)
        ax.locator_params(axis="x", nbins=6)


class _RoundContractions(Locator):
    """Places 1 less a round number; powers of ten only, if there are many."""

    def __call__(self) -> list[float]:
        return self.tick_values(*self.axis.get_view_interval())  # type: ignore[union-attr]  # set by matplotlib

    def tick_values(self, vmin: float, vmax: float) -> list[float]:
        inside = [share for share in _LEFT_OVER if vmin <= 1 - share <= vmax]
        for step in (1, 2, 3, 4):
            if len(inside) > 6:
                powers = [round(np.log10(share), 6) for share in inside]
                inside = [10.0**power for power in powers if power % step == 0]
        return [1 - share for share in inside]


def _contraction_text(contraction: float, _: int) -> str:
    left = 1 - contraction
    if left > 5e-5:
        return f"{contraction:.6g}"
    digit, power = f"{left:.0e}".split("e")
    raised = str(int(power)).translate(_RAISED)
    return "1 \N{MINUS SIGN} " + (f"10{raised}" if digit == "1" else f"{digit}·10{raised}")


def _forward(contraction: Floats) -> Floats:
    left = np.maximum(1 - np.asarray(contraction, dtype=np.float64), _FLOOR)
    return np.asarray(-np.log10(left))


def _back(place: Floats) -> Floats:
    return np.asarray(1 - 10 ** -np.asarray(place, dtype=np.float64))
