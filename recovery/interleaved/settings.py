"""With which sampler settings base runs: those of its own policy, where it has one.

Both sides share what makes pairs of their replicates: levels, replicates, truth modes and seed.
Sampler settings are part of what a change may make worse, as the code is, so that each side has
its own. Those that head sweeps are levels, and shared.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from recovery.design import SAMPLER_AXES, Settings, tune_of
from recovery.errors import PolicyError, SettingsError
from recovery.policy import Planned, Policy, read_policy

_BORROWED: Final = "base runs with the sampler settings of head"


@dataclass(frozen=True, slots=True)
class OfBase:
    """How base runs one scenario.

    Attributes
    ----------
    options : mapping
        Keywords of `Sweep`.
    notes : tuple of str
        What a reader of the verdicts must know of it: a sentence each.
    """

    options: Mapping[str, Any]
    notes: tuple[str, ...] = ()


def options_of_base(policy: Policy, root: Path, base: Path | None) -> dict[str, OfBase]:
    """Return how base runs every scenario of a policy, by the name of its section.

    A policy of base that cannot be read, or has no such section, is told of, and head's settings
    are used.

    Parameters
    ----------
    policy : Policy
        That of head.
    root : pathlib.Path
        Of what is checked out; the policy lies in it.
    base : pathlib.Path, optional
        Where base is checked out. Without one both sides are the same code, and so is the policy.
    """
    if base is None:
        return {planned.name: OfBase(planned.options) for planned in policy.scenarios}
    place = policy.path.resolve().relative_to(root)
    theirs: Mapping[str, Planned] = {}
    why = ""
    if (base / place).is_file():
        try:
            theirs = {planned.name: planned for planned in read_policy(base / place).scenarios}
        except PolicyError as error:
            why = f"its policy cannot be used ({str(error).replace(str(base / place), str(place))})"
    else:
        why = f"it has no {place}"
    return {
        planned.name: _paired(planned, theirs.get(planned.name), why)
        for planned in policy.scenarios
    }


def _paired(head: Planned, base: Planned | None, why: str) -> OfBase:
    """Return head's section with the sampler settings of base's."""
    if base is None:
        why = why or f"its policy has no [scenarios.{head.name}]"
        return OfBase(head.options, (f"{head.name}: {_BORROWED}: {why}.",))
    options = {k: v for k, v in head.options.items() if k not in SAMPLER_AXES}
    notes = []
    for name in SAMPLER_AXES:
        if name in base.axes and name not in head.axes:
            # One of several levels, or a parameter of the scenario that is called so.
            chosen = head.options
            notes.append(f"{head.name}: {_BORROWED} for {name}: it is an axis of base's policy.")
        else:
            chosen = base.options
            if name in head.axes and base.axes.get(name) != head.axes[name]:
                notes.append(f"{head.name}: base runs with the levels of {name} of head.")
        if name in chosen:
            options[name] = chosen[name]
    if apart := ", ".join(_apart(options, head)):
        notes.append(f"{head.name}: each side has the sampler settings of its policy: {apart}.")
    return OfBase(options, tuple(notes))


def _apart(base: Mapping[str, Any], head: Planned) -> Iterator[str]:
    """Say which settings differ; what is impossible is told by the side that has it."""
    try:
        sides = [_settled(options, head.axes) for options in (base, head.options)]
    except SettingsError:
        return
    for name in SAMPLER_AXES:
        if name not in head.axes and sides[0][name] != sides[1][name]:
            yield f"{name} {sides[0][name]} → {sides[1][name]}"


def _settled(options: Mapping[str, Any], axes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings with what is not given."""
    given = {name: options[name] for name in SAMPLER_AXES if name in options}
    tune = tune_of(given.get("tune"), given.get("ess", 0), axes)
    return asdict(Settings(**{**given, "tune": tune}))
