"""Kill -9 at any moment: what was acknowledged is there, and the same run goes on to the same end.

A kill of the process leaves what the system has taken over; the end of the machine does not. That
each commit waits for the disk is tested in test_store.py.
"""

import random
import signal
import subprocess
import sys
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
IN_COMMIT = 0.5  # share of runs that are killed in one of their first commits
AT_ONCE = 0.15  # share of the others that are killed within a millisecond of their fork
LATEST_S = 0.25
COMMIT_S = 0.006  # about what a commit takes


WRITE_AHEAD = 2


def journal(out: Path) -> int:
    """Return what the header of a store's file says of its journal."""
    return (out / "results.sqlite").read_bytes()[18]


def moment(numbers: random.Random, most: int) -> tuple[float, tuple[int, float] | None]:
    """Return seconds from the fork to a kill, or a commit, one of so many, and where in that."""
    if numbers.random() < IN_COMMIT:
        return 0.0, (numbers.randint(1, most), COMMIT_S * numbers.random())
    return (0.001 if numbers.random() < AT_ONCE else LATEST_S) * numbers.random(), None


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
        wait, dies_in = moment(numbers, most=2 if order.gather_s else 6)
        with nursery.run(replace(order, dies_in=dies_in)) as run:
            if dies_in is None:
                time.sleep(wait)
                run.kill()
            code = run.wait()
        acknowledged = acknowledged_keys(file)
        told = f"seed {order.seed}, kill {kill} after {wait:.4f} s or in {dies_in}"
        assert code == -signal.SIGKILL, told
        assert findings(out) == [], told
        stored = stored_keys(out) if acknowledged else []
        assert set(acknowledged) <= set(stored), told
        assert len(set(stored)) == len(stored), told
        # Kills of a process seldom hit a file that is half written; this journal makes up for it.
        assert not acknowledged or journal(out) == WRITE_AHEAD, told
        survived.add(len(stored))
    print(f"seed {order.seed}: {KILLS} kills, {len(acknowledged)} acknowledged, 0 lost")
    assert len(survived) > KILLS / 4
    with nursery.run(replace(order, sampler={}, workers=2)) as run:
        assert run.wait() == 0
    same(Results(out), whole(order))
    # What was committed as the kill came is stored and not acknowledged; nothing is so twice.
    all_of_them = acknowledged_keys(file)
    assert len(set(all_of_them)) == len(all_of_them) <= len(stored_keys(out)) == 4 * REPLICATES


BEGUN = """
import os, signal, sqlite3, sys
raw = sqlite3.connect(sys.argv[1], isolation_level=None)
raw.execute("PRAGMA cache_size = 2")
raw.execute("BEGIN IMMEDIATE")
raw.execute("UPDATE posteriors SET kept_draws = zeroblob(length(kept_draws))")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_store_killed_outside_its_write_ahead_log_is_read_as_it_was(
    tmp_path: Path, nursery: Nursery, whole: Whole
) -> None:
    order = Order(out=str(tmp_path / "run"))
    with nursery.run(order) as run:
        assert run.wait() == 0
    # A runner is outside of it while it opens or closes a store.
    file = tmp_path / "run" / "results.sqlite"
    killed = subprocess.run([sys.executable, "-c", BEGUN, str(file)], timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert file.with_name("results.sqlite-journal").exists()
    same(Results(order.out), whole(order))
