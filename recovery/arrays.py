"""Frames as an array per column, with labelled dims: what xarray and ArviZ take."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recovery.errors import SettingsError
from recovery.record import Floats

if TYPE_CHECKING:
    import xarray as xr

    from recovery.results import Results


def dataset(results: "Results", what: Literal["estimates", "measures"]) -> "xr.Dataset":
    """Return a frame of results with the axes as dims, see `Results.to_xarray`."""
    if what == "measures":
        dims = [*results.axes, "truth", "parameter", "measure"]
        return arrays(results.measures(), dims, ["estimate", "mcse", "n", "mcmc_share"])
    if what != "estimates":
        raise SettingsError(f"what: {what!r} is not allowed; give 'estimates' or 'measures'")
    frame = results.estimates
    dims = [*results.axes, "truth_mode", "seed", "replicate", "parameter"]
    others = [name for name in map(str, frame) if name not in (*dims, "key", "kind")]
    kinds = frame.drop_duplicates("parameter")["kind"].to_numpy(str)
    return arrays(frame, dims, others).assign_coords(kind=("parameter", kinds))


def arrays(frame: pd.DataFrame, dims: Sequence[str], variables: Sequence[str]) -> "xr.Dataset":
    """Return columns of a frame as arrays of floats; nan where the frame has no row.

    Parameters
    ----------
    frame : DataFrame
        No two rows have the same entries in `dims`.
    dims : sequence of str
        Columns that become dims. Their labels stand in the order of their first row: levels as
        they were given, parameters as the model has them.
    variables : sequence of str
        Columns of numbers.
    """
    import xarray as xr

    codes, labels = zip(*(_labels(frame[dim]) for dim in dims), strict=True)
    found = {}
    for name in variables:
        values: Floats = np.full([len(label) for label in labels], np.nan)
        values[codes] = frame[name].to_numpy(float, na_value=np.nan)
        found[name] = (dims, values)
    return xr.Dataset(found, coords=dict(zip(dims, labels, strict=True)))


def _labels(column: "pd.Series[Any]") -> tuple[NDArray[np.intp], NDArray[Any]]:
    """Return the place of each entry among the labels, and the labels."""
    codes, labels = pd.factorize(column.to_numpy(), use_na_sentinel=False)
    if labels.dtype != object:
        return codes, labels
    if all(isinstance(label, str) for label in labels):
        return codes, labels.astype(str)
    # Of a missing level pandas makes nan; here it is None, as it was given.
    return codes, np.array([None if label != label else label for label in labels], dtype=object)
