"""Execution on one machine: a crew in this process, and other processes where they pay."""

import os
import threading
from collections.abc import Generator
from typing import TypeVar

from threadpoolctl import threadpool_limits

from recovery.agenda import Agenda
from recovery.design import Replicate
from recovery.engine.workshop import Workshop
from recovery.errors import WorkerDied
from recovery.execution.balance import Layout, layout_for, pays, spread
from recovery.execution.carried import Carried
from recovery.execution.crew import Crew, in_background
from recovery.execution.intake import Intake
from recovery.execution.interpreter import Package
from recovery.execution.member import Member
from recovery.execution.seat import Limits, Seat
from recovery.execution.underway import UnderWay
from recovery.progress import note
from recovery.record import Record

_Staff = TypeVar("_Staff", Member, Seat)
_IMPORT_S = 5.0  # of PyMC and a sampler, before another process can begin to compile


def default_workers() -> int:
    """Return the number of cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class LocalExecution:
    """Fits on this machine, so many at a time.

    A replicate that ends a process of several threads is found by giving each that was under way
    a process of its own. Where fits are limited in time, each process has one fit at a time.

    Parameters
    ----------
    workshop : Workshop
        Of this process.
    package : Package
        For other processes.
    under_way : UnderWay
        What the threads of this process are at.
    workers : int
        Fits at a time.
    processes : int, optional
        Over how many processes to spread them. By default a crew of threads begins in this
        process, its first fits are measured, and more processes are started if they pay: see
        `recovery.execution.balance`.
    limits : Limits, optional
        What a replicate may take.
    """

    def __init__(
        self,
        workshop: Workshop,
        package: Package,
        under_way: UnderWay,
        workers: int,
        processes: int | None = None,
        limits: Limits | None = None,
    ) -> None:
        self._workshop, self._package, self._under_way = workshop, package, under_way
        self._workers, self._processes = workers, processes
        self._limits = limits or Limits()
        self.carried = Carried(workers)
        self._intake = Intake()
        self._staff: set[Member | Seat] = set()
        self._dismissed = False
        self._lock = threading.Lock()

    def run(
        self, agenda: Agenda, first: Replicate, left: int, *, threads: bool
    ) -> Generator[list[Record], None, None]:
        """Run an agenda.

        Parameters
        ----------
        agenda : Agenda
        first : Replicate
            What other processes warm up with.
        left : int
            About how many replicates there are.
        threads : bool
            Whether fits may run beside each other in threads of one process.

        Yields
        ------
        list of Record
            What came within a moment; to be committed together.

        Raises
        ------
        WorkerDied
            If no process can be started; what was yielded before is safe.
        """
        try:
            if threads and self._limits.timeout_s is None:
                yield from self._in_threads(agenda, first, left)
            else:
                yield from self._in_processes(agenda)
        finally:
            self._dismiss()

    def _in_threads(
        self, agenda: Agenda, first: Replicate, left: int
    ) -> Generator[list[Record], None, None]:
        """Run in threads, and in processes of threads if they pay."""
        crew = Crew(agenda, self._workshop, self._intake.outbox, self._under_way, self._workers)
        self._intake.expect(self._workers)
        self._carry(Layout(1, self._workers))
        # Linear algebra inside a fit would otherwise start threads of its own beside the others'.
        with threadpool_limits(limits=1):
            crew.start()
            if agenda.has_suspects:
                self._seat(agenda)
                crew.shrink(1)
            decided = self._processes is not None or self._workers == 1
            if self._processes is not None:
                self._recruit(spread(self._workers, self._processes), crew, agenda, first)
            for batch in self._intake.batches():
                left -= len(batch)
                yield batch
                if not decided and crew.cost.known:
                    decided = True
                    self._recruit(self._measured(crew, left), crew, agenda, first)

    def _in_processes(self, agenda: Agenda) -> Generator[list[Record], None, None]:
        """Run in processes, one fit at a time in each."""
        # As many as may be wanted later; a seat without a replicate has no process.
        self._carry(Layout(self._workers, 1))
        for _ in range(self._workers):
            self._seat(agenda)
        yield from self._intake.batches()

    def _measured(self, crew: Crew, left: int) -> Layout:
        """Return how to spread the workers, judging by the fits so far."""
        cost = crew.cost
        self.carried.python_share = cost.share
        layout = layout_for(cost.share, self._workers)
        left_s = left * cost.fit_s / self._workers
        start_s = _IMPORT_S + cost.compile_s
        worth = pays(layout, cost.share, self._workers, left_s, start_s)
        return layout if worth else Layout(1, self._workers)

    def _recruit(self, layout: Layout, crew: Crew, agenda: Agenda, first: Replicate) -> None:
        """Start other processes; each takes threads over from the crew once it has warmed up."""
        if layout.processes == 1:
            return
        self._carry(layout)
        each, over = divmod(self._workers, layout.processes)
        for number in range(layout.processes - 1):
            in_background(self._introduce, each + (number < over), crew, agenda, first)

    def _introduce(self, threads: int, crew: Crew, agenda: Agenda, first: Replicate) -> None:
        outbox = self._intake.outbox
        try:
            member = self._join(Member(self._package, threads))
        except WorkerDied as error:
            # The threads of this process do the same work, if more slowly.
            note(f"going on without another process: {error}")
            return
        except BaseException as error:
            outbox.put(error)
            return
        if not member.warm_up(first):
            member.end()
            if not self._dismissed:  # else all was done meanwhile, and it was ended for that
                note("a worker process died while it compiled; going on without it")
            return
        if not self._intake.join():
            member.end()
            return  # all was done meanwhile
        crew.shrink(threads)
        try:
            while lost := member.run(agenda, outbox):
                member.end()
                seat = self._join(Seat(self._package, self._limits))
                for replicate in lost:
                    outbox.put(seat.run(replicate))
                seat.end()
                member = self._join(Member(self._package, threads))
        except BaseException as error:
            outbox.put(error)
        member.end()
        outbox.put(None)

    def _seat(self, agenda: Agenda) -> None:
        self._intake.expect(1)
        in_background(self._sit, agenda)

    def _sit(self, agenda: Agenda) -> None:
        """Run what is taken in a process of its own, one after another."""
        outbox = self._intake.outbox
        seat = self._join(Seat(self._package, self._limits))
        try:
            while (replicate := agenda.take(alone=True)) is not None:
                outbox.put(seat.run(replicate))
        except BaseException as error:
            outbox.put(error)
        seat.end()
        outbox.put(None)

    def _carry(self, layout: Layout) -> None:
        self.carried.processes, self.carried.threads = layout.processes, layout.threads

    def _join(self, one: _Staff) -> _Staff:
        with self._lock:
            self._staff.add(one)
            if self._dismissed:
                one.close()
        return one

    def _dismiss(self) -> None:
        with self._lock:
            self._dismissed = True
            for one in self._staff:
                one.close()
            self._staff.clear()
