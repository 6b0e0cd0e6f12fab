"""Test quantities: scalar functions of parameters and data, beside the parameters themselves.

Ranks of parameters cannot see every flaw: a posterior equal to the prior has uniform ones. The
joint log-likelihood at the truth has not (Modrák et al., 2025, doi:10.1214/23-BA1404).
"""

import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np

from recovery.engine.densities import LogDensities, LogDensity
from recovery.engine.problem import Arrays, CheckedProblem
from recovery.engine.structure import Simulated
from recovery.inert import said
from recovery.record import BUILT_IN, JOINT, Floats
from recovery.scenario import LOG_LIKELIHOOD, LOG_POSTERIOR, LOG_PRIOR

_PAIRS: Final = re.compile(r"(sums|differences)\((.+)\)")
_POINT: Final = re.compile(rf"{LOG_LIKELIHOOD}\[(.+?)(?:, *(\d+(?:, *\d+)*))?\]")
_ERROR_LENGTH: Final = 300

_Compute: TypeAlias = Callable[["_Rows"], Any]
"""From some rows of draws to an array, shape (n_rows,)."""


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A test quantity of one fit.

    Attributes
    ----------
    name : str
    truth : float
        Its value at the truth; nan where a true value is unknown.
    draws : array, shape (n_kept,)
        Its value at each kept draw.
    failure : str
        Why it could not be had; then truth and draws are nan. Empty if it could.
    """

    name: str
    truth: float
    draws: Floats
    failure: str = ""


class Quantities:
    """The test quantities of one problem, at the kept draws of any of its fits.

    Parameters
    ----------
    problem : CheckedProblem
        The problem that is fitted.
    densities : LogDensities
        Of its structure.
    """

    def __init__(self, problem: CheckedProblem, densities: LogDensities) -> None:
        self._problem = problem
        self._densities = densities

    def evaluate(
        self, simulated: Simulated, kept: Floats, names: Sequence[str] | None = None
    ) -> list[Evaluated]:
        """Evaluate all quantities, or those of some names; never raises for one of them.

        Parameters
        ----------
        simulated : Simulated
            The data, and the truth of every recorded variable.
        kept : array, shape (n_kept, n_parameters)
            Joint draws of the recorded variables, in their order.
        names : sequence of str, optional
            Names as they were asked for.
        """
        recorded = self._problem.recorded
        shapes = {name: np.shape(simulated.truth[name]) for name in recorded}
        drawn = _variables(shapes, kept)
        true = {name: np.asarray(simulated.truth[name])[None] for name in recorded}
        known = not any(np.isnan(values).any() for values in true.values())
        # One call for both: the draws, and the truth as one row more.
        rows = {n: np.concatenate([drawn[n], true[n]]) for n in recorded} if known else drawn
        density = _Once(lambda: self._densities(self._problem, simulated, rows))
        draws = _Rows(simulated, drawn, slice(len(kept)), density)
        truth = _Rows(simulated, true, slice(len(kept), None), density) if known else None
        wanted = asked(self._problem)
        return [
            _evaluated(name, compute, draws, truth)
            for key in (wanted if names is None else names)
            for name, compute in _expanded(self._problem, key, wanted[key], shapes)
        ]


class _Once:
    """Log densities that are computed when first asked for; what raises, raises again."""

    def __init__(self, compute: Callable[[], LogDensity]) -> None:
        self._compute = compute
        self._found: LogDensity | Exception | None = None

    def __call__(self) -> LogDensity:
        if self._found is None:
            try:
                self._found = self._compute()
            except Exception as error:
                self._found = error
        if isinstance(self._found, Exception):
            raise self._found
        return self._found


class _Rows:
    """Some rows of all recorded variables, shape (n, *shape) each, with their data.

    Parameters
    ----------
    simulated : Simulated
    parameters : mapping of str to array
    place : slice
        Where these rows are among those of the density.
    density : _Once
    """

    def __init__(
        self, simulated: Simulated, parameters: Arrays, place: slice, density: _Once
    ) -> None:
        self.parameters = parameters
        self.n = len(next(iter(parameters.values())))
        self._simulated, self._place, self._density = simulated, place, density

    @property
    def density(self) -> LogDensity:
        """The log densities of these rows."""
        return self._density().rows(self._place)

    def read_only(self) -> dict[str, Any]:
        """Return the parameters for a function that might change them."""
        return {name: _frozen(values) for name, values in self.parameters.items()}

    def data(self) -> dict[str, Any]:
        """Return observations and ``pm.Data`` for a function that might change them."""
        together = {**self._simulated.data, **self._simulated.observed}
        return {name: _frozen(values) for name, values in together.items()}


def asked(problem: CheckedProblem) -> dict[str, object]:
    """Return the test quantities of a problem by name: the built-in ones, then the user's own."""
    built_in = {name + JOINT * (name in problem.recorded): name for name in BUILT_IN}
    return {**built_in, **problem.quantities}


def expanded_names(
    problem: CheckedProblem, shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, list[str]]:
    """Return the names that each quantity expands to, by the name it was asked for by.

    Parameters
    ----------
    problem : CheckedProblem
    shapes : mapping of str to tuple of int
        Of the recorded variables.
    """
    return {
        key: [name for name, _ in _expanded(problem, key, source, shapes)]
        for key, source in asked(problem).items()
    }


def _expanded(
    problem: CheckedProblem, key: str, source: object, shapes: Mapping[str, tuple[int, ...]]
) -> list[tuple[str, _Compute]]:
    if callable(source):
        return [(key, lambda rows: source(rows.read_only(), rows.data()))]
    text = str(source)
    if pairs := _PAIRS.fullmatch(text):
        kind, name = pairs.groups()
        return _pairs(key, kind, name, problem, shapes[name])
    return [(key, _named(text))]


def unknown_source(source: object, problem: CheckedProblem) -> str:
    """Return why something that is no function is no quantity either, or an empty string."""
    text = source if isinstance(source, str) else ""
    if text in BUILT_IN:
        return ""
    if pairs := _PAIRS.fullmatch(text):
        known = ", ".join(problem.recorded)
        return "" if pairs[2] in problem.recorded else f"{pairs[2]!r} is none of {known}"
    if point := _POINT.fullmatch(text):
        return "" if point[1] in problem.observed else f"{point[1]!r} is not observed"
    variable, data = problem.recorded[0], problem.observed[0]
    return (
        f"give a function of parameters and data, or one of {', '.join(BUILT_IN)}, "
        f"{LOG_LIKELIHOOD}[{data}], {LOG_LIKELIHOOD}[{data}, 0], "
        f"sums({variable}), differences({variable})"
    )


def _variables(shapes: Mapping[str, tuple[int, ...]], kept: Floats) -> dict[str, Any]:
    """Part joint draws into variables of these shapes."""
    found, end = {}, 0
    for name, shape in shapes.items():
        start, end = end, end + int(np.prod(shape, dtype=int))
        found[name] = kept[:, start:end].reshape(len(kept), *shape)
    return found


def _evaluated(name: str, compute: _Compute, draws: _Rows, truth: _Rows | None) -> Evaluated:
    lost = np.full(draws.n, np.nan)
    try:
        with np.errstate(all="ignore"):
            values = _checked(compute(draws), draws.n, "the draws")
            at_truth = np.nan if truth is None else _checked(compute(truth), 1, "the truth")[0]
    except Exception as error:
        return Evaluated(name, np.nan, lost, said(error)[:_ERROR_LENGTH])
    return Evaluated(name, float(at_truth), values)


def _checked(values: Any, n: int, where: str) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if array.shape != (n,):
        raise ValueError(f"at {where} it has shape {array.shape}; it must be ({n},), one a draw")
    if np.isnan(array).any():
        raise ValueError(f"at {where} it is not a number")
    return array


def _named(text: str) -> _Compute:
    if text == LOG_LIKELIHOOD:
        return lambda rows: rows.density.log_likelihood()
    if text == LOG_PRIOR:
        return lambda rows: rows.density.log_prior
    if text == LOG_POSTERIOR:
        return lambda rows: rows.density.log_posterior()
    point = _POINT.fullmatch(text)
    assert point is not None, text
    name, place = point.groups()
    if place is None:
        return lambda rows: rows.density.log_likelihood(name)
    index: Any = tuple(int(number) for number in place.split(","))
    return lambda rows: rows.density.pointwise[name][(slice(None), *index)]


def _pairs(
    key: str, kind: str, name: str, problem: CheckedProblem, shape: tuple[int, ...]
) -> list[tuple[str, _Compute]]:
    """Return the sums or differences of all pairs of elements of a variable."""
    labels = [label.removeprefix(name)[1:-1] for label in problem.labels(name, shape)]
    sign, factor = ("+", 1.0) if kind == "sums" else ("-", -1.0)

    def of(first: int, second: int) -> _Compute:
        def compute(rows: _Rows) -> Any:
            flat = rows.parameters[name].reshape(rows.n, -1)
            return flat[:, first] + factor * flat[:, second]

        return compute

    return [
        (f"{key}[{labels[i]} {sign} {labels[j]}]", of(i, j))
        for i, j in itertools.combinations(range(len(labels)), 2)
    ]


def _frozen(values: Any) -> Any:
    view = np.asarray(values).view()
    view.flags.writeable = False
    return view
