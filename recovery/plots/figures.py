"""All figures of a run, each with a name and a text that says what is on it."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final, Protocol

import pandas as pd

from recovery.plots.by_fit import convergence, cost
from recovery.plots.by_interval import levels, rmse, zips
from recovery.plots.by_parameter import bias, contraction, coverage, recovery
from recovery.plots.by_rank import Ranked, ecdfs, gammas, histograms
from recovery.plots.grid import Made
from recovery.plots.model import model
from recovery.plots.over_cells import heat, nested_loop
from recovery.plots.part import Part
from recovery.plots.style import styled
from recovery.plots.view import TRUTH
from recovery.record import FITTED

SLUGS: Final = (
    *(
        f"{kind}-{mode}"
        for kind in (
            "coverage",
            "coverage-levels",
            "heat-coverage",
            "nested-loop",
            "zip",
            "recovery",
            "bias",
            "rmse",
            "contraction",
            "coverage-predicted",
        )
        for mode in TRUTH
    ),
    "rank-ecdf",
    "rank-histogram",
    "gamma",
    "diagnostics",
    "cost",
    "model",
)
"""The names of all figures there can be."""


class Frames(Protocol):
    """What of `Results` the figures are made from."""

    axes: list[str]
    sessions: list[dict[str, Any]]

    @property
    def estimates_by_cell(self) -> pd.DataFrame:
        """One row per cell and parameter, with arrays over replicates."""

    @property
    def fits_by_cell(self) -> pd.DataFrame:
        """One row per cell, with arrays over complete fits."""

    @property
    def priors(self) -> pd.DataFrame:
        """One row per cell and parameter."""

    def measures(self) -> pd.DataFrame:
        """One row per cell, parameter and measure."""


def figures(results: Frames) -> Iterator[Made]:
    """Make the figures of a run, one after the other.

    A figure unfolds two axes of the sweep, shows the others at one level or all levels together,
    and at most 12 parameters; whatever is not shown, its title says so.

    Parameters
    ----------
    results : Results
        Or anything with ``axes``, ``sessions``, ``measures()``, ``estimates_by_cell``,
        ``fits_by_cell`` and ``priors``.

    Yields
    ------
    slug : str
        Name for a file, one of `SLUGS`. What has nothing to show is left out.
    figure : matplotlib.figure.Figure
        Made in `style.styled`; save it there, too.
    text : str
        What is drawn, and a sentence with the main finding; plain text with names as users wrote
        them (long ones shortened), so escape it where it goes.
    """
    estimates, measures = results.estimates_by_cell, results.measures()
    predicted = estimates["kind"].str.startswith("predicted")
    fitted = estimates[estimates["kind"].isin(FITTED)]
    makers: list[Callable[[], Made | None]] = [partial(model, results.sessions)]
    makes_of_all = (
        coverage, levels, heat, nested_loop, zips, recovery, bias, rmse, contraction,
    )  # fmt: skip
    for kind, frame, makes in (
        ("", fitted, makes_of_all),
        ("predicted", estimates[predicted], (coverage,)),
    ):
        parts = [
            Part(results.axes, kind, mode, measures, frame, results.priors)
            for mode in TRUTH
            if (frame["truth_mode"] == mode).any()
        ]
        makers += [partial(make, part) for make in makes for part in parts]
    ranked = Ranked(estimates[~predicted], results.axes)
    makers += [
        *(partial(make, ranked) for make in (ecdfs, histograms, gammas)),
        partial(convergence, results.fits_by_cell, results.axes),
        partial(cost, results.fits_by_cell, results.axes),
    ]
    for maker in makers:
        with styled():
            made = maker()
        if made is not None:
            yield made
