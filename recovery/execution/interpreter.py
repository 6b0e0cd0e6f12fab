"""One more process, as the runner sees it: sent replicates, answering with records, or dying."""

import contextlib
import dataclasses
import json
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from functools import cached_property
from multiprocessing import Pipe
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import cloudpickle

from recovery.design import Replicate
from recovery.errors import WorkerDied
from recovery.execution.served import DUMP, READY, Equipment
from recovery.record import TRACEBACK_LENGTH
from recovery.scenario import Scenario

_START: Final = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from recovery.leash import end_with
end_with(int(sys.argv[2]))
from recovery.importing import uncollected
with uncollected():
    from recovery.execution.served import serve
serve(*map(int, sys.argv[3:]))
"""
_END_S: Final = 1.0  # for a process to end by itself once asked
_DUMP_S: Final = 0.3  # for a traceback of all threads to be written


class Died(Exception):
    """The process ended while something was expected of it; the text says how."""


class Package:
    """What goes to every process of a session, pickled once.

    Parameters
    ----------
    equipment : Equipment
    by_value : bool
        Whether a scenario from a file goes there as its code, and not as the name of the file,
        which another machine need not have.
    """

    def __init__(self, equipment: Equipment, *, by_value: bool = False) -> None:
        scenario = equipment.scenario
        if by_value:
            module = sys.modules.get(scenario.function.__module__)
            if module is not None and _of_the_user(module):
                cloudpickle.register_pickle_by_value(module)
            equipment = dataclasses.replace(equipment, scenario=Scenario(scenario.function))
        self._equipment = equipment
        self.numbers: Mapping[str, int] = {c.digest: i for i, c in enumerate(equipment.cells)}

    @cached_property
    def payload(self) -> bytes:
        """What is sent; threads of one process need it not, nor need their sampler be pickled."""
        try:
            return bytes(cloudpickle.dumps(self._equipment))
        except Exception as error:
            raise WorkerDied(
                f"scenario and sampler cannot be sent to another process ({type(error).__name__}: "
                f"{error}); leave out --processes, --timeout and --executor, or mend that"
            ) from error

    def __getstate__(self) -> dict[str, Any]:
        """Travel as what is sent."""
        return {"payload": self.payload, "numbers": self.numbers}


def _of_the_user(module: ModuleType) -> bool:
    """Say whether a module is a file of the user's own, which no other machine need have."""
    file = getattr(module, "__file__", None) or ""
    own = module.__name__ != "__main__" and not module.__name__.startswith("recovery.")
    return own and "site-packages" not in Path(file).parts


class Interpreter:
    """A fresh Python process that runs replicates in so many threads.

    Nothing is forked, the user's main script is not run again, and what that script defines
    travels by value. A sampler object of another module needs one that can be imported there,
    too. Use it from the thread that made it: on Linux the process ends with that thread.

    Parameters
    ----------
    package : Package
    threads : int
    stages : bool
        Whether each stage of a replicate is told before it begins; of one thread only.

    Raises
    ------
    WorkerDied
        If the process cannot make use of its equipment.
    """

    def __init__(self, package: Package, threads: int, *, stages: bool) -> None:
        self._numbers = package.numbers
        payload = package.payload
        self._dump = tempfile.TemporaryFile()  # noqa: SIM115  (closed in `end`)
        self._connection, theirs = Pipe()
        fds = (theirs.fileno(), self._dump.fileno())
        try:
            self._process = subprocess.Popen(  # noqa: S603  (a fixed program of our own)
                [
                    *(sys.executable, "-c", _START, json.dumps(sys.path)),
                    *map(str, (os.getpid(), *fds, threads, int(stages))),
                ],
                stdin=subprocess.DEVNULL,
                pass_fds=fds,
                # Ctrl-C is for the runner's group; what it means here is the runner's to say.
                process_group=0,
            )
        except OSError as error:
            self._connection.close()
            self._dump.close()
            raise WorkerDied(
                f"no other process can be started ({error.strerror}); use fewer --workers"
            ) from error
        finally:
            theirs.close()
        try:
            self._connection.send_bytes(payload)
            answer = self.receive()
        except (OSError, Died) as error:
            how = str(error) if isinstance(error, Died) else self._how()
            self.end()
            raise WorkerDied(
                f"a worker process ended before it could begin ({how}); see what it wrote above, "
                "or use fewer --workers"
            ) from error
        if answer != READY:
            self.end()
            last = str(answer).strip().splitlines()[-1]
            raise WorkerDied(
                f"a worker process cannot load scenario and sampler ({last}); put what they need "
                "into a module that can be imported there, or leave out --processes and --timeout"
            )

    @property
    def alive(self) -> bool:
        """Whether the process is running."""
        return self._process.poll() is None

    def send(self, replicate: Replicate, *, fit: bool = True) -> None:
        """Hand over a replicate, to be fitted, or only to be compiled for.

        Raises
        ------
        Died
        """
        number = self._numbers[replicate.cell.digest]
        message = number, replicate.seed, replicate.index, replicate.refit, fit
        try:
            self._connection.send(message)
        except OSError as error:
            raise Died(self._how()) from error

    def receive(self, within_s: float | None = None) -> Any:
        """Return what it says next.

        Raises
        ------
        TimeoutError
            If it says nothing within this time.
        Died
        """
        try:
            if not self._connection.poll(within_s):
                raise TimeoutError
            return self._connection.recv()
        except TimeoutError:
            raise
        except (EOFError, OSError, pickle.UnpicklingError) as error:
            raise Died(self._how()) from error

    def where(self) -> str:
        """Return where its threads are, or were when it crashed; empty if it could not say."""
        if self.alive:
            with contextlib.suppress(OSError):
                self._process.send_signal(DUMP)
                time.sleep(_DUMP_S)
        with contextlib.suppress(OSError):
            written = os.pread(self._dump.fileno(), TRACEBACK_LENGTH, 0)
            return written.decode(errors="replace")
        return ""

    def kill(self) -> None:
        """Kill it, from any thread, whatever it is doing."""
        self._process.kill()
        self._process.wait()

    def end(self) -> None:
        """Kill it, and let go of it."""
        self.kill()
        self._connection.close()
        self._dump.close()

    def _how(self) -> str:
        """Say how it ended, in words."""
        try:
            code = self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        if code >= 0:
            return f"exit code {code}"
        with contextlib.suppress(ValueError):
            name = signal.Signals(-code).name
            more = ", often for want of memory" if -code == signal.SIGKILL else ""
            return f"signal {-code}, {name}{more}"
        return f"signal {-code}"
