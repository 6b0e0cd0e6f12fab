"""A side as the job sees it: told what to do, answering, or dying."""

import contextlib
import json
import os
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Final, Self

from recovery.errors import NothingMeasured, RecoveryError, UsageError, UserCodeError, WorkerDied
from recovery.inert import plain
from recovery.interleaved.environment import Environment
from recovery.interleaved.hearing import lines_of
from recovery.interleaved.rounds import Step
from recovery.progress import note

_END_S: Final = 10.0  # for a side to end by itself once nothing more is asked of it
_TAIL: Final = 3  # lines of what it said last, where it dies
_AT_ONCE: Final = 3  # signals after which a side is not waited for any more


class Unable(Exception):
    """The side cannot run this scenario; the error within says why."""

    def __init__(self, error: RecoveryError, kind: str) -> None:
        super().__init__(str(error))
        self.error, self.kind = error, kind


@dataclass(frozen=True, slots=True)
class There:
    """What a store has already.

    Attributes
    ----------
    least, most : int
        Replicates of the cell that has fewest, and of the one that has most.
    begun : int
        Rounds that were begun.
    """

    least: int
    most: int
    begun: int


class Partner:
    """A process that runs one side; a context manager, which ends it.

    Parameters
    ----------
    side : str
        ``base`` or ``head``.
    environment : Environment
    folder : pathlib.Path
        In which it runs.
    """

    def __init__(self, side: str, environment: Environment, folder: Path) -> None:
        self.side = side
        # The interpreter that the user has chosen runs a module of ours.
        self._process = subprocess.Popen(  # noqa: S603  (see above)
            [environment.python, "-m", "recovery.interleaved.side", str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(environment.variables),
            cwd=folder,
            # Ctrl-C is for this process, which passes it on to the side that is at work.
            process_group=0,
        )
        assert self._process.stdout is not None
        self._answers = lines_of(self._process, self._process.stdout)
        self._last: deque[str] = deque(maxlen=_TAIL)
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def __enter__(self) -> Self:
        """Have it."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self.end()

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    def open(self, order: dict[str, Any]) -> There:
        """Say what is to be run, and return what of it is there already.

        Raises
        ------
        Unable
            If the scenario cannot be run.
        WorkerDied, KeyboardInterrupt
        """
        answer = self._asked({**order, "side": self.side})
        return There(**{name: int(answer[name]) for name in ("least", "most", "begun")})

    def run(self, step: Step, rounds: int, job: str | None) -> tuple[int, float]:
        """Have a step done, and return its fits and seconds.

        Parameters
        ----------
        step : Step
        rounds : int
            How many rounds there are.
        job : str, optional
            What it is recorded to be a round of; of a side that is alone, nothing.

        Raises
        ------
        Unable
            If it cannot be done.
        WorkerDied
            If the process ends without a word.
        KeyboardInterrupt
            On Ctrl-C or SIGTERM, once what was under way is done and stored.
        """
        words = {"round": step.round, "rounds": rounds, "replicates": step.replicates, "job": job}
        answer = self._asked(words)
        return int(answer["fits"]), float(answer["seconds"])

    def end(self) -> None:
        """Let it end, or kill it; what it has started and left is not waited for."""
        process = self._process
        with contextlib.suppress(OSError):
            if process.stdin is not None:
                process.stdin.close()
        try:
            process.wait(_END_S)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            process.kill()
            process.wait()
        self._listener.join(_END_S)
        for stream in (process.stdout, process.stderr):
            # Not under a listener that is held up by who reads what it passes on.
            if stream is not None and not self._listener.is_alive():
                stream.close()

    def _asked(self, words: dict[str, Any]) -> dict[str, Any]:
        stdin = self._process.stdin
        assert stdin is not None
        line = ""
        # A side that is gone takes no words; how it died is told below.
        with _passed_on(self._process) as came, contextlib.suppress(OSError):
            stdin.write(json.dumps(words).encode() + b"\n")
            stdin.flush()
            line = next(self._answers, "")
        if came:
            raise KeyboardInterrupt
        try:
            answer = json.loads(line)
        except ValueError:
            raise WorkerDied(
                f"{self.side}: its process ended ({self._how()}); what was done is kept, and the "
                "same command goes on"
            ) from None
        if "failed" in answer:
            raise Unable(_error(self.side, answer), str(answer["kind"]))
        assert isinstance(answer, dict)
        return answer

    def _listen(self) -> None:
        """Pass on what the side says on standard error."""
        assert self._process.stderr is not None
        for line in lines_of(self._process, self._process.stderr):
            text = plain(line)
            if text.strip():
                self._last.append(text.strip())
            note(f"{self.side}: {text}")

    def _how(self) -> str:
        """Say how it ended, and what it said last."""
        try:
            code = self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self._listener.join(_END_S)
        how = f"exit code {code}"
        if code < 0:
            with contextlib.suppress(ValueError):
                how = f"signal {-code}, {signal.Signals(-code).name}"
            if code == -signal.SIGKILL:
                how += ", often for want of memory"
        return "; ".join([how, *(["it said: " + " | ".join(self._last)] if self._last else [])])


def _error(side: str, answer: dict[str, Any]) -> RecoveryError:
    """Return what a side could not do as an error of this process, with the same exit code."""
    text = f"{side}: {answer['failed']}"
    if "traceback" in answer:
        return UserCodeError(text, str(answer["traceback"]))
    kinds = {kind.exit_code: kind for kind in (RecoveryError, UsageError, NothingMeasured)}
    return kinds.get(answer["exit_code"], RecoveryError)(text)


@contextmanager
def _passed_on(process: "subprocess.Popen[bytes]") -> Iterator[list[int]]:
    """Pass Ctrl-C and SIGTERM on as Ctrl-C, and say how many came."""
    came: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield came
        return

    def handle(number: int, frame: FrameType | None) -> None:
        came.append(number)
        if len(came) < _AT_ONCE:
            process.send_signal(signal.SIGINT)
        else:
            process.kill()

    before: dict[signal.Signals, Callable[[int, FrameType | None], Any] | int | None] = {
        number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield came
    finally:
        for number, handler in before.items():
            # None: a handler that was not Python's, which cannot be set from here.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
