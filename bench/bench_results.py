"""Large stores read: all measures, the report, and what `recovery status` takes.

Run with ``pytest --benchmark-enable bench/bench_results.py``. A million replicates are written and
read only with ``RECOVERY_BENCH_MILLION=1``; they take 11 GB of disk, which are given back. To use
a store made before (``python bench/big_store.py FOLDER 1000000``), give its folder instead of 1.
``peak_mb`` in ``extra_info`` is the peak resident memory of a process that does this and no more.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from recovery.results import Results

SIZES = [1_000, 10_000, 100_000, 1_000_000]
SUMMARISE = "import sys; from recovery.results import Results; Results(sys.argv[1]).measures()"
COMMAND = "import sys; from recovery.cli import main; main(sys.argv[1:])"


@pytest.mark.parametrize("replicates", SIZES)
def test_summarise(
    benchmark: BenchmarkFixture,
    store_of: Callable[[int], Path],
    in_child: Callable[..., float],
    replicates: int,
) -> None:
    folder = store_of(replicates)
    benchmark.group = f"all measures of {replicates:,} replicates"
    measures = benchmark.pedantic(lambda: Results(folder).measures(), rounds=3)
    assert measures["n"].max() <= -(-replicates // 8)
    benchmark.extra_info["peak_mb"] = in_child(SUMMARISE, folder)


@pytest.mark.parametrize("replicates", [SIZES[0], *SIZES[2:]])
@pytest.mark.parametrize("command", ["report", "status"])
def test_command(
    benchmark: BenchmarkFixture,
    store_of: Callable[[int], Path],
    in_child: Callable[..., float],
    command: str,
    replicates: int,
) -> None:
    folder = store_of(replicates)
    benchmark.group = f"recovery {command}, {replicates:,} replicates"
    rounds = 1 if command == "report" else 3
    peak_mb = benchmark.pedantic(in_child, args=(COMMAND, command, folder), rounds=rounds)
    benchmark.extra_info["peak_mb"] = peak_mb
