"""A sweep: a design, and how to run what of it is missing in a store."""

import copy
import dataclasses
import importlib.util
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Literal

from recovery.conflict import refuse_another_run, refuse_changed_quantities
from recovery.database import writable_folder
from recovery.decided import MARGIN, Decided
from recovery.design import REPLICATES, Cell, Design, Settings, TruthMode, tune_of
from recovery.engine.describe import describe, describe_quantities
from recovery.engine.portrait import portrait
from recovery.engine.priors import Prior, summarise_priors
from recovery.engine.samplers import Sampler
from recovery.engine.workshop import Prepared, Workshop
from recovery.errors import ScenarioError, SettingsError
from recovery.escalation import Escalation
from recovery.execution import Equipment, Limits, LocalExecution, default_workers
from recovery.execution.interpreter import Package
from recovery.execution.underway import UnderWay
from recovery.fitting import Execution, Fitting
from recovery.growth import Rule
from recovery.plan import Plan
from recovery.precision import Precision
from recovery.progress import Silent, note, reporter
from recovery.provenance import command_line, provenance
from recovery.results import Results
from recovery.scenario import Scenario
from recovery.store import Store
from recovery.supplement import add_quantities

TRUTH: Mapping[str, tuple[TruthMode, ...]] = {
    "fixed": ("fixed",),
    "prior": ("prior",),
    "both": ("fixed", "prior"),
}


class Sweep:
    """Replicates of a scenario over combinations of levels.

    Parameters
    ----------
    scenario : Scenario
        A function decorated with `scenario`.
    levels : mapping of str to sequence, optional
        Levels by axis. Axes are the parameters of the scenario function, and the sampler settings
        ``sampler``, ``draws``, ``tune``, ``chains`` and ``target_accept``.
    replicates : int
        Replicates per cell, derived from `seed`.
    truth : {"fixed", "prior", "both"}
        Whether the truth is the given one, drawn from the prior for each replicate, or both.
    seed : int
        Root of all random numbers.
    seeds : sequence of int, optional
        One replicate per cell for each of these seeds, instead of `replicates` and `seed`.
    sampler : str or Sampler
        ``nutpie``, ``pymc``, an approximation (``advi``, ``fullrank_advi``, ``laplace``), or a
        sampler object.
    draws, tune, chains : int
        Kept and warm-up draws per chain, and chains. By default 1,000 warm-up draws, and 400
        where `ess` is given.
    target_accept : float
        Target acceptance rate of NUTS.
    ess : int, optional
        End each fit as soon as every parameter has this bulk and tail ESS and an r_hat below
        1.01; `draws` is then the most that a chain draws.
    precision : float, optional
        Add replicates cell by cell until the coverage of every parameter's 90 % interval has this
        Monte Carlo standard error; `replicates` are the least.
    stop_when : {"decided"}, optional
        Add replicates cell by cell until it is decided whether its posteriors are calibrated, at
        an error rate of 5 % over all cells (see `recovery.decided`); `replicates` are the least
        to be run.
    margin : float
        How far coverage of 90 % intervals may be from nominal there, as a share.
    max_replicates : int, optional
        Replicates per cell at most, where `precision` or `stop_when` is given: 10,000 or 5,000.

    Raises
    ------
    LevelError, SettingsError
        If an axis, level, seed or setting is impossible.

    Examples
    --------
    >>> results = Sweep(plants, {"trials": [50, 100]}, replicates=100).run("reports/plants")
    ... # doctest: +SKIP
    """

    def __init__(
        self,
        scenario: Scenario,
        levels: Mapping[str, Sequence[Any]] | None = None,
        *,
        replicates: int = REPLICATES,
        truth: Literal["fixed", "prior", "both"] = "fixed",
        seed: int = 42,
        seeds: Sequence[int] | None = None,
        sampler: str | Sampler = "nutpie",
        draws: int = 1000,
        tune: int | None = None,
        chains: int = 4,
        target_accept: float = 0.8,
        ess: int = 0,
        precision: float | None = None,
        stop_when: Literal["decided"] | None = None,
        margin: float = MARGIN,
        max_replicates: int | None = None,
    ) -> None:
        if not isinstance(scenario, Scenario):
            raise ScenarioError(
                f"{scenario!r} is no scenario; put @scenario from recovery above the function"
            )
        if truth not in TRUTH:
            raise SettingsError(f"truth: {truth!r} is not allowed; give fixed, prior or both")
        name = sampler if isinstance(sampler, str) else sampler.name
        self.design = Design(
            scenario,
            levels or {},
            TRUTH[truth],
            replicates,
            seed,
            None if seeds is None else tuple(seeds),
            Settings(name, draws, tune_of(tune, ess, levels or {}), chains, target_accept, ess),
        )
        self._samplers = {} if isinstance(sampler, str) else {name: sampler}
        self._rule = _rule(precision, stop_when, margin, replicates, max_replicates)
        if self._rule is not None and seeds is not None:
            raise SettingsError(
                f"{'stop_when' if precision is None else 'precision'}: needs replicates that can "
                "be added to; give seed instead of seeds"
            )

    @cached_property
    def workshop(self) -> Workshop:
        """What this process has compiled for the scenario; kept between runs of this object."""
        return Workshop(self.design.scenario, self._samplers)

    def grown(self, replicates: int) -> "Sweep":
        """Return this sweep with so many replicates per cell; what is compiled serves both."""
        _ = self.workshop  # made now, or each would make its own
        grown = copy.copy(self)
        grown.design = dataclasses.replace(self.design, replicates=replicates)
        return grown

    def run(
        self,
        out: str | os.PathLike[str] | None = None,
        *,
        workers: int | None = None,
        processes: int | None = None,
        timeout: float | None = None,
        executor: Literal["local", "dask"] = "local",
        scheduler: str | None = None,
        retry_failed: bool = False,
        refit_flagged: bool = False,
        fresh: bool = False,
        progress: bool = True,
        report: bool = True,
        command: str | None = None,
        interleaved: Mapping[str, Any] | None = None,
    ) -> Results:
        """Run what is missing, and return the results of the whole store.

        Parameters
        ----------
        out : path, optional
            Output folder; by default ``reports/<scenario>``. A store that is there already is
            gone on with: what it has is not run again.
        workers : int, optional
            Fits at a time; by default one per core.
        processes : int, optional
            Over how many processes to spread them; by default as many as the first fits show to
            be worth their start.
        timeout : float, optional
            Seconds that a replicate may take, building and compiling apart (a sampler that
            compiles in every fit, as `pymc` does for discrete variables, has no such stage). Each
            fit then runs in a process that can be ended, whatever it is doing.
        executor : {"local", "dask"}
            Where fits run: on this machine, or on a Dask cluster. With ``dask`` and no `scheduler`
            a cluster of `workers` processes is started here (call it under
            ``if __name__ == "__main__"``, as Dask asks of scripts).
        scheduler : str, optional
            Address of a Dask scheduler, as ``tcp://host:8786``; means ``executor="dask"``.
        retry_failed : bool
            Run again what failed; the earlier failures are kept apart.
        refit_flagged : bool
            Fit the data of flagged fits a second time, with twice the warm-up and a higher
            `target_accept`; both outcomes are kept, and measures are of the first.
        fresh : bool
            Begin again; the earlier store is kept as ``results.sqlite.previous-1``.
        progress : bool
            Show progress on standard error.
        report : bool
            Write tables, plots and the report of the whole store when done.
        command : str, optional
            What to record as the command.
        interleaved : mapping, optional
            What to record of the job that this is a round of, see `recovery.interleaved`.

        Returns
        -------
        Results

        Raises
        ------
        ProblemError, UserCodeError
            If the scenario cannot be used; nothing has been written then.
        StoreConflict
            If the folder holds another run.
        OutputError, StoreBusy, NotAStore, StoreDamaged, StoreWriteError
            If the store cannot be used.
        KeyboardInterrupt
            On Ctrl-C, once what was running is done and stored.
        """
        workers = default_workers() if workers is None else workers
        for name, value in (("workers", workers), ("processes", processes)):
            if value is not None and (not isinstance(value, int) or value < 1):
                raise SettingsError(f"{name}: {value!r} is not allowed; give 1 or more")
        limits = Limits(timeout)
        executor = _executor(executor, scheduler, processes)
        folder = Path(out) if out is not None else Path("reports") / self.design.scenario.name
        writable_folder(folder)
        for name, ess in {(c.settings.sampler, c.settings.ess) for c in self.design.cells}:
            sampler = self.workshop.sampler(name)
            approximate = getattr(sampler, "approximate", False)
            if refit_flagged and approximate:
                raise SettingsError(
                    f"refit_flagged: sampler {name} has no warm-up that could be longer; leave "
                    "refit_flagged out"
                )
            if ess and approximate:
                raise SettingsError(
                    f"ess: sampler {name} has independent draws, and as many as are asked for; "
                    "leave ess out"
                )
        prepared = {cell.digest: self.workshop.check(cell) for cell in self.design.cells}
        descriptions = {digest: describe(p.problem) for digest, p in prepared.items()}
        with Store.create_or_open(folder, fresh=fresh) as store:
            refuse_another_run(store, self._identity(), self._describe_stored(store, descriptions))
            quantities = {d: describe_quantities(p.problem) for d, p in prepared.items()}
            refuse_changed_quantities(store, quantities)
            known = {cell["digest"] for cell in store.cells()}
            new = [cell for cell in self.design.cells if cell.digest not in known]
            store.begin(
                self._identity(),
                [self._cell_row(cell, prepared, descriptions) for cell in new],
                self.design.plan(),
                provenance(
                    command or command_line(),
                    workers,
                    self.design.scenario,
                    portrait(prepared[self.design.cells[0].digest].problem),
                    interleaved,
                ),
                quantities,
            )
            added = add_quantities(store, self.workshop, self.design.cells)
            if added and progress:
                note(f"test quantities added to {added} replicates, without a fit")
            escalation = None
            if refit_flagged:
                escalation = Escalation(store, self.design.cells, retry=retry_failed)
            plan = Plan(self.design, store, self._rule, retry=retry_failed, escalation=escalation)
            together, apart = self._by_room(prepared)
            with self._executing(executor, scheduler, workers, processes, limits) as execution:
                fitting = Fitting(plan, store, execution, self.design.cells)
                fitting.run(together, apart, reporter if progress else Silent)
        results = Results(folder)
        if report:
            # The first fit does not wait for what only a report needs.
            from recovery.report import write_report

            write_report(results)
        return results

    @contextmanager
    def _executing(
        self,
        executor: str,
        scheduler: str | None,
        workers: int,
        processes: int | None,
        limits: Limits,
    ) -> Iterator[Callable[[UnderWay], Execution]]:
        """Have ready what runs agendas."""
        equipment = Equipment(self.design.scenario, self._samplers, self.design.cells)
        if executor == "local":
            package = Package(equipment)
            yield lambda under_way: LocalExecution(
                self.workshop, package, under_way, workers, processes, limits
            )
            return
        from recovery.execution.cluster import ClusterExecution, connected

        package = Package(equipment, by_value=scheduler is not None)
        with ExitStack() as opened:
            # A run that has nothing left to do needs no cluster; one that has, needs one.
            client = cache(lambda: opened.enter_context(connected(scheduler, workers)))
            yield lambda under_way: ClusterExecution(client(), package, limits)

    def _by_room(self, prepared: Mapping[str, Prepared]) -> tuple[list[Cell], list[Cell]]:
        """Part the cells: fits that run beside each other in threads, and those that cannot."""
        together: list[Cell] = []
        apart: list[Cell] = []
        for cell in self.design.cells:
            sampler = self.workshop.sampler_for(cell, prepared[cell.digest].problem)
            (together if sampler.threads else apart).append(cell)
        return together, apart

    def _cell_row(
        self,
        cell: Cell,
        prepared: Mapping[str, Prepared],
        descriptions: Mapping[str, Mapping[str, Any]],
    ) -> dict[str, Any]:
        ready = prepared[cell.digest]
        return {
            "digest": cell.digest,
            "levels": dict(cell.levels),
            "truth_mode": cell.truth_mode,
            "settings": dataclasses.asdict(cell.settings),
            "problem": descriptions[cell.digest],
            "priors": [dataclasses.asdict(prior) for prior in self._priors(ready)],
        }

    def _priors(self, prepared: Prepared) -> list[Prior]:
        try:
            draws = self.workshop.prior_draws(prepared)
        except Exception:
            # A prior with impossible draws (a negative scale) can be fitted all the same, and no
            # cell of truth mode prior comes this far. Its measures go without prior moments.
            return []
        return summarise_priors(prepared.problem, draws)

    def _identity(self) -> dict[str, Any]:
        """Return what must stay the same, a sampler object's own parameters included."""
        own = {
            name: dict(sampler.identity())
            for name, sampler in self._samplers.items()
            if hasattr(sampler, "identity")
        }
        return {**self.design.identity(), **own}

    def _describe_stored(
        self, store: Store, descriptions: Mapping[str, Mapping[str, Any]]
    ) -> dict[str, Mapping[str, Any]]:
        """Describe every stored cell as it would be built now, those outside this design too."""
        found = dict(descriptions)
        axes = set(self.design.scenario.axes)
        for cell in store.cells():
            if cell["digest"] not in found and set(cell["levels"]) == axes:
                found[cell["digest"]] = describe(self.workshop.checked(cell["levels"]))
        return found


def _rule(
    precision: float | None, stop_when: str | None, margin: float, start: int, most: int | None
) -> Rule | None:
    """Return what adds replicates to cells, if anything does."""
    limit = {} if most is None else {"most": most}
    if stop_when not in (None, "decided"):
        raise SettingsError(f"stop_when: {stop_when!r} is not allowed; give 'decided', or nothing")
    if precision is None:
        return None if stop_when is None else Decided(start, margin, **limit)
    if stop_when is not None:
        raise SettingsError("stop_when: stands instead of precision; give one of them")
    return Precision(precision, start, **limit)


def _executor(
    executor: str, scheduler: str | None, processes: int | None
) -> Literal["local", "dask"]:
    """Check where fits are to run."""
    if executor not in ("local", "dask"):
        raise SettingsError(f"executor: {executor!r} is not allowed; give local or dask")
    if executor == "local" and scheduler is None:
        return "local"
    if processes is not None:
        raise SettingsError(
            "processes: Dask has one for each worker; give workers, or leave it out"
        )
    if importlib.util.find_spec("distributed") is None:
        raise SettingsError(
            'executor: Dask needs the package distributed; pip install "recovery[dask]"'
        )
    if scheduler is not None:
        # Before anything is written, and long before Dask itself would give up.
        from recovery.execution.cluster import check_address

        check_address(scheduler)
    return "dask"
