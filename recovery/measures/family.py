"""Families of measures: each formula with what a reader needs to know of it."""

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Final, NamedTuple, ParamSpec

import numpy as np

from recovery.measures.mcmc import Array
from recovery.measures.terms import Measured, Terms

P = ParamSpec("P")

PARAMETER: Final = "parameter units"
MORRIS: Final = "Morris, White & Crowther (2019), doi:10.1002/sim.8086"
COLLINS: Final = "Collins, Schafer & Kam (2001), doi:10.1037/1082-989X.6.4.330"
SCHAD: Final = "Schad, Betancourt & Vasishth (2021), doi:10.1037/met0000275"
GNEITING: Final = "Gneiting & Raftery (2007), doi:10.1198/016214506000001437"
GELMAN: Final = "Gelman & Carlin (2014), doi:10.1177/1745691614551642"
LIN: Final = "Lin (1989), doi:10.2307/2532051"
COOK: Final = "Cook, Gelman & Rubin (2006), doi:10.1198/106186006X136976"

_SCALARS = {"ci_prob", "prior_sd", "prior_variance_relative_se"}


class MeasureInfo(NamedTuple):
    """What a reader needs to know of a measure.

    ``ideal`` is what exact posteriors give where truths come from the prior; None if that depends
    on the model and its data.
    """

    meaning: str
    formula: str
    ideal: float | None
    unit: str
    reference: str


class Entry(NamedTuple):
    """A formula of finite arrays, the names of its arguments, and what is said of it."""

    formula: Callable[..., Terms]
    needs: tuple[str, ...]
    info: MeasureInfo


class Family(dict[str, Entry]):
    """Measures of one kind, by name, in the order in which readers meet them."""

    def measure(
        self, formula: str, ideal: float | None, unit: str, reference: str
    ) -> Callable[[Callable[P, Terms]], Callable[P, Measured]]:
        """Enter a function of finite arrays, and give it the promises of every measure."""

        def enter(function: Callable[P, Terms]) -> Callable[P, Measured]:
            meaning = (function.__doc__ or "").partition("\n")[0]
            signature = inspect.signature(function)
            info = MeasureInfo(meaning, formula, ideal, unit, reference)
            self[function.__name__] = Entry(function, tuple(signature.parameters), info)

            @wraps(function)
            def over_finite_replicates(*args: P.args, **kwargs: P.kwargs) -> Measured:
                given = signature.bind(*args, **kwargs)
                arrays = {name: x for name, x in given.arguments.items() if name not in _SCALARS}
                given.arguments.update(finite(arrays))
                with np.errstate(all="ignore"):
                    return function(*given.args, **given.kwargs).measured()

            return over_finite_replicates

        return enter


def finite(
    arguments: Mapping[str, Array], beside: Mapping[str, Array] | None = None
) -> dict[str, Array]:
    """Return arrays without the replicates where any of them is not finite.

    Parameters
    ----------
    arguments, beside : mapping of str to array, shape (n_replicates,)
        What stands beside may be anything; the same replicates are left out of it.

    Raises
    ------
    ValueError
        If shapes differ.
    """
    checked = {name: np.asarray(x, dtype=np.float64) for name, x in arguments.items()}
    arrays = checked | {n: np.asarray(x, dtype=np.float64) for n, x in (beside or {}).items()}
    shapes = {array.shape for array in arrays.values()}
    if len(shapes) != 1 or len(next(iter(shapes))) != 1:
        got = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise ValueError(f"measures take arrays of one shape (n_replicates,); got {got}")
    keep = np.logical_and.reduce([np.isfinite(array) for array in checked.values()])
    return arrays if keep.all() else {name: array[keep] for name, array in arrays.items()}
