"""The parameters of one truth mode, and what of them a figure shows."""

from collections.abc import Sequence

import pandas as pd

from recovery.plots.grid import Grid
from recovery.plots.text import distinct
from recovery.plots.view import MOST_PARAMETERS, TRUTH, View, farthest, swept

CI_PROB = 0.9
_BUSY = 24  # points in one panel from which it needs room


class Part:
    """The parameters of one kind in one truth mode, and which of them are shown."""

    def __init__(
        self,
        axes: Sequence[str],
        kind: str,
        mode: str,
        measures: pd.DataFrame,
        estimates: pd.DataFrame,
        priors: pd.DataFrame,
    ) -> None:
        self.kind, self.mode, self.truth, self.priors = kind, mode, TRUTH[mode], priors
        self.estimates = estimates[estimates["truth_mode"] == mode]
        self.names = [str(name) for name in self.estimates["parameter"].unique()]
        self.labels = dict(zip(self.names, distinct(self.names), strict=True))
        in_part = (measures["truth"] == mode) & measures["parameter"].isin(self.names)
        self.measures = measures[in_part]
        self.view = View.of(self.measures, axes)
        self.swept = swept(self.measures, axes)
        self.shown = farthest(self.measures, self.names, MOST_PARAMETERS, CI_PROB)

    def measured(self, measure: str) -> pd.DataFrame:
        """Return one measure of all parameters in all cells."""
        rows = self.measures
        rows = rows[(rows["measure"] == measure) & (rows["n"] > 0)]
        return rows[rows["estimate"].notna()]

    def rows(self, measure: str) -> pd.DataFrame:
        """Return one measure of all parameters in the cells that are shown."""
        return self.view.rows(self.measured(measure))

    def grid(self, rows: pd.DataFrame, names: Sequence[str], share: str = "") -> Grid:
        """Make a panel for each parameter, or one panel for all if nothing is swept."""
        most = rows.groupby("parameter").size().max()
        busy = self.view.x is not None and most > _BUSY
        return Grid.of(1 if self.view.x is None else len(names), share=share, busy=busy)
