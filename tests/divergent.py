"""A sampler whose fits are flagged at times, where another process can import it."""

import dataclasses
from dataclasses import dataclass

import pytest

from recovery.design import Settings
from recovery.engine.samplers import Fit, Target
from recovery.engine.structure import Simulated
from recovery.testing import ExactDensity, ExactSampler


@dataclass
class Divergent(ExactSampler):
    """Has divergences where its seed is odd, unless it may warm up for longer."""

    patient: bool = True
    fits: int = 0

    def identity(self) -> dict[str, float]:
        return {}

    def compile(self, target: Target, simulated: Simulated) -> "DivergentDensity":
        return DivergentDensity(self, target)


class DivergentDensity(ExactDensity):
    def fit(self, simulated: Simulated, settings: Settings, seed: int) -> Fit:
        sampler: Divergent = self._sampler  # type: ignore[assignment]  # made by it
        sampler.fits += 1
        fit = super().fit(simulated, settings, seed)
        escalated = settings.tune == 2000 and settings.target_accept == pytest.approx(0.95)
        divergences = 0 if escalated and sampler.patient else 7 * (len(str(seed)) and seed % 2)
        sampling = dataclasses.replace(fit.sampling, divergences=divergences, tune=settings.tune)
        return Fit(fit.draws, sampling, fit.sample_s)
