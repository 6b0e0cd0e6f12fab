"""A place where one replicate at a time runs in a process of its own, whatever it does to it."""

import math
import threading
import time
from dataclasses import dataclass
from typing import Final

from recovery.design import Replicate
from recovery.errors import SettingsError, WorkerDied
from recovery.execution.interpreter import Died, Interpreter, Package
from recovery.record import Failure, Record, Stage, Status, Times

TRIES: Final = 3
"""How often a replicate that ends its process is tried, before it is said to have crashed."""
COMPILE_S: Final = 600.0
"""Seconds that building and compiling may take, where fits are limited at all."""
_UNCOUNTED: Final = (Stage.BUILD, Stage.COMPILE)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a replicate may take.

    Parameters
    ----------
    timeout_s : float, optional
        Seconds of a replicate, building and compiling apart.
    tries : int
        Deaths of its process.
    """

    timeout_s: float | None = None
    tries: int = TRIES

    def __post_init__(self) -> None:
        """Check the range."""
        given = self.timeout_s
        if given is not None and not (isinstance(given, int | float) and 0 < given < math.inf):
            raise SettingsError(f"timeout: {given!r} is not allowed; give seconds, more than 0")


class Seat:
    """Runs replicates one after another, each to a record.

    A process that dies is replaced and its replicate tried again; one that takes too long is
    ended. Use it in one thread.

    Parameters
    ----------
    package : Package
    limits : Limits
    """

    def __init__(self, package: Package, limits: Limits) -> None:
        self._package, self._limits = package, limits
        self._interpreter: Interpreter | None = None
        self._closed = False
        self._lock = threading.Lock()

    def run(self, replicate: Replicate) -> Record:
        """Return the record of a replicate.

        Raises
        ------
        WorkerDied
            If no process can be started.
        """
        how = ""
        for _ in range(self._limits.tries):
            if self._closed:
                break
            interpreter = self._staffed()
            watch = _Watch(self._limits.timeout_s)
            try:
                return self._watched(interpreter, replicate, watch)
            except Died as death:
                how, where = str(death), interpreter.where()
            except TimeoutError:
                where = interpreter.where()
                error = (
                    f"TimedOut: no end within {self._limits.timeout_s:g} s at stage {watch.stage}"
                )
                if watch.stage in _UNCOUNTED:
                    most = max(COMPILE_S, self._limits.timeout_s or 0.0)
                    error = f"TimedOut: stage {watch.stage} took more than {most:g} s"
                return ended(replicate, Status.TIMED_OUT, watch.stage, watch.times(), error, where)
            finally:
                if watch.open:
                    self.end()
        if self._closed:
            raise WorkerDied("a worker process was ended with its run")
        tries = self._limits.tries
        error = f"Crashed: its process died in each of {tries} tries ({how})"
        return ended(replicate, Status.CRASHED, watch.stage, watch.times(), error, where)

    def end(self) -> None:
        """End the process, if there is one."""
        if self._interpreter is not None:
            self._interpreter.end()
            self._interpreter = None

    def close(self) -> None:
        """Kill the process for good, from any thread; whoever runs a replicate learns of it."""
        with self._lock:
            self._closed = True
            if self._interpreter is not None:
                self._interpreter.kill()

    def _staffed(self) -> Interpreter:
        # One that died while it had nothing to do is nobody's fault.
        if self._interpreter is not None and not self._interpreter.alive:
            self.end()
        if self._interpreter is None:
            interpreter = Interpreter(self._package, 1, stages=True)
            with self._lock:
                self._interpreter = interpreter
                if self._closed:
                    interpreter.kill()
        return self._interpreter

    @staticmethod
    def _watched(interpreter: Interpreter, replicate: Replicate, watch: "_Watch") -> Record:
        interpreter.send(replicate)
        while True:
            said = interpreter.receive(watch.left_s)
            if isinstance(said, Record):
                watch.open = False
                return said
            watch.enter(said)


class _Watch:
    """How long a replicate has been at it, by stage."""

    def __init__(self, timeout_s: float | None) -> None:
        self.open = True
        self.stage = Stage.BUILD
        self.seconds = dict.fromkeys(Stage, 0.0)
        self._timeout_s = timeout_s
        self._since = time.monotonic()

    def enter(self, stage: Stage) -> None:
        now = time.monotonic()
        self.seconds[self.stage] += now - self._since
        self.stage, self._since = stage, now

    @property
    def left_s(self) -> float | None:
        """Seconds until it is too late; None if it never is."""
        if self._timeout_s is None:
            return None
        spent = time.monotonic() - self._since
        if self.stage in _UNCOUNTED:
            return max(0.0, max(COMPILE_S, self._timeout_s) - self.seconds[self.stage] - spent)
        counted = sum(s for stage, s in self.seconds.items() if stage not in _UNCOUNTED)
        return max(0.0, self._timeout_s - counted - spent)

    def times(self) -> Times:
        self.enter(self.stage)
        rest = self.seconds[Stage.PREDICT] + self.seconds[Stage.ESTIMATE]
        return Times(self.seconds[Stage.SIMULATE], self.seconds[Stage.SAMPLE], rest)


def ended(
    replicate: Replicate, status: Status, stage: Stage, times: Times, error: str, where: str
) -> Record:
    """Return the record of a replicate that had no chance to write its own."""
    failure = Failure(stage, error, where or "(its process left no traceback)")
    return Record.of(replicate, status, times=times, failure=failure)
