"""Samplers that do to their process what a broken sampler does, for replicates of some numbers."""

import ctypes
import faulthandler
import os
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cloudpickle
from crash import waiting

from recovery.engine.samplers import Fit, Target
from recovery.engine.structure import Simulated
from recovery.testing import ExactDensity, ExactSampler

# Other processes cannot import these modules by their names.
cloudpickle.register_pickle_by_value(sys.modules[__name__])
cloudpickle.register_pickle_by_value(waiting)


def segfault() -> None:
    ctypes.string_at(0)


def overflow_the_stack() -> None:
    faulthandler._stack_overflow()  # type: ignore[attr-defined]  # what CPython tests itself with


def kill_itself() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def leave() -> None:
    os._exit(3)


def sleep() -> None:
    while True:
        time.sleep(60)


def hang_in_compiled_code() -> None:
    ctypes.PyDLL(None).sleep(600)  # keeps the interpreter: no other thread can run


def kill_the_worker() -> None:
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(60)  # this process ends with it


HAZARDS = {
    "kill the worker": kill_the_worker,
    "segfault": segfault,
    "overflow": overflow_the_stack,
    "kill": kill_itself,
    "exit": leave,
    "sleep": sleep,
    "hang": hang_in_compiled_code,
}


@dataclass
class Hazardous(ExactSampler):
    """Meets a hazard in fits of given seeds, in any process but one.

    Parameters
    ----------
    hazards : dict of int to str
        By the sampler's seed.
    once : str
        If given, a folder: each of them meets it only the first time.
    spared : int
        Process in which nothing happens.
    counted : str
        If given, a file that gets a line per fit: process and seed.
    """

    hazards: dict[int, str] = field(default_factory=dict)
    once: str = ""
    spared: int = 0
    sleep_s: float = 0.0
    counted: str = ""

    def identity(self) -> dict[str, float]:
        return {}

    def compile(self, target: Target, simulated: Simulated) -> "HazardousDensity":
        return HazardousDensity(self, target)


class HazardousDensity(ExactDensity):
    def fit(self, simulated: Simulated, settings: Any, seed: int) -> Fit:
        sampler: Hazardous = self._sampler  # type: ignore[assignment]  # made by it
        waiting.count(sampler.counted, seed)
        if seed in sampler.hazards and os.getpid() != sampler.spared:
            flag = Path(sampler.once) / str(seed)
            if not (sampler.once and flag.exists()):
                if sampler.once:
                    flag.touch()
                HAZARDS[sampler.hazards[seed]]()
        time.sleep(sampler.sleep_s)
        return super().fit(simulated, settings, seed)
