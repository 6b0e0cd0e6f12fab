"""How many threads one interpreter feeds: the closed queue, against formulas and simulation."""

import heapq

import numpy as np
import pytest

from recovery.execution.balance import Layout, efficiency, layout_for, pays


def simulated(share: float, threads: int, fits: int = 100_000) -> float:
    """Throughput of threads that sample, queue for the interpreter and hold it; by brute force."""
    rng = np.random.default_rng(3)
    samples = rng.exponential(1 - share, size=fits)
    holds = rng.exponential(share, size=fits)
    ready = [float(rng.exponential(1 - share)) for _ in range(threads)]
    heapq.heapify(ready)
    free = 0.0
    for sample, hold in zip(samples, holds, strict=True):
        free = max(free, heapq.heappop(ready)) + hold
        heapq.heappush(ready, free + sample)
    return fits / free / threads


@pytest.mark.parametrize(("share", "threads"), [(0.05, 8), (0.05, 30), (0.2, 4), (0.5, 3)])
def test_throughput_is_that_of_a_simulated_queue(share: float, threads: int) -> None:
    # 100,000 fits: the standard error is below 0.5 %; 2 % is at least four of them.
    assert efficiency(share, threads) == pytest.approx(simulated(share, threads), rel=0.02)


def test_throughput_in_closed_form() -> None:
    assert efficiency(0.3, 1) == 1
    assert efficiency(0.3, 2) == pytest.approx(1 / (1 + 0.3**2))
    assert efficiency(1.0, 7) == pytest.approx(1 / 7)
    assert efficiency(0.0, 50) == pytest.approx(1)
    # With very many threads the interpreter is never idle.
    assert 400 * efficiency(0.05, 400) == pytest.approx(1 / 0.05)


def test_a_costly_fit_gets_a_process_of_its_own_and_a_cheap_one_shares() -> None:
    assert layout_for(1.0, 4) == Layout(4, 1)
    assert layout_for(0.04, 2) == Layout(1, 2)
    assert layout_for(0.04, 64).threads in range(10, 17)
    assert layout_for(0.5, 1) == Layout(1, 1)


@pytest.mark.parametrize("workers", [1, 2, 3, 7, 16, 64, 100])
@pytest.mark.parametrize("share", [0.001, 0.03, 0.2, 0.9])
def test_every_worker_has_a_place_and_none_waits_too_long(share: float, workers: int) -> None:
    layout = layout_for(share, workers)
    assert workers <= layout.processes * layout.threads < workers + layout.processes
    assert layout.threads == 1 or efficiency(share, layout.threads) >= 0.95


def test_more_processes_pay_only_where_enough_is_left() -> None:
    layout = layout_for(0.5, 4)
    assert pays(layout, 0.5, 4, left_s=1000, start_s=15)
    assert not pays(layout, 0.5, 4, left_s=5, start_s=15)
    assert not pays(Layout(1, 4), 0.01, 4, left_s=1e6, start_s=15)
