"""Sweeps that are read where they have been run: for tests, which are run again and again."""

import contextlib
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from filelock import FileLock, Timeout

from recovery.design import canonical, digest
from recovery.engine.describe import describe, describe_quantities
from recovery.errors import NotAStore, SettingsError, StoreDamaged
from recovery.inert import plain
from recovery.provenance import packages
from recovery.results import Results
from recovery.scenario import Scenario
from recovery.sweep import Sweep

KEPT_DAYS: Final = 30
"""Days after its last use that a run is kept."""
_COMPLETE: Final = "complete"  # its time of change is that of the last use
_GROWTH: Final = ("precision", "stop_when", "margin", "max_replicates")


@dataclass(frozen=True, slots=True)
class Cached:
    """A complete run, and what of it had to be run now.

    Attributes
    ----------
    results : Results
    fitted : int
        Replicates that were fitted now; the others were there.
    """

    results: Results
    fitted: int


def cached_sweep(
    scenario: Scenario,
    levels: Mapping[str, Sequence[Any]] | None,
    options: Mapping[str, Any],
    folder: Path,
    *,
    workers: int | None = None,
) -> Cached:
    """Run a sweep, or read it where the same one has been run.

    The same are those of one `fingerprint`. Of several processes that ask for one, one runs it and
    the others wait. A run that was interrupted is gone on with; failures are tried again each
    time, as what made them may lie outside the scenario. Runs not used for 30 days are removed.

    Parameters
    ----------
    scenario : Scenario
    levels : mapping of str to sequence, optional
        Levels by axis.
    options : mapping
        Keywords of `Sweep`.
    folder : Path
        Holds a folder for each run.
    workers : int, optional
        Fits at a time, in threads of this process.

    Raises
    ------
    RecoveryError
        What `Sweep` and its `run` raise.
    """
    sweep = Sweep(scenario, levels, **options)
    place = folder / f"{scenario.name}-{fingerprint(sweep, options)[:20]}"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(_lock(place)):
        there = _stored(place)
        if there is not None and (place / _COMPLETE).is_file():
            (place / _COMPLETE).touch()
            return Cached(there, 0)
        _prune(folder, place)
        known = 0 if there is None else int(there.fits["ok"].sum())
        # One process: what a test module defines need not be importable from another.
        results = sweep.run(
            place, workers=workers, processes=1, progress=False, report=False, retry_failed=True
        )
        if results.fits["ok"].all():
            (place / _COMPLETE).touch()
        return Cached(results, len(results.columns) - known)


def fingerprint(sweep: Sweep, options: Mapping[str, Any]) -> str:
    """Return 32 hexadecimal digits that are the same for sweeps with the same numbers.

    They stand for the design (levels, truth modes, replicates, seeds, settings), the model of each
    cell with its truth, data and test quantities, a sampler object's class and identity, and the
    versions of all packages that numbers depend on. Nothing is compiled.

    Parameters
    ----------
    sweep : Sweep
    options : mapping
        The keywords that it was made with.
    """
    design, sampler = sweep.design, options.get("sampler", "")
    levels = {canonical(dict(cell.levels)): cell.levels for cell in design.cells}
    problems = {key: sweep.workshop.checked(given) for key, given in levels.items()}
    own: list[Any] = []
    if not isinstance(sampler, str):
        if not hasattr(sampler, "identity"):
            raise SettingsError(
                f"sampler: {plain(sampler.name)} does not say what must be the same for its fits "
                "to be kept; give it a method identity() that returns its parameters"
            )
        identity = dict(sampler.identity())
        own = [type(sampler).__module__, type(sampler).__qualname__, identity]
    return digest(
        {
            "design": design.identity(),
            "plan": design.plan(),
            "problems": {
                key: [describe(problem), describe_quantities(problem)]
                for key, problem in problems.items()
            },
            "growth": {name: options.get(name) for name in _GROWTH},
            "sampler": own,
            "packages": packages(),
        }
    )


def _stored(place: Path) -> Results | None:
    """Return what is there; what cannot be read is removed, as it can be had again."""
    if not place.is_dir():
        return None
    try:
        return Results(place)
    except (NotAStore, StoreDamaged):
        shutil.rmtree(place)
        return None


def _lock(place: Path) -> Path:
    return place.with_name(f"{place.name}.lock")


def _prune(folder: Path, own: Path) -> None:
    """Remove runs that nobody has asked for since long."""
    oldest = time.time() - KEPT_DAYS * 24 * 3600
    for place in folder.iterdir():
        if place != own and place.is_dir() and _used(place) < oldest:
            with _held(place) as held:
                if held:
                    shutil.rmtree(place, ignore_errors=True)


def _used(place: Path) -> float:
    marker = place / _COMPLETE
    try:
        return (marker if marker.is_file() else place).stat().st_mtime
    except OSError:
        return time.time()  # another process is just removing it


@contextlib.contextmanager
def _held(place: Path) -> Iterator[bool]:
    lock = FileLock(_lock(place))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()
