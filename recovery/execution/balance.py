"""How many threads one interpreter can feed, from what a fit costs it.

Only one thread at a time runs Python; a sampler such as nutpie's leaves the interpreter to the
others while it samples. A process of T threads is thus a queue with T customers: each samples for
a while, then waits for the interpreter and keeps it for a while. Mean value analysis of this closed
queue (Reiser & Lavenberg 1980, doi:10.1145/322186.322195) gives its throughput. Its service times
are exponential, more uneven than those of fits, so it errs towards fewer threads.
"""

import math
from dataclasses import dataclass

MOST_LOST = 0.05
"""Share of throughput that may be lost to waiting for the interpreter."""


@dataclass(frozen=True, slots=True)
class Layout:
    """So many processes, the runner's own included, of so many threads each at most."""

    processes: int
    threads: int


def efficiency(share: float, threads: int) -> float:
    """Return the throughput of threads in one process, over that of as many processes.

    Parameters
    ----------
    share : float
        Share of a fit's time that it needs the interpreter for.
    threads : int
    """
    waiting = 0.0
    rate = 1.0
    for n in range(1, threads + 1):
        served_in = share * (1 + waiting)
        rate = n / (1 - share + served_in)
        waiting = rate * served_in
    return rate / threads


def layout_for(share: float, workers: int) -> Layout:
    """Return the fewest processes that lose no more than `MOST_LOST`, for so many workers."""
    threads = max(
        n for n in range(1, workers + 1) if n == 1 or 1 - efficiency(share, n) < MOST_LOST
    )
    return spread(workers, math.ceil(workers / threads))


def spread(workers: int, processes: int) -> Layout:
    """Return workers spread evenly over processes, of which none is left without one."""
    processes = max(1, min(workers, processes))
    return Layout(processes, math.ceil(workers / processes))


def pays(layout: Layout, share: float, workers: int, left_s: float, start_s: float) -> bool:
    """Say whether more processes save more than they cost to start.

    Parameters
    ----------
    left_s : float
        Seconds of fitting left, were no one to wait for the interpreter.
    start_s : float
        Seconds until another process is ready: imports and compilation.
    """
    alone = left_s / efficiency(share, workers)
    spread = left_s / efficiency(share, layout.threads)
    return layout.processes > 1 and alone - spread > start_s
