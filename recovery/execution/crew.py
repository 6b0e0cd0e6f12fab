"""Threads of one process that run an agenda."""

import threading
import time
from collections.abc import Callable
from typing import Any

from recovery.agenda import Agenda
from recovery.engine.replicate import run_replicate
from recovery.engine.workshop import Workshop
from recovery.execution.intake import Outbox
from recovery.execution.underway import UnderWay
from recovery.record import Record

_ENOUGH = 8  # fits whose cost says what the others will cost


class Cost:
    """What fits have cost so far: seconds of the interpreter, and seconds of sampling beside it."""

    def __init__(self) -> None:
        self.fits = 0
        self.compile_s = 0.0
        self._python_s = 0.0
        self._sample_s = 0.0
        self._lock = threading.Lock()

    def add(self, python_s: float, record: Record) -> None:
        """Take note of one fit; one that had to compile says nothing of the others."""
        with self._lock:
            if record.compilations:
                self.compile_s += sum(c.seconds for c in record.compilations)
                return
            self.fits += 1
            self._python_s += python_s
            self._sample_s += record.times.sample_s

    @property
    def known(self) -> bool:
        """Whether enough fits have been seen."""
        return self.fits >= _ENOUGH

    @property
    def fit_s(self) -> float:
        """Seconds of one fit that waits for nobody."""
        return (self._python_s + self._sample_s) / max(self.fits, 1)

    @property
    def share(self) -> float:
        """Share of a fit's time that it needs the interpreter for, at most."""
        total = self._python_s + self._sample_s
        return self._python_s / total if total else 1.0


class Crew:
    """Threads that take replicates from an agenda until it is empty.

    Parameters
    ----------
    agenda : Agenda
    workshop : Workshop
        Its compiled functions are shared by the threads.
    outbox : Outbox
        Each thread ends with a None.
    under_way : UnderWay
        Where they are told to be at it.
    size : int
        Number of threads.
    """

    def __init__(
        self,
        agenda: Agenda,
        workshop: Workshop,
        outbox: Outbox,
        under_way: UnderWay,
        size: int,
    ) -> None:
        self._agenda, self._workshop, self._outbox = agenda, workshop, outbox
        self._under_way = under_way
        self._size = self._wanted = size
        self._lock = threading.Lock()
        self.cost = Cost()

    def start(self) -> None:
        """Begin."""
        for _ in range(self._size):
            in_background(self._work)

    def shrink(self, by: int) -> None:
        """Let so many threads end after their present fit; one stays."""
        with self._lock:
            self._wanted = max(1, self._wanted - by)

    def _leaves(self) -> bool:
        with self._lock:
            surplus = self._size > self._wanted
            self._size -= surplus
            return surplus

    def _work(self) -> None:
        try:
            while not self._leaves() and (replicate := self._agenda.take()) is not None:
                before = time.thread_time()
                with self._under_way.at(replicate.key):
                    record = run_replicate(replicate, self._workshop)
                self.cost.add(time.thread_time() - before, record)
                self._outbox.put(record)
        except BaseException as error:
            self._outbox.put(error)
        self._outbox.put(None)


def in_background(target: Callable[..., None], *args: Any) -> None:
    """Run in a thread that a second interrupt does not wait for."""
    threading.Thread(target=target, args=args, daemon=True).start()
