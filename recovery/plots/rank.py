"""Whether the truth ranks as it should among the draws, where truths come from the prior."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from scipy.stats import binom

from recovery.calibration import Counts, ecdf_band
from recovery.plots.frames import Floats, by_cell, evenly, need, need_rows, of_mode, of_parameter
from recovery.plots.style import BAD, BAND, GOOD, GUIDE, QUIET, drawing
from recovery.plots.text import shown
from recovery.record import KEPT_DRAWS

_MOST_BARS = 20


def ranks_by_cell(
    estimates: pd.DataFrame, parameter: str, n_draws: int = KEPT_DRAWS
) -> list[Counts]:
    """Return the ranks of one parameter in each cell of truth mode ``prior``, from its PITs."""
    need(estimates, "estimates", "pit")
    if n_draws < 1:
        raise ValueError(f"n_draws: {n_draws} is not allowed; give 1 or more, usually 99")
    if "truth_mode" in estimates.columns:
        estimates = of_mode(estimates, "estimates", "truth_mode", "prior")
    rows = of_parameter(estimates, "estimates", parameter)
    rows = rows[rows["pit"].notna()]
    need_rows(rows, "estimates", f"of {parameter} with a PIT")
    pits = by_cell(rows, "pit")["pit"].tolist()
    if not all(((pit > 0) & (pit < 1)).all() for pit in pits):
        raise ValueError("estimates: a pit lies outside (0, 1); pass the frame as Results gives it")
    return [np.minimum(pit * (n_draws + 1), n_draws).astype(np.int64) for pit in pits]


def of_band(out: int, cells: int) -> str:
    """Say how many cells leave the band."""
    if cells == 1:
        return "leaves the band" if out else "stays in the band"
    return f"{out} of {cells} cells leave the band"


def leaves_band(ranks: Counts, n_draws: int, alpha: float = 0.05) -> bool:
    """Say whether the ECDF of ranks leaves its own exact simultaneous band."""
    lower, upper = ecdf_band(ranks.size, n_draws + 1, alpha)
    below = np.cumsum(np.bincount(ranks, minlength=n_draws + 1))[:-1]
    return bool(((below < lower) | (below > upper)).any())


def plot_rank_ecdf(
    estimates: pd.DataFrame,
    parameter: str,
    *,
    n_draws: int = KEPT_DRAWS,
    alpha: float = 0.05,
    ax: Axes | None = None,
) -> Axes:
    """Draw the ECDF of the ranks less that of uniform ranks, a line per cell, and the exact band.

    Each line alone leaves its band with probability alpha or less if the posterior is right, so of
    many lines some will. Lines that leave have another colour; the band drawn is that of the
    cell with the fewest replicates, and each line is judged by the band of its own number.

    Parameters
    ----------
    estimates : DataFrame
        As `Results.estimates`; only truth mode ``prior`` is used.
    parameter : str
        A scalar parameter.
    n_draws : int
        Ranks are shown on the scale of so many draws, whatever number each was made among.
    alpha : float
        One minus the level of the simultaneous band, `recovery.calibration.ecdf_band`.
    ax : Axes, optional
        By default a new one, with a legend.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If something is not in the frame, there is no truth mode ``prior``, or a PIT lies outside
        (0, 1).
    """
    ranks = ranks_by_cell(estimates, parameter, n_draws)
    with drawing(ax) as ax:
        draw_ecdfs(ax, parameter, ranks, n_draws, alpha)
    return ax


def some(out: Sequence[bool], most: int | None) -> list[int]:
    """Return which lines to draw, at most so many: first those that leave, evenly chosen."""
    leaving = [i for i, beyond in enumerate(out) if beyond]
    rest = [i for i, beyond in enumerate(out) if not beyond]
    if most is None or len(out) <= most:
        return [*rest, *leaving]
    leaving = [leaving[i] for i in evenly(len(leaving), most)]
    room = most - len(leaving)
    return [*([rest[i] for i in evenly(len(rest), room)] if room else []), *leaving]


def draw_band(ax: Axes, at: Floats, ranks: Sequence[Counts], alpha: float) -> None:
    """Draw the exact band of the cell with the fewest ranks, less the diagonal, at all places."""
    fewest, largest = min(r.size for r in ranks), max(r.size for r in ranks)
    lower, upper = (
        np.concatenate([[0], end, [fewest]]) / fewest - at
        for end in ecdf_band(fewest, at.size - 1, alpha)
    )
    size = f"n = {fewest}" if fewest == largest else f"n = {fewest}, the fewest"
    ax.fill_between(at, lower, upper, color=BAND, linewidth=0, zorder=0,
                    label=f"{100 * (1 - alpha):g} % band ({size})")  # fmt: skip


def draw_ecdfs(
    ax: Axes,
    parameter: str,
    ranks: list[Counts],
    n_draws: int,
    alpha: float,
    *,
    most: int | None = None,
    every: int = 1,
) -> None:
    """Draw what `plot_rank_ecdf` does, given the ranks of each cell; perhaps not every line.

    Every line is judged at every rank, and drawn at each `every`-th.
    """
    at = np.arange(n_draws + 2) / (n_draws + 1)
    draw_band(ax, at, ranks, alpha)
    ax.axhline(0, color=GUIDE, linewidth=0.8, zorder=1)
    out = [leaves_band(cell, n_draws, alpha) for cell in ranks]
    drawn = some(out, most)
    for i in drawn:
        _line(ax, at, ranks[i], n_draws, out[i], len(ranks), every)
    ax.plot([], [], color=GOOD if len(ranks) == 1 else QUIET, label="inside its band")
    ax.plot([], [], color=BAD, linestyle="--", label="leaves its band")
    ax.set_xlim(0, 1)
    ax.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "", "0.5", "", "1"])
    ax.set_xlabel("rank (share of the draws)")
    ax.set_ylabel("ECDF difference")
    verdict = of_band(sum(out), len(ranks))
    if len(drawn) < len(ranks):
        verdict += f"; {len(drawn)} drawn"
    ax.set_title(f"{shown(parameter)}\n{verdict}")


def _line(
    ax: Axes,
    at: Floats,
    ranks: Counts,
    n_draws: int,
    leaves: bool,
    n_cells: int,
    every: int,
) -> None:
    below = np.cumsum(np.bincount(ranks, minlength=n_draws + 1)) / ranks.size
    color = BAD if leaves else GOOD if n_cells == 1 else QUIET
    ax.plot(
        at[::every], (np.concatenate([[0.0], below]) - at)[::every], color=color,
        linestyle="--" if leaves else "-", linewidth=1.1,
        alpha=1.0 if leaves or n_cells <= 12 else 0.6, zorder=3 if leaves else 2,
    )  # fmt: skip


def plot_rank_histogram(
    estimates: pd.DataFrame,
    parameter: str,
    *,
    n_draws: int = KEPT_DRAWS,
    ax: Axes | None = None,
) -> Axes:
    """Draw a histogram of ranks, all cells together, with the 95 % range of each single bar.

    The range holds for one bar at a time: of 20 bars about one leaves it by chance. For a
    judgement use `plot_rank_ecdf`. Cells that share their data, those of a swept sampler setting,
    tell one thing several times: give one level of it. Takes, returns and raises what that does.
    """
    ranks = np.concatenate(ranks_by_cell(estimates, parameter, n_draws))
    with drawing(ax) as ax:
        draw_histogram(ax, parameter, ranks, n_draws)
    return ax


def draw_histogram(ax: Axes, parameter: str, ranks: Counts, n_draws: int) -> tuple[int, int]:
    """Draw what `plot_rank_histogram` does; return how many bars lie outside, and how many are."""
    bars = max(d for d in range(1, _MOST_BARS + 1) if (n_draws + 1) % d == 0)
    width = (n_draws + 1) // bars
    heights = np.bincount(ranks // width, minlength=bars)
    low, high = binom.interval(0.95, ranks.size, 1 / bars)
    ax.axhspan(low, high, color=BAND, linewidth=0, zorder=0, label="95 % range of one bar")
    ax.axhline(ranks.size / bars, color=GUIDE, linewidth=0.8, linestyle="--", zorder=3,
               label="uniform")  # fmt: skip
    ax.bar(np.arange(bars) * width - 0.5, heights, width=width, align="edge", color=GOOD,
           edgecolor="white", linewidth=0.8, alpha=0.8, zorder=2)  # fmt: skip
    ax.grid(visible=False, axis="x")
    ax.set_xlabel("rank of the truth")
    ax.set_ylabel("replicates")
    ax.set_title(shown(parameter))
    return int(((heights < low) | (heights > high)).sum()), bars
