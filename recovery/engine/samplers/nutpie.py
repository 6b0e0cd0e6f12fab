"""NUTS by nutpie: compiled once per structure, data swapped, fits in threads."""

import time
from typing import Any

import numpy as np
import nutpie
import pyarrow
from numpy.typing import NDArray

from recovery.design import Settings
from recovery.engine.problem import CheckedProblem
from recovery.engine.samplers.base import Fit, Target, as_float
from recovery.engine.structure import Simulated
from recovery.record import Sampling


class NutpieSampler:
    """The default sampler. One core per fit: replicates, not chains, run in parallel."""

    name = "nutpie"
    threads = True
    counts_compilation = True

    def cannot(self, problem: CheckedProblem) -> str:
        """Return why not: nutpie samples continuous variables only."""
        if problem.discrete:
            return f"{problem.discrete[0]!r} is discrete"
        return ""

    def compile(self, target: Target, simulated: Simulated) -> "NutpieDensity":
        """Compile the density with numba (seconds)."""
        model = target.conditioned(simulated.observed)
        compiled = nutpie.compile_pymc_model(model, var_names=list(target.problem.recorded))
        return NutpieDensity(compiled, target)


class NutpieDensity:
    """One compiled density; `fit` is safe in several threads and gives the same draws there."""

    def __init__(self, compiled: Any, target: Target) -> None:
        self._compiled = compiled
        self._target = target
        keys = getattr(compiled, "shared_var_keys", None)
        # Older versions know their variables by name, newer ones by key.
        self._names = {v.name for v in keys} if keys is not None else set(compiled.shared_data)

    def fit(self, simulated: Simulated, settings: Settings, seed: int) -> Fit:
        """Sample with the data swapped in."""
        values: dict[str, Any] = {**simulated.lengths, **simulated.data}
        observed = simulated.observed.items()
        values |= {Target.observed_name(name): value for name, value in observed}
        swapped = {name: np.asarray(value) for name, value in values.items() if name in self._names}
        compiled = self._compiled.with_data(**swapped)
        # The clock starts where any user of nutpie would start it.
        started = time.perf_counter()
        trace = nutpie.sample(
            compiled,
            draws=settings.draws,
            tune=settings.tune,
            chains=settings.chains,
            cores=1,
            seed=seed,
            target_accept=settings.target_accept,
            progress_bar=False,
            return_raw_trace=True,
        )
        sample_s = time.perf_counter() - started
        batches, stats = trace.get_arrow_trace()
        kept = [~_column(batch, "tuning").astype(bool) for batch in stats]
        if len(kept) != settings.chains or any(
            len(k) != settings.tune + settings.draws or k.sum() != settings.draws for k in kept
        ):
            # Interrupted, nutpie returns what it has; that is no fit.
            raise KeyboardInterrupt
        draws = {
            name: np.stack([_values(b, name, shape)[k] for b, k in zip(batches, kept, strict=True)])
            for name, shape in self._target.shapes.items()
        }
        return Fit(draws, _sampling(stats, np.concatenate(kept), settings), sample_s)


def _values(batch: Any, name: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return all draws of a variable, warm-up included; shape (n_draws, *shape)."""
    column = pyarrow.array(batch.column(name))
    if hasattr(column, "flatten"):
        column = column.flatten()
    values = as_float(column.to_numpy(zero_copy_only=False))
    return values.reshape(batch.num_rows, *shape)


def _column(batch: Any, name: str) -> NDArray[Any]:
    return np.asarray(pyarrow.array(batch.column(name)).to_numpy(zero_copy_only=False))


def _sampling(stats: list[Any], kept: NDArray[np.bool_], settings: Settings) -> Sampling:
    def column(name: str) -> NDArray[Any]:
        return np.concatenate([_column(batch, name) for batch in stats])

    return Sampling(
        sampler=NutpieSampler.name,
        chains=settings.chains,
        draws=settings.draws,
        tune=settings.tune,
        divergences=int(column("diverging")[kept].sum()),
        reached_max_treedepth=int(column("maxdepth_reached")[kept].sum()),
        tree_depth_max=int(column("depth")[kept].max(initial=0)),
        acceptance_rate=float(column("mean_tree_accept")[kept].mean()),
        gradient_evaluations=int(column("n_steps").sum()),
    )
