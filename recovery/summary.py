"""The measures of every parameter in every cell, straight from the columns of a store."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from recovery.blocks import Flags
from recovery.columns import Columns
from recovery.measures import Measured, performance
from recovery.record import Floats

Row: TypeAlias = tuple[int, str, str, float, float, int]
"""Cell, parameter, measure, estimate, mcse, n."""


def summarise(
    columns: Columns,
    intervals: Mapping[float, tuple[list[Floats], list[Floats]]],
    cells: Sequence[Mapping[str, Any]],
    keep: Flags | None = None,
) -> Iterator[Row]:
    """Go through the measures, cell by cell and parameter by parameter.

    Parameters
    ----------
    columns : Columns
    intervals : mapping of float to pair of lists
        Lower and upper ends by level, of each block, (n_parameters, n).
    cells : sequence of mapping
        As `Store.cells` gives them, for their priors.
    keep : array of bool, shape (n_replicates,), optional
        Replicates to measure; by default all. A parameter that none is left of has no measure.
    """
    priors = [{prior["parameter"]: prior for prior in cell["priors"]} for cell in cells]
    mean, sd, truth = (columns.column(name) for name in ("mean", "sd", "truth"))
    for (position, parameter), each in columns.groups.items():
        group = each if keep is None else each.where(keep)
        if not len(group.places):
            continue
        prior = priors[position].get(parameter, {})
        measured: dict[str, Measured] = performance(
            group.of(mean),
            group.of(sd),
            group.of(truth),
            {prob: (group.of(low), group.of(high)) for prob, (low, high) in intervals.items()},
            prior.get("sd"),
            prior.get("variance_relative_se", 0.0),
        )
        for name, (estimate, mcse, n) in measured.items():
            yield position, parameter, name, estimate, mcse, n
