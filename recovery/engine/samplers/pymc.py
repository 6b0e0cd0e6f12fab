"""PyMC's own samplers: NUTS compiled once, and public `pm.sample` for what needs other steps."""

import time
from typing import Any

import numpy as np
import pymc as pm
from numpy.typing import NDArray

from recovery.design import Settings
from recovery.engine.problem import CheckedProblem
from recovery.engine.samplers.base import Density, Fit, Target, as_float
from recovery.engine.samplers.own_code import own_mode
from recovery.engine.samplers.pymc_model import NAME, Conditioned, hushed
from recovery.engine.samplers.pymc_nuts import NutsDensity, chosen_steps
from recovery.engine.structure import Simulated
from recovery.record import Sampling


class PymcSampler:
    """What ``pm.sample`` does with its own step methods, in processes: the reference.

    A model for NUTS alone is compiled once in each process and gives the draws of ``pm.sample``
    bit for bit. One with discrete variables, or without a gradient, goes through ``pm.sample``
    itself, which compiles in every fit; each fit says how long that took.
    """

    name = NAME
    threads = False
    counts_compilation = True

    def cannot(self, problem: CheckedProblem) -> str:
        """Return an empty string: discrete variables get a step method of their own."""
        return ""

    def compile(self, target: Target, simulated: Simulated) -> Density:
        """Condition the model, choose its step methods, and compile it if that is NUTS alone."""
        with hushed():
            conditioned = Conditioned(target, simulated)
            nuts = [issubclass(step, pm.NUTS) for step in chosen_steps(conditioned.model)]
            if all(nuts):
                return NutsDensity(conditioned)
            return PublicDensity(conditioned, with_nuts=any(nuts))


class PublicDensity:
    """A model that every fit hands to ``pm.sample``, whatever steps it takes.

    It cannot be stopped on the way, so `Settings.ess` ends no fit early: all draws are drawn,
    and the record says so.

    Parameters
    ----------
    conditioned : Conditioned
    with_nuts : bool
        Whether one of the steps is NUTS, which takes a target of acceptance.
    """

    compiles_in_fits = True

    def __init__(self, conditioned: Conditioned, *, with_nuts: bool) -> None:
        self._conditioned = conditioned
        self._with_nuts = with_nuts

    def fit(self, simulated: Simulated, settings: Settings, seed: int) -> Fit:
        """Sample with the data swapped in; compile too, which is timed apart."""
        self._conditioned.hold(simulated)
        model, recorded = self._conditioned.model, self._conditioned.recorded
        _label(model, simulated)
        nuts = {"nuts": {"target_accept": settings.target_accept}} if self._with_nuts else {}
        started = time.perf_counter()
        with hushed():
            trace: Any = pm.sample(
                draws=settings.draws,
                tune=settings.tune,
                chains=settings.chains,
                cores=1,
                random_seed=seed,
                nuts_sampler="pymc",
                var_names=list(recorded),
                discard_tuned_samples=False,
                compute_convergence_checks=False,
                progressbar=False,
                quiet=True,
                model=model,
                compile_kwargs={"mode": own_mode()},
                **nuts,
            )
        elapsed = time.perf_counter() - started
        posterior = trace["posterior"]
        draws = {name: as_float(posterior[name].values) for name in recorded}
        sizes = {values.shape[:2] for values in draws.values()}
        if sizes != {(settings.chains, settings.draws)}:
            # Interrupted, PyMC returns what it has; that is no fit.
            raise KeyboardInterrupt
        sample_s = float(posterior.attrs.get("sampling_time", elapsed))
        compile_s = max(elapsed - sample_s, 0.0)
        return Fit(draws, _sampling(trace, settings), sample_s, compile_s, lambda: _stats(trace))


def _label(model: pm.Model, simulated: Simulated) -> None:
    """Give dims as many labels as entries: they are the cell's affair, but PyMC wants them."""
    for dim, length in simulated.lengths.items():
        values = model.coords.get(dim)
        if values is not None and len(values) != length:
            model.set_dim(dim, length, coord_values=range(length))


def _stats(trace: Any) -> dict[str, NDArray[Any]]:
    """Return the statistics that there is one of for each draw."""
    found = trace["sample_stats"].items()
    known = {str(name): v.values for name, v in found if v.dims == ("chain", "draw")}
    return {name: values for name, values in known.items() if values.dtype.kind in "biuf"}


def _sampling(trace: Any, settings: Settings) -> Sampling:
    kept = trace["sample_stats"]

    def total(name: str, stats: Any = kept) -> float:
        return float(np.sum(stats[name].values)) if name in stats else 0.0

    warm_up = trace["warmup_sample_stats"] if settings.tune else {}
    depth = kept["tree_depth"].values if "tree_depth" in kept else np.zeros(1)
    acceptance = kept["acceptance_rate"].values if "acceptance_rate" in kept else np.array(np.nan)
    return Sampling(
        sampler=NAME,
        chains=settings.chains,
        draws=settings.draws,
        tune=settings.tune,
        divergences=int(total("diverging")),
        reached_max_treedepth=int(total("reached_max_treedepth")),
        tree_depth_max=int(np.max(depth)),
        acceptance_rate=float(np.mean(acceptance)),
        gradient_evaluations=int(total("n_steps") + total("n_steps", warm_up)),
    )
