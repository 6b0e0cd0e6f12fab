"""Covariates redrawn for each replicate, compiled once whatever their size."""

import threading
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytensor
from numpy.typing import NDArray
from pymc.pytensorf import collect_default_updates, compile, reseed_rngs
from pytensor.graph.basic import Constant, Variable
from pytensor.graph.replace import clone_replace
from pytensor.graph.traversal import ancestors
from pytensor.tensor.random.op import RandomVariable
from pytensor.tensor.random.type import RandomType
from pytensor.tensor.variable import TensorVariable

from recovery.engine.graph import same_graph, skeleton
from recovery.errors import UserCodeError
from recovery.inert import said
from recovery.loading import user_traceback

Array = NDArray[Any]


class Lifted:
    """Distributions with their sizes and numbers turned into variables that can be set.

    ``pm.Normal.dist(shape=(100, 3))`` holds 100 as a constant; with another number it would be
    another graph. Lifted, all sizes share one graph, and so one compiled function.

    Parameters
    ----------
    distributions : sequence of TensorVariable
    """

    def __init__(self, distributions: list[TensorVariable]) -> None:
        constants = _liftable(distributions)
        self.values: list[Array] = [np.asarray(constant.data) for constant in constants]
        self.shared = [
            pytensor.shared(value, shape=_loose(constant))
            for value, constant in zip(self.values, constants, strict=True)
        ]
        replacements = dict(zip(constants, self.shared, strict=True))
        self.outputs = clone_replace(distributions, replacements, rebuild_strict=False)
        self.inputs = self.shared + [
            v for v in ancestors(self.outputs) if isinstance(v.type, RandomType) and not v.owner
        ]

    @property
    def skeleton(self) -> str:
        """What it has in common with distributions that differ in constants."""
        return skeleton(self.outputs, self.inputs)

    def same_graph(self, other: "Lifted") -> bool:
        """Whether the two differ in nothing but the lifted values."""
        same_types = [v.type for v in self.inputs] == [v.type for v in other.inputs]
        return same_types and same_graph(self.outputs, other.outputs, self.inputs, other.inputs)


class CovariateDrawer:
    """One compiled function for all cells whose covariates are the same distributions."""

    def __init__(self, lifted: Lifted) -> None:
        self.lifted = lifted
        # Structures of one sweep may share a drawer, so it has a lock of its own.
        self._lock = threading.Lock()
        self._rngs = list(collect_default_updates(lifted.outputs))
        self._function = compile([], lifted.outputs, mode="FAST_COMPILE")

    def draw(self, values: list[Array], seed: int) -> list[Array]:
        """Draw with these sizes and numbers."""
        with self._lock:
            for shared, value in zip(self.lifted.shared, values, strict=True):
                shared.set_value(value)
            reseed_rngs(self._rngs, seed)
            return [np.asarray(value) for value in self._function()]


class Covariates:
    """The covariates of one problem: distributions, functions of a generator, or fixed arrays.

    Parameters
    ----------
    given : mapping of str to distribution, callable or array
    """

    def __init__(self, given: Mapping[str, Any]) -> None:
        # Sorted, so that the order they are written in changes no draw.
        given = dict(sorted(given.items()))
        self._functions = {k: v for k, v in given.items() if callable(v)}
        self._fixed = {k: v for k, v in given.items() if isinstance(v, np.ndarray)}
        distributions = {k: v for k, v in given.items() if isinstance(v, TensorVariable)}
        self._names = list(distributions)
        self.lifted = Lifted(list(distributions.values())) if distributions else None

    def draw(self, drawer: CovariateDrawer | None, seed: int) -> dict[str, Array]:
        """Draw all of them; the distributions by a drawer of the same graph."""
        drawn = dict(self._fixed)
        if drawer is not None and self.lifted is not None:
            values = drawer.draw(self.lifted.values, seed)
            drawn |= dict(zip(self._names, values, strict=True))
        for i, (name, function) in enumerate(self._functions.items()):
            rng = np.random.default_rng([seed, i])
            try:
                drawn[name] = np.asarray(function(rng))
            except Exception as error:
                file = getattr(getattr(function, "__code__", None), "co_filename", None)
                raise UserCodeError(
                    f"the function for {name!r} raised {said(error)}",
                    user_traceback(error, file),
                ) from error
        return drawn


def _liftable(outputs: list[TensorVariable]) -> list[Constant[Any]]:
    constants: dict[Variable[Any, Any], None] = {}
    for variable in ancestors(outputs):
        node = variable.owner
        if node is not None and isinstance(node.op, RandomVariable):
            size = node.op.size_param(node)
            if isinstance(size, Constant) and getattr(size.type, "ndim", 0) == 1:
                constants[size] = None
        # Floating-point constants are never axes or indices, so they can always vary.
        if isinstance(variable, Constant) and getattr(variable.type, "dtype", "")[:5] == "float":
            constants[variable] = None
    return list(constants)


def _loose(constant: Constant[Any]) -> tuple[int | None, ...]:
    """Keep what broadcasting and the number of dimensions rest on, free the other lengths."""
    shape = constant.type.shape
    if constant.type.dtype == "int64":
        return tuple(shape)
    return tuple(1 if length == 1 else None for length in shape)
