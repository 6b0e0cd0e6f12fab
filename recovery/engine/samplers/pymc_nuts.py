"""NUTS as `pm.sample` runs it, draw for draw, on functions that are compiled once.

`pm.sample` compiles the density, the starting point and the recorded values in every call. Here
each is compiled once, and a fit is the loop alone. The random numbers are used in the same order,
so the draws equal, bit for bit, those of ``pm.sample(draws=, tune=, chains=, cores=1,
random_seed=seed, nuts_sampler="pymc", nuts={"target_accept": ...})``; the tests compare them on
every version that is supported.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import pymc as pm
from numpy.typing import NDArray

# All that is used of PyMC beyond its documented names; 5.28 and 6.4 have it alike.
from pymc.initial_point import make_initial_point_fn  # the jittered start as a function
from pymc.sampling.mcmc import (
    _iter_sample,  # one chain as a generator, which can be left and gone on with
    assign_step_methods,  # the very choice of steps that pm.sample makes
)
from pymc.step_methods.hmc.quadpotential import QuadPotentialDiagAdapt  # its mass matrix

from recovery.design import Settings
from recovery.engine.samplers.base import Fit
from recovery.engine.samplers.own_code import own_mode
from recovery.engine.samplers.pymc_model import NAME, Conditioned, hushed
from recovery.engine.structure import Simulated
from recovery.record import Floats, Sampling
from recovery.stopping import first_look, look

_STARTS: Final = 11  # tries for a start of finite density: one, and the 10 retries of pm.sample
_PRIOR_WEIGHT: Final = 10  # draws that the first mass matrix counts for, as in pm.sample
_STATISTICS: Final = MappingProxyType(
    {
        "diverging": "diverging",
        "reached_max_treedepth": "reached_max_treedepth",
        "depth": "tree_depth",
        "mean_tree_accept": "acceptance_rate",
        "tree_size": "n_steps",
        "energy": "energy",
        "model_logp": "lp",
        "step_size": "step_size",
    }
)
"""The step's names of what it knows of a draw, and ArviZ's."""
_TYPES: Final = MappingProxyType(
    {"diverging": bool, "reached_max_treedepth": bool, "tree_depth": int, "n_steps": int}
)
"""Those that are no fractions; `diverging` selects draws."""

Point = dict[str, Any]


def chosen_steps(model: pm.Model) -> list[type]:
    """Return the step methods that `pm.sample` chooses for the variables of a model."""
    return list(assign_step_methods(model)[1])


class NutsDensity:
    """A density for NUTS alone: a function of the data it holds, compiled when it is made.

    Parameters
    ----------
    conditioned : Conditioned
        A model whose free variables are all continuous, with a gradient. Lengths of data may
        change from fit to fit; shapes of free variables may not.
    """

    def __init__(self, conditioned: Conditioned) -> None:
        self._conditioned = conditioned
        model, mode = conditioned.model, own_mode()
        self._model = model
        # pm.sample means to trust the input too, but leaves it checked at every gradient.
        self._density = model.logp_dlogp_function(ravel_inputs=True, trust_input=True, mode=mode)
        self._start = make_initial_point_fn(model=model, jitter_rvs=set(model.free_RVs))
        recorded = [v for v in model.unobserved_RVs if v.name in conditioned.recorded]
        self._names = [variable.name for variable in recorded]
        self._values = model.compile_fn(
            model.replace_rvs_by_values(recorded),
            inputs=model.value_vars,
            point_fn=False,
            on_unused_input="ignore",
            trust_input=True,
            mode=mode,
        )
        # numba compiles at the first call. A call that these data make impossible is the failure
        # of their fit, not of the density.
        with suppress(Exception):
            point = self._start(0)
            self._logp(point)
            self._values(*point.values())

    def fit(self, simulated: Simulated, settings: Settings, seed: int) -> Fit:
        """Sample with the data swapped in, up to where `recovery.stopping` says it is enough.

        The draws are the first ones of a fit that draws them all.
        """
        self._conditioned.hold(simulated)
        shapes = self._conditioned.shapes
        draws = {
            name: np.empty((settings.chains, settings.draws, *shapes[name])) for name in self._names
        }
        started = time.perf_counter()
        with hushed():
            chains = self._chains(draws, settings, seed)
            drawn = first_look(settings.ess, settings.chains, settings.draws)
            drawn = drawn if settings.ess else settings.draws
            while True:
                for chain in chains:
                    chain.advance(drawn)
                seen = look(_joint(draws, drawn), settings.ess, settings.draws)
                if seen.enough:
                    break
                drawn = seen.next_draws
        sample_s = time.perf_counter() - started
        kept = {name: draws[name][:, :drawn] for name in self._conditioned.recorded}
        statistics = _statistics(chains)
        sampling = _sampling(chains, statistics, drawn, settings)
        return Fit(kept, sampling, sample_s, stats=lambda: statistics)

    def _chains(self, draws: Mapping[str, Floats], settings: Settings, seed: int) -> list["_Chain"]:
        """Start the chains as `pm.sample` does: seeds, starts, then steps with one mass matrix."""
        generators = np.random.default_rng(seed).spawn(settings.chains)
        seeds = [int(generator.integers(2**30)) for generator in generators]
        starts = [self._finite_start(seed) for seed in seeds]
        mean = np.mean([_vector(start) for start in starts], axis=0)
        chains = []
        for number, (generator, start) in enumerate(zip(generators, starts, strict=True)):
            step = pm.NUTS(
                model=self._model,
                potential=QuadPotentialDiagAdapt(
                    len(mean), mean, np.ones_like(mean), _PRIOR_WEIGHT, rng=seeds[0]
                ),
                rng=seeds[0],
                initial_point=starts[0],
                logp_dlogp_func=self._density,
                target_accept=settings.target_accept,
            )
            trace = _Trace([draws[name][number] for name in self._names], self._values)
            chains.append(_Chain(step, start, generator, trace, settings))
        return chains

    def _finite_start(self, seed: int) -> Point:
        """Return a jittered start, drawn again while its density is not finite."""
        retries = np.random.default_rng(seed)
        for _ in range(_STARTS):
            point: Point = self._start(seed)
            if np.isfinite(self._logp(point)):
                return point
            seed = int(retries.integers(2**30, dtype=np.int64))
        self._model.check_start_vals(point)  # raises, and says which variable it is
        return point

    def _logp(self, point: Point) -> Any:
        return self._density([_vector(point)], extra_vars={})[0]


class _Trace:
    """What PyMC calls a trace: it is handed each draw, and keeps those after warm-up.

    Parameters
    ----------
    draws : list of array, shape (draw, *shape of the variable)
        Where the values of each recorded variable go.
    values : callable
        From the values of a point to those of the recorded variables.
    """

    def __init__(self, draws: list[Floats], values: Callable[..., list[Any]]) -> None:
        self.drawn = 0
        self.gradient_evaluations = 0
        self.statistics: list[tuple[float, ...]] = []
        self._draws = draws
        self._values = values

    def record(self, point: Point, stats: list[dict[str, Any]], *, in_warmup: bool) -> None:
        """Take one draw."""
        (stat,) = stats
        self.gradient_evaluations += int(stat["tree_size"])
        if in_warmup:
            return
        for kept, value in zip(self._draws, self._values(*point.values()), strict=True):
            kept[self.drawn] = value
        self.statistics.append(tuple(stat[name] for name in _STATISTICS))
        self.drawn += 1

    def close(self) -> None:
        """Do nothing: PyMC says that it is done."""


class _Chain:
    """One chain with a step of its own, so that it goes on where it was left."""

    def __init__(
        self,
        step: Any,
        start: Point,
        generator: np.random.Generator,
        trace: _Trace,
        settings: Settings,
    ) -> None:
        self.trace = trace
        self._draws: Iterator[Any] = _iter_sample(
            draws=settings.tune + settings.draws,
            tune=settings.tune,
            step=step,
            start=start,
            trace=trace,
            rng=generator,
        )

    def advance(self, drawn: int) -> None:
        """Draw until there are so many draws after warm-up."""
        while self.trace.drawn < drawn:
            next(self._draws)


def _vector(point: Point) -> Floats:
    """Return a point as the one vector that NUTS moves."""
    return np.concatenate([value.ravel() for value in point.values()])


def _joint(draws: Mapping[str, Floats], drawn: int) -> Floats:
    """Return the draws so far, shape (chain, draw, parameter)."""
    parts = [values[:, :drawn] for values in draws.values()]
    return np.concatenate([part.reshape(*part.shape[:2], -1) for part in parts], axis=2)


def _statistics(chains: list[_Chain]) -> dict[str, NDArray[Any]]:
    """Return what the steps know of each draw, by ArviZ's names, shape (chain, draw) each."""
    statistics = np.array([chain.trace.statistics for chain in chains], dtype=np.float64)
    found = zip(_STATISTICS.values(), np.moveaxis(statistics, -1, 0), strict=True)
    return {name: values.astype(_TYPES.get(name, np.float64)) for name, values in found}


def _sampling(
    chains: list[_Chain], statistics: Mapping[str, NDArray[Any]], drawn: int, settings: Settings
) -> Sampling:
    return Sampling(
        sampler=NAME,
        chains=settings.chains,
        draws=drawn,
        tune=settings.tune,
        divergences=int(statistics["diverging"].sum()),
        reached_max_treedepth=int(statistics["reached_max_treedepth"].sum()),
        tree_depth_max=int(statistics["tree_depth"].max()),
        acceptance_rate=float(statistics["acceptance_rate"].mean()),
        gradient_evaluations=sum(chain.trace.gradient_evaluations for chain in chains),
    )
