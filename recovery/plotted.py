"""What has figures to ask for by name."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from recovery.plots.accessor import Plots, Plottable


class Plotted:
    """Gives results their `plot`; what draws is imported when it is first asked for."""

    @property
    def plot(self: "Plottable") -> "Plots":
        """Figures of these results by name, such as ``results.plot.coverage()``.

        Returns
        -------
        recovery.plots.accessor.Plots
        """
        from recovery.plots.accessor import Plots

        return Plots(self)
