"""Fitting many replicates on one machine: in threads where a sampler allows, else in processes."""

import os
import signal
import threading
import uuid
from collections.abc import Iterable, Iterator, Mapping

from joblib import Parallel, delayed
from joblib.externals.loky.process_executor import BrokenProcessPool
from threadpoolctl import threadpool_limits

from recovery.design import Replicate
from recovery.engine.replicate import run_replicate
from recovery.engine.samplers import Sampler
from recovery.engine.workshop import Workshop
from recovery.errors import WorkerDied
from recovery.record import Record
from recovery.scenario import Scenario


def default_workers() -> int:
    """Return the number of cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def in_threads(
    replicates: Iterable[Replicate], workshop: Workshop, workers: int, stop: threading.Event
) -> Iterator[Record]:
    """Run replicates in threads, one core each, and yield their records as they end.

    Parameters
    ----------
    replicates : iterable of Replicate
    workshop : Workshop
        Its compiled functions are shared by the threads.
    workers : int
    stop : threading.Event
        Once set, nothing more is begun; what runs is finished and yielded.
    """

    def task(replicate: Replicate) -> Record | None:
        return None if stop.is_set() else run_replicate(replicate, workshop)

    # Linear algebra inside a fit would otherwise start threads of its own beside the others'.
    with threadpool_limits(limits=1):
        parallel = Parallel(
            n_jobs=workers,
            backend="threading",
            return_as="generator_unordered",
            batch_size=1,
            pre_dispatch="2*n_jobs",
        )
        for record in parallel(delayed(task)(replicate) for replicate in replicates):
            if record is not None:
                yield record


def in_processes(
    replicates: Iterable[Replicate],
    scenario: Scenario,
    samplers: Mapping[str, Sampler],
    workers: int,
    stop: threading.Event,
) -> Iterator[Record]:
    """Run replicates in processes, each with a workshop of its own; otherwise as `in_threads`.

    Raises
    ------
    WorkerDied
        If a process was killed; what was yielded before is safe.
    """
    token = uuid.uuid4().hex

    def remaining() -> Iterator[Replicate]:
        for replicate in replicates:
            if stop.is_set():
                return
            yield replicate

    parallel = Parallel(
        n_jobs=workers,
        backend="loky",
        return_as="generator_unordered",
        batch_size=1,
        pre_dispatch="n_jobs",
        inner_max_num_threads=1,
    )
    try:
        yield from parallel(
            delayed(_in_worker)(token, os.getpid(), scenario, samplers, replicate)
            for replicate in remaining()
        )
    except BrokenProcessPool as error:
        if stop.is_set():
            return  # an interrupt that met the processes while they were starting
        raise WorkerDied(
            "a worker process was killed (out of memory, or a crash in compiled code); what was "
            "done is kept; run the same command again to go on, perhaps with fewer --workers"
        ) from error


_WORKSHOPS: dict[str, Workshop] = {}


def _in_worker(
    token: str,
    runner: int,
    scenario: Scenario,
    samplers: Mapping[str, Sampler],
    replicate: Replicate,
) -> Record:
    if token not in _WORKSHOPS:
        # Ctrl-C reaches the whole process group; only the runner decides what it means. With one
        # worker this is the runner itself.
        if os.getpid() != runner:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        _WORKSHOPS.clear()
        _WORKSHOPS[token] = Workshop(scenario, samplers)
    return run_replicate(replicate, _WORKSHOPS[token])
