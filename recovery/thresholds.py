"""When a fit is flagged: every limit in one place, each with its reason."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Threshold:
    """A limit of one measure of a fit, and which side of it is flagged; the limit itself is not.

    `label` says in a few words what a crossing means, `reason` why the limit is there, with its
    source.
    """

    measure: str
    label: str
    limit: float
    worse: Literal["above", "below"]
    reason: str

    def crossed(self, value: Any) -> Any:
        """Say whether a value, or each of an array of values, is on the flagged side.

        Nan is never above a limit (r_hat of a constant parameter), but does not reach a lower
        limit either: ESS is nan only where draws are not finite or fewer than 4 per chain.
        """
        return value > self.limit if self.worse == "above" else ~np.greater_equal(value, self.limit)


THRESHOLDS: tuple[Threshold, ...] = (
    Threshold(
        "r_hat_max",
        "r_hat above 1.01",
        1.01,
        "above",
        "Draws should be used only if r_hat is below 1.01 (Vehtari et al. 2021). With fewer than"
        " about 500 draws per chain, or many parameters, sound chains cross it by chance.",
    ),
    Threshold(
        "ess_bulk_min",
        "bulk ESS too low",
        400.0,
        "below",
        "Below 100 effective draws per chain, 400 at four chains, the standard errors and r_hat"
        " are themselves unreliable (Vehtari et al. 2021).",
    ),
    Threshold(
        "ess_tail_min",
        "tail ESS too low",
        400.0,
        "below",
        "The same 400 for the 5 % and 95 % quantiles, on which intervals rest"
        " (Vehtari et al. 2021).",
    ),
    Threshold(
        "divergences",
        "divergent transitions",
        0.0,
        "above",
        "One divergence shows a region the sampler could not follow, so draws may be biased"
        " (Betancourt 2017, arXiv:1701.02434).",
    ),
)


def flags(values: Mapping[str, NDArray[np.float64]]) -> NDArray[np.object_]:
    """Name the thresholds that each fit has crossed.

    Parameters
    ----------
    values : mapping of str to array, shape (n_fits,)
        Measures of the fits. Those without a threshold are ignored, and a threshold without its
        measure (a sampler that has no divergences) is not judged.

    Returns
    -------
    array of str, shape (n_fits,)
        Labels of the crossed thresholds, in the order of `THRESHOLDS`, joined by commas.
    """
    judged = [threshold for threshold in THRESHOLDS if threshold.measure in values]
    n_fits = len(next(iter(values.values()), ()))
    code = np.zeros(n_fits, dtype=np.int64)
    for bit, threshold in enumerate(judged):
        code |= np.asarray(threshold.crossed(values[threshold.measure]), dtype=np.int64) << bit
    texts = [
        ", ".join(threshold.label for bit, threshold in enumerate(judged) if number >> bit & 1)
        for number in range(1 << len(judged))
    ]
    return np.array(texts, dtype=object)[code]


def limit_of(measure: str) -> float:
    """Return the limit of a measure."""
    return next(threshold.limit for threshold in THRESHOLDS if threshold.measure == measure)
