"""One fit as the groups of arrays that ArviZ knows, with the dims and coords of the model."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pymc as pm
import xarray as xr
from numpy.typing import NDArray

from recovery.engine.problem import CheckedProblem
from recovery.engine.samplers import Fit
from recovery.engine.structure import Simulated
from recovery.engine.workshop import Prepared

_SAMPLE: Final = ("chain", "draw")


def groups(prepared: Prepared, simulated: Simulated, fit: Fit) -> dict[str, xr.Dataset]:
    """Return the groups of one fit.

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
    found = {
        "posterior": _dataset(problem, draws, _SAMPLE),
        "prior": _dataset(problem, truth, _SAMPLE),
        "observed_data": _dataset(problem, simulated.observed),
        "constant_data": _dataset(problem, simulated.data),
    }
    if fit.stats is not None:
        found["sample_stats"] = _dataset(problem, fit.stats(), _SAMPLE)
    return {name: group for name, group in found.items() if group.data_vars}


def _typed(problem: CheckedProblem, name: str, values: NDArray[Any]) -> NDArray[Any]:
    """Return draws in the type of their variable: integers stay integers."""
    dtype = np.dtype(problem.model[name].dtype)
    return values.astype(dtype) if dtype.kind in "iub" else values


def _dataset(
    problem: CheckedProblem, values: Mapping[str, NDArray[Any]], sample: Sequence[str] = ()
) -> xr.Dataset:
    variables: dict[str, xr.DataArray] = {}
    for name, value in values.items():
        array = np.asarray(value)
        own, coords = _dims(problem.model, name, array.shape[len(sample) :])
        inert = _name(name)
        attrs = {} if inert == name else {"name": name.replace("\0", "")}
        coords |= {dim: np.arange(array.shape[i]) for i, dim in enumerate(sample)}
        variables[inert] = xr.DataArray(array, coords, [*sample, *own], attrs=attrs)
    return xr.Dataset(variables)


def _dims(
    model: pm.Model, name: str, shape: tuple[int, ...]
) -> tuple[list[str], dict[str, NDArray[Any]]]:
    """Return dims and coords of a variable; labels only where there are as many as entries."""
    given = model.named_vars_to_dims.get(name) or ()
    dims, coords = [], {}
    for place, size in enumerate(shape):
        dim = given[place] if place < len(given) else None
        labels = model.coords.get(dim) if dim is not None else None
        if dim is None:
            dim = f"{name}_dim_{place}"
        elif labels is None or len(labels) != size:
            labels = None
        inert = _name(str(dim))
        dims.append(inert)
        if labels is not None and len(set(map(type, labels))) == 1:
            coords[inert] = np.asarray(labels)
        elif labels is not None:
            coords[inert] = np.asarray([str(label) for label in labels])
        else:
            coords[inert] = np.arange(size)
    return dims, coords


def _name(name: str) -> str:
    """Return a name that a file of NetCDF can have."""
    return name.replace("/", "_").replace("\0", "_").strip() or "_"
