"""Squares whose root means compare what two runs know: of posterior sds, and of errors."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np

from recovery.blocks import Integers
from recovery.comparison.matching import Matched, Matching
from recovery.comparison.side import Side, at_places
from recovery.record import FITTED, Floats

_ROUNDING: Final = 1e-10
RootMean: TypeAlias = Literal["model_se", "rmse"]


@dataclass(frozen=True)
class Squares:
    """The squares of one parameter of one cell.

    Attributes
    ----------
    cell : Matched
    parameter : str
    base, head : array, shape (n_pairs,)
        Of no pair, perhaps.
    lost : int
        Pairs that are left out since the draws of the head are not finite.
    """

    cell: Matched
    parameter: str
    base: Floats
    head: Floats
    lost: int


def squares(matching: Matching, cells: Sequence[Matched], measure: RootMean) -> Iterator[Squares]:
    """Go through the fitted parameters of some cells of two runs.

    Left out are pairs where one of the two has no finite square, so that none may be left; and
    parameters whose squares are 0 throughout in both, of which nothing was to be known.

    Parameters
    ----------
    matching : Matching
    cells : sequence of Matched
    measure : {"model_se", "rmse"}
    """
    for cell in cells:
        pairs = matching.pairs(cell)
        for parameter in matching.parameters(cell):
            if matching.head.columns.groups[cell.head, parameter].kind not in FITTED:
                continue
            base = _of(matching.base, cell.base, parameter, pairs.base, measure)
            head = _of(matching.head, cell.head, parameter, pairs.head, measure)
            both = np.isfinite(base) & np.isfinite(head)
            lost = int((np.isfinite(base) & np.isinf(head)).sum())
            if not both.any() or base[both].any() or head[both].any():
                yield Squares(cell, parameter, base[both], head[both], lost)


def _of(side: Side, position: int, parameter: str, places: Integers, measure: RootMean) -> Floats:
    """Return squares, infinite where draws are not finite, nan where there are none.

    What is no more than the rounding of a constant is 0: the diagonal of a correlation, say.
    """
    group = side.columns.groups[position, parameter]
    truth, mean, sd = (
        group.of(side.columns.column(name)).astype(float) for name in ("truth", "mean", "sd")
    )
    with np.errstate(all="ignore"):
        found = sd * sd if measure == "model_se" else (mean - truth) ** 2
        scale = np.fmax(np.abs(mean), np.abs(truth))
        found[found <= (_ROUNDING * scale) ** 2] = 0
    found[~np.isfinite(found)] = np.inf
    if measure == "rmse":
        found[~np.isfinite(truth)] = np.nan
    return at_places(side, position, parameter, places, found)
