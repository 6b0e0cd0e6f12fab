"""One replicate again, exactly, compared with what the store has of it."""

import os
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from recovery.conflict import refuse_another_run
from recovery.design import Replicate
from recovery.engine.describe import describe
from recovery.engine.groups import groups
from recovery.engine.replicate import run_replicate
from recovery.engine.samplers import Fit, Sampler
from recovery.engine.structure import Simulated
from recovery.engine.workshop import Prepared, Workshop
from recovery.errors import OutputError, ScenarioError, UsageError
from recovery.execution import Equipment, Limits
from recovery.execution.interpreter import Package
from recovery.execution.seat import Seat
from recovery.loading import bundled_scenarios, load_scenario
from recovery.provenance import provenance, source_digest
from recovery.record import Estimates, Floats, Record, Status
from recovery.restored import replicate_of
from recovery.scenario import Scenario
from recovery.schema import ESTIMATE_COLUMNS, estimates_block, layouts_of
from recovery.store import Store

if TYPE_CHECKING:
    import xarray as xr

_ENDED: Final = (Status.CRASHED, Status.TIMED_OUT)
_STORED: Final = """
SELECT r.status, r.data_digest, r.session, r.layout, r.estimates, p.quantiles, p.kept_draws,
    f.stage, f.error
FROM replicates r JOIN cells c ON c.position = r.cell
LEFT JOIN posteriors p ON p.replicate = r.id LEFT JOIN failures f ON f.replicate = r.id
WHERE c.digest = ? AND r.seed = ? AND r."index" = ?
"""
_STORED_REFIT: Final = """
SELECT f.status, r.data_digest, f.session, f.layout, f.estimates, f.quantiles, f.kept_draws,
    f.stage, f.error
FROM refits f JOIN replicates r ON r.id = f.replicate JOIN cells c ON c.position = r.cell
WHERE c.digest = ? AND r.seed = ? AND r."index" = ?
"""


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
    _seen: tuple[Prepared, Simulated, Fit] | None

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
        }
        return {name: group.assign_attrs(attrs) for name, group in found.items()}

    def to_netcdf(self, file: str | os.PathLike[str]) -> None:
        """Write the fit as NetCDF, which ``arviz.from_netcdf`` opens.

        Raises
        ------
        UsageError, OutputError
            If there was no fit, or the file cannot be written.
        """
        target = writable_file(file)
        found = self.groups()
        begun = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            for number, (name, group) in enumerate(found.items()):
                mode: Any = "a" if number else "w"
                group.to_netcdf(begun, group=name, mode=mode, engine="h5netcdf")
            begun.replace(target)
        except OSError as error:
            raise OutputError(f"{target}: cannot be written ({error.strerror or error})") from error
        finally:
            begun.unlink(missing_ok=True)


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
        If there is no such replicate, or the scenario is not that of the store.
    NotAStore, StoreDamaged
    """
    with closing(Store.read(folder)) as store:
        identity = store.identity()
        cells = {cell["digest"]: cell for cell in store.cells()}
        replicate = replicate_of(key, identity, cells)
        cell, place = replicate.cell, (replicate.seed, replicate.index)
        query = _STORED_REFIT if replicate.refit else _STORED
        rows = store.rows(query, (cell.digest, *place))
        if not rows:
            raise UsageError(f"{key}: this store has no such replicate; see recovery status")
        status, data_digest, number, layout, *posterior, stage, error = rows[0]
        names = layouts_of(store.rows("SELECT id, names, kinds FROM layouts")).get(layout)
        sessions = store.sessions()
        session = sessions[number - 1] if 0 < number <= len(sessions) else {}
        scenario = scenario or _bundled(store, str(identity.get("scenario")), session, key)
        workshop = Workshop(scenario, {sampler.name: sampler} if sampler else {})
        described = describe(workshop.checked(cell.levels))
        refuse_another_run(store, identity, {cell.digest: described})
        if set(scenario.axes) != set(cell.levels):
            raise UsageError(f"{folder}: its axes are {', '.join(cell.levels)}; give that scenario")
    seen: list[tuple[Prepared, Simulated, Fit]] = []
    if status in _ENDED:
        record = _from_a_distance(replicate, workshop, timeout)
    else:
        record = run_replicate(replicate, workshop, witness=lambda *fit: seen.append(fit))
    differences = list(_outcome(record, status, stage, error))
    if record.data_digest != data_digest.hex() and (data_digest or record.failure is None):
        differences.append("data: not those that were fitted")
    if record.estimates is not None and names is not None:
        differences += _numbers(record.estimates, names[0], *posterior)
    surroundings = tuple(_surroundings(session, scenario))
    return Replay(replicate, record, tuple(differences), surroundings, seen[0] if seen else None)


def _from_a_distance(replicate: Replicate, workshop: Workshop, timeout_s: float | None) -> Record:
    """Run what ended its process once, or did not end, in a process that may die."""
    sampler = workshop.sampler(replicate.cell.settings.sampler)
    package = Package(Equipment(workshop.scenario, {sampler.name: sampler}, [replicate.cell]))
    seat = Seat(package, Limits(timeout_s, tries=1))
    try:
        return seat.run(replicate)
    finally:
        seat.end()


def writable_file(file: str | os.PathLike[str]) -> Path:
    """Check that a file can be written where it is to be.

    Raises
    ------
    OutputError
    """
    target = Path(file)
    if "\0" in str(target) or target.is_dir():
        raise OutputError(f"{target}: is a folder; give the name of a file".replace("\0", ""))
    if not target.parent.is_dir() or not os.access(target.parent, os.W_OK):
        raise OutputError(f"{target}: its folder is not there or cannot be written; give another")
    return target


def _bundled(store: Store, name: str, session: Mapping[str, Any], key: str) -> Scenario:
    target = (session.get("scenario") or {}).get("target") or name
    if target == name and name in {listing.name for listing in bundled_scenarios()}:
        return load_scenario(name)
    file = target if ".py" in target else "FILE.py"
    raise ScenarioError(
        f"{store.folder}: its scenario {name} is no bundled one, and a file that only a store "
        "names is not run; to run its code, say "
        f"recovery replay {store.folder} {key} --scenario {file}"
    )


def _outcome(record: Record, status: str, stage: str | None, error: str | None) -> Iterator[str]:
    f = record.failure
    now = (None, None) if f is None else (str(f.stage), f.error)
    # How often a process was tried, and how long it was waited for, may be another number now.
    same = status == record.status and (status in _ENDED or now == (stage, error))
    if not same:
        yield f"outcome: {_told(status, stage, error)} then, {_told(record.status, *now)} now"


def _told(status: str, stage: str | None, error: str | None) -> str:
    return status if error is None else f"{status} at {stage} ({error})"


def _numbers(
    estimates: Estimates, names: list[str], block: bytes, quantiles: bytes, kept: bytes
) -> Iterator[str]:
    """Compare bit by bit; a parameter that only one of them has is not compared."""
    there = np.frombuffer(block, dtype="<f8").reshape(len(ESTIMATE_COLUMNS), -1)
    here = estimates_block(estimates)
    grid = np.frombuffer(quantiles, dtype="<f8").reshape(len(names), -1)
    for place, name in enumerate(names):
        if name not in estimates.names:
            yield f"{name}: is not estimated any more"
            continue
        mine = estimates.names.index(name)
        differing = [
            column
            for column, old, new in zip(
                ESTIMATE_COLUMNS, there[:, place], here[:, mine], strict=True
            )
            if not _same(old, new)
        ]
        if not _same(grid[place], estimates.quantiles[mine]):
            differing.append("quantiles")
        if differing:
            yield f"{name}: {', '.join(differing)}"
    if not _same(np.frombuffer(kept, dtype="<f8"), estimates.kept_draws.ravel()):
        yield "draws: not those that were kept"


def _same(old: Floats, new: Floats) -> bool:
    return np.array_equal(np.asarray(old), np.asarray(new), equal_nan=True)


def _surroundings(session: Mapping[str, Any], scenario: Scenario) -> Iterator[str]:
    file = getattr(getattr(scenario.function, "__code__", None), "co_filename", None)
    now = provenance("", 1, file, scenario.target)
    there = {**session.get("packages", {}), "python": session.get("python")}
    here = {**now["packages"], "python": now["python"]}
    for name in sorted(set(there) | set(here)):
        if there.get(name) != here.get(name):
            yield f"{name} {there.get(name)} then, {here.get(name)} now"
    if session.get("machine") != now["machine"]:
        yield "another machine"
    source = (session.get("scenario") or {}).get("source_digest")
    if source and source != source_digest(file):
        yield "the text of the scenario's file has changed"
