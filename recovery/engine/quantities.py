"""Test quantities: scalar functions of parameters and data, beside the parameters themselves.

Ranks of parameters cannot see every flaw: a posterior equal to the prior has uniform ones. The
joint log-likelihood at the truth has not (Modrák et al., 2025, doi:10.1214/23-BA1404).
"""

import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np

from recovery.engine.densities import LogDensities, LogDensity
from recovery.engine.problem import Arrays, CheckedProblem
from recovery.engine.structure import Simulated
from recovery.record import Floats
from recovery.scenario import LOG_LIKELIHOOD, LOG_POSTERIOR, LOG_PRIOR

BUILT_IN: Final = (LOG_LIKELIHOOD, LOG_PRIOR, LOG_POSTERIOR)
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
        draws = _Rows(self, simulated, _variables(self._problem, simulated.truth, kept))
        single = {n: np.asarray(simulated.truth[n])[None] for n in self._problem.recorded}
        truth = _Rows(self, simulated, single)
        wanted = asked(self._problem)
        chosen = wanted if names is None else {name: wanted[name] for name in names}
        found = []
        for key, source in chosen.items():
            for name, compute in self._expanded(key, source, simulated):
                found.append(_evaluated(name, compute, draws, truth))
        return found

    def knows(self, name: str) -> bool:
        """Whether the problem asks for a quantity of this name."""
        return name in asked(self._problem)

    def log_density(self, rows: "_Rows") -> LogDensity:
        """Return the log densities of some rows."""
        return self._densities(self._problem, rows.simulated, rows.parameters)

    def _expanded(
        self, key: str, source: object, simulated: Simulated
    ) -> list[tuple[str, _Compute]]:
        if callable(source):
            return [(key, lambda rows: source(rows.read_only(), rows.data()))]
        text = str(source)
        if pairs := _PAIRS.fullmatch(text):
            kind, name = pairs.groups()
            return _pairs(key, kind, name, self._problem, np.shape(simulated.truth[name]))
        return [(key, _named(text))]


class _Rows:
    """Some draws of all recorded variables, shape (n_rows, *shape) each, with their data."""

    def __init__(self, owner: Quantities, simulated: Simulated, parameters: Arrays) -> None:
        self.simulated, self.parameters = simulated, parameters
        self._owner = owner
        self._density: LogDensity | Exception | None = None
        self.n = len(next(iter(parameters.values())))

    @property
    def density(self) -> LogDensity:
        """The log densities, computed once; what they raise, they raise again."""
        if self._density is None:
            try:
                self._density = self._owner.log_density(self)
            except Exception as error:
                self._density = error
        if isinstance(self._density, Exception):
            raise self._density
        return self._density

    @property
    def known(self) -> bool:
        """Whether every value is a number; a truth is not where its generator has none."""
        return not any(np.isnan(values).any() for values in self.parameters.values())

    def read_only(self) -> dict[str, Any]:
        """Return the parameters for a function that might change them."""
        return {name: _frozen(values) for name, values in self.parameters.items()}

    def data(self) -> dict[str, Any]:
        """Return observations and ``pm.Data`` for a function that might change them."""
        together = {**self.simulated.data, **self.simulated.observed}
        return {name: _frozen(values) for name, values in together.items()}


def asked(problem: CheckedProblem) -> dict[str, object]:
    """Return the test quantities of a problem by name: the built-in ones, then the user's own."""
    taken = {*problem.recorded, *problem.quantities}
    built_in = {name if name not in taken else f"{name} (joint)": name for name in BUILT_IN}
    return {**built_in, **problem.quantities}


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


def _variables(problem: CheckedProblem, truth: Arrays, kept: Floats) -> dict[str, Any]:
    """Part joint draws into variables of their own shapes."""
    found, end = {}, 0
    for name in problem.recorded:
        shape = np.shape(truth[name])
        start, end = end, end + int(np.prod(shape, dtype=int))
        found[name] = kept[:, start:end].reshape(len(kept), *shape)
    return found


def _evaluated(name: str, compute: _Compute, draws: _Rows, truth: _Rows) -> Evaluated:
    lost = np.full(draws.n, np.nan)
    try:
        with np.errstate(all="ignore"):
            values = _checked(compute(draws), draws.n, "the draws")
            at_truth = _checked(compute(truth), 1, "the truth")[0] if truth.known else np.nan
    except Exception as error:
        text = " ".join(str(error).split())
        return Evaluated(name, np.nan, lost, f"{type(error).__name__}: {text}"[:_ERROR_LENGTH])
    return Evaluated(name, float(at_truth), values)


def _checked(values: Any, n: int, where: str) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if array.shape != (n,):
        raise ValueError(f"at {where} it has shape {array.shape}; it must be ({n},), one a draw")
    if not np.isfinite(array).all():
        raise ValueError(f"at {where} it is not finite")
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
    labels = [label.removeprefix(name).strip("[]") for label in problem.labels(name, shape)]
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
