"""One session: what is missing is fitted, committed and shown; an interrupt ends it cleanly."""

import signal
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from types import FrameType
from typing import Any, Protocol

from recovery.agenda import Agenda
from recovery.design import Cell, Replicate
from recovery.execution.carried import Carried
from recovery.execution.underway import UnderWay
from recovery.pauses import Pauses
from recovery.plan import Plan
from recovery.progress import Reporter, note
from recovery.record import Record
from recovery.store import Store


class Execution(Protocol):
    """What runs one agenda, see `recovery.execution.LocalExecution`."""

    carried: Carried

    def run(
        self, agenda: Agenda, first: Replicate, left: int, *, threads: bool
    ) -> Generator[list[Record], None, None]:
        """Run it, and yield records as they come."""
        ...


class Fitting:
    """The fits of one session.

    Parameters
    ----------
    plan : Plan
    store : Store
        Open for writing.
    execution : callable
        Returns what runs an agenda, given where this process says what it is at.
    cells : sequence of Cell
        All that may be run.
    """

    def __init__(
        self,
        plan: Plan,
        store: Store,
        execution: Callable[[UnderWay], Execution],
        cells: Sequence[Cell],
    ) -> None:
        self._plan, self._store, self._execution = plan, store, execution
        self._cells = {cell.digest: cell for cell in cells}
        self._pauses = Pauses(plan.failing)
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
            If no other process could be started where one was needed.
        """
        with UnderWay(self._store.folder) as under_way:
            if under_way.suspects:
                note(
                    f"the last run died with {len(under_way.suspects)} replicates under way; each "
                    "of these now has a process of its own"
                )
            paused = {digest for digest in self._cells if self._pauses.reason(digest)}
            for digest in paused:
                self._tell_of_pause(digest)
            rooms = [[c for c in cells if c.digest not in paused] for cells in (together, apart)]
            agendas = [self._plan.agenda(cells, under_way.suspects) for cells in rooms]
            left = sum(count for _, count in agendas)
            if not left:
                # What was asked for is known all the same, for who reads what was decided.
                self._store.end(self._plan.wanted())
                return
            stops = [agenda.stop for agenda, _ in agendas]
            with _interruptible(*stops) as interrupted, reporter(left) as shown:
                for cells, (agenda, count), threads in zip(
                    rooms, agendas, (True, False), strict=True
                ):
                    if count:
                        execution = self._execution(under_way)
                        batches = execution.run(
                            agenda, self._plan.first(cells[0]), count, threads=threads
                        )
                        self._commit(batches, agenda, shown, under_way)
                        self._end(execution)
            if interrupted.is_set():
                raise KeyboardInterrupt

    def _commit(
        self,
        batches: Generator[list[Record], None, None],
        agenda: Agenda,
        shown: Reporter,
        under_way: UnderWay,
    ) -> None:
        started = time.perf_counter()
        # However it ends, nothing more is begun: threads would go on for a store that is closed.
        with closing(batches), _stopped(agenda):
            for batch in batches:
                self._store.append(batch, retry=self._plan.retry)
                under_way.done([record.key for record in batch])
                self._fits += len(batch)
                for record in batch:
                    shown.add(record, self._cells[record.cell].truth_mode)
                    shown.expect(agenda.finish(record))
                    self._look_for_pause(record, agenda)
        self._elapsed += time.perf_counter() - started

    def _end(self, execution: Execution) -> None:
        carried = {"fits": self._fits, "fitting_s": self._elapsed, **execution.carried.plain()}
        self._store.end({**carried, **self._plan.wanted()})

    def _look_for_pause(self, record: Record, agenda: Agenda) -> None:
        before = self._pauses.reason(record.cell)
        self._pauses.add(record)
        if not before and self._pauses.reason(record.cell):
            agenda.drop(record.cell)
            self._tell_of_pause(record.cell)

    def _tell_of_pause(self, digest: str) -> None:
        note(
            f"{self._cells[digest].label}: paused, as all its replicates so far failed the same "
            f"way: {self._pauses.reason(digest)}; if the cause lies outside the scenario, mend it "
            "and run again with --retry-failed; a scenario that is changed is another run"
        )


@contextmanager
def _stopped(agenda: Agenda) -> Iterator[None]:
    """Stop an agenda at the end."""
    try:
        yield
    finally:
        agenda.stop()


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
        note("stopping once what is under way is done; again to stop at once")

    before: dict[signal.Signals, Callable[[int, FrameType | None], Any] | int | None] = {
        number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield came
    finally:
        for number, handler in before.items():
            # None: a handler that was not Python's, which cannot be set from here.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
