"""A pair of means with known correlated noise, and posteriors of it whose flaws are known.

The model and the flaws are those of Modrák et al. (2025), doi:10.1214/23-BA1404, section 4:
mu ~ MVN(0, S) and y_j ~ MVN(mu, S), j = 1..n, so that the posterior is
MVN(n ybar / (n + 1), S / (n + 1)). Each flaw is seen by the ranks of some test quantities and by
those of others not at all.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from recovery.design import Settings
from recovery.engine.problem import CheckedProblem
from recovery.engine.samplers import Fit, Target
from recovery.engine.structure import Simulated
from recovery.record import Floats
from recovery.scenario import Problem, scenario
from recovery.testing.normal import exact_fit, normal_draws

CORRELATION: Final = 0.8
COVARIANCE: Final = np.array([[1.0, CORRELATION], [CORRELATION, 1.0]])
BIAS_SD: Final = 0.3
"""Sd of the bias of each mean, where a posterior is biased at random."""


class Flaw(StrEnum):
    """What is wrong with a posterior of `pair`."""

    NONE = "none"
    PRIOR = "posterior is the prior"
    DROPPED = "first point dropped"
    UNCORRELATED = "correlation lost"
    BIASED = "random bias"


def total(parameters: Mapping[str, Any], data: Mapping[str, Any]) -> Any:
    """Return the sum of the means."""
    return parameters["mu"][:, 0] + parameters["mu"][:, 1]


def difference(parameters: Mapping[str, Any], data: Mapping[str, Any]) -> Any:
    """Return the difference of the means."""
    return parameters["mu"][:, 0] - parameters["mu"][:, 1]


def product(parameters: Mapping[str, Any], data: Mapping[str, Any]) -> Any:
    """Return the product of the means."""
    return parameters["mu"][:, 0] * parameters["mu"][:, 1]


@scenario
def pair(points: int = 3) -> Problem:
    """Two means, seen together at a few points with known correlated noise: conjugate."""
    with pm.Model(coords={"point": range(points), "side": ["left", "right"]}) as model:
        mu = pm.MvNormal("mu", np.zeros(2), cov=COVARIANCE, dims="side")
        # Known, so that its posterior has no spread: there is nothing to diagnose or to rank.
        pm.Deterministic("correlation", pt.constant(CORRELATION))
        pm.MvNormal("y", mu, cov=COVARIANCE, dims=["point", "side"])
    first = "log_likelihood[y, 0]"
    return Problem(
        model,
        observed="y",
        truth={"mu": [1.0, -1.0]},
        quantities={"sum": total, "difference": difference, "product": product, first: first},
    )


@dataclass
class PairSampler:
    """Independent draws from the exact posterior of `pair`, or from a flawed copy of it.

    Parameters
    ----------
    flaw : Flaw
        ``Flaw.NONE`` is sound.
    sd_factor : float
        Multiplies the posterior sds: 1 is sound.
    shift : float
        Shifts each mean by this many of its own posterior sds: 0 is sound.
    name : str
        What records say.
    """

    flaw: Flaw = Flaw.NONE
    sd_factor: float = 1.0
    shift: float = 0.0
    name: str = "exact"
    threads: bool = True
    counts_compilation: bool = True

    def identity(self) -> dict[str, float | str]:
        """Return what must be the same to go on with a run."""
        return {"flaw": str(self.flaw), "sd_factor": self.sd_factor, "shift": self.shift}

    def cannot(self, problem: CheckedProblem) -> str:
        """Return why a problem is not of this form, or an empty string."""
        if problem.free == ("mu",) and problem.observed == ("y",):
            return ""
        return "the model is no pair of means mu with observations y"

    def compile(self, target: Target, simulated: Simulated) -> "PairDensity":
        """Return the density; nothing is compiled."""
        return PairDensity(self, target)


class PairDensity:
    """The posterior of the means of `pair` given y."""

    def __init__(self, sampler: PairSampler, target: Target) -> None:
        self._sampler = sampler
        self._target = target

    def posterior(self, y: Floats) -> tuple[Floats, Floats]:
        """Return mean and covariance of the means given points, shape (n_points, 2)."""
        flaw = self._sampler.flaw
        if flaw is Flaw.PRIOR:
            return np.zeros(2), COVARIANCE
        if flaw is Flaw.DROPPED:
            y = y[1:]
        mean, covariance = y.sum(axis=0) / (len(y) + 1), COVARIANCE / (len(y) + 1)
        if flaw is Flaw.UNCORRELATED:
            covariance = np.diag(np.diag(covariance))
        return mean, covariance

    def fit(self, simulated: Simulated, settings: Settings, seed: int) -> Fit:
        """Draw from the posterior, right or flawed."""
        mean, covariance = self.posterior(np.asarray(simulated.observed["y"], float))
        mean = mean + self._sampler.shift * np.sqrt(np.diag(covariance))
        covariance = covariance * self._sampler.sd_factor**2
        rng = np.random.default_rng(seed)
        mu = normal_draws(mean, covariance, settings, rng)
        if self._sampler.flaw is Flaw.BIASED:
            mu = mu + rng.normal(0.0, BIAS_SD, size=2)
        draws = {"mu": mu, "correlation": np.full(mu.shape[:2], CORRELATION)}
        return exact_fit(self._sampler.name, draws, self._target.problem.recorded, settings)
