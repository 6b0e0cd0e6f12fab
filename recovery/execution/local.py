"""Execution on one machine: a crew in this process, and other processes where they pay."""

import os
import threading
import time
from collections.abc import Generator
from dataclasses import asdict, dataclass
from queue import Empty, SimpleQueue
from typing import Any

from threadpoolctl import threadpool_limits

from recovery.agenda import Agenda
from recovery.design import Replicate
from recovery.engine.workshop import Workshop
from recovery.execution.balance import Layout, layout_for, pays, spread
from recovery.execution.crew import Crew, Outbox, in_background
from recovery.execution.member import Equipment, Member
from recovery.record import Record

_GATHER_S = 0.2  # how long a record waits for others to share its commit
_IMPORT_S = 5.0  # of PyMC and a sampler, before another process can begin to compile


def default_workers() -> int:
    """Return the number of cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass
class Carried:
    """How fits were carried out, for the store.

    Attributes
    ----------
    workers, processes, threads : int
        Fits at a time; processes, the runner's own included, and threads in each at most.
    python_share : float or None
        Share of a fit's time that needed the interpreter, where it was measured.
    """

    workers: int
    processes: int = 1
    threads: int = 1
    python_share: float | None = None

    def plain(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


class LocalExecution:
    """Fits on this machine, so many at a time.

    Parameters
    ----------
    workshop : Workshop
        Of this process.
    equipment : Equipment
        For other processes.
    workers : int
        Fits at a time.
    processes : int, optional
        Over how many processes to spread them. By default a crew of threads begins in this
        process, its first fits are measured, and more processes are started if they pay: see
        `recovery.execution.balance`.
    """

    def __init__(
        self, workshop: Workshop, equipment: Equipment, workers: int, processes: int | None = None
    ) -> None:
        self._workshop, self._equipment = workshop, equipment
        self._workers, self._processes = workers, processes
        self.carried = Carried(workers)
        self._outbox: Outbox = SimpleQueue()
        self._sources = 0
        self._lock = threading.Lock()
        self._members: list[Member] = []
        self._error: BaseException | None = None
        self._gathered = -_GATHER_S  # the first record of all is committed at once

    def in_threads(
        self, agenda: Agenda, first: Replicate, left: int
    ) -> Generator[list[Record], None, None]:
        """Run an agenda in threads, and in processes of threads if they pay.

        Parameters
        ----------
        agenda : Agenda
        first : Replicate
            What other processes warm up with.
        left : int
            About how many replicates there are.

        Yields
        ------
        list of Record
            What came within a moment; to be committed together.

        Raises
        ------
        WorkerDied
            If a process was killed; what was yielded before is safe.
        """
        crew = Crew(agenda, self._workshop, self._outbox, self._workers)
        self._sources = self._workers
        self._carry(Layout(1, self._workers))
        # Linear algebra inside a fit would otherwise start threads of its own beside the others'.
        with threadpool_limits(limits=1):
            try:
                crew.start()
                decided = self._processes is not None or self._workers == 1
                if self._processes is not None:
                    self._recruit(spread(self._workers, self._processes), crew, agenda, first)
                for batch in self._batches():
                    left -= len(batch)
                    yield batch
                    if not decided and crew.cost.known:
                        decided = True
                        self._recruit(self._measured(crew, left), crew, agenda, first)
            finally:
                self._dismiss()

    def in_processes(self, agenda: Agenda, left: int) -> Generator[list[Record], None, None]:
        """Run an agenda in processes, one fit at a time in each; otherwise as `in_threads`."""
        layout = spread(min(self._workers, left), self._workers)
        self._carry(layout)
        try:
            for _ in range(layout.processes):
                member = Member(self._equipment, 1)
                self._members.append(member)
                self._sources += 1
                in_background(member.run, agenda, self._outbox)
            yield from self._batches()
        finally:
            self._dismiss()

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

        def introduce(member: Member, threads: int) -> None:
            try:
                member.warm_up(first)
            except BaseException as error:
                self._outbox.put(error)
                return
            with self._lock:
                if not self._sources:
                    return  # all was done meanwhile
                self._sources += 1
            crew.shrink(threads)
            member.run(agenda, self._outbox)

        for _ in range(layout.processes - 1):
            self._members.append(member := Member(self._equipment, layout.threads))
            in_background(introduce, member, layout.threads)

    def _batches(self) -> Generator[list[Record], None, None]:
        """Gather records; an error is raised once what came before it has been yielded."""
        while batch := self._gather():
            yield batch
        if self._error is not None:
            raise self._error

    def _gather(self) -> list[Record]:
        batch: list[Record] = []
        while self._sources and self._error is None:
            wait = max(self._gathered + _GATHER_S - time.monotonic(), 0.0) if batch else None
            try:
                item = self._outbox.get(timeout=wait)
            except Empty:
                break
            if item is None:
                with self._lock:
                    self._sources -= 1
            elif isinstance(item, BaseException):
                self._error = item
            else:
                batch.append(item)
        self._gathered = time.monotonic()
        return batch

    def _carry(self, layout: Layout) -> None:
        self.carried.processes, self.carried.threads = layout.processes, layout.threads

    def _dismiss(self) -> None:
        for member in self._members:
            member.end()
        self._members.clear()
