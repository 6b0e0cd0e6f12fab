"""One fit as the groups of arrays that ArviZ knows, with the dims and coords of the model."""

import datetime
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pymc as pm
import xarray as xr
from numpy.typing import NDArray

from recovery.engine.problem import CheckedProblem
from recovery.engine.samplers import Fit
from recovery.engine.structure import Simulated
from recovery.engine.workshop import Prepared
from recovery.inert import plain

_SAMPLE: Final = ("chain", "draw")


def groups(prepared: Prepared, simulated: Simulated, fit: Fit) -> dict[str, xr.Dataset]:
    """Return the groups of one fit.

    Names and labels that a file of NetCDF cannot have are changed; the attribute ``name`` of a
    variable then has the one that was given.

    Parameters
    ----------
    prepared : Prepared
    simulated : Simulated
    fit : Fit

    Returns
    -------
    dict of str to xarray.Dataset
        ``posterior`` and ``sample_stats`` (if the sampler has any) with the dims chain and draw,
        ``observed_data``, ``constant_data``, and ``prior``: the true values, as the one draw of
        one chain.
    """
    problem = prepared.problem
    draws = {name: _typed(problem, name, values) for name, values in fit.draws.items()}
    truth = {
        name: np.asarray(value)[np.newaxis, np.newaxis] for name, value in simulated.truth.items()
    }
    sampled = {"posterior": draws, "prior": truth}
    fixed = {"observed_data": simulated.observed, "constant_data": simulated.data}
    every = [name for group in (*sampled.values(), *fixed.values()) for name in group]
    layout = _Layout(problem.model, every)
    found = {name: layout.dataset(values, _SAMPLE) for name, values in sampled.items()}
    if fit.stats is not None:
        # By the names that ArviZ looks for, whatever the model has of the same name.
        stats = {name: (_SAMPLE, values) for name, values in fit.stats().items()}
        coords = {dim: found["posterior"][dim] for dim in _SAMPLE}
        found["sample_stats"] = xr.Dataset(stats, coords)
    found |= {name: layout.dataset(values) for name, values in fixed.items()}
    return {name: group for name, group in found.items() if group.data_vars}


def _typed(problem: CheckedProblem, name: str, values: NDArray[Any]) -> NDArray[Any]:
    """Return draws in the type of their variable: integers stay integers."""
    dtype = np.dtype(problem.model[name].dtype)
    return values.astype(dtype) if dtype.kind in "iub" else values


class _Layout:
    """Dims, coords and the names that a file can have, the same in all groups.

    Parameters
    ----------
    model : pymc.Model
    names : collection of str
        Of all variables; they come first, and dims of the same names give way.
    """

    def __init__(self, model: pm.Model, names: Collection[str]) -> None:
        self._model = model
        self._taken = set(_SAMPLE)
        self._variables: dict[str, str] = {}
        self._dims: dict[tuple[str, int], str] = {}
        for name in names:
            if name not in self._variables:
                self._variables[name] = self._free(name, "_")

    def _free(self, name: str, ending: str) -> str:
        inert = _inert(name)
        while inert in self._taken:
            inert += ending
        self._taken.add(inert)
        return inert

    def dataset(self, values: Mapping[str, NDArray[Any]], sample: Sequence[str] = ()) -> xr.Dataset:
        """Return a group; `sample` names the dims that stand before those of the model."""
        variables: dict[str, xr.DataArray] = {}
        for name, value in values.items():
            array = np.asarray(value)
            own, coords = self._labelled(name, array.shape[len(sample) :])
            coords |= {dim: np.arange(array.shape[i]) for i, dim in enumerate(sample)}
            inert = self._variables[name]
            attrs = {} if inert == name else {"name": plain(name)}
            variables[inert] = xr.DataArray(array, coords, [*sample, *own], attrs=attrs)
        return xr.Dataset(variables)

    def _labelled(
        self, name: str, shape: tuple[int, ...]
    ) -> tuple[list[str], dict[str, NDArray[Any]]]:
        """Return dims and coords of a variable; labels only where there are as many as entries."""
        given = self._model.named_vars_to_dims.get(name) or ()
        dims: list[str] = []
        coords = {}
        for place, size in enumerate(shape):
            dim = given[place] if place < len(given) else None
            labels = None if dim is None else self._model.coords.get(dim)
            dims.append(self._dim(f"{name}_dim_{place}" if dim is None else str(dim), dims))
            fit = labels is not None and len(labels) == size
            coords[dims[-1]] = _labels(labels) if fit else np.arange(size)
        return dims, coords

    def _dim(self, dim: str, before: Sequence[str]) -> str:
        """Return the name of a dim; a variable that has it twice needs two."""
        for time in range(len(before) + 1):
            if (dim, time) not in self._dims:
                self._dims[dim, time] = self._free(dim, "_dim")
            if self._dims[dim, time] not in before:
                break
        return self._dims[dim, time]


def _labels(labels: Any) -> NDArray[Any]:
    """Return labels as numbers, times or texts that a file can have."""
    kinds = set(map(type, labels))
    if all(issubclass(kind, bool | int | float | np.generic) for kind in kinds):
        array = np.asarray(labels)
        if array.dtype.kind in "biufM":
            return array
    elif all(isinstance(label, datetime.datetime) and not label.tzinfo for label in labels):
        return np.array(labels, dtype="datetime64[us]")
    return np.array([plain(label) for label in labels], dtype=np.str_)


def _inert(name: str) -> str:
    """Return a name that a file of NetCDF can have."""
    inert = plain(name).replace("/", "_").strip()
    return inert if inert.strip(".") else "_"
