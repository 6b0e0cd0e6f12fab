"""Two runs side by side: what differs in how they were made, what they found, what they cost."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pandas as pd

from recovery.comparison.costs import cost_rows
from recovery.comparison.matching import Matching
from recovery.comparison.measured import DEFAULT, check_measures, measure_rows
from recovery.comparison.setups import Differing, differing
from recovery.errors import NothingMeasured
from recovery.inert import plain
from recovery.results import Results

Run: TypeAlias = Results | str | os.PathLike[str]


@dataclass(frozen=True)
class Comparison:
    """What a run (the head) has become beside another (the base).

    Attributes
    ----------
    base, head : pathlib.Path
        Their folders.
    axes : tuple of str
        By which cells were matched; the first columns of every frame.
    measures : DataFrame
        A row per cell, parameter and measure. Columns: axes, ``truth``, ``parameter``,
        ``measure``; ``base`` and ``head``, each with ``_mcse`` and ``_n``; ``difference`` (head
        minus base), ``mcse`` (of the difference), ``n`` (pairs, or the smaller of two samples that
        are no pairs), ``data`` (what the pairs share), ``p_value`` (two-sided, of no difference)
        and ``p_holm`` (adjusted over all rows, so that any row below 0.05 is a false alarm in at
        most 5 % of comparisons of runs that are the same, whatever number of rows there is: the
        fewer measures are asked for, the smaller a difference is found).
    cost : DataFrame
        A row per cell and cost. Columns: axes, ``truth``, ``cost``; ``base`` and ``head``, means
        per fit with ``_mcse`` and ``_n``; ``ratio`` (head over base: geometric mean over pairs or
        rounds; of divergences the ratio of means), ``lower`` and ``upper`` (95 % interval by
        Student's t), ``n``, ``unit`` (of n: pairs, fits or rounds) and ``note``, which says why
        there is no ratio. Times have one only where both ran by turns in one job.
    differences : tuple of Differing
        What differs between the set-ups.
    pairs : DataFrame
        A row per cell: axes, ``truth``, ``n`` (pairs), ``n_same_data`` and ``data``.
    """

    base: Path
    head: Path
    axes: tuple[str, ...]
    measures: pd.DataFrame
    cost: pd.DataFrame
    differences: tuple[Differing, ...]
    pairs: pd.DataFrame

    def beyond_chance(self, alpha: float = 0.05) -> pd.DataFrame:
        """Return the rows of `measures` that differ, by Holm's p value, the smallest first."""
        found = self.measures[self.measures["p_holm"] < alpha]
        return found.iloc[np.argsort(found["p_value"].to_numpy(), kind="stable")]


def compare(base: Run, head: Run, *, measures: Sequence[str] | None = None) -> Comparison:
    """Compare two runs, paired by replicate where they share seeds.

    Parameters
    ----------
    base, head : Results or path
        What is judged is the head; differences are head minus base, ratios head over base.
    measures : sequence of str, optional
        Names such as ``coverage_90``, ``bias``, ``joint_coverage_95``; by default
        `recovery.comparison.DEFAULT`.

    Returns
    -------
    Comparison

    Raises
    ------
    NothingInCommon
        If no cell is in both runs.
    NothingMeasured
        If no cell has a complete replicate in both.
    UsageError
        If a measure is unknown.
    """
    names = list(dict.fromkeys(DEFAULT if measures is None else measures))
    check_measures(names)
    one, other = (run if isinstance(run, Results) else Results(run) for run in (base, head))
    matching = Matching.of(one, other)
    if not any(
        len(matching.base.complete(cell.base)) and len(matching.head.complete(cell.head))
        for cell in matching.cells
    ):
        raise NothingMeasured(
            f"{plain(one.folder)} and {plain(other.folder)}: no cell has a complete replicate in "
            "both, so there is nothing to compare; go on with the runs first"
        )
    return Comparison(
        one.folder,
        other.folder,
        tuple(matching.axes),
        _placed(matching, measure_rows(matching, names)),
        _placed(matching, cost_rows(matching)),
        differing(matching),
        _placed(matching, _pair_rows(matching)),
    )


def _pair_rows(matching: Matching) -> pd.DataFrame:
    rows = [
        (cell.head, len(pairs), int(np.count_nonzero(pairs.same_data)), pairs.data)
        for cell in matching.cells
        for pairs in [matching.pairs(cell)]
    ]
    return pd.DataFrame(rows, columns=["position", "n", "n_same_data", "data"])


def _placed(matching: Matching, frame: pd.DataFrame) -> pd.DataFrame:
    """Put the levels and the truth mode in front, in place of the position."""
    cells = {cell.head: cell for cell in matching.cells}
    mine = [cells[position] for position in frame["position"]]
    levels = {
        axis: pd.Series([cell.levels[axis] for cell in mine], dtype=_dtype(matching, axis))
        for axis in matching.axes
    }
    named = pd.DataFrame({**levels, "truth": [cell.truth_mode for cell in mine]})
    # An axis may share its name with a column: both stay.
    return pd.concat([named, frame.drop(columns="position")], axis=1)


def _dtype(matching: Matching, axis: str) -> type | None:
    """Return object where levels are of several types, so that they stay what they are."""
    types = {type(cell.levels[axis]) for cell in matching.cells}
    return None if len(types) == 1 and types != {type(None)} else object
