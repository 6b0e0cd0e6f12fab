"""One measure, or one cost, over many runs of a scenario: how it stood, and what changed it."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd

from recovery.comparison.changes import COSTS, Change, Key, Stand, changes_of, mean_of
from recovery.comparison.costs import TIMES
from recovery.comparison.matching import CellKey, cell_key, common_axes, levels_by
from recovery.comparison.measured import check_measures, constant, given
from recovery.comparison.origins import origins, started
from recovery.comparison.side import Side
from recovery.errors import NothingMeasured, UsageError
from recovery.inert import plain
from recovery.measures import Measured, joint_coverage, performance
from recovery.measures.terms import NOTHING
from recovery.record import FITTED, built_in
from recovery.results import Results
from recovery.scenario import LOG_POSTERIOR

ORIGIN: Final = ("folder", "started", "commit", "dirty", "changed")
COLUMNS: Final = ("parameter", "measure", "run", *ORIGIN,
                  "estimate", "mcse", "n", "change", "change_mcse", "change_n", "data",
                  "note")  # fmt: skip
_REASONS: Final = 3  # that are told of all rows


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
        changed), ``changed`` (sampler settings, seeds, versions and code that are others than in
        the run before), ``estimate``, ``mcse``, ``n``, then ``change`` from the latest earlier run
        that has it, its ``change_mcse``, paired where the runs share seeds, ``change_n`` and
        ``data`` (what the pairs share), and ``note``. Times change from the latest earlier run of
        the same interleaved job, ``change_n`` counting its rounds; without one there is no change,
        and ``note`` says why.
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
    changes = changes_of(sides, found, axes, measure, levels)
    places = {key: _levels_of(sides, axes, key[0]) for key in keys}
    rows = [
        {
            **{f"axis {i}": value for i, value in enumerate(places[key].values())},
            "truth": key[0][0], "parameter": key[1], "measure": measure, "run": i,
            **{name: told[i][name] for name in ORIGIN},
            **found[i][key]._asdict(),
            **_named(changes[i].get(key, Change())),
            "note": "; ".join(filter(None, [_moved(told, i), _unchanged(changes[i].get(key))])),
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
        notes += _of_times([change for of_run in changes for change in of_run.values()])
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


def _moved(told: Sequence[Mapping[str, Any]], i: int) -> str:
    """Say that a run was made on another machine than the one before."""
    if i == 0 or told[i]["machine"] == told[i - 1]["machine"]:
        return ""
    return f"machine changed: {told[i]['machine']}"


def _unchanged(change: Change | None) -> str:
    return f"no change is given: {change.why}" if change is not None and change.why else ""


def _of_times(changes: Sequence[Change]) -> Iterator[str]:
    """Say how times were compared, and how often not."""
    if any(change.n for change in changes):
        yield "changes in time are means over the rounds of one job, and their n counts rounds"
    reasons = Counter(change.why for change in changes if change.why)
    for why, rows in reasons.most_common(_REASONS):
        yield f"{rows} {'row has' if rows == 1 else 'rows have'} no change: {why}"


def _wanted(keys: list[Key], parameters: Sequence[str] | None, measure: str) -> list[Key]:
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


def _stand(
    side: Side, axes: Sequence[str], measure: str, prob: float | None
) -> Iterator[tuple[Key, Stand]]:
    """Go through the estimates of one run, by cell and parameter."""
    if measure in COSTS:
        for position in range(len(side.modes)):
            values = side.fits(measure)[side.complete(position)]
            if len(values):
                yield (cell_key(side, position, axes), ""), mean_of(measure, values)
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
            yield (cell_key(side, position, axes), parameter), Stand(*found[:3])


def _named(change: Change) -> dict[str, Any]:
    return {
        "change": change.change,
        "change_mcse": change.mcse,
        "change_n": change.n,
        "data": change.data,
    }
