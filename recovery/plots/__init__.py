"""Figures of a run: each function draws one Axes from a frame of `Results` and returns it.

Nothing here shows or saves a figure, and no GUI or ``pyplot`` is touched.
"""

from recovery.plots.bias import plot_bias
from recovery.plots.contraction import plot_contraction
from recovery.plots.cost import plot_ess_per_second, plot_wall_time
from recovery.plots.coverage import plot_coverage
from recovery.plots.diagnostics import plot_ess, plot_r_hat
from recovery.plots.divergences import plot_divergences
from recovery.plots.figures import figures
from recovery.plots.gamma import plot_gamma
from recovery.plots.heat import plot_heat
from recovery.plots.levels import plot_coverage_levels
from recovery.plots.model import plot_model
from recovery.plots.nested_loop import plot_nested_loop
from recovery.plots.predictive import plot_predictive_coverage
from recovery.plots.rank import plot_rank_ecdf, plot_rank_histogram
from recovery.plots.recovery import plot_recovery
from recovery.plots.rmse import plot_rmse
from recovery.plots.style import styled
from recovery.plots.zip_plot import plot_zip

__all__ = [
    "figures",
    "plot_bias",
    "plot_contraction",
    "plot_coverage",
    "plot_coverage_levels",
    "plot_divergences",
    "plot_ess",
    "plot_ess_per_second",
    "plot_gamma",
    "plot_heat",
    "plot_model",
    "plot_nested_loop",
    "plot_predictive_coverage",
    "plot_r_hat",
    "plot_rank_ecdf",
    "plot_rank_histogram",
    "plot_recovery",
    "plot_rmse",
    "plot_wall_time",
    "plot_zip",
    "styled",
]
