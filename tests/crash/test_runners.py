"""Several runners of one store: one works, the others are told; a dead one blocks nobody."""

import os
import re
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from crash.driver import Nursery, Order, Whole
from crash.stores import acknowledged_keys, findings, same, stored_keys
from crash.waiting import counted, marked, until

from recovery import Results

ORPHANS_S = 10.0
FITS = 4 * 20


def order(tmp_path: Path, seconds: float = 0.0, name: str = "0") -> Order:
    sampler = {"least_s": seconds, "most_s": seconds, "counted": str(tmp_path / f"counted-{name}")}
    return Order(
        out=str(tmp_path / "run"),
        replicates=20,
        sampler=sampler,
        acknowledged=str(tmp_path / f"acknowledged-{name}"),
        error=str(tmp_path / f"error-{name}"),
        mark=f"RECOVERY_TEST_{os.getpid()}_{time.monotonic_ns()}",
    )


def test_the_second_runner_of_a_store_is_told_who_holds_it_and_exits_2(
    tmp_path: Path, nursery: Nursery, whole: Whole
) -> None:
    first, second = order(tmp_path, 0.05, "first"), order(tmp_path, 0.0, "second")
    with nursery.run(first) as holder:
        assert until(lambda: bool(acknowledged_keys(Path(first.acknowledged))))
        with nursery.run(second) as refused:
            assert refused.wait() == 2
        told = Path(second.error).read_text()
        assert re.fullmatch(
            rf"StoreBusy: {re.escape(first.out)}: process {holder.pid} on \S+ is writing this "
            "store; wait for it to end, or use another --out\n",
            told,
        )
        assert holder.wait() == 0
    assert counted(tmp_path / "counted-second") == []
    same(Results(first.out), whole(first))


def test_of_four_runners_started_at_once_exactly_one_works(
    tmp_path: Path, nursery: Nursery, whole: Whole
) -> None:
    orders = [order(tmp_path, 0.02, name) for name in "abcd"]
    with ExitStack() as stack:
        runs = [stack.enter_context(nursery.run(each)) for each in orders]
        codes = [run.wait() for run in runs]
    assert sorted(codes) == [0, 2, 2, 2]
    fits = [len(counted(tmp_path / f"counted-{name}")) for name in "abcd"]
    assert sorted(fits) == [0, 0, 0, FITS]
    assert findings(tmp_path / "run") == []
    same(Results(tmp_path / "run"), whole(orders[0]))


def test_the_next_runner_goes_on_where_a_killed_one_was_and_each_key_has_one_row(
    tmp_path: Path, nursery: Nursery, whole: Whole
) -> None:
    killed, next_one = order(tmp_path, 0.02, "killed"), order(tmp_path, 0.0, "next")
    with nursery.run(killed) as holder:
        assert until(lambda: len(acknowledged_keys(Path(killed.acknowledged))) > 10)
        holder.kill()
        holder.wait()
    before = stored_keys(tmp_path / "run")
    with nursery.run(next_one) as run:
        assert run.wait() == 0
    after = Counter(stored_keys(tmp_path / "run"))
    assert set(after.values()) == {1}
    assert len(after) == FITS
    # What was there has not been fitted again.
    assert len(counted(tmp_path / "counted-next")) == FITS - len(before)
    same(Results(tmp_path / "run"), whole(killed))


def test_a_complete_run_fits_nothing(tmp_path: Path, nursery: Nursery) -> None:
    for name, fits in (("first", FITS), ("second", 0), ("third", 0)):
        with nursery.run(order(tmp_path, name=name)) as run:
            assert run.wait() == 0
        assert len(counted(tmp_path / f"counted-{name}")) == fits


@pytest.mark.parametrize(
    ("threads", "hangs"), [(True, False), (False, True)], ids=["sleeping", "hanging in C"]
)
def test_no_worker_outlives_a_killed_runner_and_the_next_one_is_unaffected(
    tmp_path: Path, nursery: Nursery, whole: Whole, threads: bool, hangs: bool
) -> None:
    what = order(tmp_path, 0.2)
    flag = tmp_path / "hangs"
    flag.touch()
    what.sampler.update(threads=threads, hangs=str(flag) if hangs else "")
    if threads:
        # Or the fits of the runner would be done before another process has begun.
        what.sampler["company"] = str(tmp_path / "company")
    with nursery.run(replace(what, processes=2)) as run:
        others = 1 if threads else 2

        def at_work() -> bool:
            pids = {pid for pid, _ in counted(tmp_path / "counted-0")} - {run.pid}
            return len(pids) == others

        assert until(at_work)
        assert len(marked(what.mark)) == others
        run.kill_alone()
        run.wait()
    assert until(lambda: not marked(what.mark), ORPHANS_S), "a worker outlived its runner"
    flag.unlink()
    with nursery.run(replace(what, sampler={})) as run:
        assert run.wait() == 0
    assert findings(tmp_path / "run") == []
    same(Results(tmp_path / "run"), whole(what))
