"""The other end of an `Interpreter`: what a worker process does with what it is sent."""

import faulthandler
import os
import pickle
import signal
import threading
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any, Final

from threadpoolctl import threadpool_limits

from recovery.design import Cell, Replicate
from recovery.engine.replicate import run_replicate, warm_up
from recovery.engine.samplers import Sampler
from recovery.engine.workshop import Workshop
from recovery.scenario import Scenario
from recovery.streams import keep_streams

READY: Final = "ready"
DUMP: Final = signal.SIGUSR1
"""Asks a process to write down where each of its threads is; no thread need be able to answer."""


@dataclass(frozen=True)
class Equipment:
    """What a process needs to run replicates."""

    scenario: Scenario
    samplers: Mapping[str, Sampler]
    cells: Sequence[Cell]


def serve(fd: int, dump_fd: int, threads: int, stages: int) -> None:
    """Run what is sent, in threads, until the other end is closed.

    Parameters
    ----------
    fd : int
        Of the connection. First comes the pickled equipment, then replicates as
        (number of the cell, seed, index, refit, fit); back go ``READY`` or the text of an
        exception, then records, each preceded by the stages it goes through if `stages` is set.
    dump_fd : int
        Where a crash in compiled code leaves its traceback.
    threads, stages : int
    """
    keep_streams()  # what a scenario prints has no reader, perhaps
    faulthandler.enable(dump_fd, all_threads=True)
    faulthandler.register(DUMP, dump_fd, all_threads=True)
    for inherited in (fd, dump_fd):
        os.set_inheritable(inherited, False)
    connection: Connection[Any, Any] = Connection(fd)
    inbox: SimpleQueue[Replicate] = SimpleQueue()
    sending = threading.Lock()

    def answer(value: object) -> None:
        with sending:
            connection.send(value)

    try:
        equipment: Equipment = pickle.loads(connection.recv_bytes())  # noqa: S301  (from the runner, by a pipe)
        workshop = Workshop(equipment.scenario, equipment.samplers)
    except BaseException:
        answer(traceback.format_exc())
        os._exit(1)

    def work() -> None:
        tell = answer if stages else None
        try:
            while True:
                answer(run_replicate(inbox.get(), workshop, tell))
        except BaseException:
            os._exit(1)  # the runner is gone, or this thread can do no more: so is the process

    with threadpool_limits(limits=1):
        for _ in range(threads):
            threading.Thread(target=work, daemon=True).start()
        try:
            answer(READY)
            while True:
                number, seed, index, refit, fit = connection.recv()
                replicate = Replicate(equipment.cells[number], seed, index, refit)
                if fit:
                    inbox.put(replicate)
                else:
                    warm_up(replicate, workshop)
                    answer(READY)
        except (EOFError, OSError):
            os._exit(0)  # the runner is gone or has no more to do
