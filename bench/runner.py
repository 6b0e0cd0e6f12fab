"""How many cores one runner keeps busy: the real runner, with fits that only sleep.

Everything on the runner's side is real: planning, a feeder for each worker, receiving, commits.
The workers are threads of one other process that wait as long as a fit takes and answer with a
record of the exact sampler, so that a machine of two cores can stand for hundreds.

    python bench/runner.py                      # how many records a second, and what that means
    python bench/runner.py --fit 0.05 --workers 16,64,128
"""

import argparse
import dataclasses
import multiprocessing
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from recovery.design import Replicate
from recovery.record import Record, Stage


def stand_in(connections: Sequence["Connection[Any, Any]"], template: Record, fit_s: float) -> None:
    """Answer each connection with records that took so long; the main function of the process."""

    def work(connection: "Connection[Any, Any]") -> None:
        while True:
            try:
                key, seed, index = connection.recv()
            except EOFError:
                return
            for stage in Stage:
                connection.send(stage)
            time.sleep(fit_s)
            connection.send(dataclasses.replace(template, key=key, seed=seed, index=index))

    threads = [threading.Thread(target=work, args=(one,), daemon=True) for one in connections]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class StandIn:
    """What `recovery.execution.interpreter.Interpreter` is, with a fit that sleeps."""

    free: list["Connection[Any, Any]"]

    def __init__(self, *_: Any, **__: Any) -> None:
        self._connection = self.free.pop()
        self.alive = True

    def send(self, replicate: Replicate) -> None:
        self._connection.send((replicate.key, replicate.seed, replicate.index))

    def receive(self, within_s: float | None = None) -> Any:
        self._connection.poll(within_s)
        return self._connection.recv()

    def kill(self) -> None:
        self.alive = False

    end = kill


def measured(workers: int, fit_s: float, replicates: int) -> tuple[float, float]:
    """Return records per second, and the runner's CPU seconds per record."""
    from recovery import Sweep
    from recovery.engine.replicate import run_replicate
    from recovery.execution import seat
    from recovery.testing import ExactSampler, line

    sweep = Sweep(line, sampler=ExactSampler(threads=False), draws=100, replicates=replicates)
    template = run_replicate(Replicate(sweep.design.cells[0], 42, 0), sweep.workshop)
    template = dataclasses.replace(template, compilations=())
    context = multiprocessing.get_context("spawn")
    pipes = [context.Pipe() for _ in range(workers)]
    theirs = [there for _, there in pipes]
    process = context.Process(target=stand_in, args=(theirs, template, fit_s), daemon=True)
    process.start()
    for there in theirs:
        there.close()
    StandIn.free = [here for here, _ in pipes]
    seat.Interpreter = StandIn  # type: ignore[misc, assignment]  # this is what is stood in for
    out = Path(tempfile.mkdtemp())
    try:
        before = os.times()
        results = sweep.run(out, workers=workers, progress=False, report=False)
        after = os.times()
        cpu_s = after.user + after.system - before.user - before.system
        execution = results.sessions[-1]["execution"]
        return execution["fits"] / execution["fitting_s"], cpu_s / replicates
    finally:
        for here, _ in pipes:
            here.close()
        process.terminate()
        process.join()
        shutil.rmtree(out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fit", type=float, default=0.05, help="seconds of a fit (%(default)s)")
    parser.add_argument("--workers", default="16,64,128", help="numbers to try (%(default)s)")
    parser.add_argument("--most", type=int, default=4000, help="records per try (%(default)s)")
    options = parser.parse_args()
    rate, cpu_s = measured(32, 0.0, options.most)
    print(f"fits of no length, 32 workers: {rate:.0f} records/s, {1000 * cpu_s:.2f} ms of CPU each")
    for fit_s, words in ((0.05, "50 ms"), (1.0, "1 s"), (60.0, "1 min")):
        print(f"  so for fits of {words}: {rate * fit_s:,.0f} cores at most")
    print("workers  fit, s  records/s  share of what the workers could do")
    for workers in map(int, options.workers.split(",")):
        count = min(options.most, max(20 * workers, int(5 * workers / options.fit)))
        rate, _ = measured(workers, options.fit, count)
        print(f"{workers:7d} {options.fit:7g} {rate:10.0f} {rate * options.fit / workers:8.2f}")


if __name__ == "__main__":
    main()
