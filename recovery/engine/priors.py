"""What the prior says of each parameter, by forward sampling: moments, and where the truth lies."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recovery.engine.problem import Arrays, CheckedProblem
from recovery.engine.structure import Structure

PRIOR_DRAWS = 4000


@dataclass(frozen=True, slots=True)
class Prior:
    """The prior of one scalar parameter.

    Attributes
    ----------
    mean, sd : float
    variance_relative_se : float
        Monte Carlo standard error of the variance, as a share of it.
    truth : float or None
        Given true value.
    tail_probability : float or None
        Two-sided prior tail probability of that value; 0 means none of `PRIOR_DRAWS` draws lay
        as far out.
    """

    parameter: str
    mean: float
    sd: float
    variance_relative_se: float
    truth: float | None
    tail_probability: float | None


def prior_draws(
    structure: Structure, problem: CheckedProblem, covariates: Callable[[int], Arrays]
) -> dict[str, NDArray[np.float64]]:
    """Draw all free variables from the prior; each array has shape (PRIOR_DRAWS, *shape).

    Parameters
    ----------
    covariates : callable
        From a seed to redrawn covariates; called for each draw if the prior rests on them.
    """
    if structure.prior_rests_on(problem.covariates):
        rows = [
            structure.draw_prior(problem, covariates(seed), seed, 1)[0]
            for seed in range(PRIOR_DRAWS)
        ]
    else:
        # Setting and seeding for each draw would take most of the time.
        rows = structure.draw_prior(problem, covariates(0), 0, PRIOR_DRAWS)
    return {
        name: np.stack([np.asarray(value, dtype=np.float64) for value in values])
        for name, values in zip(problem.free, zip(*rows, strict=True), strict=True)
    }


def summarise_priors(problem: CheckedProblem, draws: dict[str, NDArray[np.float64]]) -> list[Prior]:
    """Summarise prior draws per scalar parameter, with the truth's place among them."""
    summaries = []
    for name, values in draws.items():
        flat = values.reshape(len(values), -1)
        truth = problem.truth.get(name)
        if truth is not None and truth.shape != values.shape[1:]:
            truth = None  # a generator's, of the same name and another shape
        truths = None if truth is None else np.asarray(truth, dtype=np.float64).ravel()
        mean, sd = flat.mean(axis=0), flat.std(axis=0, ddof=1)
        fourth = ((flat - mean) ** 4).mean(axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            relative_se = np.sqrt(np.maximum(fourth / sd**4 - 1, 0) / len(flat))
        for i, label in enumerate(problem.labels(name, values.shape[1:])):
            place = None if truths is None else float(truths[i])
            tail = None
            if place is not None:
                below = float(np.mean(flat[:, i] <= place))
                above = float(np.mean(flat[:, i] >= place))
                tail = min(1.0, 2 * min(below, above))
            summaries.append(
                Prior(label, float(mean[i]), float(sd[i]), float(relative_se[i]), place, tail)
            )
    return summaries
