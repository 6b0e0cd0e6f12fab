"""Execution on a Dask cluster: its workers run replicates, each in a process that may die.

A worker of the cluster hands each replicate to a `Seat`, so that a crash, a hang or a timeout costs
the worker nothing and is told as on one machine. Should a worker itself vanish, Dask runs what it
had elsewhere; a replicate that Dask gives up is run again alone, and then recorded as crashed.
"""

import contextlib
import logging
import re
import signal
import socket
import threading
import time
import uuid
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import Any, Final, TypeAlias

from distributed import Client, Future, KilledWorker, LocalCluster, WorkerPlugin, get_worker

from recovery.agenda import Agenda
from recovery.design import Replicate
from recovery.errors import RecoveryError, SettingsError, WorkerDied
from recovery.execution.carried import Carried
from recovery.execution.crew import in_background
from recovery.execution.intake import Intake
from recovery.execution.interpreter import Package
from recovery.execution.seat import Limits, Seat, ended
from recovery.record import Record, Stage, Status, Times

_AHEAD: Final = 2  # tasks per thread of the cluster: one runs while the next is at hand
_TASK_S: Final = 0.3  # seconds of fitting in a task, beside which Dask's own work is little
_MOST: Final = 32  # replicates in a task
_ADDRESS: Final = re.compile(r"(?:tcp|tls)://(\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]]+):(\d{1,5})")
_CONNECT_S: Final = 20.0
_LOOK_S: Final = 2.0  # between looks at how many workers there are
_DESERTED_S: Final = 120.0  # without any worker, after which it is said that nobody will come


_Outcome: TypeAlias = tuple[list[Replicate], list[Record] | KilledWorker]
"""What a task was of, and what came of it."""


def check_address(scheduler: str) -> None:
    """Check that somebody listens at an address.

    Raises
    ------
    SettingsError
        If it is no address, or nobody does.
    """
    match = _ADDRESS.fullmatch(scheduler)
    if match is None:
        raise SettingsError(
            f"scheduler: {scheduler[:80]!r} is no address; give it as tcp://host:8786, or tls://"
        )
    try:
        host, port = match.group(1).strip("[]"), int(match.group(2))
        socket.create_connection((host, port), timeout=_CONNECT_S).close()
    except (OSError, OverflowError) as error:
        raise _unanswered(scheduler, error) from error


def _unanswered(scheduler: str, error: Exception) -> SettingsError:
    return SettingsError(
        f"scheduler: no Dask scheduler answers at {scheduler!r} ({type(error).__name__}); "
        "give the address that it printed when it started, as tcp://host:8786"
    )


@contextmanager
def connected(scheduler: str | None, workers: int) -> Iterator[Client]:
    """Connect to a Dask scheduler, or start a cluster of processes on this machine.

    Parameters
    ----------
    scheduler : str or None
        Its address, as ``tcp://host:8786``.
    workers : int
        Processes to start where there is no scheduler.

    Raises
    ------
    SettingsError
        If nobody answers at that address.
    """
    if scheduler is not None:
        try:
            client = Client(scheduler, timeout=_CONNECT_S, set_as_default=False)
        except (OSError, ValueError, TimeoutError) as error:
            raise _unanswered(scheduler, error) from error
        with client:
            yield client
        return
    with (
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address=None,
            memory_limit=0,
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


class ClusterExecution:
    """Fits on a Dask cluster, one per thread of its workers.

    Parameters
    ----------
    client : distributed.Client
    package : Package
        For the processes that the workers start.
    limits : Limits, optional
        What a replicate may take.
    """

    def __init__(self, client: Client, package: Package, limits: Limits | None = None) -> None:
        self._client = client
        self._plugin = Seats(f"recovery-{uuid.uuid4().hex}", package, limits or Limits())
        self._intake = Intake()
        self._futures: dict[Future, list[Replicate]] = {}
        self._done: SimpleQueue[Future] = SimpleQueue()
        self._looked = self._seen = time.monotonic()
        self._size = self._tasks = 0
        self._together = 1
        self.carried = Carried(0, executor="dask")

    def run(
        self, agenda: Agenda, first: Replicate, left: int, *, threads: bool
    ) -> Generator[list[Record], None, None]:
        """Run an agenda, see `recovery.execution.LocalExecution.run`.

        Raises
        ------
        WorkerDied
            If no worker comes, or none can be used.
        """
        try:
            with _told():
                self._await_workers()
                self._client.register_plugin(self._plugin)
            self._intake.expect(1)
            in_background(self._feed, agenda)
            yield from self._intake.batches()
        finally:
            with contextlib.suppress(Exception):  # the cluster may be gone
                self._client.cancel(list(self._futures))
                self._client.unregister_worker_plugin(self._plugin.name)

    def _await_workers(self) -> None:
        try:
            self._client.wait_for_workers(1, timeout=_DESERTED_S)
        except TimeoutError:
            raise _deserted() from None
        threads = list(self._client.nthreads().values())
        self._size = sum(threads)
        self.carried.workers = self._size
        self.carried.processes, self.carried.threads = len(threads), max(threads)

    def _feed(self, agenda: Agenda) -> None:
        outbox = self._intake.outbox
        try:
            with _told():
                for record in self._records(agenda):
                    outbox.put(record)
        except BaseException as error:
            outbox.put(error)
        outbox.put(None)

    def _records(self, agenda: Agenda) -> Iterator[Record]:
        """Keep the cluster busy until the agenda is empty."""
        lost: list[Replicate] = []
        while True:
            while len(self._futures) < _AHEAD * self._cores():
                # What is lost counts as under way, so that to wait for more would be for ever.
                if not (replicates := self._taken(agenda, wait=not lost)):
                    break
                self._submit(replicates)
            if self._futures:
                for replicates, outcome in self._arrived():
                    if isinstance(outcome, KilledWorker):
                        lost += replicates
                    else:
                        yield from outcome
            elif lost:
                yield self._alone(lost.pop())
            else:
                return

    def _taken(self, agenda: Agenda, *, wait: bool) -> list[Replicate]:
        """Take what goes into one task; wait for it only if nothing else is under way."""
        taken: list[Replicate] = []
        while len(taken) < self._together:
            idle = wait and not self._futures and not taken
            replicate = agenda.take(wait=idle, alone=True)
            if replicate is None:
                break
            taken.append(replicate)
        return taken

    def _alone(self, replicate: Replicate) -> Record:
        """Run what Dask gave up once more, with nothing else on the cluster."""
        self._submit([replicate])
        while not (arrived := list(self._arrived())):
            pass
        ((_, outcome),) = arrived
        if not isinstance(outcome, KilledWorker):
            return outcome[0]
        error = f"Crashed: every Dask worker that ran it died, twice over ({outcome})"
        return ended(replicate, Status.CRASHED, Stage.BUILD, Times(), " ".join(error.split()), "")

    def _submit(self, replicates: list[Replicate]) -> None:
        # A task that Dask gave up must not be taken for the same one.
        self._tasks += 1
        key = f"{self._plugin.name}-{self._tasks}"
        future = self._client.submit(_run, self._plugin.name, replicates, key=key)
        self._futures[future] = replicates
        future.add_done_callback(self._done.put)

    def _arrived(self) -> Iterator[_Outcome]:
        """Wait a moment for what is done, and return it."""
        done: list[Future] = []
        with contextlib.suppress(Empty):
            done.append(self._done.get(timeout=_LOOK_S))
            while True:
                done.append(self._done.get_nowait())
        self._cores()
        complete = [future for future in done if future.status == "finished"]
        found: list[list[Record]] = self._client.gather(complete) if complete else []
        for future, records in zip(complete, found, strict=True):
            wall_s = max(sum(record.times.wall_s for record in records) / len(records), 1e-3)
            self._together = min(_MOST, max(1, round(_TASK_S / wall_s)))
            yield self._futures.pop(future), records
        for future in done:
            if future.status != "finished":
                yield self._futures.pop(future), _given_up(future)

    def _cores(self) -> int:
        """Return the threads of all workers now; a cluster may grow, shrink and come back."""
        now = time.monotonic()
        if now - self._looked > _LOOK_S:
            self._looked = now
            self._size = sum(self._client.nthreads().values())
        if self._size:
            self._seen = now
        elif now - self._seen > _DESERTED_S:
            raise _deserted()
        return max(1, self._size)


class Seats(WorkerPlugin):  # type: ignore[misc]  # distributed has no types
    """What a worker of the cluster has: a seat for each of its threads.

    Parameters
    ----------
    name : str
    package : Package
    limits : Limits
    """

    def __init__(self, name: str, package: Package, limits: Limits) -> None:
        self.name = name
        self._package, self._limits = package, limits

    def setup(self, worker: Any) -> None:
        """Begin on a worker; its processes are started when they are needed."""
        # Ctrl-C in a terminal reaches workers that were started there; the runner decides.
        with contextlib.suppress(ValueError):  # a worker whose main thread is another's
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        self._own = threading.local()
        self._all: list[Seat] = []

    def teardown(self, worker: Any) -> None:
        """End the processes."""
        for seat in self._all:
            seat.close()

    def run(self, replicate: Replicate) -> Record:
        """Run a replicate in this thread's seat."""
        if not hasattr(self._own, "seat"):
            self._own.seat = Seat(self._package, self._limits)
            self._all.append(self._own.seat)
        record: Record = self._own.seat.run(replicate)
        return record


def _run(plugin: str, replicates: list[Replicate]) -> list[Record]:
    """Run replicates on a worker of the cluster, one after another."""
    seats: Seats = get_worker().plugins[plugin]
    return [seats.run(replicate) for replicate in replicates]


@contextmanager
def _told() -> Iterator[None]:
    """Turn what goes wrong on a cluster into one line."""
    try:
        yield
    except RecoveryError:
        raise
    except Exception as error:
        raise _unusable(f"{type(error).__name__}: {error}") from error


def _given_up(future: Future) -> KilledWorker:
    """Return why Dask gave a replicate up, or raise what makes going on pointless."""
    error = future.exception() if future.status == "error" else None
    if isinstance(error, KilledWorker):
        return error
    if isinstance(error, RecoveryError):
        raise error
    reason = f"{type(error).__name__}: {error}" if error else f"a task was {future.status}"
    raise _unusable(reason)


def _unusable(reason: str) -> WorkerDied:
    return WorkerDied(
        f"the Dask cluster could not run a replicate ({' '.join(reason.split())[:300]}); what was "
        "done is kept; have the same recovery, PyMC and Python on all its workers, and run again"
    )


def _deserted() -> WorkerDied:
    return WorkerDied(
        f"no Dask worker has been there for {_DESERTED_S:.0f} s; what was done is kept; start "
        "workers of that scheduler, and run the same command again"
    )
