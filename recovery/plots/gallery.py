"""Every figure on one page: ``python -m recovery.plots.gallery DIR``."""

import importlib
import inspect
import io
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from recovery import plots
from recovery.plots.accessor import Plots, Plottable
from recovery.plots.style import styled
from recovery.scenario import Problem, scenario

REPLICATES: Final = 300
_COLOURS: Final = 128


@dataclass(frozen=True, slots=True)
class Shown:
    """A figure of the gallery: its method, what it is called with, and when it is of use."""

    name: str
    call: str
    options: dict[str, Any]
    when: str

    @property
    def code(self) -> str:
        """How it is made."""
        return f"results.plot.{self.name}({self.call})"

    @property
    def about(self) -> str:
        """The first paragraph of what its function says of itself."""
        documented = inspect.getdoc(getattr(plots, f"plot_{self.name}")) or ""
        return " ".join(documented.partition("\n\n")[0].split())


def _shown(name: str, when: str, **options: Any) -> Shown:
    call = ", ".join(f"{key}={value!r}" for key, value in options.items())
    return Shown(name, call, options, when)


GALLERY: Final = (
    _shown("model", "What was fitted: which variables there are, and what depends on what."),
    _shown("coverage", "Begin here: do intervals hold the truth as often as they say, and does "
           "that depend on an axis?"),
    _shown("coverage_levels", "One level of coverage looks right and you want to know of all the "
           "others at once.", hue="trials"),
    _shown("heat", "Two axes are swept and you look for the corner where coverage breaks."),
    _shown("nested_loop", "Three axes or more are swept, or several parameters are to be compared "
           "in every cell.", parameter=["betas[left]", "betas[right]"]),
    _shown("zip", "Coverage is off in one cell and you ask why: bias, or intervals too narrow?",
           trials=10, noise=2.0),
    _shown("recovery", "You want to see estimates beside truths, fit by fit.", trials=10,
           noise=1.0),
    _shown("bias", "Coverage is off, or estimates must be right on average."),
    _shown("rmse", "How precise are estimates, and do posteriors know it?"),
    _shown("contraction", "How much was learnt from the data, and was it right?", trials=10),
    _shown("predictive_coverage", "The model is there to predict, and parameters are a means to "
           "that.", noise=1.0),
    _shown("rank_ecdf", "The test of calibration: is any posterior wrong, in any way that ranks "
           "see?"),
    _shown("rank_histogram", "Ranks are not uniform and you want the shape: too wide, too narrow, "
           "shifted."),
    _shown("gamma", "Were there enough simulations, and does evidence of a flaw grow with them?"),
    _shown("r_hat", "Did chains agree? Look before any measure is believed."),
    _shown("ess", "Were there enough effective draws for the ends of intervals?", kind="tail"),
    _shown("divergences", "Where in the sweep does the sampler meet what it cannot follow?"),
    _shown("wall_time", "What will a larger study cost?"),
    _shown("ess_per_second", "Which sampler or setting gives the most for its time?"),
)  # fmt: skip
"""What is shown, in the order in which one looks."""


@scenario
def example(trials: int = 20, noise: float = 1.0) -> Problem:
    """Two slopes with known noise, and the mean and the observation at one new place."""
    line = importlib.import_module("recovery.testing").line
    problem: Problem = line(trials=trials, noise=noise)
    return replace(problem, predict={"x": np.array([[1.0, 0.0]])})


def run_example(folder: Path, replicates: int = REPLICATES) -> Plottable:
    """Run the sweep that the gallery is drawn from: exact posteriors, truths from the prior."""
    # What runs a sweep stands above what draws one, which needs it for this page only.
    sweep, testing = (importlib.import_module(f"recovery.{name}") for name in ("sweep", "testing"))
    planned = sweep.Sweep(
        example,
        {"trials": [10, 20, 40, 80], "noise": [0.5, 1.0, 2.0]},
        replicates=replicates,
        truth="prior",
        sampler=testing.ExactSampler(),
        draws=250,
    )
    results: Plottable = planned.run(folder, workers=2, progress=False, report=False)
    return results


def write_gallery(results: Plottable, folder: Path) -> list[Path]:
    """Write ``README.md`` and a PNG for every figure.

    Parameters
    ----------
    results : Results
        Of the sweep of `run_example`, or of one with the same axes and parameters.
    folder : path
        Made if it is not there.

    Returns
    -------
    list of Path
        What was written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for each in GALLERY:
        ax = getattr(Plots(results), each.name)(**each.options)
        figure, data = ax.get_figure(root=True), io.BytesIO()
        with styled():
            figure.savefig(data, format="png")
        written.append(folder / f"{each.name}.png")
        # A palette is enough for lines on white, and a fraction of the file.
        Image.open(data).convert("RGB").quantize(_COLOURS, Image.Quantize.MAXCOVERAGE).save(
            written[-1], optimize=True
        )
    written.append(folder / "README.md")
    written[-1].write_text(readme(), encoding="utf-8")
    return written


def readme() -> str:
    """Return the page of the gallery, the same for every run."""
    parts = [
        "# Gallery",
        "Every figure of `recovery.plots`, drawn from a sweep of exact posteriors, so what is seen "
        "here is what a sound run looks like. Each is asked of the results of a run, "
        '`results = Results("reports/plants")`, returns its Axes, and takes `ax=` to draw on one '
        "of yours. Written by `python -m recovery.plots.gallery reports/gallery`.",
        "\n".join(f"- [{each.name}](#{each.name}): {each.when}" for each in GALLERY),
    ]
    for each in GALLERY:
        parts += [
            f"## {each.name}",
            each.about,
            f"**When:** {each.when}",
            f"```python\n{each.code}\n```",
            f"![{each.name}]({each.name}.png)",
        ]
    return "\n\n".join(parts) + "\n"


def main(arguments: Sequence[str]) -> int:
    """Write the gallery into the folder named; 2 if there is not one name."""
    if len(arguments) != 1:
        sys.stderr.write("gallery: give one folder, as in: python -m recovery.plots.gallery DIR\n")
        return 2
    with tempfile.TemporaryDirectory() as run:
        write_gallery(run_example(Path(run) / "run"), Path(arguments[0]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
