"""What is compiled once: every cell whose model differs only in data, sizes or truth shares it."""

import hashlib
import threading
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pymc as pm
from numpy.typing import NDArray
from pymc.pytensorf import collect_default_updates, compile, reseed_rngs
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Variable
from pytensor.graph.replace import graph_replace
from pytensor.graph.traversal import ancestors
from pytensor.tensor.random.type import RandomType

from recovery.engine.graph import same_graph, skeleton, text_digest
from recovery.engine.problem import Arrays, CheckedProblem
from recovery.errors import ProblemError

Array = NDArray[Any]
_NAMED = 5  # of the names in a signature: those without a type, which may hold lengths


@dataclass(frozen=True, slots=True)
class Simulated:
    """One simulated data set.

    Attributes
    ----------
    truth : mapping of str to array
        True value of every recorded variable, deterministics included.
    data : mapping of str to array
        ``pm.Data`` as the fit sees them, covariates redrawn.
    observed : mapping of str to array
        Simulated observations.
    lengths : mapping of str to int
        Lengths of the dims the model holds as variables.
    """

    truth: Arrays
    data: Arrays
    observed: Arrays
    lengths: Mapping[str, int]

    def digest(self) -> str:
        """Identify the data set: names, types, shapes and values."""
        state = hashlib.blake2b(digest_size=16)
        for group in (self.truth, self.data, self.observed):
            for name in sorted(group):
                value = np.ascontiguousarray(group[name])
                state.update(f"{name}|{value.dtype.str}|{value.shape}|".encode())
                state.update(value.tobytes())
        return state.hexdigest()


class Function:
    """A compiled function without inputs, its generators, and the variables that feed it."""

    def __init__(self, model: pm.Model, outputs: Sequence[Variable[Any, Any]]) -> None:
        self._model = model
        self._rngs = list(collect_default_updates(list(outputs)))
        self._function = compile([], list(outputs), mode="FAST_COMPILE")

    def __call__(self, values: Arrays, lengths: Mapping[str, int], seed: int) -> list[Array]:
        """Set data, dims and do-values by name, seed, and run."""
        return self.repeatedly(values, lengths, seed, 1)[0]

    def repeatedly(
        self, values: Arrays, lengths: Mapping[str, int], seed: int, times: int
    ) -> list[list[Array]]:
        """Set and seed once, and run so many times, each with new random numbers."""
        set_values(self._model, values, lengths)
        reseed_rngs(self._rngs, seed)
        return [[np.asarray(value) for value in self._function()] for _ in range(times)]


def set_values(model: pm.Model, values: Arrays, lengths: Mapping[str, int]) -> None:
    """Set shared variables of a model by name, and the lengths of its dims."""
    for name, value in values.items():
        variable = model[name]
        variable.set_value(np.asarray(value, dtype=variable.dtype))
    for dim, length in lengths.items():
        shared = model.dim_lengths.get(dim)
        if isinstance(shared, SharedVariable):
            shared.set_value(np.array(length, dtype=shared.dtype))


class Structure:
    """The compiled simulator of one model structure, shared by all problems that `match` it.

    Its functions hold their data in shared variables, so one thread may use them at a time: take
    `lock` around every call.

    Parameters
    ----------
    problem : CheckedProblem
        The first problem of this structure.
    """

    def __init__(self, problem: CheckedProblem) -> None:
        self.first = problem
        self.lock = threading.RLock()
        self._signature = _signature(problem)
        model = problem.model
        self._draw_prior = Function(model, [model[name] for name in problem.free])
        self._conditional: dict[tuple[str, ...], tuple[tuple[str, ...], Function]] = {}
        self.no_prior = ""
        """Why the prior cannot be drawn from (a flat prior, say); empty if it can."""
        try:
            start = self._draw_prior({}, {}, 0)
        except NotImplementedError as error:
            self.no_prior = " ".join(str(error).split()) or "it has no random draws"
            start = [problem.truth.get(name, _zeros(model[name])) for name in problem.free]
        with warnings.catch_warnings():
            # A Potential has no say in simulation; check_mode has refused what that would spoil.
            warnings.simplefilter("ignore", UserWarning)
            self.simulator = pm.do(model, dict(zip(problem.free, start, strict=True)))
        outputs = [*problem.observed, *problem.deterministics]
        self._simulate = Function(self.simulator, [self.simulator[name] for name in outputs])
        self._support: Any = None
        self._shapes: Function | None = None

    def matches(self, problem: CheckedProblem) -> bool:
        """Whether this problem's graph equals the first one's in all but data, sizes and truth."""
        mine, other = self._signature, _signature(problem)
        if mine.names != other.names or len(mine.inputs) != len(other.inputs):
            return False
        for a, b in zip(mine.inputs, other.inputs, strict=True):
            if a.name != b.name or a.type != b.type:
                return False
        return same_graph(mine.outputs, other.outputs, mine.inputs, other.inputs)

    @cached_property
    def skeleton(self) -> str:
        """What it has in common with structures that differ in constants: numbers and sizes."""
        signature = self._signature
        names = str(signature.names[:_NAMED])
        return text_digest([names, skeleton(signature.outputs, signature.inputs)])

    def draw_truth(
        self, problem: CheckedProblem, given: Arrays, data: Arrays, seed: int
    ) -> dict[str, Array]:
        """Return values of all free variables: those given, and draws of the rest given them.

        Parameters
        ----------
        given : mapping of str to array
            True values of some free variables, or of all, or of none.
        data : mapping of str to array
            Redrawn covariates, which a prior may rest on.
        seed : int
        """
        if set(given) >= set(problem.free):
            return {name: np.asarray(given[name]) for name in problem.free}
        values = {**problem.data, **data}
        if not given:
            drawn = self._draw_prior(values, problem.lengths, seed)
            return dict(zip(problem.free, drawn, strict=True))
        names = tuple(sorted(given))
        if names not in self._conditional:
            rest = tuple(name for name in problem.free if name not in names)
            model = pm.do(self.first.model, {name: given[name] for name in names})
            self._conditional[names] = rest, Function(model, [model[name] for name in rest])
        rest, function = self._conditional[names]
        drawn = function({**values, **given}, problem.lengths, seed)
        both = {**given, **dict(zip(rest, drawn, strict=True))}
        return {name: both[name] for name in problem.free}

    def draw_prior(
        self, problem: CheckedProblem, data: Arrays, seed: int, times: int
    ) -> list[list[Array]]:
        """Return so many draws of all free variables from their prior, in the order of `free`."""
        values = {**problem.data, **data}
        return self._draw_prior.repeatedly(values, problem.lengths, seed, times)

    def prior_rests_on(self, names: Iterable[str]) -> bool:
        """Whether the prior of a free variable depends on any of these ``pm.Data``."""
        model = self.first.model
        below = set(ancestors([model[name] for name in self.first.free]))
        return any(model[name] in below for name in names)

    def prior_inputs(self, problem: CheckedProblem) -> str:
        """Identify the data and lengths that the prior of the free variables rests on."""
        model = self.first.model
        below = set(ancestors([model[name] for name in problem.free]))
        data = {k: v.tolist() for k, v in problem.data.items() if model[k] in below}
        dims = model.dim_lengths
        lengths = {k: v for k, v in problem.lengths.items() if dims.get(k) in below}
        return repr((data, lengths))

    def simulate(self, problem: CheckedProblem, free: Arrays, data: Arrays, seed: int) -> Simulated:
        """Simulate the observed variables at these values of the free ones.

        Parameters
        ----------
        free : mapping of str to array
            True value of every free variable.
        data : mapping of str to array
            ``pm.Data`` that replace the problem's own: redrawn covariates, new values to predict.
        seed : int
        """
        swapped = {**problem.data, **data}
        lengths = {**problem.lengths, **self._lengths_of(data)}
        values = self._simulate({**swapped, **free}, lengths, seed)
        count = len(problem.observed)
        observed = dict(zip(problem.observed, values[:count], strict=True))
        truth = {**free, **dict(zip(problem.deterministics, values[count:], strict=True))}
        return Simulated(truth, swapped, observed, lengths)

    def shapes(self, problem: CheckedProblem, data: Arrays) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the recorded and observed variables, given these data."""
        names = (*problem.recorded, *problem.observed)
        model = self.first.model
        if self._shapes is None:
            self._shapes = Function(model, [model[name].shape for name in names])
        lengths = {**problem.lengths, **self._lengths_of(data)}
        found = self._shapes({**problem.data, **data}, lengths, 0)
        return {n: tuple(int(k) for k in shape) for n, shape in zip(names, found, strict=True)}

    def _lengths_of(self, data: Arrays) -> dict[str, int]:
        lengths: dict[str, int] = {}
        for name, value in data.items():
            dims = self.first.model.named_vars_to_dims.get(name) or ()
            lengths |= {d: n for d, n in zip(dims, value.shape, strict=False) if d}
        return lengths

    def check_truth(self, problem: CheckedProblem, free: Arrays, data: Arrays) -> None:
        """Check that given true values have the right shape and lie inside their support.

        Raises
        ------
        ProblemError
            Naming the variable, its value and what is allowed.
        """
        expected = {} if self.no_prior else self.draw_truth(problem, {}, data, 0)
        for name, value in problem.truth.items():
            if name in expected and value.shape != expected[name].shape:
                raise ProblemError(
                    f"{problem.where}: truth of {name!r} has shape {value.shape}, but the "
                    f"variable has shape {expected[name].shape}"
                )
        outside = self.outside_support(problem, free, data)
        for name in problem.truth:
            if name in outside:
                raise ProblemError(
                    f"{problem.where}: truth of {name!r} is {_short(problem.truth[name])}, not "
                    f"inside the support of its prior ({_distribution(self.first.model[name])}); "
                    "give a value that the prior allows"
                )

    def outside_support(self, problem: CheckedProblem, free: Arrays, data: Arrays) -> set[str]:
        """Name the free variables whose value has no density, or no place on their transform."""
        if self._support is None:
            self._support = _support_function(self.first)
        model = self.first.model
        set_values(model, {**problem.data, **data}, problem.lengths)
        names, function = self._support
        values = [np.asarray(free[name], model[name].dtype) for name in problem.free]
        return {
            name for name, inside in zip(names, function(*values), strict=True) if not inside.all()
        }


@dataclass(frozen=True)
class _Signature:
    names: tuple[tuple[str, ...], ...]
    outputs: list[Variable[Any, Any]]
    inputs: list[Variable[Any, Any]]


def _signature(problem: CheckedProblem) -> _Signature:
    """Everything the compiled functions depend on, and the variables they take as inputs."""
    model = problem.model
    values = [model.rvs_to_values[model[name]] for name in problem.free]
    outputs = [model[name] for name in (*problem.free, *problem.observed, *problem.deterministics)]
    outputs += model.potentials
    for name, value in zip(problem.free, values, strict=True):
        transform = model.rvs_to_transforms[model[name]]
        if transform is not None:
            outputs.append(transform.backward(value, *model[name].owner.inputs))
    movable = set(model.data_vars) | set(model.dim_lengths.values()) | set(values)
    inputs = [v for v in ancestors(outputs) if v in movable or (not v.owner and _is_generator(v))]
    names = (
        problem.free,
        problem.observed,
        problem.deterministics,
        tuple(v.name for v in model.potentials),
        tuple(problem.data),
        tuple(f"{name}: {value.type}" for name, value in zip(problem.free, values, strict=True)),
    )
    return _Signature(names, outputs, inputs)


def _zeros(variable: Any) -> Array:
    return np.zeros([length or 1 for length in variable.type.shape], dtype=variable.dtype)


def _is_generator(variable: Variable[Any, Any]) -> bool:
    return isinstance(variable.type, RandomType)


def _support_function(problem: CheckedProblem) -> tuple[list[str], Any]:
    """Compile, for each free variable, whether given values have a finite density inside it."""
    model = problem.model
    inputs = {model[name]: model[name].type(name=f"{name} (true)") for name in problem.free}
    names, checks = [], []
    for name in problem.free:
        variable = model[name]
        try:
            density = pm.logp(variable, inputs[variable])
        except NotImplementedError:
            continue  # a simulator without a density: nothing to check against
        finite = [pm.math.abs(density).max() < np.inf]
        transform = model.rvs_to_transforms[variable]
        if transform is not None:
            moved = transform.forward(inputs[variable], *variable.owner.inputs)
            finite.append(pm.math.abs(moved).max() < np.inf)
        names.append(name)
        checks.append(pm.math.stack(finite).all())
    checks = graph_replace(checks, inputs, strict=False)
    function = compile(list(inputs.values()), checks, mode="FAST_COMPILE", on_unused_input="ignore")
    return names, function


def _distribution(variable: Any) -> str:
    name = getattr(variable.owner.op, "_print_name", None)
    return str(name[0]) if name else type(variable.owner.op).__name__


def _short(value: Array) -> str:
    text = repr(value.tolist())
    return text if len(text) <= 80 else f"{text[:77]}..."
