"""Kill -9 at any moment: what was acknowledged is there, and the same run goes on to the same end.

A kill of the process leaves what the system has taken over; the end of the machine does not. That
each commit waits for the disk is tested in test_store.py.
"""

import random
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
from crash.driver import Nursery, Order, Whole
from crash.stores import acknowledged_keys, findings, same, stored_keys

from recovery import Results

RUNS = 5
KILLS = 40  # of each run
REPLICATES = 100
SEED = 20261125
AT_ONCE = 0.15  # share of runs that are killed within a millisecond of their fork
LATEST_S = 0.25


def moment(numbers: random.Random) -> float:
    """Return seconds from the fork to the kill."""
    return (0.001 if numbers.random() < AT_ONCE else LATEST_S) * numbers.random()


@pytest.mark.parametrize("number", range(RUNS))
def test_acknowledged_replicates_survive_40_kills_and_the_run_ends_as_if_never_killed(
    tmp_path: Path, nursery: Nursery, whole: Whole, number: int
) -> None:
    order = Order(
        out=str(tmp_path / "run"),
        seed=SEED + number,
        replicates=REPLICATES,
        workers=1 + number % 3,
        gather_s=0.2 if number % 2 else 0.0,
        sampler={"least_s": 0.002, "most_s": 0.02},  # seconds of a fit
        acknowledged=str(tmp_path / "acknowledged"),
    )
    out, file = Path(order.out), Path(order.acknowledged)
    numbers = random.Random(order.seed)
    survived = set()
    for kill in range(KILLS):
        wait = moment(numbers)
        with nursery.run(order) as run:
            time.sleep(wait)
            run.kill()
            code = run.wait()
        acknowledged = acknowledged_keys(file)
        told = f"seed {order.seed}, kill {kill} after {wait:.4f} s, {len(acknowledged)} kept"
        assert code == -signal.SIGKILL, told
        assert findings(out) == [], told
        stored = stored_keys(out) if acknowledged else []
        assert set(acknowledged) <= set(stored), told
        assert len(set(stored)) == len(stored), told
        survived.add(len(stored))
    print(f"seed {order.seed}: {KILLS} kills, {len(acknowledged)} acknowledged, 0 lost")
    assert len(survived) > KILLS / 4, "too few kills met a run at work"
    with nursery.run(replace(order, sampler={}, workers=2)) as run:
        assert run.wait() == 0
    same(Results(out), whole(order))
    # What was committed as the kill came is stored and not acknowledged; nothing is so twice.
    all_of_them = acknowledged_keys(file)
    assert len(set(all_of_them)) == len(all_of_them) <= len(stored_keys(out)) == 4 * REPLICATES
