"""Runs to be killed: each a fork of one process that has imported and compiled everything once.

What is forked has a single Python thread, and starts others only in the fork. The parent side is
`Nursery`; the other side, `main`, reads orders as lines of JSON and answers with lines of JSON.
"""

import contextlib
import ctypes
import itertools
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

import cloudpickle
from crash import waiting

import recovery.cli
import recovery.engine.workshop
import recovery.sweep
from recovery import Results, Sweep
from recovery.engine.replicate import run_replicate
from recovery.engine.samplers import Fit, Target, sampler_by_name
from recovery.engine.structure import Simulated
from recovery.errors import RecoveryError
from recovery.execution import intake
from recovery.report import write_report
from recovery.store import Store
from recovery.testing import ExactDensity, ExactSampler, line

TESTS = Path(__file__).parents[1]
LEVELS = {"trials": [5, 9]}

# Other processes cannot import these modules by their names.
cloudpickle.register_pickle_by_value(sys.modules[__name__])
cloudpickle.register_pickle_by_value(waiting)


@dataclass
class Sleeping(ExactSampler):
    """Takes its time: as long as is said, or some milliseconds that follow from the seed.

    Parameters
    ----------
    least_s, most_s : float
        Between them lies the time of a fit.
    counted : str
        If given, a file to which each fit adds a line: its process and seed.
    hangs : str
        If given, a file: while it is there, fits in any process but one keep the interpreter to
        themselves and answer nobody.
    company : str
        If given, a file: fits in the one process wait until one elsewhere has made it.
    spared : int
        The one process: of the run itself.
    """

    least_s: float = 0.0
    most_s: float = 0.0
    counted: str = field(default="", repr=False)
    hangs: str = field(default="", repr=False)
    company: str = field(default="", repr=False)
    spared: int = 0

    def compile(self, target: Target, simulated: Simulated) -> "SleepingDensity":
        return SleepingDensity(self, target)


class SleepingDensity(ExactDensity):
    def fit(self, simulated: Simulated, settings: Any, seed: int) -> Fit:
        sampler: Sleeping = self._sampler  # type: ignore[assignment]  # made by it
        waiting.count(sampler.counted, seed)
        elsewhere = os.getpid() != sampler.spared
        if elsewhere and sampler.hangs and Path(sampler.hangs).exists():
            ctypes.PyDLL(None).sleep(600)
        if elsewhere and sampler.company:
            Path(sampler.company).touch()
        if sampler.company:
            assert waiting.until(Path(sampler.company).exists)
        time.sleep(sampler.least_s + (seed % 1000) / 1000 * (sampler.most_s - sampler.least_s))
        return super().fit(simulated, settings, seed)


@dataclass(frozen=True)
class Order:
    """What a run is to do.

    Parameters
    ----------
    out : str
    words : sequence of str
        If given, words of the command line, whose sampler ``exact`` is the sleeping one.
    report : bool
        Only write the report of the store that is there.
    seed, replicates, workers, processes
        Of a sweep of `line`.
    gather_s : float
        How long a record waits for others to share its commit.
    sampler : mapping
        Fields of `Sleeping`; where anything hangs, the run itself is spared.
    acknowledged : str
        File to which each key is written once `Store.append` has returned.
    dies_in : tuple of int and float, optional
        The commit in which it kills itself, and how many seconds after that begins.
    error : str
        File for the error that ends it, whose exit code is then its own.
    mark : str
        Variable that is set in the environment of processes that it starts.
    file_size : int
        If given, the system kills it as it writes more bytes than this into one file.
    """

    out: str
    words: tuple[str, ...] = ()
    report: bool = False
    seed: int = 42
    replicates: int = 20
    workers: int = 2
    processes: int | None = None
    gather_s: float = 0.0
    sampler: dict[str, Any] = field(default_factory=dict)
    acknowledged: str = ""
    dies_in: tuple[int, float] | None = None
    error: str = ""
    mark: str = ""
    file_size: int = 0


@cache
def compiled() -> Sweep:
    """Return a sweep whose workshop is done with all that the ordered ones need."""
    sweep = make_sweep(Order("", replicates=1), Sleeping())
    for replicate in sweep.design:
        prepared = sweep.workshop.check(replicate.cell)
        sweep.workshop.prior_draws(prepared)
        recovery.sweep.describe(prepared.problem)
        assert run_replicate(replicate, sweep.workshop).failure is None
    return sweep


def make_sweep(order: Order, sampler: ExactSampler) -> Sweep:
    return Sweep(
        line,
        LEVELS,
        replicates=order.replicates,
        truth="both",
        seed=order.seed,
        sampler=sampler,
        draws=50,
    )


class Whole:
    """Runs that were never interrupted, made in this process, once each.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._workshop = make_sweep(Order(""), Sleeping()).workshop

    def __call__(self, order: Order) -> Results:
        """Return what is to become of an order."""
        out = self._folder / f"{order.seed}-{order.replicates}"
        if not out.exists():
            sweep = make_sweep(order, Sleeping())
            sweep.workshop = self._workshop
            sweep.run(out, workers=1, progress=False, report=False)
        return Results(out)


# --- the side that is killed ---------------------------------------------------------------------


def main() -> None:
    """Follow orders until there are none."""
    describe_once()
    compiled()
    print(json.dumps(threading.active_count()), flush=True)
    for text in sys.stdin:
        fields = json.loads(text)
        if "wait" in fields:
            _, status = os.waitpid(fields["wait"], 0)
            print(os.waitstatus_to_exitcode(status), flush=True)
            continue
        pid = os.fork()
        if pid == 0:
            os.setpgid(0, 0)
            follow(Order(**fields))
        with contextlib.suppress(OSError):  # it may have done so already
            os.setpgid(pid, pid)
        print(pid, flush=True)


def describe_once() -> None:
    """Describing a model takes longer than most of these runs live, and never differs."""
    describe = recovery.sweep.describe
    known: dict[int, Any] = {}

    def once(problem: Any) -> Any:
        if id(problem) not in known:
            known[id(problem)] = problem, describe(problem)
        return known[id(problem)][1]

    recovery.sweep.describe = once


def follow(order: Order) -> NoReturn:
    """Do what is ordered, in a fork, and end with an exit code."""
    code = 1
    try:
        if order.mark:
            os.environ[order.mark] = "1"
        if order.file_size:
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            resource.setrlimit(resource.RLIMIT_FSIZE, (order.file_size, order.file_size))
        code = act(order)
    except KeyboardInterrupt:
        code = recovery.cli.INTERRUPTED
    except RecoveryError as error:
        code = error.exit_code
        said = f"{type(error).__name__}: {error}\n"
        sys.stderr.write(said)
        if order.error:
            Path(order.error).write_text(said)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def act(order: Order) -> int:
    if order.report:
        write_report(Results(order.out))
        return 0
    intake._GATHER_S = order.gather_s  # type: ignore[misc]  # not that final in a test
    if order.acknowledged:
        acknowledge(order.acknowledged, *(order.dies_in or (-1, 0.0)))
    sampler = Sleeping(**order.sampler, spared=os.getpid())
    if order.words:
        offer(sampler)
        return recovery.cli.main(order.words)
    sweep = make_sweep(order, sampler)
    # A density, which costs nothing here, knows its sampler; all else is as if compiled anew.
    sweep.workshop = compiled().workshop
    sweep.workshop._samplers = sweep._samplers
    sweep.workshop._densities.clear()
    sweep.run(
        order.out,
        workers=order.workers,
        processes=order.processes,
        progress=False,
        report=False,
    )
    return 0


def offer(sampler: ExactSampler) -> None:
    """Let the command line know a sampler as ``exact``."""

    def by_name(name: str) -> Any:
        return sampler if name == "exact" else sampler_by_name(name)

    recovery.engine.workshop.sampler_by_name = by_name


def acknowledge(file: str, last: int, after_s: float) -> None:
    """Write each key to a file once the store has acknowledged it, and die in the last commit."""
    fd = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    append = Store.append
    commits = itertools.count(1)

    def die() -> None:
        time.sleep(after_s)
        os.killpg(0, signal.SIGKILL)

    def acknowledged(self: Store, records: Any, **options: Any) -> None:
        if next(commits) == last:
            threading.Thread(target=die).start()
        append(self, records, **options)
        os.write(fd, "".join(f"{record.key}\n" for record in records).encode())

    Store.append = acknowledged


# --- the side that kills -------------------------------------------------------------------------


class Nursery:
    """The process that runs are forked of; a context manager."""

    def __init__(self) -> None:
        code = (
            f"import sys; sys.path.insert(0, {str(TESTS)!r}); from crash.driver import main; main()"
        )
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # A thread of linear algebra would not live on in a fork.
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )
        self.python_threads = self._answer()

    def __enter__(self) -> "Nursery":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=60)

    @contextlib.contextmanager
    def run(self, order: Order) -> Iterator["Run"]:
        """Start a run; it is killed at the end of the block, if it is still there."""
        run = Run(self.ask(asdict(order)), self)
        try:
            yield run
        finally:
            run.kill()
            run.wait()

    def ask(self, fields: dict[str, Any]) -> int:
        assert self._process.stdin is not None
        print(json.dumps(fields), file=self._process.stdin, flush=True)
        return self._answer()

    def _answer(self) -> int:
        assert self._process.stdout is not None
        text = self._process.stdout.readline()
        assert text, "the process that runs are forked of has ended; see its standard error"
        return int(json.loads(text))


class Run:
    """A run that is under way."""

    def __init__(self, pid: int, nursery: Nursery) -> None:
        self.pid = pid
        self._nursery = nursery
        self._code: int | None = None

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal to it and all that it has started."""
        if self._code is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, number)

    def kill_alone(self) -> None:
        """Kill it, and nothing that it has started."""
        os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> int:
        """Wait for its end; return its exit code, or minus the number of the signal."""
        if self._code is None:
            self._code = self._nursery.ask({"wait": self.pid})
        return self._code
