"""The measures of two runs side by side, for every cell and parameter that both have."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from recovery.blocks import Integers
from recovery.comparison.matching import Matched, Matching, Pairs
from recovery.comparison.side import Side, where
from recovery.errors import UsageError
from recovery.measures import MEASURES, Difference, measure_info, paired, unpaired
from recovery.measures.catalogue import LEVELLED
from recovery.measures.paired import joint_coverage_difference
from recovery.measures.pairs import PAIRS
from recovery.multiplicity import holm
from recovery.record import FITTED, built_in
from recovery.scenario import LOG_POSTERIOR
from recovery.shares import check_probability

DEFAULT: Final = ("coverage_90", "bias", "empirical_se", "rmse", "model_se", "z_sd", "crps")
"""Measures that are compared unless others are asked for."""
_LEVELLED: Final = {*LEVELLED, "joint_coverage"}
COLUMNS: Final = (
    "position", "parameter", "measure", "base", "base_mcse", "base_n", "head", "head_mcse",
    "head_n", "difference", "mcse", "n", "data", "p_value",
)  # fmt: skip


def check_measures(names: Sequence[str]) -> dict[str, float | None]:
    """Return the level of each measure, None for those that have none.

    Raises
    ------
    UsageError
        If a name is no measure, or lacks its level.
    """
    found: dict[str, float | None] = {}
    for name in names:
        level = re.fullmatch(r"(.+?)_(\d+(?:\.\d+)?)", name)
        base = level.group(1) if level and level.group(1) in MEASURES else name
        try:
            measure_info(base)
            prob = float(level.group(2)) / 100 if level and base != name else None
            if prob is not None:
                check_probability("the level of an interval", prob)
        except ValueError as error:
            raise UsageError(f"measure {name!r}: {error}") from None
        if base in PAIRS:
            raise UsageError(f"measure {name!r} is of pairs within one run; choose another")
        if base not in _LEVELLED and prob is not None:
            raise UsageError(f"measure {name!r}: {base} is of no interval; leave the level out")
        if base in _LEVELLED and prob is None:
            raise UsageError(
                f"measure {name!r} needs the level of its interval in per cent, as {base}_90"
            )
        if prob is not None and prob > 0.998:
            raise UsageError(f"measure {name!r}: levels go up to 99.8 per cent")
        found[name] = prob
    if not found:
        raise UsageError(f"no measure is named; give some of {', '.join(DEFAULT)}")
    return found


def measure_rows(matching: Matching, names: Sequence[str]) -> pd.DataFrame:
    """Return a row per cell, parameter and measure; ``position`` is that of the head's cell.

    Parameters of the kinds `FITTED` have rows; constants have none. See `Comparison.measures` for
    the columns; ``p_holm`` is adjusted over all rows.

    Raises
    ------
    UsageError
        If a name is no measure that can be compared.
    """
    levels = check_measures(names)
    probs = sorted({prob for prob in levels.values() if prob is not None})
    rows = [
        (cell.head, parameter, name, *one.base[:3], *one.head[:3], one.difference, one.mcse,
         min(one.base.n, one.head.n), data, one.p_value)
        for cell, parameter, data, found in found_in(matching, probs)
        for name in names
        if (one := found.get(name)) is not None and max(one.base.n, one.head.n)
    ]  # fmt: skip
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    frame["p_holm"] = np.nan
    tested = frame["p_value"].notna()
    frame.loc[tested, "p_holm"] = holm(frame.loc[tested, "p_value"].tolist())
    return frame


def found_in(
    matching: Matching, probs: Sequence[float]
) -> Iterator[tuple[Matched, str, str, Mapping[str, Difference]]]:
    """Go through cells and parameters: the data that pairs share, and measures by name."""
    for cell in matching.cells:
        pairs = matching.pairs(cell)
        for parameter in matching.parameters(cell):
            kind = matching.head.columns.groups[cell.head, parameter].kind
            joint = built_in(parameter, kind) == LOG_POSTERIOR
            if kind not in FITTED and not joint:
                continue
            base, head = _sides(matching, cell, parameter, pairs, probs)
            if joint:
                found = {
                    f"joint_coverage_{100 * prob:g}": joint_coverage_difference(
                        base["pit"], head["pit"], prob, pairs=len(pairs) > 0
                    )
                    for prob in probs
                }
            elif constant(base) and constant(head):
                continue
            else:
                found = paired(base, head) if len(pairs) else unpaired(base, head)
            yield cell, parameter, pairs.data, found


def _sides(
    matching: Matching, cell: Matched, parameter: str, pairs: Pairs, probs: Sequence[float]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the arrays of both sides: in the order of the pairs, or all where there are none."""
    base, head = matching.base, matching.head
    if not len(pairs):
        return (
            given(base, cell.base, parameter, probs, slice(None)),
            given(head, cell.head, parameter, probs, slice(None)),
        )
    mine = where(base, cell.base, parameter)[pairs.base]
    theirs = where(head, cell.head, parameter)[pairs.head]
    both = (mine >= 0) & (theirs >= 0)
    return (
        given(base, cell.base, parameter, probs, mine[both]),
        given(head, cell.head, parameter, probs, theirs[both]),
    )


def given(
    side: Side, position: int, parameter: str, probs: Sequence[float], rows: Integers | slice
) -> dict[str, Any]:
    """Return the arrays of some rows of a group, as `paired` takes them, and its PITs."""
    columns = side.columns
    group, prior = columns.groups[position, parameter], side.priors[position].get(parameter, {})
    names = ("mean", "sd", "truth", "crps", "pit")
    ends = {prob: side.ends(prob) for prob in probs}
    return {
        **{name: group.of(columns.column(name))[rows] for name in names},
        "intervals": {
            p: (group.of(low)[rows], group.of(up)[rows]) for p, (low, up) in ends.items()
        },
        "prior_sd": prior.get("sd"),
        "prior_variance_relative_se": prior.get("variance_relative_se", 0.0),
    }


def constant(side: Mapping[str, Any]) -> bool:
    """Say whether posteriors stand still upon the truth: nothing was estimated."""
    return bool(((side["sd"] == 0) & (side["mean"] == side["truth"])).all())
