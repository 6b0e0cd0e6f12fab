"""A peer's process, seen from the one that runs the comparison."""

import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from peers.base import Introduction, Task

BENCH = Path(__file__).parents[1]


class Runner:
    """Starts a peer, tells it to fit, and remembers what it answered.

    Attributes
    ----------
    problem : str
        Why it has no numbers, in words; empty if it has.
    count : int
        Fits in a round.
    first_s : float
        Seconds from the start of its process to its first fit.
    rates : list of float
        Fits per second, by round.
    """

    def __init__(self, name: str, task: Task) -> None:
        self.name = name
        self.task = task
        self.problem = ""
        self.first_s = float("nan")
        self.rates: list[float] = []
        self.introduction: Introduction | None = None
        self.count = 1
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, seconds: float) -> None:
        """Let it compile and fit; choose how many fits take about so many seconds."""
        self._pipe, theirs = multiprocessing.Pipe()
        path = os.pathsep.join([str(BENCH), *filter(None, [os.environ.get("PYTHONPATH")])])
        started = time.time()
        with (Path(self.task.folder) / f"{self.name}.log").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "peers.serve", self.name, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env={**os.environ, "PYTHONPATH": path},
                stdout=log,
                stderr=log,
            )
        theirs.close()
        self._pipe.send(self.task)
        hello = self._answer()
        if isinstance(hello, Introduction):
            self.introduction = hello
            self.first_s = hello.first_at - started
            self.count = max(1, min(len(self.task.data), int(hello.rate * seconds)))

    def round(self) -> None:
        """Time one round of fits."""
        self._pipe.send(self.count)
        answer = self._answer()
        if not self.problem:
            self.count, seconds = answer
            self.rates.append(self.count / seconds)

    def stop(self) -> None:
        """Let it end."""
        if self._process is not None:
            self._pipe.close()
            self._process.wait()

    def _answer(self) -> Any:
        try:
            answer = self._pipe.recv()
        except EOFError:
            answer = "failed: its process died"
        if isinstance(answer, str):
            self.problem = answer
        return answer
