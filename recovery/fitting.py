"""One session: what is missing is fitted, committed and shown; an interrupt ends it cleanly."""

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from types import FrameType
from typing import Any

from recovery.agenda import Agenda
from recovery.design import Cell
from recovery.engine.workshop import Workshop
from recovery.execution import Equipment, LocalExecution
from recovery.plan import Plan
from recovery.progress import Reporter
from recovery.store import Store


class Fitting:
    """The fits of one session.

    Parameters
    ----------
    plan : Plan
    store : Store
        Open for writing.
    workshop : Workshop
        Of this process.
    equipment : Equipment
        For other processes.
    workers : int
        Fits at a time.
    processes : int, optional
        Over how many processes to spread them; by default as measured.
    """

    def __init__(
        self,
        plan: Plan,
        store: Store,
        workshop: Workshop,
        equipment: Equipment,
        workers: int,
        processes: int | None,
    ) -> None:
        self._plan, self._store = plan, store
        self._how = workshop, equipment, workers, processes
        self._modes = {cell.digest: cell.truth_mode for cell in equipment.cells}
        self._fits = 0
        self._elapsed = 0.0

    def run(
        self,
        together: Sequence[Cell],
        apart: Sequence[Cell],
        reporter: Callable[[int], Reporter],
    ) -> None:
        """Fit what is missing.

        Parameters
        ----------
        together, apart : sequence of Cell
            Cells whose fits may run beside each other in one process, and the others.
        reporter : callable
            Given the number of fits, returns what shows progress.

        Raises
        ------
        KeyboardInterrupt
            On Ctrl-C or SIGTERM, once what was running is done and stored.
        WorkerDied
            If a process was killed.
        """
        agendas = [self._plan.agenda(cells) for cells in (together, apart)]
        left = sum(count for _, count in agendas)
        if not left:
            # What was asked for is known all the same, for who reads what was decided.
            self._store.end(self._plan.wanted())
            return
        with _interruptible(*(a.stop for a, _ in agendas)) as interrupted, reporter(left) as shown:
            for cells, (agenda, count), threads in zip(
                (together, apart), agendas, (True, False), strict=True
            ):
                if count:
                    self._run(cells, agenda, count, threads, shown)
        if interrupted.is_set():
            raise KeyboardInterrupt

    def _run(
        self, cells: Sequence[Cell], agenda: Agenda, count: int, threads: bool, shown: Reporter
    ) -> None:
        execution = LocalExecution(*self._how)
        if threads:
            batches = execution.in_threads(agenda, self._plan.first(cells[0]), count)
        else:
            batches = execution.in_processes(agenda, count)
        started = time.perf_counter()
        with closing(batches):
            for batch in batches:
                self._store.append(batch)
                self._fits += len(batch)
                for record in batch:
                    shown.add(record, self._modes[record.cell])
                    shown.expect(agenda.finish(record))
        self._elapsed += time.perf_counter() - started
        carried = {"fits": self._fits, "fitting_s": self._elapsed, **execution.carried.plain()}
        self._store.end({**carried, **self._plan.wanted()})


@contextmanager
def _interruptible(*stops: Callable[[], None]) -> Iterator[threading.Event]:
    """Let the first Ctrl-C or SIGTERM end the run cleanly, and the second at once."""
    came = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield came
        return

    def handle(number: int, frame: FrameType | None) -> None:
        if came.is_set():
            raise KeyboardInterrupt
        came.set()
        for stop in stops:
            stop()

    before: dict[signal.Signals, Callable[[int, FrameType | None], Any] | int | None] = {
        number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
