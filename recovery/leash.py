"""A process that ends with the one that started it."""

import contextlib
import ctypes
import os
import signal
import sys
from typing import Final

_PARENT_DEATH_SIGNAL: Final = 1  # PR_SET_PDEATHSIG of prctl(2)


def end_with(parent: int) -> None:
    """Have the system end this process with the thread that started it, where it can.

    A closed connection tells the same, but not to a process that is importing, or hangs in compiled
    code.

    Parameters
    ----------
    parent : int
        Process that must be alive now.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, int(signal.SIGKILL))
    if os.getppid() != parent:
        os._exit(0)
