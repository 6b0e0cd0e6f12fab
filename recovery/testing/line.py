"""A regression with known noise, whose posterior is normal in closed form, and its sampler."""

from dataclasses import dataclass

import numpy as np
import pymc as pm

from recovery.design import Settings
from recovery.engine.problem import CheckedProblem
from recovery.engine.samplers import Fit, Target
from recovery.engine.structure import Simulated
from recovery.record import Floats
from recovery.scenario import Problem, scenario
from recovery.testing.normal import exact_fit, normal_draws


@scenario
def line(trials: int = 20, noise: float = 1.0, slope: float = 1.0) -> Problem:
    """Two slopes under a standard normal prior, with known noise: conjugate."""
    with pm.Model(coords={"side": ["left", "right"]}) as model:
        x = pm.Data("x", np.zeros((trials, 2)), dims=["trial", "side"])
        noise_sd = pm.Data("noise_sd", noise)
        betas = pm.Normal("betas", dims="side")
        pm.Deterministic("total", betas.sum())
        pm.Normal("y", x @ betas, noise_sd, dims="trial")
    return Problem(
        model,
        observed="y",
        truth={"betas": [slope, -slope]},
        covariates={"x": pm.Normal.dist(shape=(trials, 2))},
    )


@dataclass
class ExactSampler:
    """Independent draws from the exact posterior of `line` and models of the same form.

    Parameters
    ----------
    sd_factor : float
        Multiplies the posterior sd: 1 is sound, anything else a planted flaw.
    shift : float
        Shifts the posterior by this many of its own sds: 0 is sound.
    name : str
        What records say.
    """

    sd_factor: float = 1.0
    shift: float = 0.0
    name: str = "exact"
    threads: bool = True
    counts_compilation: bool = True

    def identity(self) -> dict[str, float]:
        """Return what must be the same to go on with a run."""
        return {"sd_factor": self.sd_factor, "shift": self.shift}

    def cannot(self, problem: CheckedProblem) -> str:
        """Return why a problem is not of this form, or an empty string."""
        if {"x", "noise_sd"} <= set(problem.data) and problem.free == ("betas",):
            return ""
        return "the model is no regression of y on x with known noise_sd"

    def compile(self, target: Target, simulated: Simulated) -> "ExactDensity":
        """Return the density; nothing is compiled."""
        return ExactDensity(self, target)


class ExactDensity:
    """The posterior of standard normal slopes given y, x and the noise."""

    def __init__(self, sampler: ExactSampler, target: Target) -> None:
        self._sampler = sampler
        self._target = target

    def posterior(self, simulated: Simulated) -> tuple[Floats, Floats]:
        """Return mean and covariance of the slopes."""
        data = simulated.data
        x, noise_sd = np.asarray(data["x"], float), float(data["noise_sd"])
        precision = np.eye(x.shape[1]) + x.T @ x / noise_sd**2
        covariance = np.linalg.inv(precision)
        return covariance @ (x.T @ simulated.observed["y"]) / noise_sd**2, covariance

    def fit(self, simulated: Simulated, settings: Settings, seed: int) -> Fit:
        """Draw from the exact posterior, or from a flawed copy of it."""
        mean, covariance = self.posterior(simulated)
        mean = mean + self._sampler.shift * np.sqrt(np.diag(covariance))
        covariance = covariance * self._sampler.sd_factor**2
        betas = normal_draws(mean, covariance, settings, np.random.default_rng(seed))
        draws = {"betas": betas, "total": betas.sum(axis=-1)}
        return exact_fit(self._sampler.name, draws, self._target.problem.recorded, settings)
