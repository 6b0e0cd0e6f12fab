"""ADVI as `pm.fit` runs it, step for step, on functions that are compiled once.

Kucukelbir, Tran, Ranganath, Gelman and Blei (2017), "Automatic differentiation variational
inference", Journal of Machine Learning Research 18(14), https://jmlr.org/papers/v18/16-107.html.

`pm.fit` compiles a step in every call, and calls it once per iteration. Here PyMC's own step is
compiled into a loop once, and data are swapped. The random numbers are used in the same order, so
with one learning rate the approximation equals that of ``pm.fit(n, method=..., random_seed=seed,
obj_optimizer=pm.adagrad_window(learning_rate=...))`` after as many iterations.

What differs is when it ends. Ten thousand iterations, the default of `pm.fit`, are far too few for
some models: its optimiser moves a parameter by at most 0.001 per iteration, and by a third of that
where gradients have one size, however far it has to go. So a fit goes on until mean and sd of every
parameter have settled (`Settling`), first with larger steps, then with PyMC's own.
"""

import time
import warnings
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pymc as pm
import pytensor
from numpy.typing import NDArray
from pymc.pytensorf import collect_default_updates, compile, reseed_rngs
from pytensor import tensor as pt

from recovery.design import Settings
from recovery.engine.problem import CheckedProblem
from recovery.engine.samplers.base import Fit, Target
from recovery.engine.samplers.normal import NoFit, Vector, continuous_only
from recovery.engine.samplers.own_code import own_mode
from recovery.engine.samplers.pymc_model import Conditioned, hushed
from recovery.engine.structure import Simulated
from recovery.record import Floats

_BLOCK: Final = 250  # iterations run at once; their averages are what is looked at
_TOLERANCE: Final = 0.1  # posterior sds, and shares of them
_FIRST_LOOK: Final = 8  # blocks
_GROWTH: Final = 1.25  # from one look to the next
_SEEDS: Final = 2**32  # PyMC seeds a legacy generator here, which takes no more


@dataclass(frozen=True)
class AdviSampler:
    """PyMC's mean-field ADVI, in processes: a normal distribution without correlations.

    Parameters
    ----------
    learning_rates : tuple of float
        Of PyMC's default optimiser, `pymc.adagrad_window`, one after another until the
        approximation has settled with each. The last one is PyMC's default.
    most : int
        Iterations after which an approximation that has not settled is a failure.

    Notes
    -----
    Of the settings `draws` and `chains` count, as the number of independent draws from the
    approximation; `tune`, `target_accept` and `ess` are those of NUTS.
    """

    learning_rates: tuple[float, ...] = (0.01, 0.001)
    most: int = 100_000

    name = "advi"
    threads = False
    counts_compilation = True
    approximate = True
    method = pm.ADVI

    def identity(self) -> dict[str, Any]:
        """Return what must be the same to go on with a run."""
        return {"learning_rates": list(self.learning_rates), "most": self.most}

    def cannot(self, problem: CheckedProblem) -> str:
        """Return why not: ADVI needs a density that is smooth in every variable."""
        return continuous_only(problem)

    def compile(self, target: Target, simulated: Simulated) -> "AdviDensity":
        """Compile the loop of steps and the way back to the variables."""
        with hushed():
            return AdviDensity(self, Conditioned(target, simulated))


@dataclass(frozen=True)
class FullRankAdviSampler(AdviSampler):
    """PyMC's full-rank ADVI, with all correlations; otherwise as `AdviSampler`."""

    name = "fullrank_advi"
    method = pm.FullRankADVI


class AdviDensity:
    """An approximation and its optimiser, both begun anew in every fit.

    Parameters
    ----------
    sampler : AdviSampler
    conditioned : Conditioned
        A model whose free variables are all continuous, of fixed shapes.
    """

    def __init__(self, sampler: AdviSampler, conditioned: Conditioned) -> None:
        self._sampler = sampler
        self._conditioned = conditioned
        self._vector = Vector(conditioned)
        self._rate = pytensor.shared(0.001, name="learning rate")
        inference = sampler.method(model=conditioned.model)
        approximation = inference.approx
        (ordering,) = approximation.collect("ordering")
        assert tuple(ordering) == self._vector.names
        updates = inference.objective.updates(
            obj_optimizer=pm.adagrad_window(learning_rate=self._rate)
        )
        loss = updates.loss
        generators = collect_default_updates([loss])
        self._generators = list(generators)
        mean, sd = approximation.mean, approximation.std
        steps = pt.lscalar("steps")
        # Newer versions announce that updates will be passed otherwise; older ones know no other.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            traced, advanced = pytensor.scan(
                lambda: ([mean, pt.log(sd), loss], {**updates, **generators}), n_steps=steps
            )
            self._run = compile([steps], traced, updates=advanced, mode=own_mode())
        self._normal = compile([], [mean, approximation.cov], mode="FAST_COMPILE")
        self._means = approximation.params_dict["mu"]
        self._begun = [(state, state.get_value()) for state in updates if state != self._means]
        # numba compiles at the first call. A call that these data make impossible is the failure
        # of their fit, not of the density.
        with suppress(Exception):
            self._run(1)

    def fit(self, simulated: Simulated, settings: Settings, seed: int) -> Fit:
        """Optimise with the data swapped in, and draw.

        Raises
        ------
        NoFit
            If the objective is not finite, or the approximation does not settle.
        """
        self._conditioned.hold(simulated)
        started = time.perf_counter()
        with hushed():
            self._begin(seed)
            iterations = 0
            for rate in self._sampler.learning_rates:
                self._rate.set_value(rate)
                iterations += self._settle(self._sampler.most - iterations)
            mean, covariance = self._normal()
            factor = np.linalg.cholesky(covariance)
            return self._vector.fit(
                self._sampler.name,
                mean,
                factor,
                settings,
                np.random.default_rng(seed),
                iterations=iterations,
                gradient_evaluations=iterations,
                started=started,
            )

    def _begin(self, seed: int) -> None:
        """Forget the last fit, and seed as `pm.fit` does."""
        seeds = np.random.RandomState(seed % _SEEDS)
        start = self._vector.start(int(seeds.randint(2**30, dtype=np.int64)))
        self._means.set_value(start.astype(self._means.dtype))
        for state, value in self._begun:
            state.set_value(value.copy())
        reseed_rngs(self._generators, int(seeds.randint(2**30, dtype=np.int64)))

    def _settle(self, most: int) -> int:
        """Go on until the approximation has settled; return the number of iterations."""
        settling = Settling()
        while not settling.settled:
            if settling.iterations + _BLOCK > most:
                raise NoFit(
                    f"{self._sampler.name} has not settled in {self._sampler.most:,} iterations "
                    f"({settling.why})"
                )
            means, log_sds, losses = self._run(_BLOCK)
            if not np.isfinite(losses[-1]) or not np.isfinite(means[-1]).all():
                raise NoFit(
                    f"the objective of {self._sampler.name} was not finite by iteration "
                    f"{settling.iterations + _BLOCK:,} of a learning rate"
                )
            settling.add(means, log_sds)
        return settling.iterations


class Settling:
    """Whether an approximation still moves: its latest quarter against the quarter before.

    Attributes
    ----------
    iterations : int
    settled : bool
        Whether the mean of every parameter differed between the two quarters by less than a tenth
        of its sd, and the sd by less than a tenth of itself.
    why : str
        How far it moved when it was last looked at.

    Notes
    -----
    Near the optimum an optimiser that normalises its gradients wanders about with a standard
    deviation and a correlation time whose product does not depend on the learning rate, so the
    difference between two quarters of W iterations has a standard error of about sqrt(2 / W)
    posterior sds: 5,000 iterations or so are enough for a few parameters. Quarters that grow with
    the iterations see a slow drift as well as a fast one.
    """

    def __init__(self) -> None:
        self.iterations = 0
        self.settled = False
        self.why = "too few"
        self._blocks: list[NDArray[np.float64]] = []
        self._next = _FIRST_LOOK

    def add(self, means: Floats, log_sds: Floats) -> None:
        """Take the next iterations; arrays have shape (iteration, parameter)."""
        self.iterations += len(means)
        self._blocks.append(np.array([means.mean(axis=0), log_sds.mean(axis=0)]))
        if len(self._blocks) < self._next:
            return
        self._next = int(np.ceil(len(self._blocks) * _GROWTH))
        quarter = len(self._blocks) // 4
        before = np.mean(self._blocks[-2 * quarter : -quarter], axis=0)
        now = np.mean(self._blocks[-quarter:], axis=0)
        moved = np.abs(now - before)
        moved[0] /= np.exp(now[1])
        self.settled = bool((moved < _TOLERANCE).all())
        self.why = (
            f"between the last two quarters a mean moved by {moved[0].max():.2g} sd, and a log sd "
            f"by {moved[1].max():.2g}"
        )
