"""NUTS by PyMC's own public `pm.sample`: the reference; fits run in processes."""

import logging
import time
import warnings
from typing import Any

import numpy as np
import pymc as pm

from recovery.design import Settings
from recovery.engine.problem import CheckedProblem
from recovery.engine.samplers.base import Fit, Target, as_float
from recovery.engine.structure import Simulated, set_values
from recovery.record import Sampling


class PymcSampler:
    """``pm.sample`` with its own sampler. It compiles inside every call; that time is apart."""

    name = "pymc"
    threads = False
    counts_compilation = False

    def cannot(self, problem: CheckedProblem) -> str:
        """Return an empty string: discrete variables get a step method of their own."""
        return ""

    def compile(self, target: Target, simulated: Simulated) -> "PymcDensity":
        """Condition the model; ``pm.sample`` does the compiling."""
        return PymcDensity(target.conditioned(simulated.observed), target)


class PymcDensity:
    """A conditioned model whose data are swapped by setting its shared variables."""

    def __init__(self, model: pm.Model, target: Target) -> None:
        self._model = model
        self._target = target
        self._observed = {
            name: model.rvs_to_values[model[name]] for name in target.problem.observed
        }

    def fit(self, simulated: Simulated, settings: Settings, seed: int) -> Fit:
        """Sample with the data swapped in."""
        data = simulated.data.items()
        present = {name: value for name, value in data if name in self._model.named_vars}
        set_values(self._model, present, simulated.lengths)
        for dim, length in simulated.lengths.items():
            values = self._model.coords.get(dim)
            if values is not None and len(values) != length:
                # Labels are the cell's own affair; PyMC only wants one per entry.
                self._model.set_dim(dim, length, coord_values=range(length))
        for name, holder in self._observed.items():
            _shared_below(holder).set_value(
                np.asarray(simulated.observed[name], dtype=holder.dtype)
            )
        started = time.perf_counter()
        with warnings.catch_warnings(), _quiet():
            # Convergence is judged here by the same diagnostics for every sampler.
            warnings.simplefilter("ignore")
            trace: Any = pm.sample(
                draws=settings.draws,
                tune=settings.tune,
                chains=settings.chains,
                cores=1,
                random_seed=seed,
                nuts_sampler="pymc",
                step=None,
                var_names=list(self._target.problem.recorded),
                discard_tuned_samples=False,
                compute_convergence_checks=False,
                progressbar=False,
                quiet=True,
                model=self._model,
                **_target_accept(self._model, settings),
            )
        elapsed = time.perf_counter() - started
        posterior = trace["posterior"]
        draws = {name: as_float(posterior[name].values) for name in self._target.problem.recorded}
        sizes = {values.shape[:2] for values in draws.values()}
        if sizes != {(settings.chains, settings.draws)}:
            # Interrupted, PyMC returns what it has; that is no fit.
            raise KeyboardInterrupt
        sample_s = float(posterior.attrs.get("sampling_time", elapsed))
        return Fit(draws, _sampling(trace, settings), sample_s, max(elapsed - sample_s, 0.0))


def _target_accept(model: pm.Model, settings: Settings) -> dict[str, Any]:
    """NUTS takes a target; a model with discrete variables only has no NUTS to give it to."""
    if all(variable.dtype in pm.discrete_types for variable in model.free_RVs):
        return {}
    return {"nuts": {"target_accept": settings.target_accept}}


def _shared_below(variable: Any) -> Any:
    """Return the shared variable that an observation of fixed shape wraps, or itself."""
    return variable if variable.owner is None else _shared_below(variable.owner.inputs[0])


class _quiet:
    """PyMC's announcements per fit would drown the progress of the sweep."""

    def __enter__(self) -> None:
        self._logger = logging.getLogger("pymc")
        self._level = self._logger.level
        self._logger.setLevel(logging.ERROR)

    def __exit__(self, *_: object) -> None:
        self._logger.setLevel(self._level)


def _sampling(trace: Any, settings: Settings) -> Sampling:
    kept = trace["sample_stats"]

    def total(name: str, stats: Any = kept) -> float:
        return float(np.sum(stats[name].values)) if name in stats else 0.0

    warm_up = trace["warmup_sample_stats"] if settings.tune else {}
    depth = kept["tree_depth"].values if "tree_depth" in kept else np.zeros(1)
    acceptance = kept["acceptance_rate"].values if "acceptance_rate" in kept else np.array(np.nan)
    return Sampling(
        sampler=PymcSampler.name,
        chains=settings.chains,
        draws=settings.draws,
        tune=settings.tune,
        divergences=int(total("diverging")),
        reached_max_treedepth=int(total("reached_max_treedepth")),
        tree_depth_max=int(np.max(depth)),
        acceptance_rate=float(np.mean(acceptance)),
        gradient_evaluations=int(total("n_steps") + total("n_steps", warm_up)),
    )
