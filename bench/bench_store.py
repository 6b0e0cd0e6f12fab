"""The store: appending, finding out what is done, and bytes per replicate.

Run with ``pytest --benchmark-enable bench/bench_store.py``. Every append is a commit that survives
the end of the machine, so most of a small one is the disk's time.
"""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from recovery.store import Store


@pytest.mark.parametrize(("size", "rounds"), [(1, 200), (10, 100), (100, 30)])
def test_append(benchmark: BenchmarkFixture, tmp_path: Path, size: int, rounds: int) -> None:
    from big_store import batches, begin

    store, maker = begin(tmp_path, size * rounds)
    records = batches(maker, len(maker.cells) + size * rounds, size)
    benchmark.group = "append records of four parameters, one commit"
    benchmark.extra_info["records"] = size
    benchmark.pedantic(store.append, setup=lambda: ((next(records),), {}), rounds=rounds)
    store.close()
    file = (tmp_path / "results.sqlite").stat().st_size
    benchmark.extra_info["bytes_per_replicate"] = file / (len(maker.cells) + size * rounds)


@pytest.mark.parametrize("replicates", [1_000, 100_000])
def test_resume_scan(
    benchmark: BenchmarkFixture, store_of: Callable[[int], Path], replicates: int
) -> None:
    folder = store_of(replicates)
    benchmark.group = f"which of {replicates:,} replicates are done"
    benchmark.extra_info["bytes_per_replicate"] = (
        folder / "results.sqlite"
    ).stat().st_size / replicates
    with closing(Store.read(folder)) as store:
        done = benchmark.pedantic(store.done, rounds=5)
    assert sum(map(len, done.values())) == replicates
