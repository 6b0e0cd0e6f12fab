"""One replicate again, exactly, compared with what the store has of it."""

import os
import platform
import shlex
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from threadpoolctl import threadpool_limits

from recovery.conflict import refuse_another_run
from recovery.database import FILE_NAME
from recovery.design import Cell, Replicate
from recovery.engine.describe import describe
from recovery.engine.groups import groups
from recovery.engine.netcdf import write_netcdf
from recovery.engine.replicate import run_replicate
from recovery.engine.samplers import SAMPLERS, Fit, Sampler
from recovery.engine.structure import Simulated
from recovery.engine.workshop import Prepared, Workshop
from recovery.errors import ScenarioError, StoreDamaged, UsageError
from recovery.execution import Equipment, Limits
from recovery.execution.interpreter import Package
from recovery.execution.seat import Seat
from recovery.inert import plain
from recovery.loading import bundled_scenarios, load_scenario
from recovery.provenance import machine, packages, source_digest
from recovery.record import Record
from recovery.recorded import ENDED, Recorded
from recovery.restored import replicate_of
from recovery.scenario import Scenario
from recovery.store import Store

if TYPE_CHECKING:
    import xarray as xr

_SOME_KEYS: Final = """
SELECT c.digest, r.seed, r."index" FROM replicates r JOIN cells c ON c.position = r.cell LIMIT 2
"""
_ANOTHER: Final = "Nothing was run; give the scenario that the store was made with"


@dataclass(frozen=True)
class Replay:
    """A replicate that was run again.

    Attributes
    ----------
    replicate : Replicate
    record : Record
        What came of it now.
    differences : tuple of str
        Where that differs from what the store has, a line each; empty if it is the same to the
        bit.
    surroundings : tuple of str
        What differs between now and the session that ran it first: versions, machine, source.
    """

    replicate: Replicate
    record: Record
    differences: tuple[str, ...]
    surroundings: tuple[str, ...]
    _seen: tuple[Prepared, Simulated, Fit] | None = field(repr=False)

    def groups(self) -> "dict[str, xr.Dataset]":
        """Return the fit as ArviZ's groups, see `recovery.engine.groups.groups`.

        Raises
        ------
        UsageError
            If there was no fit.
        """
        if self._seen is None:
            raise UsageError(
                f"{self.replicate.key}: it failed before there were draws, so there is nothing to "
                "write; leave --netcdf out"
            )
        found = groups(*self._seen)
        replicate, cell = self.replicate, self.replicate.cell
        attrs = {
            "key": replicate.key,
            "scenario": cell.scenario,
            "truth_mode": cell.truth_mode,
            "seed": str(replicate.seed),
            "replicate": replicate.index,
            "levels": ", ".join(
                f"{k}={v}" for k, v in {**cell.levels, **cell.sampler_levels}.items()
            ),
            "sampler": self.record.sampling.sampler if self.record.sampling else "",
            "versions": ", ".join(f"{name} {version}" for name, version in _versions().items()),
        }
        attrs = {name: plain(v) if isinstance(v, str) else v for name, v in attrs.items()}
        return {name: group.assign_attrs(attrs) for name, group in found.items()}

    def to_datatree(self) -> "xr.DataTree":
        """Return the fit as ArviZ 1 has it; raises what `groups` does."""
        import xarray as xr

        return xr.DataTree.from_dict(self.groups())

    def to_netcdf(self, file: str | os.PathLike[str]) -> None:
        """Write the fit as NetCDF, which ``arviz.from_netcdf`` opens.

        Raises
        ------
        UsageError, OutputError
            If there was no fit, or the file cannot be written.
        """
        write_netcdf(self.groups(), file)


def replay(
    folder: str | os.PathLike[str],
    key: str,
    *,
    scenario: Scenario | None = None,
    sampler: Sampler | None = None,
    timeout: float | None = None,
) -> Replay:
    """Run a replicate of a store again, and compare.

    Parameters
    ----------
    folder : path
        Output folder of a run.
    key : str
        Of the replicate, as in ``results.replicates``; that of a second fit ends in ``-refit``.
    scenario : Scenario, optional
        By default the bundled one of the store's name. A file that only the store names is never
        run.
    sampler : Sampler, optional
        The sampler object, where the run had one.
    timeout : float, optional
        Seconds after which a replicate that timed out or crashed in its run is ended again; it
        has a process of its own, and there are no draws of it.

    Raises
    ------
    UsageError
        If there is no such replicate, or scenario or sampler are not those of the store.
    NotAStore, StoreDamaged
    """
    limits = Limits(timeout, tries=1)
    with closing(Store.read(folder)) as store:
        identity = store.identity()
        replicate = _found(store, identity, key)
        recorded = Recorded.of(store, replicate)
        cell = replicate.cell
        sessions = store.sessions()
        session = sessions[recorded.session - 1] if 0 < recorded.session <= len(sessions) else {}
        scenario = scenario or _bundled(store, str(identity["scenario"]), session, key)
        _check_sampler(cell, sampler)
        _check_axes(store, scenario, cell)
        workshop = Workshop(scenario, {sampler.name: sampler} if sampler else {})
        described = describe(workshop.checked(cell.levels))
        refuse_another_run(store, identity, {cell.digest: described}, _ANOTHER)
    workshop.sampler(cell.settings.sampler)  # missing, it is no failure of the replicate
    seen: list[tuple[Prepared, Simulated, Fit]] = []
    if recorded.status in ENDED:
        record = _from_a_distance(replicate, workshop, limits)
    else:
        # As in a run; the last bits of a sum may depend on how many threads had a part in it.
        with threadpool_limits(limits=1):
            record = run_replicate(replicate, workshop, witness=lambda *fit: seen.append(fit))
    differences = tuple(recorded.differences(record))
    surroundings = tuple(_surroundings(session, scenario))
    return Replay(replicate, record, differences, surroundings, seen[0] if seen else None)


def _found(store: Store, identity: Mapping[str, Any], key: str) -> Replicate:
    cells = {cell["digest"]: cell for cell in store.cells()}
    try:
        return replicate_of(key, identity, cells)
    except UsageError as error:
        some = ["-".join(map(str, row)) for row in store.rows(_SOME_KEYS)]
        have = f"keys of this store are {', '.join(some)}" if some else "it has no replicate yet"
        raise UsageError(f"{error}; {have}") from error
    except ValueError as error:
        raise StoreDamaged(
            f"{store.folder / FILE_NAME}: {error}; restore it from a backup"
        ) from error


def _check_sampler(cell: Cell, sampler: Sampler | None) -> None:
    wanted = cell.settings.sampler
    if sampler is not None and sampler.name != wanted:
        raise UsageError(f"sampler: {sampler.name!r} is not the {wanted!r} that it was run with")
    if sampler is None and wanted not in SAMPLERS:
        raise UsageError(
            f"sampler: {wanted!r} was an object of its run, which no command can name; give it to "
            "recovery.replay.replay(folder, key, scenario=..., sampler=...)"
        )


def _check_axes(store: Store, scenario: Scenario, cell: Cell) -> None:
    if set(scenario.axes) != set(cell.levels):
        raise ScenarioError(
            f"scenario {scenario.name}: its axes are {', '.join(scenario.axes) or 'none'}, those "
            f"in {store.folder} {', '.join(cell.levels) or 'none'}; {_ANOTHER.lower()}"
        )
    for axis, level in cell.levels.items():
        scenario.axes[axis].check(level)


def _from_a_distance(replicate: Replicate, workshop: Workshop, limits: Limits) -> Record:
    """Run what ended its process once, or did not end, in a process that may die."""
    sampler = workshop.sampler(replicate.cell.settings.sampler)
    package = Package(Equipment(workshop.scenario, {sampler.name: sampler}, [replicate.cell]))
    seat = Seat(package, limits)
    try:
        return seat.run(replicate)
    finally:
        seat.end()


def _bundled(store: Store, name: str, session: Mapping[str, Any], key: str) -> Scenario:
    target = (session.get("scenario") or {}).get("target") or name
    if target == name and name in {listing.name for listing in bundled_scenarios()}:
        return load_scenario(name)
    # It is to be copied into a shell, and the store may be anybody's.
    words = [store.folder, key, "--scenario", target if ".py" in target else "FILE.py"]
    command = shlex.join(["recovery", "replay", *(plain(word) for word in words)])
    raise ScenarioError(
        f"{store.folder}: its scenario {name} is no bundled one, and a file that only a store "
        f"names is not run; to run its code, say {command}"
    )


def _versions() -> dict[str, str]:
    return {**packages(), "python": platform.python_version()}


def _surroundings(session: Mapping[str, Any], scenario: Scenario) -> Iterator[str]:
    there = {
        **session.get("packages", {}),
        "python": session.get("python"),
        **session.get("machine", {}),
    }
    here = {**_versions(), **machine()}
    for name in sorted(set(there) | set(here)):
        if there.get(name) != here.get(name):
            yield f"{name} {there.get(name, 'unknown')} then, {here.get(name, 'none')} now"
    source = (session.get("scenario") or {}).get("source_digest")
    if source and source != source_digest(scenario.file):
        yield "the text of the scenario's file has changed"
