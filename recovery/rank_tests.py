"""Whether the ranks of truths drawn from the prior are uniform, over all that was ranked."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from recovery.blocks import Flags, Group
from recovery.calibration import Counts, Uniformity, uniformity
from recovery.columns import Columns
from recovery.multiplicity import benjamini_hochberg, holm
from recovery.ranking import rank_cells
from recovery.record import FITTED, KEPT_DRAWS, QUANTITY

ALPHA: Final = 0.05
TESTED: Final = (*FITTED, QUANTITY)
"""Kinds of what is tested; predictions are not."""


@dataclass(frozen=True, slots=True)
class RankTest:
    """The test of one parameter or quantity in one cell, or in all where `position` is None.

    Attributes
    ----------
    position : int or None
    parameter, kind : str
    result : Uniformity
    holm, benjamini_hochberg : float
        The p value, adjusted over all tests of the run.
    """

    position: int | None
    parameter: str
    kind: str
    result: Uniformity
    holm: float
    benjamini_hochberg: float

    @property
    def rejected(self) -> bool:
        """Whether the ranks are not uniform, at an error rate held over all tests together."""
        return self.holm <= ALPHA


def rank_tests(
    columns: Columns,
    modes: Sequence[str],
    *,
    together: bool = True,
    keep: Flags | None = None,
) -> list[RankTest]:
    """Test the ranks of every parameter and quantity in every cell of truth mode ``prior``.

    Estimates that are not finite have no rank to speak of and are left out, and so are known
    constants, see `usable_ranks` and `untested`.

    Parameters
    ----------
    columns : Columns
    modes : sequence of str
        Truth mode of each cell.
    together : bool
        Also test all cells at once, where there are several. Only if their data are independent:
        not if they share data sets.
    keep : array of bool, shape (n_replicates,), optional
        Replicates to test; by default all.
    """
    found: dict[str, list[tuple[int | None, Group, Counts]]] = defaultdict(list)
    for group in tested_groups(columns, modes):
        ranks = usable_ranks(columns, group, keep)
        if ranks.size:
            found[group.parameter].append((group.position, group, ranks))
    rows: list[tuple[int | None, Group, Counts]] = []
    for of_one in found.values():
        if len(of_one) > 1 and together:
            pooled = np.concatenate([ranks for _, _, ranks in of_one])
            rows.append((None, of_one[0][1], pooled))
    rows += [row for of_one in found.values() for row in of_one]
    results = [uniformity(ranks, KEPT_DRAWS, ALPHA) for _, _, ranks in rows]
    p_values = [result.p_value for result in results]
    adjusted = zip(rows, results, holm(p_values), benjamini_hochberg(p_values), strict=True)
    return [
        RankTest(position, group.parameter, group.kind, result, familywise, discovery)
        for (position, group, _), result, familywise, discovery in adjusted
    ]


def tested_groups(columns: Columns, modes: Sequence[str]) -> Iterator[Group]:
    """Go through what is tested: parameters first, quantities last, cell after cell."""
    order = list(dict.fromkeys(name for _, name in columns.groups))
    groups = [
        group
        for group in columns.groups.values()
        if group.kind in TESTED and modes[group.position] == "prior"
    ]
    yield from sorted(groups, key=lambda g: (g.kind == QUANTITY, order.index(g.parameter)))


def usable_ranks(columns: Columns, group: Group, keep: Flags | None = None) -> Counts:
    """Return the ranks of a group that carry information, on the scale of 99 draws.

    All that there are, unless every posterior stands still upon the truth: that is a known
    constant. A posterior without spread in some fits only may be certain and wrong, so it stays.
    Of a parameter that has draws which are not finite nothing is claimed; a quantity may have
    infinite ones, where draws are impossible given the data, and they have their rank.
    """
    group = group if keep is None else group.where(keep)
    truth, mean, sd, pit = (
        group.of(columns.column(name)) for name in ("truth", "mean", "sd", "pit")
    )
    if ((sd == 0) & (mean == truth)).all():
        return np.empty(0, dtype=np.int64)
    usable = np.isfinite(pit)
    if group.kind != QUANTITY:
        usable &= np.isfinite(mean) & np.isfinite(sd)
    return rank_cells(pit[usable]).astype(np.int64)


def untested(columns: Columns, modes: Sequence[str]) -> list[tuple[int, str, str]]:
    """Return cell, parameter and reason where no replicate has a rank that could be tested."""
    found = []
    for group in tested_groups(columns, modes):
        if not usable_ranks(columns, group).size:
            truth, mean, sd = (group.of(columns.column(n)) for n in ("truth", "mean", "sd"))
            finite = (np.isfinite(mean) & np.isfinite(sd)).all()
            if not finite:
                reason = "not available" if group.kind == QUANTITY else "not finite"
            else:
                reason = "no true value" if np.isnan(truth).all() else "constant"
            found.append((group.position, group.parameter, f"not tested: {reason}"))
    return found
