"""Figures of where truths drawn from the prior rank: ECDFs, histograms and gamma."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd

from recovery.calibration import Counts, band_gamma, gamma_statistic
from recovery.design import SAMPLER_AXES
from recovery.plots import findings
from recovery.plots.frames import Floats, arrays, is_level, levels_of
from recovery.plots.gamma import SIZES, draw_gamma, interleaved
from recovery.plots.grid import Grid, Made, described, name_panel
from recovery.plots.rank import draw_ecdfs, draw_histogram, leaves_band
from recovery.plots.text import count, distinct, level_text, shorten
from recovery.plots.view import MOST_PARAMETERS, swept
from recovery.record import KEPT_DRAWS, QUANTITY

ALPHA = 0.05
MOST_POINTS: Final = 6000
"""Points of all lines of a figure, from which a file gets slow to load."""
_TRUTH = "truth drawn from the prior"
RANKED: Final = ("kind", "rank", "truth", "mean", "sd")
"""Columns that say which ranks are usable."""


class Ranked:
    """The parameters and test quantities that have ranks, and which of them are shown.

    Parameters
    ----------
    estimates : DataFrame
        As `Results.estimates_by_cell`, without predictions.
    axes : sequence of str
        Of the sweep.
    """

    def __init__(self, estimates: pd.DataFrame, axes: Sequence[str]) -> None:
        rows = estimates[estimates["truth_mode"] == "prior"]
        found = [usable(*columns) for columns in zip(*(rows[c] for c in RANKED), strict=True)]
        some = np.array([rank.size > 0 for rank in found], dtype=bool)
        self.rows = rows.assign(rank=arrays(found)).loc[some]
        self.names = [str(name) for name in self.rows["parameter"].unique()]
        self.labels = dict(zip(self.names, distinct(self.names), strict=True))
        self.shown = least_uniform(self.rows, self.names)
        self.limits: list[str] = []
        if len(self.shown) < len(self.names):
            self.limits.append(
                f"{len(self.shown)} of {len(self.names)} parameters and quantities shown: those "
                "whose ranks are least uniform in some cell"
            )
        self.together, self.pooled = self.rows, list(self.limits)
        # Cells of a swept sampler setting share their data sets, so they are no further evidence.
        for axis in swept(self.rows, axes):
            if axis in SAMPLER_AXES:
                first = levels_of(self.together[axis].iloc[:1])[0]
                self.together = self.together[is_level(self.together[axis], first)]
                self.pooled.append(
                    f"{axis} = {shorten(level_text(first))} only: the data are shared"
                )

    def cells(self, name: str) -> list[Counts]:
        """Return the ranks of one parameter in each cell."""
        found: list[Counts] = self.rows.loc[self.rows["parameter"] == name, "rank"].tolist()
        return found

    def independent(self, name: str) -> list[Counts]:
        """Return those of the cells that do not share their data."""
        rows = self.together
        found: list[Counts] = rows.loc[rows["parameter"] == name, "rank"].tolist()
        return found


def usable(kind: str, rank: Floats, truth: Floats, mean: Floats, sd: Floats) -> Counts:
    """Return the ranks, none of a known constant; see `recovery.rank_tests.usable_ranks`.

    A quantity may be infinite, where draws are impossible given the data.
    """
    constant = ((sd == 0) & (mean == truth)).all()
    known = ~np.isnan(mean) if kind == QUANTITY else np.isfinite(mean) & np.isfinite(sd)
    finite = np.isfinite(rank) & known & ~constant
    return np.asarray(rank[finite], dtype=np.int64)


def least_uniform(rows: pd.DataFrame, names: Sequence[str]) -> list[str]:
    """Return at most 12 parameters: those with the smallest gamma over its threshold in a cell."""
    if len(names) <= MOST_PARAMETERS:
        return list(names)
    ratios = pd.Series(
        [
            gamma_statistic(rank, KEPT_DRAWS) / band_gamma(rank.size, KEPT_DRAWS + 1, ALPHA)
            for rank in rows["rank"]
        ],
        index=rows.index,
    )
    least = ratios.groupby(rows["parameter"]).min().reindex(list(names))
    chosen = set(least.sort_values(kind="stable").index[:MOST_PARAMETERS])
    return [name for name in names if name in chosen]


def ecdfs(ranked: Ranked) -> Made | None:
    """Draw the ECDF of ranks, a panel per parameter and a line per cell."""
    if not ranked.names:
        return None
    grid = Grid.of(len(ranked.shown), share="y")
    cells = {name: ranked.cells(name) for name in ranked.shown}
    lines = sum(map(len, cells.values()))
    every = 1 if lines * (KEPT_DRAWS + 1) <= MOST_POINTS else 2
    most = max(3, MOST_POINTS * every // ((KEPT_DRAWS + 1) * len(cells)))
    for (name, of_name), ax in zip(cells.items(), grid.panels, strict=True):
        draw_ecdfs(ax, name, of_name, KEPT_DRAWS, ALPHA, most=most, every=every)
        name_panel(ax, ranked.labels[name])
    leaving = sum(leaves_band(line, KEPT_DRAWS, ALPHA) for line in ranked.rows["rank"].tolist())
    title = f"ECDF of the ranks less that of uniform ranks, {_TRUTH}"
    notes = [*ranked.limits, "a line per cell, each with its own exact 95 % band"]
    finding = findings.of_ranks(leaving, len(ranked.rows), len(ranked.names), ALPHA)
    text = described(title, ranked.limits, finding)
    return "rank-ecdf", grid.finish(title, notes, share="y"), text


def histograms(ranked: Ranked) -> Made | None:
    """Draw a histogram of ranks, a panel per parameter, all cells together."""
    if not ranked.names:
        return None
    grid = Grid.of(len(ranked.shown))
    beyond, bars = 0, 0
    for name, ax in zip(ranked.shown, grid.panels, strict=True):
        out, of = draw_histogram(ax, name, np.concatenate(ranked.independent(name)), KEPT_DRAWS)
        beyond, bars = beyond + out, bars + of
        name_panel(ax, ranked.labels[name])
        ax.set_xlabel("rank of the truth")
    title = f"Histogram of the ranks, all cells together, {_TRUTH}"
    notes = [
        *ranked.pooled,
        "grey: the 95 % range of each single bar, so about one of 20 leaves it",
    ]
    chosen = len(ranked.shown) < len(ranked.names)
    chance = "these are the least uniform of all" if chosen else "about 5 % would by chance"
    finding = (
        f"{beyond} of {count(bars, 'bar')} lie outside the 95 % range of a single bar; {chance}. "
        "Low ends and a high middle mean posteriors too wide, high ends too "
        "narrow, a slope a bias."
    )
    text = described(title, ranked.pooled, finding)
    return "rank-histogram", grid.finish(title, notes), text


def gammas(ranked: Ranked) -> Made | None:
    """Draw gamma over its threshold as simulations come in, a line per parameter."""
    if not ranked.names:
        return None
    lines = {name: interleaved(ranked.independent(name)) for name in ranked.shown}
    grid = Grid.of(1, height=3.0)
    below = draw_gamma(grid.panels[0], lines, KEPT_DRAWS, ALPHA, SIZES)
    title = f"Evidence against uniform ranks by number of simulations, {_TRUTH}"
    looks = "many sizes are many looks: right posteriors dip below 0 at some size far more often "
    looks += "than one in 20, so judge by the right end"
    notes = [
        *ranked.pooled,
        "all cells together; many sizes are many looks: judge by the right end",
    ]
    chosen = len(ranked.shown) < len(ranked.names)
    sizes = {name: ranks.size for name, ranks in lines.items()}
    finding = findings.of_gamma(below, sizes, ALPHA, chosen=chosen)
    text = described(title, [*ranked.pooled, looks], finding)
    return "gamma", grid.finish(title, notes), text
