"""How the evidence on calibration grows with the number of simulations."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from recovery.calibration import Counts, band_gamma, gamma_statistic
from recovery.plots.frames import Floats, need, of_mode, of_parameter
from recovery.plots.rank import ranks_by_cell
from recovery.plots.style import BAD, GUIDE, QUIET, drawing, looks
from recovery.plots.text import count, distinct, inert, shown
from recovery.record import KEPT_DRAWS

SIZES: Final = 25
"""Numbers of simulations looked at, at most."""
_FEWEST = 10  # simulations to begin with
_FLOOR = -12.0  # log10: below is beyond doubt, and gamma may be 0
MOST_NAMED: Final = 7


def plot_gamma(
    estimates: pd.DataFrame,
    parameter: str | None = None,
    *,
    n_draws: int = KEPT_DRAWS,
    alpha: float = 0.05,
    sizes: int = SIZES,
    ax: Axes | None = None,
) -> Axes:
    """Draw log10 of gamma over its threshold as simulations come in; below 0 is not uniform.

    Gamma is the most extreme tail of the rank counts, and its threshold that of an exact test at
    level alpha. A line that sinks ever further shows a flaw; that of a right posterior wanders
    above 0. Each point alone is a test at level alpha: in looking at many, a line of a right
    posterior dips below 0 at some size far more often than that. Judge by its right end only.

    Parameters
    ----------
    estimates : DataFrame
        As `Results.estimates`; only truth mode ``prior`` is used.
    parameter : str, optional
        A scalar parameter: a line per cell. By default a line per parameter or test quantity, all
        cells together, the first replicate of every cell before the second of any. Cells that
        share their data, those of a swept sampler setting, tell one thing several times: give one
        level of it.
    n_draws : int
        Ranks are shown on the scale of so many draws.
    alpha : float
        Level of each test.
    sizes : int
        At how many numbers of simulations, evenly spaced on a log scale.
    ax : Axes, optional
        By default a new one, with a legend.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If something is not in the frame, or there is no truth mode ``prior``.

    Notes
    -----
    Gamma is that of Säilynoja, Bürkner & Vehtari (2022), doi:10.1007/s11222-022-10090-6, see
    `recovery.calibration`; to follow it over simulations is of Modrák et al. (2025),
    doi:10.1214/23-BA1404.
    """
    if sizes < 1:
        raise ValueError(f"sizes: {sizes} is not allowed; give 1 or more, usually {SIZES}")
    if parameter is not None:
        cells = ranks_by_cell(estimates, parameter, n_draws)
        lines = dict(zip(_numbered(len(cells)), cells, strict=True))
    else:
        need(estimates, "estimates", "parameter", "pit")
        rows = of_mode(estimates, "estimates", "truth_mode", "prior")
        rows = rows[rows["pit"].notna() & ~rows["kind"].str.startswith("predicted")]
        names = [str(name) for name in rows["parameter"].unique()]
        if not names:
            of_parameter(rows, "estimates", "")  # says that there are none
        lines = {name: interleaved(ranks_by_cell(rows, name, n_draws)) for name in names}
    with drawing(ax) as ax:
        draw_gamma(ax, lines, n_draws, alpha, sizes)
        if parameter is not None:
            ax.set_title(f"{shown(parameter)}\n{ax.get_title()}")
    return ax


def interleaved(cells: Sequence[Counts]) -> Counts:
    """Join the ranks of cells in the order of replicates: the first of each, then the second."""
    order = np.concatenate([np.arange(cell.size) for cell in cells])
    return np.concatenate(cells)[np.argsort(order, kind="stable")]


def path(ranks: Counts, n_draws: int, alpha: float, sizes: int) -> tuple[Counts, Floats]:
    """Return numbers of simulations, and log10 of gamma over its threshold at each."""
    grid = np.geomspace(min(_FEWEST, ranks.size), ranks.size, sizes)
    looked = np.unique(np.round(grid).astype(np.int64))
    gammas = [gamma_statistic(ranks[:n], n_draws) for n in looked.tolist()]
    limits = [band_gamma(n, n_draws + 1, alpha) for n in looked.tolist()]
    with np.errstate(divide="ignore"):
        ratio = np.log10(gammas) - np.log10(limits)
    return looked, np.maximum(ratio, _FLOOR)


def draw_gamma(
    ax: Axes, lines: "dict[str, Counts]", n_draws: int, alpha: float, sizes: int
) -> list[str]:
    """Draw what `plot_gamma` does, given the ranks of each line; return who ends below 0."""
    ax.axhline(0, color=GUIDE, linestyle="--", linewidth=1, zorder=1,
               label=f"threshold of one test at {100 * alpha:g} %")  # fmt: skip
    paths = {name: path(ranks, n_draws, alpha, sizes) for name, ranks in lines.items()}
    below = [name for name, (_, ratio) in paths.items() if ratio[-1] < 0]
    few = len(lines) <= MOST_NAMED
    texts = distinct(lines)
    for (name, (n, ratio)), text, look in zip(paths.items(), texts, looks(len(lines)), strict=True):
        bad = name in below
        color = look.color if few else BAD if bad else QUIET
        marker = look.marker if len(n) < 3 else ""
        ax.plot(n, ratio, color=color, linestyle=look.linestyle if few else "--" if bad else "-",
                linewidth=1.3, alpha=1.0 if few or bad else 0.6, zorder=3 if bad else 2,
                marker=marker, label=inert(text) if few else None)  # fmt: skip
    if not few:
        ax.plot([], [], color=QUIET, label="ends above 0")
        ax.plot([], [], color=BAD, linestyle="--", label="ends below 0")
    largest = max(int(n[-1]) for n, _ in paths.values())
    smallest = min(int(n[0]) for n, _ in paths.values())
    if largest >= 2 * smallest:
        ax.set_xscale("log")
        ticks = [t * 10**p for p in range(7) for t in (1, 2, 5) if smallest <= t * 10**p <= largest]
        ax.set_xticks(ticks, [str(tick) for tick in ticks])
        ax.minorticks_off()
    else:
        ax.set_xticks(sorted({smallest, largest}))
    reach = [value for _, ratio in paths.values() for value in (ratio.min(), ratio.max())]
    ax.set_ylim(min(*reach, -0.5) - 0.2, max(*reach, 0.5) + 0.2)
    ax.set_xlabel("number of simulations")
    ax.set_ylabel("log10(gamma / threshold)")
    ax.set_title(f"{len(below)} of {count(len(lines), 'line')} end below 0")
    return below


def _numbered(n: int) -> list[str]:
    return ["all simulations"] if n == 1 else [f"cell {i + 1}" for i in range(n)]
