"""What a sampler is: something that compiles a density once and fits many data sets with it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pymc as pm
import pytensor
from numpy.typing import NDArray

from recovery.design import Settings
from recovery.engine.problem import Arrays, CheckedProblem
from recovery.engine.structure import Simulated
from recovery.record import Sampling


@dataclass(frozen=True, slots=True)
class Fit:
    """The outcome of one fit.

    Attributes
    ----------
    draws : mapping of str to array, shape (chain, draw, *shape of the variable)
        Kept draws of every recorded variable, on its own (constrained) scale.
    sampling : Sampling
    sample_s : float
        Seconds spent sampling, compilation left out.
    compile_s : float
        Seconds of compilation inside this very fit; 0 where the density was compiled before.
    stats : callable, optional
        Returns what the sampler knows of each kept draw, by ArviZ's names, each of shape (chain,
        draw); made only when it is asked for.
    """

    draws: Mapping[str, NDArray[np.float64]]
    sampling: Sampling
    sample_s: float
    compile_s: float = 0.0
    stats: Callable[[], Mapping[str, NDArray[Any]]] | None = None


@dataclass(frozen=True)
class Target:
    """What a density is compiled from: a problem and the shapes of what is recorded."""

    problem: CheckedProblem
    shapes: Mapping[str, tuple[int, ...]]

    @staticmethod
    def observed_name(name: str) -> str:
        """Return the name of the variable that holds the observations of `name`."""
        return f"{name} (observed)"

    def conditioned(self, observed: Arrays) -> pm.Model:
        """Return the model conditioned on shared variables that hold the observations."""
        model = self.problem.model
        held = {
            name: pytensor.shared(
                np.asarray(observed[name], dtype=model[name].dtype), name=self.observed_name(name)
            )
            for name in self.problem.observed
        }
        return pm.observe(model, held)


class Density(Protocol):
    """A compiled log density whose data can be swapped.

    One that compiles in every fit says so by an attribute ``compiles_in_fits``, and each of its
    fits by its `Fit.compile_s`.
    """

    def fit(self, simulated: Simulated, settings: Settings, seed: int) -> Fit:
        """Sample the posterior given these data; safe in several threads if the sampler is.

        Parameters
        ----------
        simulated : Simulated
            Its truth is not for the sampler to see.
        settings : Settings
        seed : int
            63 bits; the same seed gives the same draws.
        """
        ...


class Sampler(Protocol):
    """A way to fit.

    Attributes
    ----------
    name : str
        What records say.
    threads : bool
        Whether fits run beside each other in threads of one process; otherwise in processes.
    counts_compilation : bool
        Whether `compile` is worth counting as a compilation.

    A sampler with parameters of its own should also have ``identity() -> Mapping[str, plain
    value]``: a run is gone on with only by a sampler of the same identity. One that approximates
    the posterior says so by an attribute ``approximate``: a problem that it cannot fit is refused,
    where otherwise it goes to ``pymc``.
    """

    name: str
    threads: bool
    counts_compilation: bool

    def cannot(self, problem: CheckedProblem) -> str:
        """Return why this sampler cannot fit the problem, or an empty string."""
        ...

    def compile(self, target: Target, simulated: Simulated) -> Density:
        """Compile the density of a structure, with this data set as the first."""
        ...


def as_float(values: Any) -> NDArray[np.float64]:
    """Return draws as float64, integers and booleans included."""
    return np.asarray(values, dtype=np.float64)
