"""One measure, or one cost, over many runs of a scenario: how it stood, and what changed it."""

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
import pandas as pd

from recovery.comparison.costs import TIMES
from recovery.comparison.matching import (
    CellKey,
    Matched,
    Matching,
    cell_key,
    common_axes,
    levels_by,
)
from recovery.comparison.measured import check_measures, constant, found_in, given
from recovery.comparison.origins import origins, started
from recovery.comparison.side import Side
from recovery.errors import NothingMeasured, UsageError
from recovery.inert import plain
from recovery.measures import Measured, joint_coverage, performance
from recovery.measures.terms import NOTHING, mean_se, share_se
from recovery.record import FITTED, Floats, built_in
from recovery.results import Results
from recovery.scenario import LOG_POSTERIOR

COSTS: Final = (*TIMES, "gradient_evaluations", "ess_bulk_per_gradient", "divergences", "flagged")
"""What of the fits themselves has a history: means per complete fit, and the share flagged."""
ORIGIN: Final = ("folder", "started", "commit", "dirty", "changed")
COLUMNS: Final = ("parameter", "measure", "run", *ORIGIN,
                  "estimate", "mcse", "n", "change", "change_mcse", "change_n", "data",
                  "note")  # fmt: skip
_Key: TypeAlias = tuple[CellKey, str]


class _Change(NamedTuple):
    change: float = math.nan
    mcse: float = math.nan
    n: int = 0
    data: str = ""


@dataclass(frozen=True)
class History:
    """A measure over runs.

    Attributes
    ----------
    scenario, measure : str
    axes : tuple of str
        Of all runs; the first columns of `rows`.
    rows : DataFrame
        A row per cell, parameter and run, the oldest run first. Columns: axes, ``truth``,
        ``parameter`` (empty for costs), ``measure``, ``run`` (its number, from 0), ``folder``,
        ``started`` (of the first session), ``commit`` (short), ``dirty`` (whether files had
        changed), ``changed`` (versions and code that are others than in the run before),
        ``estimate``, ``mcse``, ``n``, then ``change`` from the latest earlier run that has it,
        its ``change_mcse``, paired where the runs share seeds, ``change_n`` and ``data`` (what
        the pairs share), and ``note``.
    runs : DataFrame
        A row per run: ``folder``, ``started``, ``commit``, ``dirty``, ``changed``, ``machine``.
    notes : tuple of str
        What a reader must know of all.
    """

    scenario: str
    measure: str
    axes: tuple[str, ...]
    rows: pd.DataFrame
    runs: pd.DataFrame
    notes: tuple[str, ...]


def history(
    runs: Sequence[Results | str | os.PathLike[str]],
    *,
    measure: str = "coverage_90",
    parameters: Sequence[str] | None = None,
) -> History:
    """Return how one measure stood in every run, and its change from run to run.

    Parameters
    ----------
    runs : sequence of Results or path
        Runs of one scenario, in any order.
    measure : str
        A measure, such as ``coverage_90``, or one of `COSTS`.
    parameters : sequence of str, optional
        By default all that were fitted. Costs have none.

    Raises
    ------
    UsageError
        If there is no run, one is given twice, scenarios differ, or the measure or a parameter is
        unknown.
    NothingMeasured
        If no run has a complete replicate.
    """
    levels = {} if measure in COSTS else _checked(measure)
    sides = _sides(runs)
    named = {str(side.results.folder): side for side in sides}
    axes, ignored = common_axes(named)
    told = origins([side.results for side in sides])
    found = [dict(_stand(side, axes, measure, levels.get(measure))) for side in sides]
    keys = list(dict.fromkeys(key for one in found for key in one))
    if not keys:
        raise NothingMeasured(
            f"{plain(sides[0].results.folder)}: no complete replicate in this run or any other, so "
            f"{measure} has no history; go on with the runs first"
        )
    keys = _wanted(keys, parameters, measure)
    machines = [one["machine"] for one in told] if measure in TIMES else [""] * len(sides)
    changes = [
        _changes(sides, i, found, axes, measure, levels, machines) for i in range(len(sides))
    ]
    places = {key: _levels_of(sides, axes, key[0]) for key in keys}
    rows = [
        {
            **{f"axis {i}": value for i, value in enumerate(places[key].values())},
            "truth": key[0][0], "parameter": key[1], "measure": measure, "run": i,
            **{name: told[i][name] for name in ORIGIN},
            **found[i][key]._asdict(),
            **_named(changes[i].get(key, _Change())),
            "note": _note(told, i),
        }
        for key in keys
        for i in range(len(sides))
        if key in found[i]
    ]  # fmt: skip
    columns = [*(f"axis {i}" for i in range(len(axes))), "truth", *COLUMNS]
    frame = pd.DataFrame(rows)[columns]
    frame.columns = pd.Index([*axes, *columns[len(axes) :]])
    notes = [f"axis {plain(axis)} is left aside: {why}" for axis, why in ignored.items()]
    if measure in TIMES:
        notes.append(
            "runs were not made by turns: the errors of changes in time leave out what else the "
            "machine did"
        )
    scenario = str(sides[0].results.identity.get("scenario"))
    return History(scenario, measure, tuple(axes), frame, pd.DataFrame(told), tuple(notes))


def _checked(measure: str) -> dict[str, float | None]:
    try:
        return check_measures([measure])
    except UsageError as error:
        raise UsageError(f"{error}; costs are {', '.join(COSTS)}") from None


def _sides(runs: Sequence[Results | str | os.PathLike[str]]) -> list[Side]:
    """Read the runs, the oldest first."""
    if not runs:
        raise UsageError("no run is named; give the folders of one or more runs of a scenario")
    read: dict[Path, Results] = {}
    for run in runs:
        results = run if isinstance(run, Results) else Results(run)
        folder = results.folder.resolve()
        if folder in read:
            raise UsageError(f"{plain(results.folder)}: is given twice; give each run once")
        read[folder] = results
    scenarios: dict[str, Path] = {}
    for results in read.values():
        scenarios.setdefault(str(results.identity.get("scenario")), results.folder)
    if len(scenarios) > 1:
        named = ", ".join(f"{plain(n)} in {plain(folder)}" for n, folder in scenarios.items())
        raise UsageError(f"a history is of one scenario, these are several: {named}")
    return [Side(r) for r in sorted(read.values(), key=lambda r: (started(r), str(r.folder)))]


def _note(told: Sequence[Mapping[str, Any]], i: int) -> str:
    if i == 0 or told[i]["machine"] == told[i - 1]["machine"]:
        return ""
    return f"machine changed: {told[i]['machine']}"


def _wanted(keys: list[_Key], parameters: Sequence[str] | None, measure: str) -> list[_Key]:
    if parameters is None:
        return keys
    if measure in COSTS:
        raise UsageError(f"{measure} is of whole fits; leave the parameters out")
    there = dict.fromkeys(parameter for _, parameter in keys)
    for name in parameters:
        if name not in there:
            some = ", ".join(plain(one) for one in list(there)[:8])
            raise UsageError(f"no run has the parameter {plain(name)!r}; there are: {some}")
    return [key for key in keys if key[1] in parameters]


def _levels_of(sides: Sequence[Side], axes: Sequence[str], key: CellKey) -> dict[str, Any]:
    """Return the levels of a cell, as the first run that has it knows them."""
    for side in sides:
        for position in range(len(side.modes)):
            if cell_key(side, position, axes) == key:
                return dict(levels_by(side, position, axes))
    raise KeyError(key)


class _Stand(NamedTuple):
    estimate: float
    mcse: float
    n: int


def _stand(
    side: Side, axes: Sequence[str], measure: str, prob: float | None
) -> Iterator[tuple[_Key, _Stand]]:
    """Go through the estimates of one run, by cell and parameter."""
    if measure in COSTS:
        for position in range(len(side.modes)):
            values = side.fits(measure)[side.complete(position)]
            if len(values):
                yield (cell_key(side, position, axes), ""), _mean(measure, values)
        return
    probs = [] if prob is None else [prob]
    joint = measure.startswith("joint_coverage")
    for (position, parameter), group in side.columns.groups.items():
        mine = built_in(parameter, group.kind) == LOG_POSTERIOR if joint else group.kind in FITTED
        if not mine:
            continue
        arrays = given(side, position, parameter, probs, slice(None))
        pit = arrays.pop("pit")
        found: Measured = NOTHING
        if joint and prob is not None:
            found = joint_coverage(pit, prob)
        elif not joint and not constant(arrays):
            found = performance(**arrays).get(measure, NOTHING)
        if found.n:
            yield (cell_key(side, position, axes), parameter), _Stand(*found[:3])


def _mean(measure: str, values: Floats) -> _Stand:
    values = values[np.isfinite(values)]
    if not len(values):
        return _Stand(math.nan, math.nan, 0)
    estimate, mcse = mean_se(values)
    if measure == "flagged":
        mcse = share_se(int(values.sum()), len(values))
    return _Stand(estimate, mcse, len(values))


def _changes(
    sides: Sequence[Side],
    i: int,
    found: Sequence[Mapping[_Key, _Stand]],
    axes: Sequence[str],
    measure: str,
    levels: Mapping[str, float | None],
    machines: Sequence[str],
) -> dict[_Key, _Change]:
    """Return the changes of one run from the latest earlier one that has each row."""
    changes: dict[_Key, _Change] = {}
    for j in reversed(range(i)):
        open_keys = found[i].keys() & found[j].keys() - changes.keys()
        if not open_keys:
            continue
        matching = Matching(sides[j], sides[i], list(axes), {})
        for key, change in _between(matching, axes, measure, levels):
            if key in open_keys:
                alike = machines[j] == machines[i]
                changes[key] = change if alike else _Change(data="another machine")
    return changes


def _between(
    matching: Matching, axes: Sequence[str], measure: str, levels: Mapping[str, float | None]
) -> Iterator[tuple[_Key, _Change]]:
    head = matching.head
    if measure in COSTS:
        for cell in matching.cells:
            yield (cell_key(head, cell.head, axes), ""), _cost_change(matching, cell, measure)
        return
    probs = [prob for prob in levels.values() if prob is not None]
    for cell, parameter, data, measures in found_in(matching, probs):
        one = measures.get(measure)
        if one is not None:
            n = min(one.base.n, one.head.n)
            change = _Change(one.difference, one.mcse, n, data)
            yield (cell_key(head, cell.head, axes), parameter), change


def _cost_change(matching: Matching, cell: Matched, measure: str) -> _Change:
    pairs = matching.pairs(cell)
    base, head = matching.base.fits(measure), matching.head.fits(measure)
    if len(pairs):
        apart = head[pairs.head] - base[pairs.base]
        apart = apart[np.isfinite(apart)]
        if not len(apart):
            return _Change()
        change, mcse = mean_se(apart)
        if measure == "flagged" and not apart.any():
            mcse = share_se(0, len(apart))  # none of so few pairs differ: not known to be none
        return _Change(change, mcse, len(apart), pairs.data)
    sides = [
        _mean(measure, values[side.complete(position)])
        for side, values, position in (
            (matching.base, base, cell.base),
            (matching.head, head, cell.head),
        )
    ]
    mcse = math.hypot(sides[0].mcse, sides[1].mcse)
    n = min(sides[0].n, sides[1].n)
    return _Change(sides[1].estimate - sides[0].estimate, mcse, n, pairs.data)


def _named(change: _Change) -> dict[str, Any]:
    return {
        "change": change.change,
        "change_mcse": change.mcse,
        "change_n": change.n,
        "data": change.data,
    }
