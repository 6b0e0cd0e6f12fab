"""Which section of a policy a run is of, and what of that section the run has not got."""

import re
from collections.abc import Mapping
from typing import Any

from recovery.design import REPLICATES
from recovery.errors import PolicyError
from recovery.gates import chances
from recovery.inert import plain
from recovery.policy import Planned, Policy
from recovery.results import Results

_MODES = {"fixed": ("fixed",), "prior": ("prior",), "both": ("fixed", "prior")}


def section_of(policy: Policy, results: Results, name: str | None = None) -> Planned | None:
    """Return the section of a policy that a run is of; None if it has no sections at all.

    Parameters
    ----------
    policy : Policy
    results : Results
    name : str, optional
        Of the section; by default the one that is called as the run's scenario is, or runs it.

    Raises
    ------
    PolicyError
        If there is no such section, or several.
    """
    sections = {planned.name: planned for planned in policy.scenarios}
    if not sections:
        return None
    names = ", ".join(sections)
    if name is not None:
        if name not in sections:
            raise PolicyError(f"{policy.path}: no section [scenarios.{name}]; it has {names}")
        return sections[name]
    scenario = str(results.identity.get("scenario", ""))
    found = [p for p in sections.values() if scenario == p.name or scenario == _runs(p.scenario)]
    if len(found) != 1:
        how_many = "several sections run" if found else "no section runs"
        raise PolicyError(
            f"{policy.path}: {how_many} the scenario {plain(scenario)}; name one of {names} with "
            "--scenario NAME"
        )
    return found[0]


def lacking(planned: Planned, results: Results) -> str:
    """Return what a section plans that a run has not got, in words; nothing if it has all."""
    cells = results.cells
    for mode in _MODES[planned.options.get("truth", "fixed")]:
        if mode not in set(cells["truth_mode"]):
            return f"truth mode {mode} was not run"
    for axis, levels in planned.axes.items():
        if axis not in cells:
            return f"it has no axis {plain(axis)}"
        there = set(cells[axis])
        missing = [level for level in levels if level not in there]
        if missing:
            return f"{plain(axis)} = {plain(missing[0])} was not run"
    wanted = planned.options.get("replicates", REPLICATES)
    fewest = int(cells["n_planned"].min())
    if fewest < wanted:
        return f"{fewest:,} replicates a cell were run, not {wanted:,}"
    for key, value in planned.options.items():
        was = results.identity.get(key, value)
        if key not in ("truth", "replicates") and was not in (value, "swept"):
            return f"{key} was {plain(was)}, not {plain(value)}"
    return ""


def gates_of(policy: Policy, planned: Planned | None) -> Mapping[str, Any]:
    """Return the gates of a section, or those of the whole policy."""
    return policy.gates if planned is None else planned.gates


def sharing(policy: Policy, planned: Planned | None, *, baseline: bool) -> int:
    """Return how many gates share the error rate: those of all sections of a policy.

    Parameters
    ----------
    policy : Policy
    planned : Planned or None
        The section that is judged.
    baseline : bool
        Whether gates that compare with a baseline are judged.
    """
    if planned is None:
        return chances(policy.gates, baseline=baseline)
    return sum(chances(section.gates, baseline=baseline) for section in policy.scenarios)


def _runs(target: str) -> str:
    """Return the name of the scenario that a target runs, as far as it tells."""
    named = re.fullmatch(r".*\.py:(\w+)", target)
    if named:
        return named[1]
    return re.sub(r"^.*/|\.py$", "", target)
