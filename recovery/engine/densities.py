"""Log densities at many draws at once: of the priors, and of each observation, compiled once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pymc.logprob.basic import conditional_logp
from pymc.pytensorf import compile
from pytensor.graph.basic import Variable
from pytensor.graph.replace import graph_replace, vectorize_graph

from recovery.engine.problem import Arrays, CheckedProblem
from recovery.engine.structure import Simulated, Structure, set_values
from recovery.record import Floats

Array = NDArray[Any]


@dataclass(frozen=True)
class LogDensity:
    """Log densities of some rows of parameters, on the scale of the parameters themselves.

    Attributes
    ----------
    log_prior : array, shape (n_rows,)
        Of all free variables together; nothing is added for their transforms.
    log_potential : array, shape (n_rows,)
        Of all ``pm.Potential`` together.
    pointwise : mapping of str to array, shape (n_rows, *shape)
        Of each observation of each observed variable.
    """

    log_prior: Floats
    log_potential: Floats
    pointwise: dict[str, Floats]

    def rows(self, place: slice) -> "LogDensity":
        """Return the log densities of some of the rows."""
        pointwise = {name: values[place] for name, values in self.pointwise.items()}
        return LogDensity(self.log_prior[place], self.log_potential[place], pointwise)

    def log_likelihood(self, name: str | None = None) -> Floats:
        """Sum over the observations of one variable, or of all; shape (n_rows,)."""
        chosen = self.pointwise.values() if name is None else [self.pointwise[name]]
        totals = [values.reshape(len(values), -1).sum(axis=1) for values in chosen]
        return np.asarray(np.sum(totals, axis=0))

    def log_posterior(self) -> Floats:
        """Add up all, the log posterior density up to a constant; shape (n_rows,)."""
        return self.log_prior + self.log_potential + self.log_likelihood()


class LogDensities:
    """The compiled log densities of one structure, for any data and any number of rows.

    Safe in several threads: the structure's lock is taken, as its model holds the data.
    """

    def __init__(self, structure: Structure) -> None:
        problem = structure.first
        self._model, self._lock = problem.model, structure.lock
        self._free, self._observed = problem.free, problem.observed
        self._reason = ""
        try:
            self._function = _compiled(problem)
        except NotImplementedError as error:
            # A simulator without a density, say: what has none has no log-likelihood either.
            self._reason = " ".join(str(error).split())[:200] or "a variable has no density"

    def __call__(self, problem: CheckedProblem, simulated: Simulated, rows: Arrays) -> LogDensity:
        """Evaluate them.

        Parameters
        ----------
        problem : CheckedProblem
        simulated : Simulated
            Its truth is not looked at.
        rows : mapping of str to array, shape (n_rows, *shape)
            Values of all free variables.

        Raises
        ------
        NotImplementedError
            If a variable has no density.
        """
        if self._reason:
            raise NotImplementedError(self._reason)
        draws = [np.asarray(rows[name]).astype(self._model[name].dtype) for name in self._free]
        data = [
            np.asarray(simulated.observed[name], dtype=self._model[name].dtype)
            for name in self._observed
        ]
        n = len(draws[0])
        with self._lock:
            set_values(self._model, simulated.data, simulated.lengths)
            prior, potential, *pointwise = self._function(draws, data)
        named = zip(self._observed, pointwise, strict=True)
        return LogDensity(
            np.broadcast_to(prior, (n,)),
            np.broadcast_to(potential, (n,)),
            {name: np.asarray(values, dtype=np.float64) for name, values in named},
        )


_Function = Callable[[Sequence[Array], Sequence[Array]], list[Array]]


def _compiled(problem: CheckedProblem) -> _Function:
    model = problem.model
    free = [model[name] for name in problem.free]
    observed = [model[name] for name in problem.observed]
    # Values without names: two variables of one name in a graph are told apart by nobody.
    values = {rv: rv.type() for rv in (*free, *observed)}
    logps = conditional_logp(values)
    prior = pt.add(pt.as_tensor(0.0), *(logps[values[rv]].sum() for rv in free))
    potentials = [pt.sum(p) for p in model.potentials]
    if potentials:
        potentials = graph_replace(potentials, values, strict=False)
    potential = pt.add(pt.as_tensor(0.0), pt.as_tensor(0.0), *potentials)
    outputs = [prior, potential, *(logps[values[rv]] for rv in observed)]
    given, data = [values[rv] for rv in free], [values[rv] for rv in observed]
    try:
        return _vectorised(outputs, given, data)
    except (NotImplementedError, ValueError, TypeError):
        # Some operations cannot take a batch; then the rows go through one by one.
        return _one_by_one(outputs, given, data)


def _vectorised(
    outputs: Sequence[Any], given: Sequence[Variable[Any, Any]], data: Sequence[Any]
) -> _Function:
    batched: dict[Any, Any] = {
        value: pt.tensor(dtype=value.dtype, shape=(None, *value.type.shape)) for value in given
    }
    vectorised = vectorize_graph(list(outputs), batched)
    for i, (many, one) in enumerate(zip(vectorised, outputs, strict=True)):
        if many.ndim == one.ndim and i > 1:
            raise ValueError("the density of an observation does not depend on the draws")
    function = compile(
        [*batched.values(), *data], vectorised, mode="FAST_COMPILE", on_unused_input="ignore"
    )
    return lambda draws, observed: list(function(*draws, *observed))


def _one_by_one(outputs: Sequence[Any], given: Sequence[Any], data: Sequence[Any]) -> _Function:
    function = compile(
        [*given, *data], list(outputs), mode="FAST_COMPILE", on_unused_input="ignore"
    )

    def run(draws: Sequence[Array], observed: Sequence[Array]) -> list[Array]:
        rows = [function(*row, *observed) for row in zip(*draws, strict=True)]
        return [np.stack(column) for column in zip(*rows, strict=True)]

    return run
