"""Figures of a run: each function draws one Axes from a frame of `Results` and returns it.

Nothing here shows or saves a figure, and no GUI or ``pyplot`` is touched.
"""

from recovery.plots.bias import plot_bias
from recovery.plots.contraction import plot_contraction
from recovery.plots.cost import plot_ess_per_second, plot_wall_time
from recovery.plots.coverage import plot_coverage
from recovery.plots.diagnostics import plot_ess, plot_r_hat
from recovery.plots.figures import figures
from recovery.plots.rank import plot_rank_ecdf, plot_rank_histogram
from recovery.plots.recovery import plot_recovery
from recovery.plots.style import styled

__all__ = [
    "figures",
    "plot_bias",
    "plot_contraction",
    "plot_coverage",
    "plot_ess",
    "plot_ess_per_second",
    "plot_r_hat",
    "plot_rank_ecdf",
    "plot_rank_histogram",
    "plot_recovery",
    "plot_wall_time",
    "styled",
]
