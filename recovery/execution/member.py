"""One more process: it warms up, says so, and then runs what it is sent in threads of its own."""

import os
import pickle
import signal
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any

import cloudpickle
from joblib.externals.loky.backend.context import get_context
from threadpoolctl import threadpool_limits

from recovery.agenda import Agenda
from recovery.design import Cell, Replicate
from recovery.engine.replicate import run_replicate, warm_up
from recovery.engine.samplers import Sampler
from recovery.engine.workshop import Workshop
from recovery.errors import WorkerDied
from recovery.execution.crew import Outbox
from recovery.scenario import Scenario

_READY = "ready"


@dataclass(frozen=True)
class Equipment:
    """What a process needs to run replicates."""

    scenario: Scenario
    samplers: Mapping[str, Sampler]
    cells: Sequence[Cell]


class Member:
    """A process of threads, as the runner sees it.

    It is a fresh interpreter, started as loky starts its workers: nothing is forked, the user's
    main script is not run again, and what that script defines travels by value. A sampler object
    of another module needs one that can be imported there, too.

    Parameters
    ----------
    equipment : Equipment
    threads : int
    """

    def __init__(self, equipment: Equipment, threads: int) -> None:
        self.threads = threads
        self._numbers = {cell.digest: i for i, cell in enumerate(equipment.cells)}
        context = get_context("loky")
        self._connection, theirs = context.Pipe()
        payload = cloudpickle.dumps(equipment)
        self._process = context.Process(target=_serve, args=(theirs, payload, threads))
        self._process.start()
        theirs.close()

    def warm_up(self, replicate: Replicate) -> None:
        """Let it compile what this replicate needs, and wait until it has.

        Raises
        ------
        WorkerDied
            If the process ended.
        """
        self._send(replicate, fit=False)
        self._receive()

    def run(self, agenda: Agenda, outbox: Outbox) -> None:
        """Feed it from an agenda until that is empty; in a thread of its own.

        No more is sent than it has threads: what waits here can still be stopped.
        """
        try:
            under_way = 0
            while True:
                while under_way < self.threads:
                    replicate = agenda.take(wait=not under_way)
                    if replicate is None:
                        break
                    self._send(replicate)
                    under_way += 1
                if not under_way:
                    break
                outbox.put(self._receive())
                under_way -= 1
        except BaseException as error:
            outbox.put(error)
        outbox.put(None)

    def end(self) -> None:
        """End it, whatever it is doing."""
        self._process.terminate()
        self._process.join()
        self._connection.close()

    def _send(self, replicate: Replicate, *, fit: bool = True) -> None:
        number = self._numbers[replicate.cell.digest]
        try:
            self._connection.send((number, replicate.seed, replicate.index, fit))
        except OSError as error:
            raise _died() from error

    def _receive(self) -> Any:
        try:
            return self._connection.recv()
        except (EOFError, OSError, pickle.UnpicklingError) as error:
            raise _died() from error


def _died() -> WorkerDied:
    return WorkerDied(
        "a worker process was killed (out of memory, or a crash in compiled code); what was "
        "done is kept; run the same command again to go on, perhaps with fewer --workers"
    )


def _serve(connection: "Connection[Any, Any]", payload: bytes, threads: int) -> None:
    """Run what is sent, in threads; the main function of the process."""
    # Ctrl-C reaches the whole process group; only the runner decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    equipment: Equipment = pickle.loads(payload)  # noqa: S301  (from the runner, by a pipe)
    workshop = Workshop(equipment.scenario, equipment.samplers)
    inbox: SimpleQueue[Replicate] = SimpleQueue()
    sending = threading.Lock()

    def answer(value: object) -> None:
        with sending:
            connection.send(value)

    def work() -> None:
        try:
            while True:
                answer(run_replicate(inbox.get(), workshop))
        except BaseException:
            os._exit(1)  # the runner is gone, or this thread can do no more: so is the process

    with threadpool_limits(limits=1):
        for _ in range(threads):
            threading.Thread(target=work, daemon=True).start()
        try:
            while True:
                number, seed, index, fit = connection.recv()
                replicate = Replicate(equipment.cells[number], seed, index)
                if fit:
                    inbox.put(replicate)
                else:
                    warm_up(replicate, workshop)
                    answer(_READY)
        except (EOFError, OSError):
            os._exit(0)  # the runner is gone or has no more to do
