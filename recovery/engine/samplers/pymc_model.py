"""A conditioned model for PyMC's own samplers: its data swapped, its announcements hushed."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import numpy as np

from recovery.engine.problem import Arrays
from recovery.engine.samplers.base import Target
from recovery.engine.structure import Simulated, set_values

NAME: Final = "pymc"
"""What records call the sampler, whichever way it goes."""


class Conditioned:
    """A model conditioned on observations, with data that are swapped by `hold`.

    Parameters
    ----------
    target : Target
    simulated : Simulated
        The first data set it holds.
    """

    def __init__(self, target: Target, simulated: Simulated) -> None:
        self.model = target.conditioned(simulated.observed)
        self.shapes = target.shapes
        self.recorded = target.problem.recorded
        self._observed = {
            name: _shared_below(self.model.rvs_to_values[self.model[name]])
            for name in target.problem.observed
        }

    def hold(self, simulated: Simulated) -> None:
        """Put another data set in, of any length."""
        named = self.model.named_vars
        data = {name: value for name, value in simulated.data.items() if name in named}
        set_values(self.model, _row_major(data), simulated.lengths)
        for name, values in _row_major(simulated.observed).items():
            holder = self._observed[name]
            holder.set_value(np.asarray(values, dtype=holder.dtype))


def _row_major(arrays: Arrays) -> dict[str, Any]:
    """Lay arrays out alike: numba compiles a function again for another layout of its data."""
    return {name: np.asarray(values, order="C") for name, values in arrays.items()}


def _shared_below(variable: Any) -> Any:
    """Return the shared variable that an observation of fixed shape wraps, or itself."""
    return variable if variable.owner is None else _shared_below(variable.owner.inputs[0])


@contextmanager
def hushed() -> Iterator[None]:
    """Silence what PyMC says of each fit: it would drown the progress of the sweep.

    Convergence is judged by the same diagnostics for every sampler, not by its warnings.
    """
    logger = logging.getLogger("pymc")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
