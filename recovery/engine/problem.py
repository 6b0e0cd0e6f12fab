"""A problem checked against its model: what is free, observed, true, redrawn and predicted."""

import dataclasses
import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pymc as pm
from numpy.typing import NDArray
from pymc.variational.minibatch_rv import MinibatchRandomVariable
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.rewriting.utils import rewrite_graph
from pytensor.graph.traversal import ancestors
from pytensor.tensor.rewriting.shape import ShapeFeature
from pytensor.tensor.variable import TensorVariable

from recovery.errors import ProblemError
from recovery.scenario import Problem, Quantity

Array = NDArray[Any]
Arrays = Mapping[str, Array]


@dataclass(frozen=True, eq=False)
class CheckedProblem:
    """A `Problem` whose names all exist, with the values its model had when it was checked.

    Attributes
    ----------
    observed, free, deterministics : tuple of str
        Names; of the deterministics only those whose size does not grow with the data.
    data : mapping of str to array
        Values of the model's ``pm.Data``.
    lengths : mapping of str to int
        Lengths of the dims the model holds as variables.
    truth : mapping of str to array
        Empty if no truth was given. With a generator, those of its true values that name free
        variables of this model too.
    generator : CheckedProblem, optional
        Where the data come from, if not from this model.
    """

    where: str
    model: pm.Model
    observed: tuple[str, ...]
    free: tuple[str, ...]
    deterministics: tuple[str, ...]
    data: Arrays
    lengths: Mapping[str, int]
    truth: Arrays
    covariates: Mapping[str, Any]
    predict: Mapping[str, Any]
    quantities: Mapping[str, Quantity]
    generator: "CheckedProblem | None" = None

    @property
    def recorded(self) -> tuple[str, ...]:
        """Names of the variables that estimates are made of: free ones, then deterministics."""
        return self.free + self.deterministics

    @property
    def discrete(self) -> tuple[str, ...]:
        """Names of free variables that are not continuous."""
        return tuple(name for name in self.free if self.model[name].dtype[:5] != "float")

    def own(self, values: Arrays) -> dict[str, Array]:
        """Return those values that are ``pm.Data`` of this model."""
        return {name: value for name, value in values.items() if name in self.data}

    def labels(self, name: str, shape: tuple[int, ...]) -> list[str]:
        """Return ``name[coordinate]`` for each element of a variable, in C order."""
        if not shape:
            return [name]
        dims = self.model.named_vars_to_dims.get(name) or (None,) * len(shape)
        axes = []
        for dim, length in zip(dims, shape, strict=True):
            values = self.model.coords.get(dim) if dim else None
            usable = values is not None and len(values) == length
            words = [str(v) for v in values] if usable and values else []
            # Labels that repeat would make two parameters one.
            axes.append(words if len(set(words)) == length else range(length))
        return [f"{name}[{', '.join(map(str, c))}]" for c in itertools.product(*axes)]


def check_problem(problem: object, where: str) -> CheckedProblem:
    """Check a scenario's return value against its own model, without compiling anything.

    Parameters
    ----------
    problem : object
        What the scenario function returned.
    where : str
        Scenario and levels, for messages.

    Raises
    ------
    ProblemError
        If a name does not exist, or a value cannot belong to its variable.
    """
    if not isinstance(problem, Problem):
        raise ProblemError(
            f"{where}: the function returned {type(problem).__name__}, not a Problem; end it with "
            "return Problem(model, observed=...)"
        )
    if problem.generator is not None:
        return _with_generator(problem, problem.generator, where)
    model = problem.model
    if not isinstance(model, pm.Model):
        raise ProblemError(f"{where}: model is {type(model).__name__}, not a pymc.Model")
    observed = _observed_names(problem, model, where)
    free = tuple(v.name for v in model.free_RVs if v.name not in observed)
    if not free:
        raise ProblemError(
            f"{where}: the model has no free variable, so there is nothing to recover; give it "
            "a parameter with a prior"
        )
    if not isinstance(problem.quantities, Mapping):
        raise ProblemError(
            f"{where}: quantities is {problem.quantities!r}; give a mapping of names to functions "
            "or texts"
        )
    data_vars = {v.name: v for v in model.data_vars if isinstance(v, SharedVariable)}
    checked = CheckedProblem(
        where=where,
        model=model,
        observed=observed,
        free=free,
        deterministics=tuple(
            v.name for v in model.deterministics if not _grows_with_data(v, model, observed)
        ),
        data={name: np.array(v.get_value()) for name, v in data_vars.items()},
        lengths={
            dim: int(length.get_value())
            for dim, length in model.dim_lengths.items()
            if isinstance(length, SharedVariable)
        },
        truth=_truth(problem, model, observed, free, where),
        covariates=_data_mapping("covariates", problem.covariates, data_vars, where),
        predict=_data_mapping("predict", problem.predict, data_vars, where),
        quantities=dict(problem.quantities),
    )
    for name, length in checked.lengths.items():
        if length == 0 and any(name in (model.named_vars_to_dims.get(o) or ()) for o in observed):
            raise ProblemError(
                f"{where}: no data: dim {name!r} of {observed[0]!r} has length 0; "
                "give a level that leaves some"
            )
    return checked


def _with_generator(problem: Problem, generator: object, where: str) -> CheckedProblem:
    """Check the fitted model and the generator apart, each with what it has of the problem."""
    if not isinstance(generator, pm.Model):
        raise ProblemError(
            f"{where}: generator is {type(generator).__name__}, not a pymc.Model; leave it out "
            "where the data come from the model itself"
        )
    of_model, of_generator = (
        {v.name for v in model.data_vars if isinstance(v, SharedVariable)}
        for model in (problem.model, generator)
    )
    for name in problem.covariates:
        if name not in of_model | of_generator:
            raise ProblemError(
                f"{where}: covariates names {name!r}, which is no pm.Data of the model or the "
                f"generator; they have {_list(sorted(of_model | of_generator))}"
            )

    def covariates(names: set[str]) -> dict[str, Any]:
        return {k: v for k, v in problem.covariates.items() if k in names}

    source = dataclasses.replace(
        problem,
        model=generator,
        covariates=covariates(of_generator),
        predict={},
        quantities={},
        generator=None,
    )
    fitted = dataclasses.replace(
        problem, truth=None, covariates=covariates(of_model), generator=None
    )
    generated = check_problem(source, f"{where} (generator)")
    checked = check_problem(fitted, where)
    truth = {
        name: value
        for name, value in generated.truth.items()
        if name in checked.free and value.ndim == checked.model[name].ndim
    }
    return dataclasses.replace(checked, truth=truth, generator=generated)


def _observed_names(problem: Problem, model: pm.Model, where: str) -> tuple[str, ...]:
    names = (problem.observed,) if isinstance(problem.observed, str) else tuple(problem.observed)
    variables = {v.name: v for v in model.basic_RVs}
    if not names:
        raise ProblemError(f"{where}: observed is empty; name one of {_list(variables)}")
    for name in names:
        if name not in variables:
            raise ProblemError(
                f"{where}: observed {name!r} is no random variable of the model; it has "
                f"{_list(variables)}"
            )
        if isinstance(variables[name].owner.op, MinibatchRandomVariable):
            raise ProblemError(
                f"{where}: observed {name!r} has a total_size, which scales its likelihood, so "
                "its posterior is not that of the simulated data; leave total_size out"
            )
    others = [v.name for v in model.observed_RVs if v.name not in names]
    if others:
        raise ProblemError(
            f"{where}: the model observes {_list(others)} too; add it to observed, as every "
            "observed variable must be simulated"
        )
    return names


def _truth(
    problem: Problem,
    model: pm.Model,
    observed: tuple[str, ...],
    free: tuple[str, ...],
    where: str,
) -> dict[str, Array]:
    truth = {}
    for name, value in (problem.truth or {}).items():
        if name in observed:
            raise ProblemError(
                f"{where}: {name!r} is both observed and in truth; leave it out of one of them"
            )
        if name not in free:
            raise ProblemError(
                f"{where}: truth names {name!r}, which is no free variable of the model; it has "
                f"{_list(free)}"
            )
        dtype = np.dtype(model[name].dtype)
        try:
            given = np.asarray(value)
            array = given.astype(dtype)
        except (TypeError, ValueError):
            raise ProblemError(
                f"{where}: truth of {name!r} is no array of numbers: {value!r}"
            ) from None
        if array.ndim != model[name].ndim:
            raise ProblemError(
                f"{where}: truth of {name!r} has shape {array.shape}, but the variable has "
                f"{model[name].ndim} dimension(s)"
            )
        if not np.all(np.isfinite(given)) or not np.array_equal(array, given):
            raise ProblemError(
                f"{where}: truth of {name!r} is {value!r}, outside its support "
                f"({dtype.name}, finite)"
            )
        truth[name] = array
    return truth


def _data_mapping(
    what: str, given: Mapping[str, Any], data_vars: Mapping[str, Any], where: str
) -> dict[str, Any]:
    for name in given:
        if name not in data_vars:
            raise ProblemError(
                f"{where}: {what} names {name!r}, which is no pm.Data of the model; it has "
                f"{_list(data_vars)}"
            )
    return {
        name: value
        if callable(value) or isinstance(value, TensorVariable)
        else _constant(what, name, value, where)
        for name, value in given.items()
    }


def _constant(what: str, name: str, value: object, where: str) -> Array:
    array = np.asarray(value)
    if array.dtype.kind not in "fiub" or not np.all(np.isfinite(array)):
        raise ProblemError(
            f"{where}: {what} of {name!r} must be finite numbers, a distribution or a function"
        )
    return array


def _grows_with_data(variable: Any, model: pm.Model, observed: tuple[str, ...]) -> bool:
    """Whether the shape of a deterministic follows the length of the data."""
    data_dims = {dim for o in observed for dim in model.named_vars_to_dims.get(o) or () if dim}
    if data_dims & set(model.named_vars_to_dims.get(variable.name) or ()):
        return True
    if variable.ndim == 0 or None not in variable.type.shape:
        return False
    graph = FunctionGraph(
        outputs=[variable.shape], features=[ShapeFeature()], clone=True, copy_inputs=False
    )
    shape = rewrite_graph(graph, include=("ShapeOpt", "canonicalize"))
    lengths = {model.dim_lengths[dim] for dim in data_dims if dim in model.dim_lengths}
    moving = lengths | set(model.data_vars)
    return any(v in moving for v in ancestors(list(shape.outputs)))


def _list(names: object) -> str:
    listed = [repr(name) for name in names]  # type: ignore[attr-defined]  # any iterable of names
    return ", ".join(listed) if listed else "none"
