"""Out-of-sample prediction: new covariates after the fit, and what the posterior says of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pymc.distributions.moments.means import mean as mean_of
from pymc.pytensorf import collect_default_updates, compile, reseed_rngs
from pytensor.graph.basic import Variable
from pytensor.graph.replace import vectorize_graph
from pytensor.tensor.random.op import RandomVariable

from recovery.engine.problem import Arrays, CheckedProblem
from recovery.engine.structure import Structure, set_values

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Prediction:
    """New observations of one variable: simulated at the truth, and as the posterior predicts.

    Attributes
    ----------
    truth : array, shape of the new observations
    mean_truth : array of the same shape, or None where the distribution has no known mean
    draws : array, shape (n_draws, *shape)
        One new data set per posterior draw.
    mean_draws : array, shape (n_draws, *shape), or None
        Mean of the new observations given each posterior draw.
    """

    name: str
    truth: Array
    mean_truth: Array | None
    draws: Array
    mean_draws: Array | None


class Predictor:
    """Predictive functions of one structure, compiled once for any number of new observations.

    It works on the structure's own simulator: take the structure's lock around `predict`.
    """

    def __init__(self, structure: Structure) -> None:
        self._structure = structure
        model = structure.simulator
        problem = structure.first
        self._observed = problem.observed
        self._free = problem.free
        self._means: list[Variable[Any, Any] | None] = [
            _mean(model[name]) for name in problem.observed
        ]
        outputs = [model[name] for name in problem.observed]
        outputs += [m for m in self._means if m is not None]
        self._rngs, self._over_draws = self._compile_over_draws(outputs)
        self._mean_at_truth = compile(
            [], [m for m in self._means if m is not None], mode="FAST_COMPILE"
        )

    def predict(
        self,
        problem: CheckedProblem,
        free: Arrays,
        data: Arrays,
        draws: Arrays,
        seeds: tuple[int, int],
    ) -> list[Prediction]:
        """Simulate new observations at the truth and over the posterior draws.

        Parameters
        ----------
        free : mapping of str to array
            The truth of the free variables.
        data : mapping of str to array
            The new ``pm.Data``.
        draws : mapping of str to array, shape (n_draws, *shape)
            Posterior draws of the free variables.
        seeds : pair of int
            For the new observations, and for the predictive draws.
        """
        new = self._structure.simulate(problem, free, data, seeds[0])
        # `simulate` has left the new data and the truth set in the simulator.
        mean_truths = iter(self._mean_at_truth())
        reseed_rngs(self._rngs, seeds[1])
        values = self._over_draws([np.asarray(draws[name]) for name in self._free])
        count = len(self._observed)
        mean_draws = iter(values[count:])
        return [
            Prediction(
                name,
                new.observed[name],
                None if mean is None else np.asarray(next(mean_truths)),
                np.asarray(values[i]),
                None if mean is None else np.asarray(next(mean_draws)),
            )
            for i, (name, mean) in enumerate(zip(self._observed, self._means, strict=True))
        ]

    def _compile_over_draws(
        self, outputs: Sequence[Variable[Any, Any]]
    ) -> tuple[list[Any], Callable[[Sequence[Array]], list[Array]]]:
        model = self._structure.simulator
        try:
            return _vectorised(model, self._free, self._observed, outputs)
        except (NotImplementedError, ValueError, TypeError):
            # Some distributions cannot take a batch; then the draws go through one by one.
            return _one_by_one(model, self._free, outputs)


def _vectorised(
    model: Any, free: Sequence[str], observed: Sequence[str], outputs: Sequence[Any]
) -> tuple[list[Any], Callable[[Sequence[Array]], list[Array]]]:
    batched = {
        model[name]: pt.tensor(f"{name} (draws)", dtype=model[name].dtype, shape=(None,) * n)
        for name, n in ((name, model[name].ndim + 1) for name in free)
    }
    replacements: dict[Any, Any] = dict(batched)
    count = next(iter(batched.values())).shape[0]
    for name in observed:
        node = model[name].owner
        if isinstance(node.op, RandomVariable):
            size = node.op.size_param(node)
            if getattr(size.type, "ndim", None) == 1:
                replacements[size] = pt.concatenate([[count], size])
    vectorised = vectorize_graph(list(outputs), replacements)
    if any(v.ndim != o.ndim + 1 for v, o in zip(vectorised, outputs, strict=True)):
        raise ValueError("an output does not depend on the draws")
    rngs = list(collect_default_updates(vectorised))
    function = compile(
        list(batched.values()), vectorised, mode="FAST_COMPILE", on_unused_input="ignore"
    )
    return rngs, lambda draws: list(function(*draws))


def _one_by_one(
    model: Any, free: Sequence[str], outputs: Sequence[Any]
) -> tuple[list[Any], Callable[[Sequence[Array]], list[Array]]]:
    rngs = list(collect_default_updates(list(outputs)))
    function = compile([], list(outputs), mode="FAST_COMPILE")

    def run(draws: Sequence[Array]) -> list[Array]:
        rows = []
        for i in range(len(draws[0])):
            point: Mapping[str, Array] = {name: d[i] for name, d in zip(free, draws, strict=True)}
            set_values(model, point, {})
            rows.append([np.array(value) for value in function()])
        return [np.stack(column) for column in zip(*rows, strict=True)]

    return rngs, run


def _mean(variable: Any) -> Variable[Any, Any] | None:
    try:
        found: Variable[Any, Any] = mean_of(variable)
    except NotImplementedError:
        return None
    return found
